"""SKY_CONTINUUM: what is written is read back."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.sky_continuum import read_sky_continuum, sky_continuum_hdu
from musedeep.storage.fits.table import Column, table_hdu


def write(path, *hdus):
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    return path


def test_a_continuum_comes_back(tmp_path):
    path = write(tmp_path / "x.fits", sky_continuum_hdu(np.array([4750.0, 4751.0]), np.array([3.0, 4.0])))
    found = read_sky_continuum(path)
    assert found.wavelength.tolist() == [4750.0, 4751.0] and found.flux.tolist() == [3.0, 4.0]


@pytest.mark.parametrize(
    ("wavelength", "flux", "message"),
    [
        ([2.0, 1.0], [1.0, 1.0], "does not ascend"),
        ([1.0], [1.0], "does not ascend"),
        ([1.0, 2.0], [1.0, np.inf], "finite"),
    ],
)
def test_a_continuum_that_is_none(tmp_path, wavelength, flux, message):
    path = write(tmp_path / "x.fits", sky_continuum_hdu(np.array(wavelength), np.array(flux)))
    with pytest.raises(MusedeepError, match=message):
        read_sky_continuum(path)
    lines = write(tmp_path / "lines.fits", table_hdu((Column("lines", "1J"),), {"lines": [1]}))
    with pytest.raises(MusedeepError, match="give a SKY_CONTINUUM"):
        read_sky_continuum(lines)
