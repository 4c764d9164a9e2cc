"""The sky of the demonstration: a shell nebula with emission lines, stars, and a few galaxies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LINES = ((6548.0, 0.17), (6562.8, 1.0), (6583.5, 0.52))
"""[N II], H alpha, [N II]: wavelength [Angstrom] and strength."""

LIGHT = 299792.458  # km/s
SEEING = 0.8  # FWHM [arcsec]
LINE_WIDTH = 1.1  # sigma: instrument and gas [Angstrom]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Galaxy:
    """An inclined exponential disc: place and scale length [arcsec], position angle [deg], and a redshifted line."""

    east: float
    north: float
    scale: float
    axis_ratio: float
    angle: float
    flux: float
    line: float
    rotation: float


GALAXIES = (
    Galaxy(-20.5, 17.0, 1.5, 0.42, 35.0, 110.0, 6571.0, 190.0),
    Galaxy(22.0, -19.5, 1.1, 0.6, -60.0, 75.0, 6555.5, 150.0),
    Galaxy(-23.0, -18.0, 0.9, 0.85, 10.0, 60.0, 0.0, 0.0),
    Galaxy(19.0, 24.0, 0.7, 0.35, 80.0, 55.0, 6588.0, 120.0),
)


def _gauss(wavelength: Array, centre: Array | float) -> Array:
    return np.exp(-0.5 * ((wavelength - centre) / LINE_WIDTH) ** 2)


@dataclass(frozen=True)
class Scene:
    """Surface brightness of the field."""

    seed: int = 4
    stars: int = 55

    def flux(self, east: Array, north: Array, wavelength: Array) -> Array:
        """Flux at offsets from the centre [arcsec] and wavelengths [Angstrom], in the unit of the tables."""
        flux = np.full(east.shape, 4.0)
        self._add_stars(flux, east, north)
        for galaxy in GALAXIES:
            self._add_galaxy(flux, east, north, wavelength, galaxy)
        self._add_nebula(flux, east, north, wavelength)
        return flux

    def _add_stars(self, flux: Array, east: Array, north: Array) -> None:
        rng = np.random.default_rng(self.seed)
        core = (SEEING / 2) ** 2 / (2 ** (1 / 2.5) - 1)
        places = rng.uniform(-33, 33, (self.stars, 2))
        peaks = 10 ** rng.uniform(1.3, 3.4, self.stars)
        places[0], peaks[0] = (0.4, -0.3), 1600.0  # the star that lights the nebula
        for (x, y), peak in zip(places, peaks, strict=True):
            near = np.flatnonzero((np.abs(east - x) < 6) & (np.abs(north - y) < 6))
            r2 = (east[near] - x) ** 2 + (north[near] - y) ** 2
            flux[near] += peak * (1 + r2 / core) ** -2.5

    def _add_galaxy(self, flux: Array, east: Array, north: Array, wavelength: Array, galaxy: Galaxy) -> None:
        near = np.flatnonzero((np.abs(east - galaxy.east) < 9) & (np.abs(north - galaxy.north) < 9))
        x, y = east[near] - galaxy.east, north[near] - galaxy.north
        c, s = np.cos(np.deg2rad(galaxy.angle)), np.sin(np.deg2rad(galaxy.angle))
        along, across = x * s + y * c, (x * c - y * s) / galaxy.axis_ratio
        radius = np.sqrt(along**2 + across**2 + 0.15)
        disc = galaxy.flux * np.exp(-radius / galaxy.scale)
        flux[near] += disc
        if galaxy.line:
            speed = galaxy.rotation * along / radius * np.tanh(radius)
            arms = 1 + 0.7 * np.cos(2 * np.arctan2(across, along) - 3.0 * radius)
            flux[near] += 1.6 * disc * arms * _gauss(wavelength[near], galaxy.line * (1 + speed / LIGHT))

    def _add_nebula(self, flux: Array, east: Array, north: Array, wavelength: Array) -> None:
        near = np.flatnonzero(east**2 + north**2 < 26.0**2)
        x, y, w = east[near], north[near], wavelength[near]
        # a barrel-shaped shell seen at an angle, with knots; it expands, and its axis is tilted to us
        c, s = np.cos(np.deg2rad(28.0)), np.sin(np.deg2rad(28.0))
        u, v = x * c + y * s, (-x * s + y * c) / 1.45
        radius, angle = np.hypot(u, v), np.arctan2(v, u)
        edge = 9.5 + 0.8 * np.cos(2 * angle + 0.6) + 0.35 * np.sin(5 * angle) + 0.25 * np.sin(9 * angle + 1.0)
        knots = 1 + 0.35 * np.sin(7 * angle + 0.5 * radius) + 0.25 * np.sin(13 * angle - radius)
        ring = np.exp(-0.5 * ((radius - edge) / np.where(radius < edge, 1.9, 0.8)) ** 2) * knots
        inside = np.clip(1 - (radius / edge) ** 2, 0, None)
        halo = 0.10 * np.exp(-np.clip(radius - edge, 0, None) / 3.5) * (radius > edge)
        lobes = 0.5 * np.exp(-0.5 * ((u / 2.2) ** 2 + ((np.abs(v) - 10.5) / 2.0) ** 2))
        brightness = 260.0 * (ring + 0.12 * np.sqrt(inside) + halo + lobes)
        tilt = 55.0 * v / 10.0  # km/s along the axis
        near_side, far_side = tilt - 95.0 * np.sqrt(inside), tilt + 95.0 * np.sqrt(inside)
        for rest, strength in LINES:
            nitrogen = 1.0 if strength == 1.0 else 0.6 + 0.9 * np.clip(radius / edge, 0, 1.3) ** 3
            for speed in (near_side, far_side):
                flux[near] += 0.5 * strength * nitrogen * brightness * _gauss(w, rest * (1 + speed / LIGHT))
        flux[near] += 0.02 * brightness
