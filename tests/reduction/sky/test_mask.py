"""The sky is the darkest part of the image; noise that chose it is known."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.reduction.sky.mask import choice_bias, darkest, given_region
from musedeep.storage.calibrations.sky_mask import SkyMask


def image_of(n=7224, seed=1, noise=0.5):
    return (56.0 + noise * np.random.default_rng(seed).standard_normal(n)).astype(np.float32).reshape(24, -1)


@given(st.floats(0.05, 0.99), st.floats(0.01, 0.5))
def test_shares_of_the_field(fraction, ignore):
    image = image_of()
    region = darkest(image, fraction, ignore)
    n = image.size
    assert region.mask.sum() == pytest.approx(fraction * (1.0 - ignore) * n, abs=3)
    assert (image < region.low).sum() == pytest.approx(ignore * n, abs=3)
    assert region.low < image[region.mask].min() and image[region.mask].max() < region.high


def test_limits_are_those_of_the_reference():
    # of 7224 pixels it takes the 361st and the 5508th as limits
    values = np.sort(image_of().ravel())
    region = darkest(image_of(), 0.75, 0.05)
    assert (region.low, region.high) == (values[360], values[5507])
    assert region.mask.sum() == 5146


def test_all_of_a_given_mask():
    image, inside = image_of(), np.zeros((24, 301), bool)
    inside[3:7, 10:20] = True
    np.testing.assert_array_equal(darkest(image, 1.0, 0.0, inside).mask, inside)
    half = darkest(image, 0.5, 0.0, inside).mask
    assert half.sum() == pytest.approx(20, abs=1) and not half[~inside].any()


def test_pixels_without_data_are_no_sky():
    image = image_of()
    image[:, :150] = np.nan
    mask = darkest(image, 1.0, 0.0).mask
    assert mask[:, 150:].all() and not mask[:, :150].any()


@pytest.mark.parametrize(("fraction", "ignore"), [(1e-5, 0.0), (1e-4, 0.5)])
def test_nothing_left(fraction, ignore):
    with pytest.raises(MusedeepError, match="no sky: 7224 pixels"):
        darkest(image_of(), fraction, ignore)


def test_an_image_without_light():
    with pytest.raises(MusedeepError, match="all values of the image are 3"):
        darkest(np.full((10, 10), 3.0, np.float32), 0.5, 0.1)


def mask_of(mask, x=-149.5, y=120.0, **cards):
    return SkyMask(Path("mask.fits"), mask, fits.Header([("CRVAL1", x), ("CRVAL2", y), *cards.items()]))


def test_a_mask_of_nearly_the_same_place():
    mask = np.random.default_rng(1).random((24, 301)) > 0.5
    np.testing.assert_array_equal(given_region(mask_of(mask), (-149.5, 120.0), (24, 301)), mask)
    moved = given_region(mask_of(mask, x=-148.7), (-149.5, 120.0), (24, 301))
    np.testing.assert_array_equal(moved[:, 1:], mask[:, :-1])
    assert not moved[:, 0].any()


@pytest.mark.parametrize(
    ("shape", "place"), [((24, 300), (-140.0, 120.0)), ((50, 301), (-149.5, 120.0)), ((24, 301), (-149.5, -120.0))]
)
def test_a_mask_of_another_size_or_place(shape, place):
    mask = mask_of(np.ones(shape, bool), *place)
    with pytest.raises(MusedeepError, match=f"the mask has {shape[1]} x {shape[0]} pixels.*the field 301 x 24"):
        given_region(mask, (-149.5, 120.0), (24, 301))


@pytest.mark.parametrize(("fraction", "structure"), [(0.1, 0.0), (0.1, 1.5), (0.75, 0.0), (0.3, 0.5)])
def test_noise_of_the_chosen_pixels_is_known(fraction, structure):
    """Whatever the true values are: here none, or a gradient as large as the noise."""
    rng = np.random.default_rng(3)
    shape = 200, 300
    truth = 50.0 + structure * np.linspace(-1, 1, 300)[None, :] * np.ones((200, 1))
    noise = 0.4 * rng.standard_normal(shape)
    image = (truth + noise).astype(np.float32)
    region = darkest(image, fraction, 0.05)
    bias = choice_bias(image, region, 0.16)
    assert bias == pytest.approx(noise[region.mask].mean(), abs=0.02)


def test_without_noise_there_is_no_bias():
    region = darkest(image_of(), 0.1, 0.05)
    assert choice_bias(image_of(), region, 0.0) == 0.0
    assert choice_bias(image_of(48), darkest(image_of(48), 0.5, 0.1), 1.0) == 0.0
