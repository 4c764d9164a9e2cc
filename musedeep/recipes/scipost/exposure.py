"""muse_scipost on one exposure: from the pixel tables of its IFUs to one that is reduced.

1. The IFUs are merged: brought to one level, and the colour of the flat's lamp put back.
2. Positions are corrected for refraction, data calibrated in flux and for telluric bands.
3. Raman light of the laser guide stars is subtracted, where there were any.
4. Slices are calibrated by themselves, where that is wanted.
5. The sky is subtracted: its spectrum is the mean of the rows in the darkest part of the field.
6. Wavelengths become those of the barycentre, positions those on the sky.

Each correction is put on the rows (`ExposureRows.corrected`), and made when they are read. Between them are sums over
all rows: an image of the field for 3 to 5, a spectrum for 5. The rows are read once for each, and once to be written.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.recipes.run_exposures import ExposureRows
from musedeep.recipes.run_ifus import RecipeCall
from musedeep.recipes.scipost.calibrations import ScipostCalibrations
from musedeep.recipes.scipost.recipe import ScipostParameters
from musedeep.reduction.correct import flat_field
from musedeep.reduction.correct.flux import calibrate_flux
from musedeep.reduction.correct.placing import place
from musedeep.reduction.correct.refraction import correct_refraction
from musedeep.reduction.correct.velocity import correct_velocity
from musedeep.reduction.headers.cards import Card

Hdus = Callable[[fits.Header], fits.HDUList]


@dataclass(frozen=True)
class FoundProduct:
    """What was found of an exposure beside its rows, as a FITS file.

    Attributes
    ----------
    category : as SKY_LINES
    hdus : makes its HDUs, with the primary header that is given
    cards : quality control, and others, for that header
    """

    category: str
    hdus: Hdus
    cards: Sequence[Card] = ()


@dataclass(frozen=True)
class ReducedExposure:
    """An exposure, reduced.

    Attributes
    ----------
    rows : corrected
    found : products beside them
    notes : what a user should know
    """

    rows: ExposureRows
    found: tuple[FoundProduct, ...] = ()
    notes: tuple[str, ...] = ()

    def corrected(self, rows: ExposureRows, *found: FoundProduct, notes: Sequence[str] = ()) -> "ReducedExposure":
        """With further corrections and products."""
        return ReducedExposure(rows, (*self.found, *found), (*self.notes, *notes))


def reduce_exposure(
    call: RecipeCall[ScipostParameters], calibrations: ScipostCalibrations, exposure: ExposureRows
) -> ReducedExposure:
    """Put all corrections on the rows of an exposure; what they need to know is found on the way.

    Raises
    ------
    MusedeepError
        A correction is made already, or cannot be made; see its module.
    """
    parameters = call.parameters
    rows = exposure.within(parameters.lambdamin, parameters.lambdamax)
    if not rows.n_rows:
        low, high = exposure.wavelengths
        raise MusedeepError(
            f"{exposure.observation.name}: no row between lambdamin={parameters.lambdamin:g} and lambdamax="
            f"{parameters.lambdamax:g}; it has {low:.1f} to {high:.1f} Angstrom"
        )
    response = calibrations.response
    if response is None or response.flat_corrected:
        rows = rows.with_lamp_colour()
    rows = rows.corrected(correct_refraction(exposure.observation, parameters.lambdaref))
    rows = _calibrated(rows, calibrations)
    reduced = ReducedExposure(rows)
    rows = reduced.rows
    rows = rows.corrected(correct_velocity(exposure.observation, parameters.rvcorr))
    if parameters.astrometry:
        rows = rows.corrected(place(exposure.observation, calibrations.astrometry))
    return reduced.corrected(rows)


def _calibrated(rows: ExposureRows, calibrations: ScipostCalibrations) -> ExposureRows:
    """The rows as fluxes, if there is a response."""
    response, extinction = calibrations.response, calibrations.extinction
    if response is None or extinction is None:
        return rows
    lamp = flat_field.is_corrected(rows.observation) or any(key == flat_field.FFCORR for key, _, _ in rows.cards)
    return rows.corrected(
        calibrate_flux(rows.observation, response, extinction, calibrations.telluric, lamp, rows.wavelengths)
    )
