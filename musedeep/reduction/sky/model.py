"""The sky of an exposure as a model: lines with their fluxes, and a continuum.

1. `line_fit` gives the lines.
2. The continuum is the spectrum of the sky less these lines, each averaged over the rows of a bin as the spectrum is.
   So what the lines lack, in the mean over the field, is in the continuum.
3. The choice of dark pixels has made the spectrum too faint (`mask.choice_bias`). Noise of a wavelength takes part in
   it by its share of the variance: that much is added to the continuum, if it is wanted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musedeep.reduction.sky.line_fit import LineFit, fit_lines
from musedeep.reduction.sky.line_spread import centres_of_light, mean_profiles
from musedeep.reduction.sky.spectrum import MeanSpectrum
from musedeep.storage.calibrations.lsf_profile import LsfProfile
from musedeep.storage.calibrations.sky_continuum import SkyContinuumTable
from musedeep.storage.calibrations.sky_lines import SkyLineTable

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SkyModel:
    """The sky of an exposure, of a spaxel.

    Attributes
    ----------
    lines : SkyLineTable, with fluxes of a spaxel [1e-20 erg/s/cm2], at their centres of light
    continuum : SkyContinuumTable [1e-20 erg/s/cm2/Angstrom]
    """

    lines: SkyLineTable
    continuum: SkyContinuumTable


def sky_model(
    spectrum: MeanSpectrum,
    table: SkyLineTable,
    lsfs: Mapping[int, LsfProfile],
    continuum: SkyContinuumTable | None = None,
    bias: float = 0.0,
    sampling: float | None = None,
) -> tuple[SkyModel, LineFit]:
    """Lines and continuum of a spectrum.

    Parameters
    ----------
    spectrum : of the sky
    table : lines whose fluxes to fit
    lsfs : line-spread functions of all IFUs of the spectrum
    continuum : known one, which is kept as it is; None: to be found
    bias : how much too bright the sky is by its choice (`mask.choice_bias`); not used with a known continuum
    sampling : bins of the continuum [Angstrom]; default: those of the spectrum

    Raises
    ------
    MusedeepError
        No line is within the spectrum.
    """
    wavelength = spectrum.wavelength
    profiles = mean_profiles(lsfs, spectrum.slices, spectrum.step)
    known = None if continuum is None else np.interp(wavelength, continuum.wavelength, continuum.flux)
    fit = fit_lines(spectrum, table, profiles, known)
    lines = replace(fit.lines, wavelength=fit.lines.wavelength + centres_of_light(lsfs, fit.lines.wavelength))
    if continuum is None:
        rest = spectrum.data - fit.spectrum - bias * noise_share(spectrum)
        good = spectrum.good
        places = wavelength
        if sampling and abs(sampling - spectrum.step) > 1e-9:
            number = int(np.floor((wavelength[-1] - wavelength[0]) / sampling + 1e-6)) + 1
            places = np.asarray(wavelength[0] + sampling * np.arange(number), np.float64)
        continuum = SkyContinuumTable(Path("SKY_CONTINUUM"), places, np.interp(places, wavelength[good], rest[good]))
    return SkyModel(lines, continuum), fit


def noise_share(spectrum: MeanSpectrum) -> Floats:
    """Scatter of rows by wavelength in units of its mean, float64 (bins,); 0 in bins without data."""
    scatter = np.where(spectrum.good, spectrum.scatter, 0.0)
    mean = scatter[spectrum.good].mean() if spectrum.good.any() else 0.0
    return np.asarray(scatter / mean if mean > 0 else np.zeros(scatter.size))
