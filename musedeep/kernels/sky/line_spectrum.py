"""Spectrum of emission lines, each with the line-spread function at its wavelength."""

from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray


class Profiles(NamedTuple):
    """Line-spread functions as numba takes them.

    Attributes
    ----------
    values : float64 (planes, size), profiles at the wavelengths of planes, per Angstrom
    first, step : wavelength of the first plane, and step of planes [Angstrom]
    low, spacing : first offset from the line, and step of offsets [Angstrom]
    """

    values: NDArray[np.float64]
    first: float
    step: float
    low: float
    spacing: float


@nb.njit(nogil=True, cache=True)
def add_lines(
    wavelength: NDArray[np.float64],
    flux: NDArray[np.float64],
    profiles: Profiles,
    start: Any,
    step: Any,
    out: NDArray[np.float64],
) -> None:
    """Add lines to a spectrum.

    Profiles are linear between planes, and between offsets cubic: parabolas through three neighbours, blended (Keys
    1981, IEEE Trans. ASSP 29, 1153). Beyond the profiles there is no light.

    Parameters
    ----------
    wavelength, flux : float64 (n,), of the lines [Angstrom, and any unit]
    start, step : float, of the spectrum's grid [Angstrom]
    out : float64 (bins,), added to, unit of the flux per Angstrom
    """
    values = profiles.values
    n_planes, size = values.shape
    reach_low, reach_high = profiles.low, profiles.low + profiles.spacing * (size - 1)
    plane = np.empty(size + 2)
    for i in range(wavelength.size):
        if flux[i] == 0.0:
            continue
        place = min(max((wavelength[i] - profiles.first) / profiles.step, 0.0), n_planes - 1.0)
        below = min(int(place), n_planes - 2) if n_planes > 1 else 0
        part = place - below
        above = min(below + 1, n_planes - 1)
        for j in range(size):
            plane[j + 1] = flux[i] * ((1.0 - part) * values[below, j] + part * values[above, j])
        # the profile goes on straight for one step at its ends
        plane[0] = 2.0 * plane[1] - plane[2]
        plane[size + 1] = 2.0 * plane[size] - plane[size - 1]
        first = max(int(np.ceil((wavelength[i] + reach_low - start) / step)), 0)
        last = min(int(np.floor((wavelength[i] + reach_high - start) / step)), out.size - 1)
        for k in range(first, last + 1):
            t = (start + step * k - wavelength[i] - profiles.low) / profiles.spacing
            j = min(max(int(t), 0), size - 2)
            f = t - j
            a, b, c, d = plane[j], plane[j + 1], plane[j + 2], plane[j + 3]
            out[k] += b + 0.5 * f * (c - a + f * (2.0 * a - 5.0 * b + 4.0 * c - d + f * (3.0 * (b - c) + d - a)))
