"""The colour of the lamp that pixels were divided by: it is put back, the same for all IFUs of an exposure.

Dividing by a lamp flat divides by the spectrum of the lamp, which differs a little from IFU to IFU and from day to day.
Multiplied by the mean spectrum of the flats of its IFUs, an exposure has counts of the detector again; the standard
star must be treated likewise (FFCORR). As the reference does (found by experiments on it):

1. The spectra of the IFUs are brought to one grid of 1.25 Angstrom, multiples of it, where all of them have values,
   interpolated linearly, and averaged.
2. The mean is smoothed: by a polynomial of second degree in a sliding window of 291 Angstrom, then by a running mean of
   39 Angstrom, both shorter at the ends. (The reference's smoothing differs by 0.003 % rms from it, by 0.03 % at
   most, and by up to 0.5 % in the first 120 Angstrom, where the spectrum of a lamp is steep.)
3. Data are multiplied by the smoothed spectrum, which is not normalised, interpolated linearly.

How it is called: `exposure.corrected(flat_field(observation, exposure.flat_spectrum, exposure.n_ifus))`, first of all
corrections. It gives no correction for a table that has it already, or one without a spectrum.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import DISPERSION
from musedeep.kernels.rows.corrections import multiply_by_wavelength
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.observation import Observation
from musedeep.reduction.rows.source import Correction
from musedeep.storage.pixel_tables.flat_spectrum import FlatSpectrum
from musedeep.storage.pixel_tables.table import Rows

WINDOW: Final = 233
"""Bins of the sliding window of the polynomial."""

RUNNING_MEAN: Final = 31
"""Bins of the running mean after it."""

FFCORR: Final = "ESO DRS MUSE PIXTABLE FFCORR"


def merged_spectrum(spectra: Sequence[FlatSpectrum], name: object) -> FlatSpectrum | None:
    """The mean spectrum of the flats of IFUs, and smoothed; None of none. One that is smoothed already stays as it is.

    Parameters
    ----------
    name : the exposure, for messages

    Raises
    ------
    MusedeepError
        The spectra have no wavelengths in common.
    """
    if len(spectra) == 1 and spectra[0].unsmoothed is not None:
        return spectra[0]
    if not spectra:
        return None
    low = max(float(one.wavelength[0]) for one in spectra)
    high = min(float(one.wavelength[-1]) for one in spectra)
    first, last = int(np.ceil(low / DISPERSION)), int(np.floor(high / DISPERSION))
    if last <= first:
        raise MusedeepError(f"{name}: the spectra of the flats of its IFUs do not overlap; make the pixel tables again")
    wavelength = np.asarray(DISPERSION * np.arange(first, last + 1), np.float64)
    values = [np.interp(wavelength, one.wavelength, one.values) for one in spectra]
    mean = np.asarray(np.mean(values, axis=0), np.float64)
    return FlatSpectrum(wavelength, smoothed(mean), mean)


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A spectrum on a regular grid, smoothed, float64 (n,); towards its ends the windows shrink, symmetric to the last.

    So the ends are not moved: the spectrum of a lamp is steep there.
    """
    fitted = np.array([_sliding(values, k, WINDOW // 2, _parabola) for k in range(values.size)])
    return np.array([_sliding(fitted, k, RUNNING_MEAN // 2, _mean) for k in range(values.size)])


def _sliding(
    values: NDArray[np.float64], place: int, half: int, weights: Callable[[int], NDArray[np.float64]]
) -> float:
    """Weighted mean about a place, within the values."""
    half = min(half, place, values.size - 1 - place)
    return float(values[place - half : place + half + 1] @ weights(half))


@cache
def _parabola(half: int) -> NDArray[np.float64]:
    """Weights of the values whose mean is that of a fitted parabola in the middle (Savitzky & Golay 1964)."""
    u = np.arange(-half, half + 1)
    weights = 3.0 * half * half + 3.0 * half - 1.0 - 5.0 * u * u
    return np.asarray(weights / weights.sum())


@cache
def _mean(half: int) -> NDArray[np.float64]:
    return np.full(2 * half + 1, 1.0 / (2 * half + 1))


class FlatField(Correction):
    """Data times the smoothed spectrum of the flats."""

    reads = ("lambda", "data", "stat")
    changes = ("data", "stat")

    def __init__(self, spectrum: FlatSpectrum, n_ifus: int) -> None:
        self.start, self.n_ifus = float(spectrum.wavelength[0]), n_ifus
        self.step = float(spectrum.wavelength[1] - spectrum.wavelength[0])
        self.curve = np.stack([spectrum.values, np.zeros_like(spectrum.values)], axis=1)

    def apply(self, rows: Rows) -> None:
        """See `Correction.apply`."""
        multiply_by_wavelength(rows["data"], rows["stat"], rows["lambda"], self.curve, self.start, self.step)

    def cards(self) -> list[Card]:
        """See `Correction.cards`."""
        return [(FFCORR, self.n_ifus, "Pixel table corrected for flat-field spectrum")]


def flat_field(observation: Observation, spectrum: FlatSpectrum | None, n_ifus: int) -> list[Correction]:
    """The correction of an exposure for the colour of the lamp; none where it is made already, or cannot be made.

    Parameters
    ----------
    spectrum : of the exposure (`merged_spectrum`)
    n_ifus : number of IFUs, which FFCORR gives
    """
    if spectrum is None or is_corrected(observation):
        return []
    return [FlatField(spectrum, n_ifus)]


def is_corrected(observation: Observation) -> bool:
    """Whether the colour of the lamp is put back already."""
    return bool(observation.header.get(FFCORR, False))
