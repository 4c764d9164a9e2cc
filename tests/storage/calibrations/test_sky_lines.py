"""SKY_LINES: lines come back in the order of wavelengths; one line for what is wrong."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.sky_continuum import sky_continuum_hdu
from musedeep.storage.calibrations.sky_lines import SkyLineTable, read_sky_lines, sky_lines_hdu


def write(path, *hdus):
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    return path


def lines_of(path, **values):
    known = {
        "name": np.array(["b", "a", "c"]),
        "group": np.array([1, 0, 1]),
        "wavelength": np.array([5000.0, 6000.0, 7000.0]),
        "flux": np.array([2.0, 5.0, 0.0]),
    }
    return SkyLineTable(path, **{**known, **values})


def test_lines_come_back_in_the_order_of_wavelengths(tmp_path):
    lines = lines_of(tmp_path / "lines.fits")
    hdu = sky_lines_hdu(lines)
    assert hdu.data["flux"].tolist() == [5.0, 2.0, 0.0] and hdu.header["EXTNAME"] == "LINES"
    found = read_sky_lines(write(lines.path, hdu))
    for name in ("name", "group", "wavelength", "flux"):
        np.testing.assert_array_equal(getattr(found, name), getattr(lines, name))
    np.testing.assert_array_equal(found.chosen(found.group == 1).name, ["b", "c"])


def test_lines_of_bad_quality_are_left_out(tmp_path):
    hdu = sky_lines_hdu(lines_of(tmp_path))
    hdu.data["dq"] = [0, 1, 0]
    assert read_sky_lines(write(tmp_path / "x.fits", hdu)).name.tolist() == ["a", "c"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"flux": np.array([1.0, np.nan, 2.0])}, "not finite"),
        ({"flux": np.array([1.0, -2.0, 2.0])}, "the flux of line a is -2"),
        ({"wavelength": np.array([0.0, 1.0, 2.0])}, "not positive"),
    ],
)
def test_values_that_are_no_lines(tmp_path, values, message):
    path = write(tmp_path / "x.fits", sky_lines_hdu(lines_of(tmp_path, **values)))
    with pytest.raises(MusedeepError, match=message):
        read_sky_lines(path)


def test_lines_of_another_format(tmp_path):
    continuum = sky_continuum_hdu(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    with pytest.raises(MusedeepError, match="without the columns name, group, lambda, flux, dq; give a SKY_LINES"):
        read_sky_lines(write(tmp_path / "x.fits", continuum))
    hdu = sky_lines_hdu(lines_of(tmp_path))
    transitions = sky_lines_hdu(lines_of(tmp_path))
    transitions.header["EXTNAME"] = "OH_TRANSITIONS"
    with pytest.raises(MusedeepError, match="OH_TRANSITIONS"):
        read_sky_lines(write(tmp_path / "x.fits", hdu, transitions))
    hdu.columns["lambda"].unit = "nm"
    with pytest.raises(MusedeepError, match="lambda is in nm"):
        read_sky_lines(write(tmp_path / "x.fits", hdu))
