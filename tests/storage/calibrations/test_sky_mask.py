"""SKY_MASK: what is written is read back, with its place in the field."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.sky_mask import mask_hdu, read_sky_mask


def write(path, *hdus):
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    return path


def test_a_mask_comes_back(tmp_path):
    mask = np.random.default_rng(1).random((4, 7)) > 0.5
    fits.HDUList([mask_hdu(mask, (-3.5, 120.25), fits.Header())]).writeto(tmp_path / "x.fits")
    found = read_sky_mask(tmp_path / "x.fits")
    np.testing.assert_array_equal(found.mask, mask)
    assert found.in_pixels and found.start == (-3.5, 120.25)
    assert fits.getheader(tmp_path / "x.fits")["BITPIX"] == 8


def test_a_mask_on_the_sky_has_no_place_in_the_field(tmp_path):
    hdu = fits.PrimaryHDU(np.ones((2, 2), np.uint8), fits.Header([("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN")]))
    hdu.writeto(tmp_path / "x.fits")
    found = read_sky_mask(tmp_path / "x.fits")
    assert not found.in_pixels
    with pytest.raises(MusedeepError, match="celestial"):
        _ = found.start
    with pytest.raises(MusedeepError, match="no image of two axes"):
        read_sky_mask(write(tmp_path / "y.fits"))
