"""IMAGE_FOV: what is written is read; coordinates agree with astropy; other ways to write them; what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from musedeep.errors import MusedeepError
from musedeep.storage.cubes.field_view import FieldPlane, read_field_view, write_field_view
from tests.makers.field_views import header, plane_at

PLANE = FieldPlane((12.5, 8.25), (359.9999, -27.78), np.array([[-5e-5, 1e-5], [1.2e-5, 5.5e-5]]))


def test_what_is_written_is_read(tmp_path):
    data = np.arange(12.0).reshape(3, 4)
    data[1, 2] = np.nan
    write_field_view(tmp_path / "i.fits", header(0), data, PLANE, "count")
    found = read_field_view(tmp_path / "i.fits")
    np.testing.assert_array_equal(found.data, data)
    assert found.unit == "count" and found.header["DATE-OBS"] == "2014-12-11T00:30:00.000"
    assert (found.plane.crpix, found.plane.crval) == (PLANE.crpix, PLANE.crval)
    np.testing.assert_array_equal(found.plane.cd, PLANE.cd)


def test_errors_of_the_astrometry_are_kept(tmp_path):
    plane = replace(PLANE, errors=(1.5e-5, 2.5e-5))
    write_field_view(tmp_path / "i.fits", header(0), np.zeros((3, 4)), plane, "count")
    assert read_field_view(tmp_path / "i.fits").plane.errors == (1.5e-5, 2.5e-5)
    assert fits.getheader(tmp_path / "i.fits", "DATA")["CSYER2"] == 2.5e-5
    write_field_view(tmp_path / "j.fits", header(0), np.zeros((3, 4)), PLANE, "count")
    assert read_field_view(tmp_path / "j.fits").plane.errors is None


def test_coordinates_are_those_of_astropy(tmp_path):
    write_field_view(tmp_path / "i.fits", header(0), np.zeros((40, 50)), PLANE, "")
    theirs = WCS(fits.getheader(tmp_path / "i.fits", "DATA"))
    x, y = np.random.default_rng(0).uniform(-20, 80, (2, 100))
    ra, dec = PLANE.to_sky(x, y)
    np.testing.assert_allclose(np.array(theirs.all_pix2world(x, y, 0)), (ra, dec), rtol=0, atol=1e-10)
    np.testing.assert_allclose(PLANE.to_pixels(ra, dec), (x, y), rtol=0, atol=1e-6)


def test_steps_and_a_turn_instead_of_a_matrix(tmp_path):
    hdu = fits.ImageHDU(np.zeros((4, 4), np.float32), name="DATA")
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 1, "CRPIX2": 2, "CRVAL1": 10, "CRVAL2": 20}
    hdu.header.update(cards | {"CDELT1": -1e-4, "CDELT2": 2e-4, "PC1_2": 0.5})
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "i.fits")
    np.testing.assert_allclose(read_field_view(tmp_path / "i.fits").plane.cd, [[-1e-4, -5e-5], [0, 2e-4]])


def test_the_scale_is_the_side_of_a_pixel():
    assert plane_at(10.0, 20.0, turn=30.0).scale == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("cards", "message"), [({"CUNIT1": "arcsec"}, "CUNIT1 is 'arcsec'"), ({"CRVAL1": "east"}, "keyword CRVAL1")]
)
def test_coordinates_that_make_no_sense(tmp_path, cards, message):
    write_field_view(tmp_path / "i.fits", header(0), np.zeros((4, 4)), PLANE, "")
    with fits.open(tmp_path / "i.fits", mode="update") as hdus:
        hdus["DATA"].header.update(cards)
    with pytest.raises(MusedeepError, match=message):
        read_field_view(tmp_path / "i.fits")
