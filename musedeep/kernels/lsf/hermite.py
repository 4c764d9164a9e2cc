"""Line-spread functions as damped Gauss-Hermite series, widened by slit and pixel (manual A.3.9; Streicher et al.).

The profile of a slice at the wavelength of a line is a box of the width of the slit, folded with one of the width of a
pixel and with

    exp(-t**2 / 2) (1 + exp(-t**2 / 2) sum_m h_m H_m(t) / sqrt(2**m m!)),    t = offset / width,    m = 3 to 6,

H_m the physicists' Hermite polynomials; width is a parabola and h_m straight lines in wavelength - 7000 Angstrom. The
form was found from spectra that the ESO pipeline subtracted. It gives them to 0.02 % of their peaks, except for a shift
of 0.010 Angstrom to the red, which is not reproduced.
"""

from math import factorial
from typing import Final

import numpy as np
from numpy.polynomial import hermite
from numpy.typing import NDArray
from scipy.optimize import least_squares

PIVOT: Final = 7000.0
"""Wavelength that widths and coefficients count from, Angstrom."""

ORDERS: Final = (3, 4, 5, 6)

N_PARAMETERS: Final = 4 + 2 * len(ORDERS)
"""Width of the boxes, three of the parabola, two of each line."""

SCALE: Final = 2500.0
"""Wavelengths are divided by it in the fit, so that all parameters are alike in size."""

STEP: Final = 0.05
MARGIN: Final = 3.0
"""Grid on which profiles are folded, and its reach beyond theirs, Angstrom."""

_COEFFICIENTS = [np.eye(7)[m] / np.sqrt(2.0**m * factorial(m)) for m in ORDERS]


def _boxed(values: NDArray[np.float64], grid: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Profiles (planes, n) folded with a box, by differences of their integrals."""
    total = np.cumsum(values, axis=1) * STEP
    total -= 0.5 * STEP * values
    shift = 0.5 * width / STEP
    whole = int(shift)
    part = shift - whole
    padded = np.pad(total, ((0, 0), (whole + 1, whole + 1)), mode="edge")
    n = grid.size
    upper = (1 - part) * padded[:, 2 * whole + 1 : 2 * whole + 1 + n] + part * padded[
        :, 2 * whole + 2 : 2 * whole + 2 + n
    ]
    lower = (1 - part) * padded[:, 1 : 1 + n] + part * padded[:, :n]
    return np.asarray((upper - lower) / width)


def hermite_profiles(
    parameters: NDArray[np.float64], wavelengths: NDArray[np.float64], offsets: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Profiles of unit integral, float64 (planes, n).

    Parameters
    ----------
    parameters : float64 (12,)
        Width of each of the two boxes; width, its slope and curvature; h_m and slope, m = 3 to 6; slopes per
        `SCALE` Angstrom.
    wavelengths : float64 (planes,), Angstrom
    offsets : float64 (n,), Angstrom, evenly spaced
    """
    u = (wavelengths - PIVOT) / SCALE
    width = np.maximum(parameters[1] + parameters[2] * u + parameters[3] * u * u, 0.1)
    reach = np.abs(offsets).max() + MARGIN
    grid = np.arange(-round(reach / STEP), round(reach / STEP) + 1) * STEP
    t = grid / width[:, None]
    damping = np.exp(-0.5 * t * t)
    series = np.zeros_like(t)
    for i, coefficients in enumerate(_COEFFICIENTS):
        h = parameters[4 + 2 * i] + parameters[5 + 2 * i] * u
        series += h[:, None] * hermite.hermval(t, coefficients)
    light = damping * (1.0 + damping * series)
    light = _boxed(_boxed(light, grid, parameters[0]), grid, parameters[0])
    light /= light.sum(1, keepdims=True) * STEP
    return np.stack([np.interp(offsets, grid, one) for one in light])


def fit_hermite(
    images: NDArray[np.float64], wavelengths: NDArray[np.float64], offsets: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Parameters of the profiles of a slice (see `hermite_profiles`), by least squares; None where there is no profile.

    Parameters
    ----------
    images : float64 (planes, n), of unit integral, per Angstrom
    wavelengths : float64 (planes,), Angstrom
    offsets : float64 (n,), Angstrom
    """
    used = images.max(1) > 0
    if used.sum() < 3:
        return None
    start = np.zeros(N_PARAMETERS)
    start[:2] = 1.25, 0.9
    low, high = np.full(N_PARAMETERS, -3.0), np.full(N_PARAMETERS, 3.0)
    low[:2], high[:2] = (0.3, 0.3), (2.5, 4.0)
    found = least_squares(
        lambda p: (hermite_profiles(p, wavelengths[used], offsets) - images[used]).ravel(),
        start, bounds=(low, high), x_scale=0.3, max_nfev=60, xtol=1e-7, ftol=1e-8,
    )  # fmt: skip
    return np.asarray(found.x)
