"""Raw images of one IFU: what shines in an exposure, its light on the CCD, and the CCD's answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.simulate.atmosphere import Atmosphere
from musedeep.simulate.component import Component, CubeComponent
from musedeep.simulate.effects import Effects
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.lamps import LAMP_KINDS, MONITORING_RATE, arc_lamp, continuum_lamp, twilight, vignetting
from musedeep.simulate.monitoring import non_linearity, open_time
from musedeep.simulate.optics import PIXEL_SCALE, IfuOptics, Instrument, stream
from musedeep.simulate.pinholes import pinhole_mask
from musedeep.simulate.pointing import Pointing, airmass, middle, point
from musedeep.simulate.raman import has_raman_light, raman_component, raman_light
from musedeep.simulate.render import Field, render
from musedeep.simulate.satellite import satellite_component
from musedeep.simulate.scene import scene_components
from musedeep.simulate.sky import sky_components
from musedeep.simulate.slice_flux import slice_flux
from musedeep.simulate.velocity import barycentric_velocity

DARK_KINDS = ("BIAS", "DARK", "LINGAIN_LAMP_OFF")
SCENE_KINDS = ("OBJECT", "SKY", "STD", "ASTROMETRY")
NOISE = 5
"""Purpose of the random numbers of an exposure, beside those of optics.py."""
TURN_STEPS = 5
"""Angles over which the light of a turning field is averaged."""


@dataclass(frozen=True)
class Light:
    """What shines in an exposure and where the field lies."""

    components: list[Component | CubeComponent]
    pointing: Pointing | None
    vignetted: bool


def simulate_ifu(
    exposures: Sequence[Exposure], ifu: int, instrument: Instrument, effects: Effects, seed: int
) -> Iterator[tuple[Exposure, NDArray[np.uint16]]]:
    """Raw images of one IFU, uint16 (4240, 4224), exposure by exposure; light that stays the same is rendered once.

    The noise of an exposure depends on the seed of the night, its index and the IFU alone, not on the order.
    """
    optics = instrument.ifu(ifu)
    response = optics.detector.response()
    rendered: NDArray[np.float64] | None = None
    before: Exposure | None = None
    for exposure in exposures:
        if exposure.kind in DARK_KINDS:
            light = None
        elif exposure.kind == "LINGAIN_LAMP_ON":
            # of one second, for all of a series
            one = replace(exposure, exposure_time=1.0)
            if rendered is None or before is None or not _same_light(before, one):
                rendered, before = expected_light(one, optics, instrument, effects, seed, response), one
            light = rendered * open_time(exposure)
        elif rendered is not None and before is not None and _same_light(before, exposure):
            light = rendered
        else:
            light = rendered = expected_light(exposure, optics, instrument, effects, seed, response)
            before = exposure
        rng = stream(seed, NOISE, exposure.index, ifu)
        curve = non_linearity(seed, ifu, effects) if exposure.kind == "LINGAIN_LAMP_ON" else None
        yield exposure, optics.detector.expose(light, exposure.exposure_time, rng, curve)


def expected_light(
    exposure: Exposure,
    optics: IfuOptics,
    instrument: Instrument,
    effects: Effects,
    seed: int,
    response: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Expected electrons of light on the trimmed image of an IFU, float64 (n_rows, n_columns): no noise, no dark."""
    if exposure.field_rotation:
        return _turning(exposure, optics, instrument, effects, seed, response)
    light = light_of(exposure, instrument, effects, seed)
    field = Field(optics, light.pointing, vignetting if light.vignetted and effects.vignetting else None)
    errors = slice_flux(exposure, optics.ifu, seed) if effects.slice_flux and exposure.kind == "OBJECT" else None
    temperature, shift = exposure.instrument_temperature, exposure.wavelength_shift
    return render(field, light.components, exposure.exposure_time, temperature, response, errors, shift)


