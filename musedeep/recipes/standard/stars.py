"""The stars in the field of a standard star: where they are in the cube and on the sky, and which is the standard."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import SPAXEL_NFM, SPAXEL_WFM
from musedeep.kernels.field.sources import Source, background, find_sources
from musedeep.kernels.field.tangent import sky_position
from musedeep.kernels.lines.gaussian_fit import fit_gaussian_2d
from musedeep.reduction.observation import Observation
from musedeep.storage.calibrations.std_flux_table import Standard

THRESHOLD: Final = 5.0
"""Detection threshold, in standard deviations of the background."""

STEP: Final = 3.0
"""Ratio of a threshold to the next lower one."""

NEAR: Final = 20.0
"""Largest distance of the standard star from its tabulated place, in the wide-field mode [arcsec]."""


@dataclass(frozen=True)
class Star:
    """A star in the field.

    Attributes
    ----------
    x, y : its place in the cube, from 0 [pixel]
    ra, dec : its place on the sky, as far as the header tells it [deg]
    """

    x: float
    y: float
    ra: float
    dec: float


@dataclass(frozen=True)
class Stars:
    """The stars of a field and their typical full width at half maximum [pixel]."""

    stars: tuple[Star, ...]
    width: float


@dataclass(frozen=True)
class FieldPlace:
    """How pixels of a cube lie on the sky.

    Attributes
    ----------
    observation : of the exposure
    centre : place of the pointing in the field of view [pixel]
    start : position of the first pixel of the cube in the field of view [pixel]
    """

    observation: Observation
    centre: tuple[float, float]
    start: tuple[float, float]

    @property
    def scale(self) -> tuple[float, float]:
        """Sizes of a pixel of the field [arcsec]."""
        return SPAXEL_NFM if self.observation.narrow_field else (SPAXEL_WFM, SPAXEL_WFM)

    def sky(self, x: float, y: float) -> tuple[float, float]:
        """Right ascension and declination of a place in the cube [deg]."""
        across = -(x + self.start[0] - self.centre[0]) * self.scale[0]
        along = (y + self.start[1] - self.centre[1]) * self.scale[1]
        angle = np.radians(self.observation.position_angle)
        xi = np.cos(angle) * across + np.sin(angle) * along
        eta = -np.sin(angle) * across + np.cos(angle) * along
        ra, dec = sky_position(xi, eta, self.observation.ra, self.observation.dec)
        return float(ra), float(dec)


def find_stars(image: NDArray[np.float32], place: FieldPlace) -> Stars:
    """The stars in an image of the field.

    Parameters
    ----------
    image : float32 (lines, columns), NaN where there are no data

    Raises
    ------
    MusedeepError
        There is no star that is not cut by the edge, or no data at all.
    """
    name = place.observation.name
    if not np.isfinite(image).any():
        raise MusedeepError(f"{name}: the field has no data; look at its flags and wavelengths, or leave it out")
    sources = _sources(image)
    if not sources:
        raise MusedeepError(
            f"{name}: no whole star in the field, {THRESHOLD:g} standard deviations above the background; give the "
            "exposure of a standard star, with all the IFUs that the star is in"
        )
    width = float(np.median([0.5 * (one.width_x + one.width_y) for one in sources]))
    stars = []
    for source in sources:
        x, y = _centre(image, source.x, source.y, width)
        stars.append(Star(x, y, *place.sky(x, y)))
    return Stars(tuple(stars), width)


def _sources(image: NDArray[np.float32]) -> list[Source]:
    """Sources that have widths, at falling thresholds: what is one region at a low one can be several stars.

    The middle of such a region is no maximum of the image. At the edges of the field a source has no width on one side,
    and is mostly noise.
    """
    level, deviation = background(image)
    light = image - np.float32(level)
    if not deviation > 0:
        return []
    highest = float(np.nanmax(light)) / deviation / THRESHOLD
    found: list[Source] = []
    for step in range(int(np.log(max(highest, 1.0)) / np.log(STEP)), -1, -1):
        for one in find_sources(light, THRESHOLD * STEP**step):
            around = light[max(one.y - 2, 0) : one.y + 3, max(one.x - 2, 0) : one.x + 3]
            far = all(np.hypot(one.x - other.x, one.y - other.y) > 0.7 * other.width_x for other in found)
            if one.valid and far and light[one.y, one.x] >= 0.8 * np.nanmax(around):
                found.append(one)
    return sorted(found, key=lambda one: (one.y, one.x))


def _centre(image: NDArray[np.float32], x: int, y: int, width: float) -> tuple[float, float]:
    """Centre of a star, by a Gaussian fit to the window around a pixel, or that pixel where the fit fails."""
    half = max(2, round(1.5 * width))
    y0, x0 = max(y - half, 0), max(x - half, 0)
    window = image[y0 : y + half + 1, x0 : x + half + 1].astype(np.float64)
    good = np.isfinite(window)
    low = float(np.nanmin(window))
    guess = np.array([low, float(np.nanmax(window)) - low, x - x0, y - y0, width / 2.35, width / 2.35])
    if fit_gaussian_2d(np.where(good, window, 0.0), good, guess):
        fitted = float(guess[2] + x0), float(guess[3] + y0)
        if np.hypot(fitted[0] - x, fitted[1] - y) < width:
            return fitted
    return float(x), float(y)


def choose_star(
    stars: Stars,
    fluxes: NDArray[np.float64],
    standard: Standard,
    select: Literal["flux", "distance"],
    observation: Observation,
) -> int:
    """The number of the standard star, from 0.

    Parameters
    ----------
    fluxes : float64 (stars,), NaN where the flux could not be measured
    select : flux: the brightest; distance: the nearest to the tabulated place

    Raises
    ------
    MusedeepError
        No flux could be measured; the nearest star is far from the tabulated place.
    """
    name = observation.name
    if not np.isfinite(fluxes).any():
        raise MusedeepError(f"{name}: no flux could be measured of {len(stars.stars)} stars; choose another profile")
    if select == "flux":
        return int(np.nanargmax(fluxes))
    distances = np.array([standard.distance(star.ra, star.dec) for star in stars.stars])
    nearest = int(np.argmin(np.where(np.isfinite(fluxes), distances, np.inf)))
    if distances[nearest] > NEAR:
        raise MusedeepError(
            f"{name}: the star nearest to {standard.name} is {distances[nearest]:.1f} arcsec away from its tabulated "
            f"place, expected at most {NEAR:g}; check RA, DEC and position angle, or give select=flux for the brightest"
        )
    return nearest
