"""Images of exposures on the grid of the cube, and their residuals."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from musedeep.campaign.review.comparison import binned, compared, medians_of_others, read_plane
from musedeep.errors import MusedeepError
from musedeep.quality.record import PRODUCT, ProductRecord, read_record
from tests.makers.finished_campaign import finished_campaign


@given(st.integers(0, 2**31), st.integers(1, 9), st.floats(0, 0.9), st.floats(0, 1))
def test_medians_of_others(seed, number, gaps, share):
    """As numpy has them, with gaps, values that are equal, and images that are not used."""
    rng = np.random.default_rng(seed)
    images = np.round(rng.normal(size=(number, 35, 3)), 1).astype(np.float32)
    images[rng.random(images.shape) < gaps] = np.nan
    used = rng.random(number) < share
    found = medians_of_others(images, used)
    for k in range(number):
        others = [one for one in range(number) if used[one] and one != k]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            wanted = np.nanmedian(images[others], axis=0) if others else np.full(images.shape[1:], np.nan)
        np.testing.assert_allclose(found[k], wanted, atol=1e-6)


def test_binned():
    image = np.arange(20, dtype=np.float32).reshape(4, 5)
    image[0, 0] = image[2:4, 2:4] = np.nan
    np.testing.assert_allclose(binned(image, 2), [[(1 + 5 + 6) / 3, 5], [13, np.nan]])
    assert binned(image, 1) is image


def test_a_shifted_exposure_is_seen_and_no_other(tmp_path):
    """Pointing errors are taken out by the offsets; what a wrong offset leaves is far above all else."""
    campaign = finished_campaign(tmp_path, exposures=5, shifted={3: 0.8})
    record = read_record(ProductRecord, campaign.products[0] / PRODUCT)
    for exposure, transparency in zip(record.exposures, campaign.truth.transparency, strict=True):
        exposure.transparency = float(transparency)
    singles = [(one, read_plane(campaign.folder / one.image)) for one in record.exposures]
    images, residuals = compared(read_plane(campaign.folder / record.images[0]), singles)
    x, y, _ = campaign.truth.stars[0]
    box = np.s_[:, int(y) - 5 : int(y) + 6, int(x) - 5 : int(x) + 6]
    left = np.nanmax(np.abs(residuals[box]), axis=(1, 2)) / np.nanmax(images[box], axis=(1, 2))
    assert np.argmax(left) == 3 and left[3] > 0.35 and np.median(left) < 0.25
    assert abs(np.nanmedian(images)) < 2
    # an exposure that is not in the cube does not count for the others, but is compared
    record.exposures[3].excluded = "why"
    other = compared(read_plane(campaign.folder / record.images[0]), singles)[1]
    others = [0, 1, 2, 4]
    np.testing.assert_allclose(other[3], residuals[3], atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of pixels without data
        wanted = [np.nanmedian(images[[k for k in others if k != one]], axis=0) for one in others]
    np.testing.assert_allclose(other[others], images[others] - wanted, atol=1e-3)


def test_no_image(tmp_path):
    with pytest.raises(MusedeepError, match=r"a\.fits: no such"):
        read_plane(tmp_path / "a.fits")
    fits.PrimaryHDU().writeto(tmp_path / "b.fits")
    with pytest.raises(MusedeepError, match="has no image"):
        read_plane(tmp_path / "b.fits")
