"""Images of exposures on one grid, without any file: of stars and conditions of known truth."""

import numpy as np

from musedeep.kernels.field.sources import background
from musedeep.quality.singles import Single, Singles
from musedeep.storage.cubes.field_view import FieldPlane
from tests.makers.finished_campaign import POINTING, SPAXEL, Trail, Truth, exposure_cube, truth_of


def plane_of(shape: tuple[int, int]) -> FieldPlane:
    """The grid: north up, east left."""
    cd = np.array([[-SPAXEL, 0.0], [0.0, SPAXEL]]) / 3600.0
    return FieldPlane(((shape[1] + 1) / 2, (shape[0] + 1) / 2), POINTING, cd)


def made_up_singles(
    exposures: int = 8,
    shifted: dict[int, float] | None = None,
    shape: tuple[int, int] = (60, 60),
    seed: int = 1,
    stars: int = 8,
    faint: float = 1.0,
    trail: Trail | None = None,
    errors: float = 0.0,
) -> tuple[Singles, Truth]:
    """Images of exposures after their offsets, of which some are wrong by `shifted` [arcsec].

    Parameters
    ----------
    faint : factor on the light of the stars
    errors : standard deviation of the other offsets along each axis [arcsec]
    """
    truth = truth_of(exposures, shape, 1, seed, stars, shifted)
    truth.stars[:, 2] *= faint
    truth.shifts[:] += errors * np.random.default_rng([seed, 1]).normal(size=truth.shifts.shape)
    images = []
    for k in range(exposures):
        # one plane of the noise that the mean of 24 has
        cube = exposure_cube(truth, k, (1, *shape), seed, True, trail, noise=24**-0.5)[0]
        middle, noise = background(cube)
        images.append(Single(f"E{k}", 0, 0, (cube - middle).astype(np.float32), middle, noise))
    return Singles(plane_of(shape), shape, images), truth
