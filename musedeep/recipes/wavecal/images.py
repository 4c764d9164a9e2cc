"""Images for a look at wavelength solutions: the wavelength of every pixel, arcs resampled in wavelength."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.instrument import DISPERSION
from musedeep.recipes.run_ifus import RecipeCall, Written, product_name
from musedeep.recipes.wavecal.slices import ArcImage, SliceResult
from musedeep.storage.calibrations.trace_table import TraceTable
from musedeep.storage.fits.hdus import write_hdus
from musedeep.storage.fits.header_cards import add

GAP: Final = 6
"""Empty columns between slices of a resampled image."""


def slice_columns(trace: TraceTable, number: int, n_rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last column (from 1) whose middle lies in a slice (from 1), row by row."""
    edges = trace.at(np.arange(1.0, n_rows + 1))[number - 1, 1:]
    return np.ceil(edges[0]).astype(np.int64), np.floor(edges[1]).astype(np.int64)


def wave_map(shape: tuple[int, ...], results: Sequence[SliceResult], trace: TraceTable) -> NDArray[np.float32]:
    """Wavelength of every pixel inside a slice, 0 elsewhere; float32 (rows, columns), Angstrom."""
    out = np.zeros(shape, np.float32)
    for result in results:
        if result.solution is None:
            continue
        first, last = slice_columns(trace, result.number, shape[0])
        low, high = max(int(first.min()), 1), min(int(last.max()), shape[1])
        x = np.arange(low, high + 1, dtype=np.float64)
        y = np.arange(1.0, shape[0] + 1)
        waves = np.polynomial.polynomial.polygrid2d(x, y, result.solution.coefficients).T
        inside = (x >= first[:, None]) & (x <= last[:, None])
        out[:, low - 1 : high][inside] = waves[inside]
    return out


def resampled(image: ArcImage, results: Sequence[SliceResult], trace: TraceTable) -> tuple[NDArray[np.float32], float]:
    """Slices side by side on one grid of wavelengths, straightened; flux is kept, flagged pixels are 0.

    Returns
    -------
    float32 (wavelengths, columns), and the first wavelength [Angstrom]; steps of `DISPERSION`
    """
    n_rows = image.data.shape[0]
    solved = [(r, *slice_columns(trace, r.number, n_rows)) for r in results if r.solution is not None]
    inner = max(int((last - first).max()) + 1 for _, first, last in solved)
    width = inner + GAP
    rows, y = np.arange(n_rows), np.arange(1.0, n_rows + 1)
    ends = [
        r.solution.at(first[[0, -1]].astype(np.float64), y[[0, -1]]) for r, first, _ in solved if r.solution is not None
    ]
    start, stop = min(a for a, _ in ends), max(b for _, b in ends)
    grid = start + DISPERSION * (np.arange(int((stop - start) / DISPERSION) + 2) - 0.5)
    out = np.zeros((grid.size - 1, width * len(results)), np.float32)
    for result, first, last in solved:
        assert result.solution is not None
        for k in range(inner):
            # the same place in the slice in every row
            x = first + k
            inside = (x <= last) & (x >= 1) & (x <= image.data.shape[1])
            column = np.where(inside, x - 1, 0)
            good = inside & (image.dq[rows, column] == 0)
            sums = np.concatenate([[0.0], np.cumsum(np.where(good, image.data[rows, column], 0.0))])
            waves = result.solution.at(x.astype(np.float64), y)
            half = 0.5 * np.diff(waves)
            edges = np.concatenate([[waves[0] - half[0]], waves[:-1] + half, [waves[-1] + half[-1]]])
            out[:, (result.number - 1) * width + k] = np.diff(np.interp(grid, edges, sums))
    return out, float(start)


def write_resampled(
    header: fits.Header, image: ArcImage, results: Sequence[SliceResult], trace: TraceTable, call: RecipeCall, ifu: int
) -> Written:
    """Write ARC_RESAMPLED."""
    data, start = resampled(image, results, trace)
    add(
        header,
        ("CRPIX1", 1.0), ("CRPIX2", 1.0), ("CRVAL1", 1.0), ("CRVAL2", start), ("CD1_1", 1.0), ("CD2_2", DISPERSION),
        ("CD1_2", 0.0), ("CD2_1", 0.0), ("CTYPE1", "PIXEL"), ("CTYPE2", "AWAV"), ("CUNIT1", "pixel"),
        ("CUNIT2", "Angstrom"), ("BUNIT", "count"),
    )  # fmt: skip
    return _written(call, "ARC_RESAMPLED_0001", ifu, header, data)


def write_wave_map(
    header: fits.Header,
    shape: tuple[int, ...],
    results: Sequence[SliceResult],
    trace: TraceTable,
    call: RecipeCall,
    ifu: int,
) -> Written:
    """Write WAVE_MAP."""
    add(header, ("BUNIT", "Angstrom"))
    return _written(call, "WAVE_MAP_0001", ifu, header, wave_map(shape, results, trace))


def _written(call: RecipeCall, category: str, ifu: int, header: fits.Header, data: NDArray[np.float32]) -> Written:
    """Write an image into the primary HDU."""
    path = call.output / product_name(category, ifu)
    write_hdus(path, fits.HDUList([fits.PrimaryHDU(data, header)]), call.overwrite)
    return [(category, path)]
