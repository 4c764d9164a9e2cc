"""ILLUM: the slices of an IFU against each other, from one lamp flat (manual 6.4)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.reduction.rows.image_rows import ImageRows
from musedeep.reduction.rows.slice_map import in_threads

ILLUM_RANGE: Final = 6500.0, 7500.0
"""Wavelengths of the lamp flat by which slices are compared, Angstrom (found by experiments on the reference)."""


def illumination_factors(table: ImageRows) -> NDArray[np.float64]:
    """Factors by which the slices of an IFU are multiplied: the inverse of their medians, of mean 1.

    Parameters
    ----------
    table : ImageRows
        Of the lamp flat, between the wavelengths `ILLUM_RANGE`.

    Returns
    -------
    float64 (slices,), NaN for slices without light

    Raises
    ------
    MusedeepError
        No slice has light.
    """
    n = table.starts.size - 1
    inverse = np.full(n, np.nan)

    def measure(k: int) -> None:
        rows = table.read(table.starts[None, k : k + 2], ("data", "dq"))
        values = rows["data"][rows["dq"] == 0]
        middle = float(np.median(values)) if values.size else 0.0
        if middle > 0:
            inverse[k] = 1.0 / middle

    in_threads(measure, n)
    if not np.isfinite(inverse).any():
        raise MusedeepError(f"{table.path}: no light in the ILLUM; give one with the lamp on, or none")
    return np.asarray(inverse / np.nanmean(inverse))
