"""Masks of sources by their continuum, and planes that are used."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.progress import Silent
from musedeep.reduction.residuals.sky_planes import field_images, notch_planes, survey_planes, without_sources
from tests.makers.residual_cubes import ArrayVoxels, Cube

SHAPE = (80, 20, 30)


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    data = rng.normal(5.0, 2.0, SHAPE).astype(np.float32)
    y, x = np.mgrid[:20, :30]
    data += 40 * np.exp(-0.5 * ((x - 12) ** 2 + (y - 9) ** 2) / 2.0).astype(np.float32)
    return data


def test_stars_and_empty_spaxels_are_no_sky(data):
    data[:, 0] = np.nan
    image, covered = field_images(ArrayVoxels(data), np.zeros(80, bool), 2, Silent())
    sky = without_sources(image, covered)
    assert not sky[0].any() and not sky[7:12, 10:15].any()
    y, x = np.mgrid[1:20, :30]
    far = (x - 12) ** 2 + (y - 9) ** 2 > 36
    assert sky[1:][far].mean() > 0.9


def test_level_noise_and_planes_that_are_not_used(data):
    stat = np.full(SHAPE, 4.0, np.float32)
    data[10] = np.nan
    data[11, :, :20] = np.nan
    stat[12] = 0.0
    data[13] = 7.0
    skipped = np.zeros(80, bool)
    skipped[14] = True
    sky = np.ones(SHAPE[1:], bool)
    found = [survey_planes(Cube(data, stat), sky, skipped, threads, Silent()) for threads in (1, 3)]
    for name in ("level", "sigma", "spread"):
        np.testing.assert_array_equal(*(getattr(one, name) for one in found))
    used = found[0].used
    assert np.flatnonzero(~used).tolist() == [10, 11, 12, 13, 14]
    np.testing.assert_allclose(found[0].level[used], np.median(data[used], axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(found[0].sigma[used], 2.0)
    np.testing.assert_allclose(found[0].spread[used], 2.0, atol=0.5)


def test_too_little_sky(data):
    sky = np.zeros(SHAPE[1:], bool)
    sky[0, :20] = True
    with pytest.raises(MusedeepError, match="20 spaxels of sky, at least 50 are needed"):
        survey_planes(Cube(data, data**2), sky, np.zeros(80, bool), 1, Silent())


def test_the_notch():
    waves = np.arange(5700.0, 6100.0)
    assert not notch_planes(waves, "WFM-NOAO-N").any()
    blocked = waves[notch_planes(waves, "WFM-AO-N")]
    assert blocked[0] == 5800 and blocked[-1] == 5971
