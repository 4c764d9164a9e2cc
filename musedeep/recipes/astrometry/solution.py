"""The astrometric solution: detections matched to the catalogue, and a linear transformation fitted.

1. The stars of the catalogue are placed in the field of view by the header: gnomonic about the pointing, the nominal
   scale, the position angle.
2. Detections are matched to them by patterns (`kernels.field.star_patterns`).
3. A linear transformation from pixels to the tangent plane is fitted to the matched stars, all with the same weight.
   Stars are left out whose residuals are larger than the median residual by more than `rejsigma` times their scatter
   (1.48 times the median absolute deviation); `niter` is the number of fits. From the same places it is the matrix of
   the reference, to 1e-14 degrees per pixel, in five of six solutions; in the sixth it left out three more stars.
4. The tangent point is put on the axis about which the field turns (`rotcenter`), and the matrix is turned back to
   position angle 0. (The reference leaves it turned, which is wrong where the angle is not 0; and its CRVAL is the
   place of the pixel `rotcenter` of the image, 30 arcsec beside the middle of the field. Nothing reads CRVAL.)
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.field.star_patterns import FEWEST, Matches, match_quadruples, match_triangles
from musedeep.kernels.field.tangent import sky_position, tangent_offsets
from musedeep.recipes.astrometry.recipe import AstrometryParameters, pixel_of
from musedeep.recipes.astrometry.stars import Stars
from musedeep.reduction.correct.placing import field_middle, nominal_wcs, turned
from musedeep.reduction.observation import Observation
from musedeep.storage.calibrations.astrometry_reference import ReferenceField, separation
from musedeep.storage.calibrations.astrometry_wcs import AstrometryWcs

Floats = NDArray[np.float64]

FARTHEST: Final = 60.0
"""Stars of the catalogue farther from the pointing are beyond the field of view at any angle, and any error of the
pointing [arcsec]; of the narrow-field mode, an eighth."""
LARGEST_TURN: Final = 5.0
"""A solution that is turned more than that against the derotator has matched wrong stars [deg]."""
SPREAD: Final = 1.48
"""Standard deviation of a normal distribution over its median absolute deviation, as the reference has it."""


@dataclass(frozen=True)
class Solution:
    """The solution of one exposure.

    Attributes
    ----------
    wcs : for the ASTROMETRY_WCS, with its stars
    image : the same for the pixels of the image in which the stars were found, counted from 1
    stars : all that were found
    matches : the k stars that are in the catalogue
    kept : bool (k,), those in the fit in the end
    residuals : float64 (k, 2), measured minus catalogue, along right ascension and declination [arcsec]
    median_residuals : float64 (2,), SPREAD times the medians of the absolute values of those kept [arcsec]
    """

    wcs: AstrometryWcs
    image: AstrometryWcs
    stars: Stars
    matches: Matches
    kept: NDArray[np.bool_]
    residuals: Floats
    median_residuals: Floats


def stars_near(observation: Observation, field: ReferenceField, path: str) -> ReferenceField:
    """The stars of the catalogue that the exposure may show.

    Raises
    ------
    MusedeepError
        There are fewer than four.
    """
    limit = FARTHEST / 8.0 if observation.narrow_field else FARTHEST
    near = separation(field.ra, field.dec, observation.ra, observation.dec) < limit
    if near.sum() < FEWEST:
        raise MusedeepError(
            f"{path}: field {field.name} has {near.sum()} stars within {limit:g} arcsec of the pointing (RA "
            f"{observation.ra:.5f}, DEC {observation.dec:.5f}), a solution needs {FEWEST}; give an "
            "ASTROMETRY_REFERENCE with the stars of that field"
        )
    return ReferenceField(field.name, field.distance, field.ra[near], field.dec[near], field.magnitude[near])


def solve(
    observation: Observation, field: ReferenceField, stars: Stars, start: Floats, parameters: AstrometryParameters
) -> Solution:
    """Match the stars of an exposure, and fit the solution.

    Parameters
    ----------
    start : float64 (2,), x and y of the first pixel of the image in the field of view [pixel]

    Raises
    ------
    MusedeepError
        Fewer than four stars were found; they match no stars of the catalogue; too few are left in the fit; the field
        is turned against the position angle of the header.
    """
    name, count = observation.name, len(stars.flux)
    if count < FEWEST:
        raise MusedeepError(
            f"{name}: {count} stars above detsigma={stars.level:g}, a solution needs {FEWEST}; give a lower detsigma"
        )
    pointing = observation.ra, observation.dec
    plane = np.stack(tangent_offsets(field.ra, field.dec, *pointing), axis=1)
    nominal = turned(nominal_wcs(observation).matrix, observation.position_angle) * 3600.0
    in_field = plane @ np.linalg.inv(nominal).T
    matches = _matched(stars, in_field, field.magnitude, parameters)
    if matches is None:
        raise MusedeepError(
            f"{name}: {count} stars above detsigma={stars.level:g} match no pattern of {len(field.ra)} stars of field "
            f"{field.name}; try another detsigma, a larger radius, or faccuracy={0 if parameters.faccuracy else 5}"
        )
    pixels = stars.places[matches.detection] + start
    transformation, kept = fit_linear(pixels, plane[matches.star], parameters.niter, parameters.rejsigma, name)
    turn = _turn(transformation[:2].T @ np.linalg.inv(nominal))
    if abs(turn) > LARGEST_TURN:
        raise MusedeepError(
            f"{name}: {kept.sum()} stars fit a field that is turned by {turn:.1f} deg against ESO INS DROT POSANG: "
            "they are others of the catalogue; try another detsigma, or correct the keyword"
        )
    residuals = pixels @ transformation[:2] + transformation[2] - plane[matches.star]
    spread = SPREAD * np.median(np.abs(residuals[kept]), axis=0)
    centre = np.array(pixel_of(parameters.rotcenter))
    axis = field_middle(observation) + centre
    xi, eta = axis @ transformation[:2] + transformation[2]
    place = np.array([float(v) for v in sky_position(xi, eta, *pointing)])
    matrix = transformation[:2].T / 3600.0
    columns = stars.columns(matches.detection, field.ra[matches.star], field.dec[matches.star])
    turned_back = turned(matrix, -observation.position_angle)
    errors = spread / 3600.0
    return Solution(
        AstrometryWcs(turned_back, centre, place, errors, observation.mode, columns),
        AstrometryWcs(matrix, axis - start + 1.0, place, errors, observation.mode, {}),
        stars, matches, kept, residuals, spread,
    )  # fmt: skip


def _turn(matrix: Floats) -> float:
    """By how much a matrix (2, 2) turns [deg]."""
    return float(np.degrees(np.arctan2(matrix[0, 1] - matrix[1, 0], matrix[0, 0] + matrix[1, 1])))


def _matched(stars: Stars, in_field: Floats, magnitude: Floats, parameters: AstrometryParameters) -> Matches | None:
    if parameters.faccuracy > 0:
        accuracy = max(parameters.faccuracy * float(stars.errors.mean()), 1e-3)
        return match_triangles(stars.places, in_field, magnitude, parameters.radius, accuracy)
    return match_quadruples(stars.places, in_field, magnitude, parameters.radius)


def fit_linear(
    pixels: Floats, plane: Floats, niter: int, rejsigma: float, name: str
) -> tuple[Floats, NDArray[np.bool_]]:
    """Fit a linear transformation, without the stars that fit badly.

    Parameters
    ----------
    pixels, plane : float64 (n, 2), places of stars, and on the tangent plane [arcsec]
    niter : number of fits
    rejsigma : limit for the residuals, in their scatter
    name : the exposure, for messages

    Returns
    -------
    transformation : float64 (3, 2); (x, y, 1) times it is a place on the plane
    kept : bool (n,), stars in the fit

    Raises
    ------
    MusedeepError
        Fewer than four stars are left, or they lie on a line.
    """
    kept = np.ones(len(pixels), np.bool_)
    equations = np.column_stack([pixels, np.ones(len(pixels))])
    for iteration in range(niter):
        transformation, _, rank, _ = np.linalg.lstsq(equations[kept], plane[kept], rcond=None)
        if kept.sum() < FEWEST or rank < 3:
            raise MusedeepError(
                f"{name}: {kept.sum()} stars fit within rejsigma={rejsigma:g}, a solution needs {FEWEST} that are not "
                "on a line; give a lower detsigma or a larger rejsigma"
            )
        residuals = np.hypot(*(equations @ transformation - plane).T)
        middle = np.median(residuals[kept])
        good = residuals - middle <= rejsigma * SPREAD * np.median(np.abs(residuals[kept] - middle))
        if iteration == niter - 1 or (good == kept).all() or good.sum() < FEWEST:
            break
        kept = good
    return np.asarray(transformation), kept
