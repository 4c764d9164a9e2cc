"""Images of exposures on one grid, and the mean of the others."""

import numpy as np
import pytest

from musedeep.quality.singles import Single, Singles
from tests.makers.single_images import plane_of


def images(*places, shape=(30, 40)):
    rng = np.random.default_rng(1)
    return [
        Single(f"E{k}", y, x, rng.normal(size=(20, 20)).astype(np.float32), 0.0, 1.0) for k, (y, x) in enumerate(places)
    ]


def test_the_mean_of_the_others_is_that_of_what_is_there():
    many = images((0, 0), (5, 10), (10, 20))
    singles = Singles(plane_of((30, 40)), (30, 40), many)
    whole = np.full((3, 30, 40), np.nan)
    for k, one in enumerate(many):
        whole[k][one.box] = one.data
    for k, one in enumerate(many):
        rest = np.delete(whole, k, axis=0)[:, *one.box]
        alone = ~np.isfinite(rest).any(axis=0)
        expected = np.where(alone, np.nan, np.nansum(rest, axis=0) / np.maximum(np.isfinite(rest).sum(axis=0), 1))
        assert np.allclose(singles.others(k), expected, equal_nan=True, atol=1e-5)
        assert np.allclose(singles.residual(k), one.data - expected, equal_nan=True, atol=1e-5)


def test_outliers_of_one_exposure_are_not_in_the_mean():
    many = images(*[(0, 0)] * 6)
    many[2].data[4, 4] += 1000.0
    many[3].data[7, 7] = np.nan
    singles = Singles(plane_of((20, 20)), (20, 20), many)
    assert singles.number[4, 4] == 5 and singles.number[7, 7] == 5 and abs(singles.mean[4, 4]) < 3
    others = np.mean([one.data[4, 4] for k, one in enumerate(many) if k not in (0, 2)])
    assert singles.others(0)[4, 4] == pytest.approx(others, abs=1e-4)
    assert singles.residual(2)[4, 4] > 990
    assert np.isnan(singles.residual(3)[7, 7])


def test_a_mean_of_some_exposures():
    many = images(*[(0, 0)] * 4)
    singles = Singles(plane_of((20, 20)), (20, 20), many).against(frozenset({0, 1, 2}))
    assert np.allclose(singles.others(3), np.mean([one.data for one in many[:3]], axis=0), atol=1e-5)
    assert np.allclose(singles.others(0), np.mean([one.data for one in many[1:3]], axis=0), atol=1e-5)


def test_scaled_images():
    many = images((0, 0), (0, 0))
    singles = Singles(plane_of((20, 20)), (20, 20), many).scaled([0.5, 1.0])
    assert singles.images[0].noise == 2.0 and singles.images[0].scale == 0.5
    assert np.allclose(singles.images[0].data, 2.0 * many[0].data)
