"""Scenes by name, and the light that they send into the telescope."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import COLLECTING_AREA
from musedeep.simulate.atmosphere import Atmosphere
from musedeep.simulate.component import Component, CubeComponent, Pattern
from musedeep.simulate.profiles import Extended, Stars, moffat
from musedeep.simulate.scene_cube import CubeLight, read_scene_cube
from musedeep.simulate.scenes.calibrators import astrometric_stars, standard_star
from musedeep.simulate.scenes.cluster import cluster
from musedeep.simulate.scenes.deep_field import deep_field
from musedeep.simulate.scenes.layout import FIELD
from musedeep.simulate.scenes.nebula import nebula
from musedeep.simulate.source import Scene, Source
from musedeep.simulate.spectrum import FINE, STEP, Spectrum
from musedeep.simulate.templates import LIGHT_KM_S, photons

__all__ = ["SCENES", "Scene", "Source", "make_scene", "scene_components"]

Array = NDArray[np.float64]

SCENES: Final = {
    "deep-field": (53.16, -27.78),
    "nebula": (83.82, -5.39),
    "cluster": (78.53, -40.05),
    "empty": (53.05, -27.70),
}
"""Scenes that can be put anywhere, and where they are put when nothing else is said (degrees).

Besides there are "standard:NAME" (a spectrophotometric standard star) and "astrometry:NAME" (an astrometric field) at
places of their own, and the path of a FITS cube."""

FAINT: Final = 2e-20
"""Surface brightness, erg/s/cm2/Angstrom/arcsec2, at which a star's wing is cut off: about 1/400 of the dark sky."""


def make_scene(
    name: str,
    ra: float | None = None,
    dec: float | None = None,
    seed: int = 1,
    size: float = FIELD,
    stars: int = 600,
    fill_nan: bool = False,
) -> Scene:
    """A scene by its name.

    Parameters
    ----------
    name : key of `SCENES`, "standard:NAME", "astrometry:NAME" or the path of a FITS cube in the format of MUSE
    ra, dec : centre, degrees; None: the scene's own. Standards and astrometric fields stay where they are
    seed : the same seed gives the same sources
    size : side of the field, arcsec: 60, or 7.5 in the narrow-field mode
    stars : number of stars of the cluster
    fill_nan : a cube's values that are NaN are filled from their neighbours instead of being refused

    Raises
    ------
    MusedeepError
        Unknown scene, star or field; a cube that cannot be used (see `read_scene_cube`); coordinates outside the sky.
    """
    if ra is not None and not 0.0 <= ra < 360.0:
        raise MusedeepError(f"right ascension {ra} of the scene is not from 0 to below 360 degrees")
    if dec is not None and not -90.0 <= dec <= 90.0:
        raise MusedeepError(f"declination {dec} of the scene is not from -90 to 90 degrees")
    kind, _, which = name.partition(":")
    if kind == "standard":
        return standard_star(name, which)
    if kind == "astrometry":
        return astrometric_stars(name, which)
    if name in SCENES:
        centre = SCENES[name]
        sources: tuple[Source, ...] = ()
        if name == "deep-field":
            sources = deep_field(seed, size)
        elif name == "nebula":
            sources = nebula(seed, size)
        elif name == "cluster":
            sources = cluster(seed, size, stars)
        return Scene(name, centre[0] if ra is None else ra, centre[1] if dec is None else dec, sources)
    if name.endswith((".fits", ".fits.gz", ".fits.fz", ".fit")) or Path(name).is_file():
        cube = read_scene_cube(Path(name), fill_nan)
        return Scene(name, cube.ra if ra is None else ra, cube.dec if dec is None else dec, (), cube)
    known = ", ".join([*SCENES, "standard:NAME", "astrometry:NAME"])
    raise MusedeepError(f"scene '{name}' is unknown; give one of {known} or the path of a FITS cube")


def scene_components(
    scene: Scene, atmosphere: Atmosphere, velocity_km_s: float = 0.0
) -> list[Component | CubeComponent]:
    """The light of a scene at the entrance of the instrument, photons a second and Angstrom.

    There is one component for each source, but one for all point sources that share a spectrum. Wavelengths at the
    telescope are those of the scene over 1 + v/c (`musedeep.simulate.velocity.barycentric_velocity`).
    """
    stretch = 1.0 + velocity_km_s / LIGHT_KM_S
    transmission = atmosphere.transmission(FINE)
    components: list[Component | CubeComponent] = []
    alike: dict[int, list[Source]] = {}
    for source in scene.sources:
        if source.kind == "point" and source.line_flux.size == 0:
            alike.setdefault(id(source.template), []).append(source)
        else:
            spectrum = _spectrum(source, source.scale, stretch, transmission)
            components.append(Component(source.name, spectrum, _pattern([source], np.ones(1), atmosphere)))
    for sources in alike.values():
        name = sources[0].name if len(sources) == 1 else f"{len(sources)} stars like {sources[0].name}"
        spectrum = _spectrum(sources[0], 1.0, stretch, transmission)
        weight = np.array([source.scale for source in sources])
        if len(sources) == 1:
            spectrum, weight = spectrum.times(np.full(FINE.size, weight[0])), np.ones(1)
        components.append(Component(name, spectrum, _pattern(sources, weight, atmosphere)))
    if scene.cube is not None:
        components.append(CubeLight(scene.name, scene.cube, transmission, stretch))
    return components


def _spectrum(source: Source, scale: float, stretch: float, transmission: Array) -> Spectrum:
    """Photons a second that reach the telescope from a source of flux `template * scale`, plus its lines."""
    continuum = np.interp(FINE * stretch, FINE, source.template) * (scale * stretch)
    wavelength, flux = source.line_wavelength / stretch, source.line_flux
    sigma = wavelength * (source.line_dispersion / LIGHT_KM_S)
    sharp = sigma < 3.0 * STEP
    for centre, width, total in zip(wavelength[~sharp], sigma[~sharp], flux[~sharp], strict=True):
        first, last = np.searchsorted(FINE, [centre - 6.0 * width, centre + 6.0 * width])
        offset = (FINE[first:last] - centre) / width
        continuum[first:last] += total / (width * np.sqrt(2.0 * np.pi)) * np.exp(-0.5 * np.square(offset))
    lines = photons(flux[sharp], wavelength[sharp], COLLECTING_AREA)
    return Spectrum(photons(continuum, FINE, COLLECTING_AREA), wavelength[sharp], lines).times(transmission)


def _pattern(sources: list[Source], weight: Array, atmosphere: Atmosphere) -> Pattern:
    first = sources[0]
    if first.kind == "extended":
        return Extended(
            first.xi, first.eta, first.fwhm_major, first.fwhm_minor, first.angle, first.profile, atmosphere.seeing_fwhm
        )
    xi, eta = (np.array([getattr(source, axis) for source in sources], np.float64) for axis in ("xi", "eta"))
    fwhm = float(atmosphere.seeing_fwhm(np.array(FINE[0])))
    reach = np.array([star_reach(float(source.scale * source.template.max()), fwhm) for source in sources])
    return Stars(xi, eta, weight, reach, atmosphere.seeing_fwhm)


def star_reach(flux: float, fwhm: float) -> float:
    """Radius (arcsec) at which a star of some flux falls below `FAINT`: at least 6 widths, at most 40 arcsec."""
    radius = np.geomspace(6.0 * fwhm, max(min(40.0, 60.0 * fwhm), 7.0 * fwhm), 60)
    below = np.flatnonzero(flux * moffat(np.square(radius), np.array(fwhm)) < FAINT)
    return float(radius[below[0]] if below.size else radius[-1])
