"""Flux calibration: from counts to fluxes above the atmosphere.

1. Data are divided by the exposure time and by 1.25 Angstrom, the size of a pixel.
2. They are divided by the response: 10**(0.4 R(w)), R interpolated linearly (STD_RESPONSE).
3. They are multiplied by 10**(0.4 k(w) X), k interpolated linearly, for the extinction of the air (EXTINCT_TABLE); X is
   the airmass (`Observation.airmass`).
4. They are divided by the transmission of the telluric bands for that airmass: multiplied by T**-X, which is
   interpolated linearly between the wavelengths of STD_TELLURIC; outside of it nothing is done. With `water` the power
   follows from the precipitable water, too (`correct.water`).
5. Variances follow, with the errors of response and telluric correction, and 1.6 % for the extinction.

All of it is one factor, and its relative variance, in the wavelength: a table on a fine regular grid, by which the rows
are multiplied in one pass. It is what the reference does, in its order and its errors (found by experiments on it; data
agree within 1e-6), but for one thing: between 6273 and 6861 Angstrom, where STD_TELLURIC may have no rows, the
reference adds up to 10 % of the data to the error.

How it is called, with counts in the data, for the response of the same instrument mode:
`exposure.corrected(calibrate_flux(observation, response, extinction, telluric, corrected_for_lamp, wavelengths))`.
A response that was made with flat-field spectra (FFCORR) needs data that have them, too: put
`flat_field.flat_field(...)` before it.
"""

from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import DISPERSION, FLUX_UNIT, VARIANCE_UNIT
from musedeep.reduction.correct.never_twice import FLUXCAL, is_flux_calibrated, refuse
from musedeep.reduction.correct.water import absorption_powers
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.observation import Observation
from musedeep.reduction.rows.source import Correction, Stepped
from musedeep.storage.calibrations.extinction import ExtinctionTable
from musedeep.storage.calibrations.response import Response, Telluric
from musedeep.storage.pixel_tables.row_steps import Multiply

STEP: Final = DISPERSION / 8.0
"""Of the grid of factors [Angstrom]; its nodes lie at multiples of it, as those of the tables do."""

UNIT: Final = 1e20
"""Fluxes are in 1e-20 erg/s/cm2/Angstrom."""

EXTINCTION_ERROR: Final = 0.016
"""Relative error of the correction for extinction (found by experiments on the reference)."""

MAGNITUDE: Final = 0.4 * np.log(10.0)

Floats = NDArray[np.float64]


class FluxCalibration(Stepped):
    """Counts become fluxes.

    Parameters
    ----------
    start : float, first node [Angstrom]; the others follow in steps of STEP
    curve : float64 (nodes, 2), factor [1e-20 erg/s/cm2/Angstrom per count], and its relative variance
    """

    units = MappingProxyType({"data": FLUX_UNIT, "stat": VARIANCE_UNIT})

    def __init__(self, start: float, curve: Floats) -> None:
        super().__init__(Multiply(curve, start, STEP))

    def cards(self) -> list[Card]:
        """See `Correction.cards`."""
        return [(FLUXCAL, True, "Pixel table was flux-calibrated")]


