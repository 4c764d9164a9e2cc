"""VIGNETTING_MASK: what is written is read back."""

import numpy as np
from astropy.io import fits

from musedeep.storage.calibrations.vignetting_mask import read_vignetting_mask, vignetting_hdus


def test_a_mask_comes_back(tmp_path):
    mask = np.random.default_rng(1).integers(0, 2, (7, 9))
    vignetting_hdus(mask, (-4.0, -3.5)).writeto(tmp_path / "mask.fits")
    np.testing.assert_array_equal(read_vignetting_mask(tmp_path / "mask.fits"), mask == 1)
    header = fits.getheader(tmp_path / "mask.fits")
    assert (header["CRVAL1"], header["CRVAL2"]) == (-4.0, -3.5)
