"""Tables of standard stars: the nearest is taken, and one that is far away is not."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.std_flux_table import Standard, nearest_standard, std_flux_table_hdus

WAVES = np.arange(4500.0, 9500.0, 5.0)
STARS = [
    Standard("Alpha", 359.999, -30.0, WAVES, np.full(WAVES.size, 1e-14), np.full(WAVES.size, 1e-16)),
    Standard("Beta", 120.0, 45.0, WAVES, np.full(WAVES.size, 2e-14), np.zeros(WAVES.size)),
]


def _write(path, stars):
    std_flux_table_hdus(stars).writeto(path)
    return path


@given(st.floats(0, 360), st.floats(-90, 90), st.floats(0, 360), st.floats(-90, 90))
def test_distances_are_those_of_astropy(ra, dec, other_ra, other_dec):
    star = replace(STARS[0], ra=ra, dec=dec)
    expected = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(other_ra, other_dec, unit="deg")).arcsec
    assert star.distance(other_ra, other_dec) == pytest.approx(expected, abs=0.02)


def test_the_nearest_of_two_files(tmp_path):
    paths = [_write(tmp_path / f"{star.name}.fits", [star]) for star in STARS]
    found = nearest_standard(paths, 0.001, -30.0)
    assert (found.name, found.ra, found.dec) == ("Alpha", 359.999, -30.0)
    np.testing.assert_array_equal(found.flux, STARS[0].flux)
    np.testing.assert_array_equal(found.flux_error, STARS[0].flux_error)
    assert nearest_standard(paths, 120.0, 45.01).name == "Beta"


def test_errors_of_fluxes_may_be_missing(tmp_path):
    columns = [fits.Column("lambda", "D", array=WAVES), fits.Column("flux", "D", array=STARS[0].flux)]
    table = fits.BinTableHDU.from_columns(columns, name="STAR")
    table.header["RA"], table.header["DEC"] = 10.0, 20.0
    table.writeto(tmp_path / "plain.fits")
    np.testing.assert_array_equal(nearest_standard([tmp_path / "plain.fits"], 10.0, 20.0).flux_error, 0.0)


def test_what_is_refused(tmp_path):
    path = _write(tmp_path / "stars.fits", STARS)
    far = r"stars\.fits: no standard star within 60 arcsec of RA 120\.00000, DEC 46\.00000; the nearest, Beta, is 1\.00"
    with pytest.raises(MusedeepError, match=far):
        nearest_standard([path], 120.0, 46.0)
    flux = np.where(WAVES == 5000.0, np.nan, 1e-14)
    with pytest.raises(MusedeepError, match="star Alpha: a flux is no positive number"):
        nearest_standard([_write(tmp_path / "nan.fits", [replace(STARS[0], flux=flux)])], 359.999, -30.0)
    reverse = replace(STARS[0], wavelength=WAVES[::-1])
    with pytest.raises(MusedeepError, match="star Alpha: lambda does not ascend"):
        nearest_standard([_write(tmp_path / "reverse.fits", [reverse])], 359.999, -30.0)
    with fits.open(path) as hdus:
        del hdus[1].header["RA"], hdus[2].header["RA"]
        hdus.writeto(tmp_path / "nowhere.fits")
    with pytest.raises(MusedeepError, match=r"nowhere\.fits: no table with the columns lambda, flux and RA, DEC"):
        nearest_standard([tmp_path / "nowhere.fits"], 0.0, 0.0)