def calibrate_flux(
    observation: Observation,
    response: Response,
    extinction: ExtinctionTable,
    telluric: Telluric | None,
    corrected_for_lamp: bool,
    wavelengths: tuple[float, float],
    water: bool = False,
) -> list[Correction]:
    """The flux calibration of an exposure; see the module.

    Parameters
    ----------
    corrected_for_lamp : whether the colour of the flat's lamp is put back in the data (`flat_field`)
    wavelengths : (low, high), of the data [Angstrom]
    water : scale the absorption of water with its amount, not with the airmass alone

    Raises
    ------
    MusedeepError
        The data are fluxes already; the response or the telluric correction is for another mode, or another treatment
        of the lamp's colour; response or extinction do not cover the data; a keyword is missing or wrong.
    """
    refuse(is_flux_calibrated(observation), observation, "its fluxes are calibrated", FLUXCAL)
    if not observation.exptime > 0.0:
        raise MusedeepError(f"{observation.name}: keyword EXPTIME is 0, which calibrates no flux; correct it")
    _check(observation, "STD_RESPONSE", response, corrected_for_lamp)
    if telluric is not None:
        _check(observation, "STD_TELLURIC", telluric, None)
    low, high = wavelengths
    if not response.wavelength[0] <= low <= high <= response.wavelength[-1]:
        raise MusedeepError(
            f"{observation.name}: data from {low:g} to {high:g} Angstrom, the STD_RESPONSE from "
            f"{response.wavelength[0]:g} to {response.wavelength[-1]:g}; cut them with lambdamin and lambdamax"
        )
    first, last = int(np.floor(low / STEP)), int(np.ceil(high / STEP))
    nodes = np.asarray(STEP * np.arange(first, last + 2), np.float64)
    powers = None if telluric is None else absorption_powers(telluric, observation, water)
    curve = flux_curve(nodes, wavelengths, observation, response, extinction, telluric, powers)
    return [FluxCalibration(float(nodes[0]), curve)]


def flux_curve(
    nodes: Floats,
    wavelengths: tuple[float, float],
    observation: Observation,
    response: Response,
    extinction: ExtinctionTable,
    telluric: Telluric | None,
    powers: Floats | None,
) -> Floats:
    """Factor [1e-20 erg/s/cm2/Angstrom per count] and its relative variance at wavelengths, float64 (nodes, 2).

    Parameters
    ----------
    nodes : float64 (nodes,) [Angstrom]
    wavelengths : (low, high), of the data [Angstrom]; beyond them the tables hold their last values
    powers : float64, of the transmissions of `telluric`; None without it
    """
    inside = np.clip(nodes, *wavelengths)
    magnitudes = np.interp(nodes, response.wavelength, response.response)
    factor = (
        UNIT
        / (observation.exptime * DISPERSION)
        * 10.0 ** (0.4 * (extinction.at(inside) * observation.airmass - magnitudes))
    )
    variance = MAGNITUDE**2 * _variance_between(response.wavelength, response.error, nodes) + EXTINCTION_ERROR**2
    if telluric is not None and powers is not None:
        lifted = telluric.transmission**-powers
        lift = np.interp(nodes, telluric.wavelength, lifted, left=1.0, right=1.0)
        outside = (nodes < telluric.wavelength[0]) | (nodes > telluric.wavelength[-1])
        error = np.where(outside, 0.0, _variance_between(telluric.wavelength, telluric.error, nodes))
        factor, variance = factor * lift, variance + error / lift**2
    return np.stack([factor, variance], axis=1)


def _variance_between(wavelength: Floats, error: Floats, places: Floats) -> Floats:
    """Variance of the linear interpolation between values with independent errors."""
    right = np.clip(np.searchsorted(wavelength, places), 1, wavelength.size - 1)
    part = np.clip((places - wavelength[right - 1]) / (wavelength[right] - wavelength[right - 1]), 0.0, 1.0)
    return np.asarray(((1.0 - part) * error[right - 1]) ** 2 + (part * error[right]) ** 2)


def _check(observation: Observation, kind: str, curve: Response | Telluric, corrected_for_lamp: bool | None) -> None:
    """Raise MusedeepError for a curve that is of no use for an exposure."""
    if curve.mode and curve.mode != observation.mode:
        raise MusedeepError(
            f"{observation.name}: INS MODE is {observation.mode}, the {kind} is for {curve.mode}; give one of the same "
            "mode"
        )
    if corrected_for_lamp is None or curve.flat_corrected == corrected_for_lamp:
        return
    words = {True: "with", False: "without"}
    raise MusedeepError(
        f"{observation.name}: the {kind} was made {words[curve.flat_corrected]} the flat-field spectrum (FLUX FFCORR), "
        f"the data are {words[corrected_for_lamp]} it (PIXTABLE FFCORR); give a {kind} of the same kind"
    )
