"""Smoothing of spectra of the instrument: response, lamp flat; apart on the two sides of a notch filter.

Limits and widths match ESO 2.8.7, found by experiments on it: its smoothed flat spectra come out within 2e-6, its
responses within 1e-4 mag (with adaptive optics the first 150 Angstrom within 0.3 %).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.flux.curve import smooth_curve

Floats = NDArray[np.float64]

SMOOTHED_FROM: Final = {"WFM-NOAO-N": 4775.0, "WFM-AO-N": 4700.0, "NFM-AO-N": 4770.0}
"""Wavelengths below which spectra are not smoothed: the edge of the blocking filter is too steep [Angstrom]."""
NOTCH: Final = {"WFM-AO-N": (5805.0, 5966.25), "WFM-AO-E": (5755.0, 6008.75), "NFM-AO-N": (5780.0, 6050.0)}
"""Last and first wavelength on the two sides of the notch filter, by mode [Angstrom]."""

FLATS_ACROSS: Final = ("NFM-AO-N",)
"""Modes in which spectra of flats are smoothed across the notch, as in the reference: a response holds what that does
beside the notch, and takes it back from the data only if their flats are smoothed alike."""

REACH: Final = 150.0
"""Half width of the polynomials [Angstrom]."""
MEAN_REACH: Final = 15.0
"""Half width of the running mean [Angstrom]."""


def smoothed_parts(wavelength: Floats, mode: str, flat: bool = False) -> list[NDArray[np.bool_]]:
    """The parts of a spectrum (of a flat, of others) that are smoothed by themselves, bool (n,) each."""
    from_blue = wavelength >= SMOOTHED_FROM.get(mode, 0.0)
    across = flat and mode in FLATS_ACROSS
    low, high = (np.inf, np.inf) if across else NOTCH.get(mode, (np.inf, np.inf))
    parts = (from_blue & (wavelength <= low), from_blue & (wavelength >= high))
    return [part for part in parts if part.any()]


def smooth_spectrum(wavelength: Floats, values: Floats, mode: str, flat: bool = False) -> tuple[Floats, Floats]:
    """A spectrum smoothed by local polynomials and a running mean (`kernels.flux.curve`).

    Parameters
    ----------
    wavelength : float64 (n,), ascending [Angstrom]
    values : float64 (n,); those that are not finite stay and have no influence
    mode : instrument mode
    flat : it is the spectrum of a flat, see `FLATS_ACROSS`

    Returns
    -------
    float64 (n,), the spectrum, the same as before where it is not smoothed
    float64 (n,), standard deviation of the polynomials' values that make up the running mean, 0 where nothing is done
    """
    smooth, spread = values.astype(np.float64), np.zeros(values.size)
    for part in smoothed_parts(wavelength, mode, flat):
        part &= np.isfinite(values)
        found, scatter = np.empty(int(part.sum())), np.empty(int(part.sum()))
        smooth_curve(
            np.ascontiguousarray(wavelength[part], np.float64), np.ascontiguousarray(values[part], np.float64),
            REACH, MEAN_REACH, found, scatter,
        )  # fmt: skip
        smooth[part], spread[part] = found, scatter
    return smooth, spread
