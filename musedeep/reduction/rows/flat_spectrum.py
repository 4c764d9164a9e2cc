"""The spectrum of the lamp flat, by which pixels are divided."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.slices.slice_pixels import slice_limits, slice_spectrum
from musedeep.processors import available_processors
from musedeep.reduction.image.combine import THREADS
from musedeep.reduction.rows.slice_map import SliceMap
from musedeep.storage.fits.image import ImageFile
from musedeep.workspace import Workspace

FLAT_ROWS: Final = 512
"""Rows of a flat that are looked at at a time."""


def flat_spectrum(flat: ImageFile, where: SliceMap, step: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wavelength [Angstrom] and mean of a flat in bins of `step`, float64 (bins,); NaN in bins without pixels."""
    slices = range(where.edges.shape[0])
    n_rows, n_columns = flat.shape
    workspace = Workspace()
    with ThreadPoolExecutor(min(available_processors(), THREADS)) as pool:
        ends = list(pool.map(lambda k: slice_limits(where.edges[k], where.wavelength[k], n_columns), slices))
        start, stop = min(low for low, _ in ends), max(high for _, high in ends)
        if not start <= stop:
            return np.empty(0), np.empty(0)
        bins = int((stop - start) / step) + 2

        sums = np.zeros((len(slices), 2, bins))
        for first in range(0, n_rows, FLAT_ROWS):
            data, dq = (flat.rows(n, first, min(first + FLAT_ROWS, n_rows), workspace) for n in ("DATA", "DQ"))

            def add(k: int, first: int = first, data: NDArray = data, dq: NDArray = dq) -> None:
                slice_spectrum(where.edges[k], where.wavelength[k], data, dq, first, start, step, sums[k])

            list(pool.map(add, slices))
    total = sums.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return start + step * np.arange(bins), total[1] / total[0]
