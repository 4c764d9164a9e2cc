"""ASTROMETRY_REFERENCE: the nearest field, and what is said where there is none."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.statics.fields import load_astrometric_field
from musedeep.statics.formats import astrometry_reference
from musedeep.storage.calibrations.astrometry_reference import read_nearest_field, separation

FIELDS = [load_astrometric_field(name) for name in ("SYNTHETIC-02", "SYNTHETIC-07")]


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "astrometry_reference.fits"
    astrometry_reference(FIELDS).writeto(path)
    return path


@pytest.mark.parametrize("field", FIELDS)
def test_the_nearest_field_comes_back(written, field):
    found = read_nearest_field(written, field.ra, field.dec + 3.0 / 3600.0)
    assert found.name == field.name
    assert found.distance == pytest.approx(3.0)
    np.testing.assert_array_equal(found.ra, field.star_ra)
    np.testing.assert_array_equal(found.dec, field.star_dec)
    np.testing.assert_array_equal(found.magnitude, field.magnitude)


def test_stars_without_a_place_are_left_out_and_magnitudes_may_lack(written):
    with fits.open(written, mode="update") as hdus:
        hdus[1].data["RA"][3] = np.nan
        hdus[1].columns.change_name("mag", "magnitude")
    found = read_nearest_field(written, FIELDS[0].ra, FIELDS[0].dec)
    assert found.ra.size == FIELDS[0].star_ra.size - 1
    assert np.isnan(found.magnitude).all()


def test_distances_close_the_circle_and_hold_at_the_pole():
    np.testing.assert_allclose(separation(np.array([359.9999]), np.array([0.0]), 0.0001, 0.0), 0.72, rtol=1e-6)
    np.testing.assert_allclose(separation(np.array([180.0]), np.array([89.0]), 0.0, 89.0), 7200.0, rtol=1e-6)


def test_no_field_near_the_pointing(written):
    with pytest.raises(MusedeepError, match=r"nearest to the pointing .* is SYNTHETIC-02, .* arcmin away"):
        read_nearest_field(written, 31.2, -40.0)


def test_a_table_without_its_place(written):
    with fits.open(written, mode="update") as hdus:
        del hdus[2].header["RA"]
    with pytest.raises(MusedeepError, match="keyword RA is missing"):
        read_nearest_field(written, 31.2, -45.1)


def test_a_file_without_stars(tmp_path):
    path = tmp_path / "empty.fits"
    fits.PrimaryHDU().writeto(path)
    with pytest.raises(MusedeepError, match="no table with the columns RA, DEC"):
        read_nearest_field(path, 31.2, -45.1)
