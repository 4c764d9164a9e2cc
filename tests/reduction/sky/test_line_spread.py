"""Line-spread functions of slices, and their mean."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.reduction.sky.line_spread import centres_of_light, ifus_of, mean_profiles, on_grid, slice_profiles
from tests.makers.sky_exposures import OFFSETS, PLANES, lsf_of


def test_profiles_of_a_slice():
    lsf = lsf_of(12)
    profiles = slice_profiles(lsf, 7)
    np.testing.assert_array_equal(profiles.values, lsf.images[7])
    assert (profiles.first, profiles.step, profiles.low) == (6000.0, 300.0, -7.5)
    assert profiles.spacing == pytest.approx(0.1)


def test_the_mean_is_weighted_by_rows_and_averaged_over_a_bin():
    lsfs = {12: lsf_of(12), 13: lsf_of(13)}
    rows = np.zeros((25, 64), np.int64)
    rows[12, 5], rows[13, 9] = 300, 100
    step = 0.3125
    mean = mean_profiles(lsfs, rows, step)
    plain = 0.75 * lsfs[12].images[4] + 0.25 * lsfs[13].images[8]
    # a triangle adds step**2 / 6 to the square of the width
    for k in range(PLANES.size):
        total = mean.values[k].sum()
        wider = (mean.values[k] * OFFSETS**2).sum() / total - (plain[k] * OFFSETS**2).sum() / plain[k].sum()
        assert wider == pytest.approx(step**2 / 6.0, rel=0.02)
        assert total == pytest.approx(plain[k].sum(), rel=1e-4)


def test_profiles_of_another_grid():
    lsf, other = lsf_of(12), lsf_of(13)
    coarse = other.__class__(other.path, 13, other.images[:, ::2, ::3], OFFSETS[::3], PLANES[::2])
    found = on_grid(coarse, lsf)
    assert found.shape == lsf.images.shape
    # the middle plane is the mean of its neighbours, so are the widths within 1e-3
    assert np.abs(found - other.images).max() < 2e-3 * other.images.max()
    assert on_grid(other, lsf) is other.images


def test_centres_of_light_of_skew_profiles():
    lsfs = {12: lsf_of(12, skew=0.03)}
    found = centres_of_light(lsfs, np.array([6000.0, 6150.0]))
    expected = (lsfs[12].images.mean(0) @ OFFSETS / lsfs[12].images.mean(0).sum(1))[:2]
    np.testing.assert_allclose(found, [expected[0], expected.mean()])
    np.testing.assert_allclose(centres_of_light({12: lsf_of(12)}, PLANES), 0.0, atol=1e-12)


def test_ifus_of_a_header():
    key = "HIERARCH ESO DRS MUSE PIXTABLE"
    header = fits.Header([(f"{key} EXP0 IFU{n:02d} SLICE07 XOFFSET", 3) for n in (24, 2)])
    assert ifus_of(header, "x") == [2, 24]
    limits = fits.Header([(f"{key} LIMITS IFU LOW", 3), (f"{key} LIMITS IFU HIGH", 5)])
    assert ifus_of(limits, "x") == [3, 4, 5]
    with pytest.raises(MusedeepError, match="x: keyword ESO DRS MUSE PIXTABLE LIMITS IFU LOW is missing"):
        ifus_of(fits.Header(), "x")