def _turning(
    exposure: Exposure,
    optics: IfuOptics,
    instrument: Instrument,
    effects: Effects,
    seed: int,
    response: NDArray[np.float64],
) -> NDArray[np.float64]:
    """See `expected_light`, of a field that turns: the mean over the angles in the middles of equal parts of time."""
    total = np.zeros_like(response)
    for part in range(TURN_STEPS):
        turned = exposure.field_rotation * ((part + 0.5) / TURN_STEPS - 0.5)
        one = replace(exposure, field_rotation=0.0, position_angle=exposure.position_angle + turned)
        total += expected_light(one, optics, instrument, effects, seed, response)
    return total / TURN_STEPS


def atmosphere_of(exposure: Exposure, effects: Effects) -> Atmosphere:
    """The air of an exposure, in its middle; the optics of the narrow-field mode correct its refraction."""
    return Atmosphere(
        airmass=airmass(exposure.ra, exposure.dec, middle(exposure)) if exposure.kind in SCENE_KINDS else 1.0,
        seeing=exposure.seeing,
        precipitable_water_mm=exposure.precipitable_water,
        transparency=exposure.transparency,
        temperature_c=exposure.temperature,
        humidity_percent=exposure.humidity,
        pressure_hpa=exposure.pressure,
        with_extinction=effects.extinction,
        with_telluric=effects.telluric,
        with_refraction=effects.refraction and not exposure.mode.startswith("NFM"),
    )


def light_of(exposure: Exposure, instrument: Instrument, effects: Effects, seed: int) -> Light:
    """What shines in an exposure.

    Raises MusedeepError for an unknown kind of exposure or lamp, and for an exposure of the sky without a scene.
    """
    spaxel = PIXEL_SCALE[instrument.mode[:3]]
    if exposure.kind == "LINGAIN_LAMP_ON":
        return Light([*continuum_lamp(effects, spaxel, MONITORING_RATE)], None, False)
    if exposure.kind in LAMP_KINDS:
        return Light([*continuum_lamp(effects, spaxel)], None, False)
    if exposure.kind in ("ARC", "ARC_LSF"):
        return Light([*arc_lamp(exposure.lamp or "", effects, spaxel)], None, False)
    if exposure.kind == "MASK":
        return Light([*pinhole_mask(exposure.mask_step or 0, effects)], None, False)
    atmosphere = atmosphere_of(exposure, effects)
    if exposure.kind == "SKYFLAT":
        return Light([*twilight(atmosphere, effects, exposure.sky_brightness, spaxel)], None, True)
    if exposure.kind not in SCENE_KINDS:
        raise MusedeepError(
            f"exposure of kind '{exposure.kind}' is unknown; see table 6.1 of the manual for the raw tags"
        )
    if exposure.scene is None:
        raise MusedeepError(f"exposure {exposure.date_obs}: an exposure of kind {exposure.kind} needs a scene")
    mjd = middle(exposure)
    velocity = barycentric_velocity(exposure.ra, exposure.dec, mjd) if effects.barycentric_velocity else 0.0
    components = scene_components(exposure.scene, atmosphere, velocity)
    if effects.sky:
        components += sky_components(atmosphere, exposure.sky_brightness, seed=_sky_seed(seed, exposure))
    if effects.raman and has_raman_light(exposure):
        components.append(raman_component(raman_light(exposure, seed)))
    if exposure.satellite:
        components.append(satellite_component(_sky_seed(seed, exposure), atmosphere, exposure.exposure_time))
    return Light(components, point(exposure, atmosphere, effects, instrument.aim), True)


def _sky_seed(seed: int, exposure: Exposure) -> int:
    """Seed of what the sky did in an exposure."""
    return int(stream(seed, NOISE + 1, exposure.index).integers(2**31))


def _same_light(one: Exposure, other: Exposure) -> bool:
    """Whether two exposures differ in noise alone."""
    if one.kind in (*SCENE_KINDS, "SKYFLAT"):
        return False
    return _without_place(one) == _without_place(other)


def _without_place(exposure: Exposure) -> Exposure:
    """The exposure without what does not matter for lamps: number, time, and where the telescope points."""
    return replace(exposure, index=0, date_obs="", mjd=0.0, ra=0.0, dec=0.0, position_angle=0.0)
