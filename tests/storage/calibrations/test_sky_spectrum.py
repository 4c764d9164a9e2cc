"""SKY_SPECTRUM: what is written is read back."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.sky_spectrum import SkySpectrumTable, read_sky_spectrum, sky_spectrum_hdu
from musedeep.storage.fits.table import Column, table_hdu


def write(path, *hdus):
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    return path


def spectrum_of(path, **values):
    known = {
        "wavelength": np.array([4750.0, 4751.0, 4752.0]),
        "data": np.array([1.0, 2.0, np.nan]),
        "stat": np.array([0.1, 0.2, np.nan]),
        "dq": np.array([0, 0, 1]),
    }
    return SkySpectrumTable(path, **{**known, **values})


def test_a_spectrum_comes_back(tmp_path):
    spectrum = spectrum_of(tmp_path / "x.fits")
    found = read_sky_spectrum(write(spectrum.path, sky_spectrum_hdu(spectrum)))
    for name in ("wavelength", "data", "stat", "dq"):
        np.testing.assert_array_equal(getattr(found, name), getattr(spectrum, name))


@pytest.mark.parametrize(
    ("values", "message"),
    [({"dq": np.array([0, 1, 1])}, "two good rows"), ({"dq": np.zeros(3, int)}, "not finite")],
)
def test_a_spectrum_that_is_none(tmp_path, values, message):
    path = write(tmp_path / "x.fits", sky_spectrum_hdu(spectrum_of(tmp_path, **values)))
    with pytest.raises(MusedeepError, match=message):
        read_sky_spectrum(path)
    with pytest.raises(MusedeepError, match="give a SKY_SPECTRUM"):
        read_sky_spectrum(write(tmp_path / "y.fits", table_hdu((Column("lines", "1J"),), {"lines": [1]})))
