"""Transmission of water vapour and oxygen over Paranal at a resolution of 0.1 Angstrom."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from musedeep.statics.load import read_table

Floats = NDArray[np.float64]

START, STEP, SIZE = 4500.0, 0.1, 50001
"""The fine grid of the tables: 4500 to 9500 Angstrom in air."""


@cache
def _depths(molecule: str) -> tuple[Floats, Floats]:
    """Amounts (k,) and the logarithm of the optical depth (k, SIZE) for each; -inf where nothing absorbs."""
    table = read_table(f"telluric_{molecule}")
    columns = [name for name in table.colnames if name.startswith("tau_")]
    amounts = np.log([float(name.removeprefix("tau_").removesuffix("mm")) for name in columns])
    place = np.rint((np.asarray(table["lambda"], np.float64) - START) / STEP).astype(np.int64)
    depths = np.full((len(columns), SIZE), -np.inf)
    for row, name in zip(depths, columns, strict=True):
        row[place] = np.log(np.asarray(table[name], np.float64))
    return amounts, depths


def _depth(molecule: str, amount: float) -> Floats:
    """Optical depth (SIZE,) for an amount.

    Between the amounts of the table the depth is a power of the amount: lines that saturate grow slower than linearly
    (curve of growth). Below the first it is proportional, beyond the last it goes on with the last power.
    """
    if amount <= 0.0:
        return np.zeros(SIZE)
    amounts, depths = _depths(molecule)
    wanted = np.log(amount)
    if wanted <= amounts[0]:
        return np.exp(depths[0] + (wanted - amounts[0]))
    k = min(int(np.searchsorted(amounts, wanted)), amounts.size - 1)
    some = np.isfinite(depths[k])
    power = (depths[k, some] - depths[k - 1, some]) / (amounts[k] - amounts[k - 1])
    result = np.zeros(SIZE)
    result[some] = np.exp(depths[k - 1, some] + power * (wanted - amounts[k - 1]))
    return result


def telluric_transmission(wavelength_air: Floats, airmass: float, precipitable_water_mm: float) -> Floats:
    """Transmission of water vapour and molecular oxygen, float64, shape of `wavelength_air`, between 0 and 1.

    The tables give means over 0.1 Angstrom from 4500 to 9500 Angstrom; beyond, the value is that of the nearest end. On
    the grid 4500 + 0.1 k nothing is interpolated. Cross-sections: see the headers of tables/telluric_h2o.ecsv and
    tables/telluric_o2.ecsv. Equivalent widths at airmass 1 and 2.5 mm agree with the ESO sky model to 1-7 percent.

    Parameters
    ----------
    wavelength_air : float64 (any shape), Angstrom
    airmass : at least 1 in earnest; 0 gives transmission 1
    precipitable_water_mm : column of water vapour at the zenith, mm; 0 leaves oxygen alone
    """
    depth = _depth("h2o", airmass * precipitable_water_mm) + _depth("o2", airmass)
    grid = START + STEP * np.arange(SIZE)
    return np.exp(-np.interp(wavelength_air, grid, depth))
