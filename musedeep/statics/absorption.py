"""Absorption by water vapour and oxygen as MUSE sees it, to model it in reductions.

Lines are not resolved. What is tabulated is the optical depth of the mean transmission over the line-spread function,
at airmass 1 and 2 with 3.5 mm of water, from the sky model of ESO (header of tables/absorption.ecsv). For any other
amount a of the molecule along the line of sight the depth is that of a random band of lines (Malkmus 1967, J. Opt. Soc.
Am. 57, 323),

    tau(a) = b (sqrt(1 + x a) - 1),

which is proportional to a where lines are weak, and to its root where they are saturated; b and x follow from the two
tabulated depths.

The simulator absorbs light with other cross-sections (`telluric`), at 0.1 Angstrom. So a simulated night tests the
reduction: equivalent widths of the bands differ by 1 to 11 percent between the two, and transmissions at the resolution
of MUSE by 0.012 rms within the bands.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.statics.load import read_table

Floats = NDArray[np.float64]

WATER: Final = 3.5
"""Precipitable water of the table at airmass 1 [mm]."""
ABSORBED: Final = 1e-3
"""Optical depth at airmass 1 below which the table has none."""
RATIOS: Final = (1.42, 1.999)
"""Limits of the ratio of the two depths: beyond the root of 2 and 2 the law of the band has no solution."""


@cache
def _bands() -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """Wavelengths, depths at airmass 1, x of the law, and whether it is water: (n,) each, without gaps."""
    table = read_table("absorption")
    place = np.rint(np.asarray(table["lambda"], np.float64)).astype(np.int64)
    start = int(place[0]) - 1
    wavelength = np.arange(start, int(place[-1]) + 2, dtype=np.float64)
    depth, x, water = np.zeros(wavelength.size), np.ones(wavelength.size), np.ones(wavelength.size, bool)
    first, second = (np.asarray(table[name], np.float64) for name in ("tau_1", "tau_2"))
    ratio = np.clip(second / first, *RATIOS)
    # the law at 1 and 2 gives the root of 1 + x
    root = (ratio**2 - 2.0 * ratio + 2.0) / (ratio**2 - 2.0)
    depth[place - start], x[place - start] = first, root**2 - 1.0
    water[place - start] = np.asarray(table["molecule"]) == "H2O"
    return wavelength, depth, x, water


def optical_depth(wavelength: Floats, airmass: float, water: float) -> Floats:
    """Optical depth of water vapour and oxygen at the resolution of MUSE, float64 of the shape of `wavelength`.

    Parameters
    ----------
    wavelength : float64, any shape, in air [Angstrom]; outside of 5800 to 9590 the depth is 0
    airmass : at least 0
    water : precipitable water at the zenith [mm]
    """
    places, depth, x, is_water = _bands()
    amount = airmass * np.where(is_water, water / WATER, 1.0)
    found = depth * (np.sqrt(1.0 + x * amount) - 1.0) / (np.sqrt(1.0 + x) - 1.0)
    return np.asarray(np.interp(wavelength, places, found, left=0.0, right=0.0))
