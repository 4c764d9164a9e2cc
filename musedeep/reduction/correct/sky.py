"""The night sky is subtracted from the rows of an exposure.

1. Lines have the line-spread function of the slice and of their wavelength. All of them, and the continuum, are
   tabulated once for each slice, in steps of STEP Angstrom (`SkyTables`); the first row of an IFU that is read makes
   the tables of its 48 slices. A table is kept as coefficients of cubic B-splines.
2. Each row is one evaluation of the spline of its slice at its wavelength: the time does not depend on the number of
   lines (`subtract_model`).
3. Without a model, a spectrum of the sky can be subtracted, which is the same for all slices (`subtract_spectrum`).

Variances stay. A pixel table from which the sky is subtracted already, or whose velocity is corrected, is refused.
"""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import spline_filter1d

from musedeep.errors import MusedeepError
from musedeep.instrument import FLUX_UNIT, N_SLICES
from musedeep.kernels.sky.line_spectrum import add_lines
from musedeep.reduction.correct.never_twice import refuse, refuse_velocity
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.observation import Observation
from musedeep.reduction.rows.source import Correction, Stepped
from musedeep.reduction.sky.line_spread import centres_of_light, slice_profiles
from musedeep.reduction.sky.model import SkyModel
from musedeep.storage.calibrations.lsf_profile import LsfProfile
from musedeep.storage.calibrations.sky_spectrum import SkySpectrumTable
from musedeep.storage.fits.units import same_unit
from musedeep.storage.pixel_tables.row_steps import SubtractSky, SubtractSpectrum, Table
from musedeep.storage.pixel_tables.table import Rows, RowSource

STEP: Final = 0.3125
"""Step of the tables [Angstrom]: a third of the standard deviation of a line."""

EDGE: Final = 4.0
"""How far tables go on beyond the continuum, which is constant there [Angstrom]."""

TOLERANCE: Final = 1.25
"""How far rows may be beyond the continuum [Angstrom]: the last bin of the reference's is missing."""

ORIGINAL: Final = "orig"
"""Column of the data before the subtraction."""

SKY_SUBTRACTED: Final = "ESO DRS MUSE PIXTABLE SKYSUB"


class SkyTables:
    """Spectra of the sky for the slices of some IFUs, made when they are needed first.

    Parameters
    ----------
    model : SkyModel
    lsfs : line-spread functions of the IFUs

    Attributes
    ----------
    start : first wavelength [Angstrom]
    bins : number of wavelengths, STEP apart
    places : float64 (n,), where the wavelength calibration puts the lines [Angstrom]
    ifus : frozenset of int
    """

    def __init__(self, model: SkyModel, lsfs: Mapping[int, LsfProfile]) -> None:
        self.model, self.ifus = model, frozenset(lsfs)
        ends = model.continuum.wavelength[[0, -1]]
        self.start = float(ends[0]) - EDGE
        self.bins = int(np.ceil((ends[1] + EDGE - self.start) / STEP)) + 1
        lines = model.lines.wavelength
        self.places = lines - centres_of_light(lsfs, lines)
        self._lsfs = dict(lsfs)
        self._tables: dict[int, NDArray[np.float32]] = {}
        self._locks = {ifu: Lock() for ifu in lsfs}

    def of_ifu(self, ifu: int) -> NDArray[np.float32]:
        """Coefficients of the splines of an IFU, float32 (48, bins + 2): the first knot is one step before `start`."""
        with self._locks[ifu]:
            if ifu not in self._tables:
                self._tables[ifu] = self._made(self._lsfs[ifu])
                del self._lsfs[ifu]  # of 24 IFUs, 40 MB
            return self._tables[ifu]

    def table(self, ifu: int) -> Table:
        """The same when it is needed, whatever part is asked for."""
        return lambda first, last: self.of_ifu(ifu)

    def _made(self, lsf: LsfProfile) -> NDArray[np.float32]:
        flux, continuum = self.model.lines.flux, self.model.continuum
        # one knot more at each end
        start, bins = self.start - STEP, self.bins + 2
        common = np.interp(start + STEP * np.arange(bins), continuum.wavelength, continuum.flux)
        spectra = np.tile(common, (N_SLICES, 1))
        for index in range(N_SLICES):
            add_lines(self.places, flux, slice_profiles(lsf, index), start, STEP, spectra[index])
        return np.asarray(spline_filter1d(spectra, 3, axis=1, mode="nearest"), np.float32)


