"""Arc lines that line-spread functions are measured on: which of a lamp are used, how far their windows reach."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.storage.calibrations.line_catalog import LineCatalog

RANGES: Final = {"N": (4750.0, 9350.0), "E": (4600.0, 9350.0)}
"""Wavelengths of the lines that are used, by the last letter of the mode, Angstrom (found on the reference)."""

ISOLATION: Final = 9.1
"""A line is left out if one of the same lamp is nearer than this and not fainter, Angstrom (found on the reference)."""

LIGHT: Final = 5e-4
"""A window ends where a neighbour gives more than this, per Angstrom, of the flux of the line."""

NEIGHBOUR_SIGMA: Final = 1.3
NEIGHBOUR_WING: Final = 0.5
"""Gaussian that a neighbour is taken for there, and the further reach of its wings, Angstrom."""

SMALLEST: Final = 3.0
"""Windows end no nearer to the line, else it is left out, Angstrom."""


@dataclass(frozen=True)
class LampLines:
    """Lines of a lamp.

    Attributes
    ----------
    wavelengths : float64 (n,), sorted, Angstrom in air
    low, high : float64 (n,), windows relative to them, Angstrom
    """

    wavelengths: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def lamp_lines(catalog: LineCatalog, lamp: str, mode: str, quality: int, reach: float) -> LampLines:
    """The lines of a lamp that can be used.

    Parameters
    ----------
    lamp : Ne, Xe or HgCd
    mode : of the instrument (ESO INS MODE)
    quality : lowest quality
    reach : half size of windows, Angstrom

    Returns
    -------
    LampLines : may be empty
    """
    low, high = RANGES["E" if mode.endswith("-E") else "N"]
    at = catalog.of_lamp(lamp)
    every, fluxes = catalog.wavelengths[at], catalog.fluxes[at]
    used = (catalog.qualities[at] >= quality) & (every >= low) & (every <= high)
    found: list[tuple[float, float, float]] = []
    for line, flux in zip(every[used], fluxes[used], strict=True):
        away = every - line
        others = (away != 0) & (np.abs(away) < 2 * reach + NEIGHBOUR_WING)
        if ((np.abs(away) < ISOLATION) & others & (fluxes >= flux)).any():
            continue
        left, right = -reach, reach
        for distance, other in zip(away[others], fluxes[others], strict=True):
            end = abs(distance) - _spread(other / flux if flux > 0 else 1.0)
            if distance > 0:
                right = min(right, end)
            else:
                left = max(left, -end)
        if right >= SMALLEST and left <= -SMALLEST:
            found.append((line, left, right))
    table = np.array(found, np.float64).reshape(-1, 3)
    return LampLines(*(np.ascontiguousarray(table[:, i]) for i in range(3)))


def _spread(ratio: float) -> float:
    """Distance from a neighbour at which its light is below `LIGHT`; ratio: its flux over that of the line."""
    peak = ratio / (NEIGHBOUR_SIGMA * np.sqrt(2.0 * np.pi)) / LIGHT
    return float(NEIGHBOUR_SIGMA * np.sqrt(2.0 * np.log(peak)) + NEIGHBOUR_WING) if peak > 1 else 0.0
