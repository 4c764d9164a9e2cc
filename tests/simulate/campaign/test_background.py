"""The expected histogram of a deep cube: noise of time and sky, and the sky that is subtracted too much."""

from dataclasses import replace

import numpy as np
import pytest

from musedeep.simulate.campaign.background import Shot, drizzle_factors, expected_histogram
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.job import Job
from musedeep.simulate.optics import Instrument
from musedeep.simulate.scene import make_scene

EMPTY = make_scene("empty", 30.0, -30.0)


def shots(number, seconds, scene=EMPTY, blank=None, nights=True, **of_sky):
    one = Exposure(
        index=1, kind="OBJECT", date_obs="2017-11-18T03:00:00.000", mjd=58075.125, exposure_time=seconds, scene=scene,
        ra=scene.ra, dec=scene.dec, **of_sky,
    )  # fmt: skip
    job = Job((replace(one, kind="BIAS"),) * 3, Instrument(seed=3, ifus=(1, 2)), seed=3)
    each = [replace(one, index=k, mjd=one.mjd + k * nights) for k in range(number)]
    return [Shot(job, exposure, blank) for exposure in each]


def test_noise_falls_with_exposures_and_time():
    single, four, short, bright = (
        expected_histogram(some, EMPTY, False)
        for some in (shots(1, 900.0), shots(4, 900.0), shots(1, 300.0), shots(1, 900.0, sky_brightness=4.0))
    )
    assert abs(single.mode()) < 0.2 * single.width()
    # the drizzle weighs pixels unequally, so that the noise falls a little less than by the square root
    assert 1.75 < single.width() / four.width() < 2.0
    # photons alone: 1.73 times; read-out noise alone: 3 times
    assert 1.75 < short.width() / single.width() < 3.0
    assert 1.2 < bright.width() / single.width() < 2.0
    assert short.histo_17() < single.histo_17() < four.histo_17() < 0


def test_exposures_of_one_night_share_the_noise_of_its_master_bias():
    apart, together = (expected_histogram(shots(4, 300.0, nights=nights), EMPTY, False) for nights in (True, False))
    assert 1.02 < together.width() / apart.width() < 1.25


def test_sky_stays_is_subtracted_with_starlight_or_as_the_blank_sky_has_it():
    crowd = make_scene("cluster", 30.0, -30.0, stars=1500)
    some = shots(2, 900.0, crowd)
    left, subtracted = (expected_histogram(some, crowd, crowded) for crowded in (True, False))
    assert left.mode() > 20.0 and left.histo_17() > 0.0 and subtracted.histo_17() < -10.0
    assert left.mode() - subtracted.mode() > 20.0
    blank = replace(some[0].exposure, kind="SKY", transparency=0.6)
    unmatched = expected_histogram(shots(2, 900.0, blank=blank), EMPTY, False)
    matched = expected_histogram(shots(2, 900.0, blank=replace(blank, transparency=1.0)), EMPTY, False)
    assert abs(matched.mode()) < 1.0 and unmatched.mode() > 5.0


def test_drizzle_of_many_exposures_is_that_of_weights():
    rng = np.random.default_rng(1)
    one, many = drizzle_factors(rng, 1, (20_000,)), drizzle_factors(rng, 50, (2_000,))
    assert one.min() > 0.0 and one.max() <= 1.0 + 1e-12
    # pixels of weight w, each in some voxel: the mean of w^2 over the square of the mean of w
    line = np.clip(0.5 + 0.3 - np.abs(np.linspace(-1.5, 1.5, 300_001)), 0.0, 0.6)
    expected = (np.mean(np.square(line)) / np.mean(line) ** 2 / 3.0) ** 3 / 50.0
    assert many.mean() == pytest.approx(expected, rel=0.05)