class _Subtraction(Stepped):
    """Data less the sky."""

    def cards(self) -> list[Card]:
        """See `Correction.cards`."""
        return [(SKY_SUBTRACTED, True, "Pixel table was sky-subtracted")]


class ModelSubtraction(_Subtraction):
    """Data less the lines and the continuum of a model."""

    def __init__(self, tables: SkyTables) -> None:
        super().__init__(SubtractSky(tables.start, STEP, tables.bins, {k: tables.table(k) for k in tables.ifus}))


class SpectrumSubtraction(_Subtraction):
    """Data less one spectrum, linear between its nodes (float64 (n,) each)."""

    def __init__(self, wavelength: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        super().__init__(SubtractSpectrum(wavelength, values))


class Original(Correction):
    """A further column with the data as they are at this point; `unit` is theirs."""

    reads = ("data",)
    changes = (ORIGINAL,)

    def __init__(self, unit: str) -> None:
        self.units = {ORIGINAL: unit} if unit else {}

    def apply(self, rows: Rows) -> None:
        """See `Correction.apply`."""
        rows[ORIGINAL] = rows["data"].copy()


def subtract_model(
    observation: Observation, sources: Sequence[RowSource], model: SkyModel, lsfs: Mapping[int, LsfProfile]
) -> list[Correction]:
    """Correction of an exposure by lines and continuum: skymethod=model (with its own model) and subtract-model.

    Parameters
    ----------
    observation : of the exposure
    sources : its rows, for their units
    model : of `reduction.sky.model`, or of the files SKY_LINES and SKY_CONTINUUM
    lsfs : line-spread functions, of all its IFUs (`read_lsf_profiles`)

    Raises
    ------
    MusedeepError
        The sky is subtracted already, or the exposure is not flux-calibrated.
    """
    check_has_sky(observation)
    check_calibrated(observation, sources)
    return [ModelSubtraction(SkyTables(model, lsfs))]


def subtract_spectrum(observation: Observation, spectrum: SkySpectrumTable) -> list[Correction]:
    """Correction of an exposure by the spectrum of its sky: skymethod=simple, whatever the unit of the data.

    Raises
    ------
    MusedeepError
        The sky is subtracted already.
    """
    check_has_sky(observation)
    good = spectrum.dq == 0
    return [SpectrumSubtraction(spectrum.wavelength[good], spectrum.data[good])]


def check_has_sky(observation: Observation) -> None:
    """Refuse an exposure from which the sky is subtracted, or whose velocity is corrected: sky lines are elsewhere."""
    refuse(bool(observation.header.get(SKY_SUBTRACTED, False)), observation, "the sky is subtracted", SKY_SUBTRACTED)
    refuse_velocity(observation)


def check_calibrated(observation: Observation, sources: Sequence[RowSource]) -> None:
    """Refuse an exposure that is not flux-calibrated, which a model of the sky is not for."""
    unit = sources[0].units.get("data", "")
    if not same_unit(unit, FLUX_UNIT):
        raise MusedeepError(
            f"{observation.name}: data have unit '{unit}', expected '{FLUX_UNIT}'; calibrate the flux first (give "
            "STD_RESPONSE), or subtract the sky with skymethod=simple"
        )


def sky_range(model: SkyModel) -> tuple[float, float]:
    """Wavelengths for which a model is good [Angstrom]; rows beyond are to be cut (`ExposureRows.corrected`)."""
    ends = model.continuum.wavelength[[0, -1]]
    return float(ends[0]) - TOLERANCE, float(ends[1]) + TOLERANCE
