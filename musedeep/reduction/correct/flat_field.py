"""The colour of the lamp that pixels were divided by: it is put back, the same for all IFUs of an exposure.

Dividing by a lamp flat divides by the spectrum of the lamp, which differs a little from IFU to IFU and from day to day.
Multiplied by the mean spectrum of the flats of its IFUs, an exposure has counts of the detector again; the standard
star must be treated likewise (FFCORR). As the reference does (found by experiments on it):

1. The spectra of the IFUs are brought to one grid of 1.25 Angstrom, multiples of it, where all of them have values,
   interpolated linearly, and averaged.
2. The mean is smoothed (`reduction.smoothing`), apart on the two sides of the notch of the adaptive optics.
3. Data are multiplied by the smoothed spectrum, which is not normalised, interpolated linearly.

How it is called: `exposure.corrected(flat_field(observation, exposure.flat_spectrum, exposure.n_ifus))`, first of all
corrections. It gives no correction for a table that has it already, or one without a spectrum.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from musedeep.errors import MusedeepError
from musedeep.instrument import DISPERSION
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.observation import Observation
from musedeep.reduction.rows.source import Correction, Stepped
from musedeep.reduction.smoothing import smooth_spectrum
from musedeep.storage.pixel_tables.flat_spectrum import FlatSpectrum, read_flat_spectrum
from musedeep.storage.pixel_tables.row_steps import Multiply
from musedeep.storage.pixel_tables.table import PixelTable

FFCORR: Final = "ESO DRS MUSE PIXTABLE FFCORR"


def merged_spectrum(spectra: Sequence[FlatSpectrum], name: object, mode: str = "") -> FlatSpectrum | None:
    """The mean spectrum of the flats of IFUs, and smoothed; None of none. One that is smoothed already stays as it is.

    Parameters
    ----------
    name : the exposure, for messages
    mode : instrument mode

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
    return FlatSpectrum(wavelength, smooth_spectrum(wavelength, mean, mode, flat=True)[0], mean)


def spectrum_of_ifus(tables: Sequence[PixelTable], name: object, mode: str = "") -> FlatSpectrum | None:
    """The spectrum of the flats of the pixel tables of an exposure, merged; None where one of them has none.

    Raises MusedeepError as `merged_spectrum` and `read_flat_spectrum`.
    """
    spectra = [one for one in map(read_flat_spectrum, tables) if one is not None]
    return merged_spectrum(spectra, name, mode) if len(spectra) == len(tables) else None


class FlatField(Stepped):
    """Data times the smoothed spectrum of the flats."""

    def __init__(self, spectrum: FlatSpectrum, n_ifus: int) -> None:
        curve = np.stack([spectrum.values, np.zeros_like(spectrum.values)], axis=1)
        start, following = spectrum.wavelength[:2].tolist()
        super().__init__(Multiply(curve, start, following - start))
        self.n_ifus = n_ifus

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
