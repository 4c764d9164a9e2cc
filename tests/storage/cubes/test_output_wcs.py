"""OUTPUT_WCS: what is taken, and each restriction of manual A.4.1."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from musedeep.errors import MusedeepError
from musedeep.storage.cubes.output_wcs import read_output_wcs

CARDS = {
    "WCSAXES": 3, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CTYPE3": "AWAV-LOG",
    "CUNIT1": "deg", "CUNIT2": "deg", "CUNIT3": "Angstrom",
    "CRPIX1": 100.5, "CRPIX2": 90.0, "CRPIX3": 1.0, "CRVAL1": 150.1, "CRVAL2": 2.2, "CRVAL3": 4750.0,
    "CD1_1": -5.6e-5, "CD1_2": 1e-6, "CD2_1": 1e-6, "CD2_2": 5.6e-5, "CD3_3": 1.25,
}  # fmt: skip


def written(path, without=(), **cards):
    header = fits.Header({k: v for k, v in (CARDS | cards).items() if k not in without})
    fits.PrimaryHDU(header=header).writeto(path)
    return path


def test_a_header_without_data(tmp_path):
    wcs = read_output_wcs(written(tmp_path / "w.fits"))
    assert wcs.shape == (0, 0, 0)
    assert wcs.crpix == (100.5, 90.0, 1.0)
    assert wcs.crval == (150.1, 2.2, 4750.0)
    assert wcs.cd == (-5.6e-5, 1e-6, 1e-6, 5.6e-5)
    assert (wcs.step, wcs.ctype3) == (1.25, "AWAV-LOG")


def test_the_first_extension_with_coordinates_counts(tmp_path):
    first = fits.ImageHDU(np.zeros((4, 5, 6), np.float32), fits.Header(CARDS))
    second = fits.ImageHDU(np.zeros((2, 2, 2), np.float32), fits.Header(CARDS | {"CRVAL1": 10.0}))
    fits.HDUList([fits.PrimaryHDU(), first, second]).writeto(tmp_path / "w.fits")
    wcs = read_output_wcs(tmp_path / "w.fits")
    assert wcs.shape == (6, 5, 4)
    assert wcs.crval[0] == 150.1


def test_two_axes_leave_the_wavelength_open(tmp_path):
    third = [k for k in CARDS if k.endswith("3") or k == "CD3_3"]
    wcs = read_output_wcs(written(tmp_path / "w.fits", without=third, WCSAXES=2))
    assert wcs.step == 0.0
    assert wcs.ctype3 == "AWAV"


def test_whole_numbers_and_missing_off_diagonals_are_fine(tmp_path):
    wcs = read_output_wcs(written(tmp_path / "w.fits", without=("CD1_2", "CD2_1"), CRPIX1=100))
    assert wcs.crpix[0] == 100.0
    assert wcs.cd[1:3] == (0.0, 0.0)


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN"}, "in this order"),
        ({"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"}, "only RA---TAN, DEC--TAN"),
        ({"CTYPE3": "FREQ"}, "supported are AWAV, AWAV-LOG, WAVE, WAVE-LOG"),
        ({"CD3_1": 1e-3}, "tilted"),
        ({"CD2_3": 1e-3}, "tilted"),
        ({"CUNIT3": "furlong"}, "CUNIT3 is 'furlong'; it has to be Angstrom, or a unit"),
        ({"CUNIT3": "GHz"}, "CUNIT3 is 'GHz'; it has to be Angstrom"),
        ({"CUNIT2": "pixel"}, "CUNIT2 is 'pixel'; it has to be deg"),
        ({"PC1_1": 1.0}, "has CDi_j and PCi_j; leave one of them out"),
        ({"CROTA2": 20.0}, "has CROTA2 beside CDi_j or PCi_j"),
        ({"LONPOLE": 90.0}, "LONPOLE is '90.0'; only 180 is supported"),
        ({"EQUINOX": 1950.0}, "EQUINOX is '1950.0'; only 2000"),
        ({"RADESYS": "FK4"}, "RADESYS is 'FK4'; only ICRS or FK5"),
        ({"CRVAL2": 120.0}, "CRVAL2 = 120 deg is no declination"),
        ({"CD1_1": 0.0, "CD1_2": 0.0}, "singular"),
        ({"CD3_3": -1.25}, "has to be positive"),
        ({"CRVAL3": 0.0}, "has to be positive"),
        ({"CD1_1": 0.0, "CD1_2": 5e-5, "CD2_1": 5e-5, "CD2_2": 0.0}, "turned by 90 degrees"),
        ({"CD1_1": -3e-21, "CD1_2": 5e-5, "CD2_1": 5e-5, "CD2_2": 3e-21}, "CD1_1 or CD2_2 is (nearly) zero"),
        ({"CRPIX1": "one"}, "CRPIX1 is 'one', expected a number"),
        ({"CRVAL1": True}, "CRVAL1 is True, expected a number"),
        ({"CD1_2": "nan"}, "CD1_2 is 'nan', expected a number"),
    ],
)
def test_restrictions(tmp_path, cards, message):
    with pytest.raises(MusedeepError) as error:
        read_output_wcs(written(tmp_path / "w.fits", **cards))
    assert message in str(error.value)
    assert "w.fits" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["CRPIX1", "CRVAL2", "CRPIX3", "CRVAL3", "CD3_3", "CD1_1"])
def test_missing_keywords_are_named(tmp_path, key):
    with pytest.raises(MusedeepError, match=f"keyword {key} is missing"):
        read_output_wcs(written(tmp_path / "w.fits", without=(key,)))


@pytest.mark.parametrize(
    ("key", "card"),
    [
        ("CRVAL1", "CRVAL1  =                  NaN"),
        ("CD1_1", "CD1_1   =                  nan / bare"),
        ("CRPIX2", "CRPIX2  =                 -inf"),
        ("CD3_3", "CD3_3   ="),
        ("CRVAL3", "CRVAL3  = / a comment alone"),
        ("CUNIT3", "CUNIT3  = Ångströms"),
        ("CRVAL3", "CRVAL3  = 4750,5"),
    ],
)
def test_cards_that_are_no_fits_are_named(tmp_path, key, card):
    path = written(tmp_path / "w.fits")
    raw = path.read_bytes()
    place = raw.index(key.ljust(8).encode() + b"=")
    path.write_bytes(raw[:place] + card.ljust(80).encode("latin-1") + raw[place + 80 :])
    with pytest.raises(MusedeepError, match=rf"w\.fits: .*{key}") as error:
        read_output_wcs(path)
    assert "\n" not in str(error.value)


def test_packed_files(tmp_path):
    """Of a cube as the pipeline and as a user keeps it."""
    cube = fits.ImageHDU(np.zeros((4, 5, 6), np.float32), fits.Header(CARDS))
    fits.HDUList([fits.PrimaryHDU(), cube]).writeto(tmp_path / "w.fits.gz")
    packed = fits.CompImageHDU(cube.data, cube.header)
    fits.HDUList([fits.PrimaryHDU(), packed]).writeto(tmp_path / "w.fits.fz")
    one, other = read_output_wcs(tmp_path / "w.fits.gz"), read_output_wcs(tmp_path / "w.fits.fz")
    assert one.shape == other.shape == (6, 5, 4)
    assert (one.crval, one.cd) == (other.crval, other.cd)


@pytest.mark.parametrize(("unit", "size"), [("nm", 0.1), ("um", 1e-4), ("m", 1e-10), ("cm", 1e-8), ("0.1nm", 1.0)])
def test_wavelengths_in_other_units(tmp_path, unit, size):
    wcs = read_output_wcs(written(tmp_path / "w.fits", CUNIT3=unit, CRVAL3=6543.21 * size, CD3_3=0.7 * size))
    assert wcs.crval[2] == pytest.approx(6543.21, rel=1e-14)
    assert wcs.step == pytest.approx(0.7, rel=1e-14)
    assert wcs.crpix == (100.5, 90.0, 1.0)


@pytest.mark.parametrize(("unit", "size"), [("arcsec", 3600.0), ("arcmin", 60.0), ("rad", 0.017453292519943295)])
def test_angles_in_other_units(tmp_path, unit, size):
    cards = {"CUNIT2": unit, "CRVAL2": -61.5 * size, "CD2_1": 2e-6 * size, "CD2_2": 4e-5 * size}
    wcs = read_output_wcs(written(tmp_path / "w.fits", **cards))
    assert wcs.crval == pytest.approx((150.1, -61.5, 4750.0), rel=1e-14)
    assert wcs.cd == pytest.approx((-5.6e-5, 1e-6, 2e-6, 4e-5), rel=1e-14)


@pytest.mark.parametrize("unit", ["", "angstrom", "ANGSTROM", "AA"])
def test_names_of_the_usual_unit_change_no_bit(tmp_path, unit):
    wcs = read_output_wcs(written(tmp_path / "w.fits", CUNIT3=unit, CRVAL3=4750.1, CUNIT1="DEG"))
    assert (wcs.crval, wcs.step) == ((150.1, 2.2, 4750.1), 1.25)


MATRIX = ("CD1_1", "CD1_2", "CD2_1", "CD2_2", "CD3_3")


def test_steps_and_a_rotation(tmp_path):
    path = written(tmp_path / "w.fits", without=MATRIX, CDELT1=-5e-5, CDELT2=4e-5, CDELT3=1.5, CROTA2=30.0)
    wcs = read_output_wcs(path)
    c, s = 0.75**0.5, 0.5
    assert wcs.cd == pytest.approx((-5e-5 * c, -4e-5 * s, -5e-5 * s, 4e-5 * c), rel=1e-14)
    assert wcs.step == 1.5


def test_a_matrix_without_units(tmp_path):
    path = written(tmp_path / "w.fits", without=MATRIX, PC1_2=0.1, PC2_1=-0.2, CDELT1=-5e-5, CDELT2=4e-5, CDELT3=1.5)
    assert read_output_wcs(path).cd == pytest.approx((-5e-5, -5e-6, -8e-6, 4e-5), rel=1e-14)


@pytest.mark.parametrize("change", [{}, {"CUNIT3": "nm", "CRVAL3": 475.0, "CD3_3": 0.125}])
def test_headers_of_astropy_mean_the_same(tmp_path, change):
    """It writes PCi_j, CDELTi and meters."""
    expected = read_output_wcs(written(tmp_path / "cd.fits"))
    header = WCS(fits.getheader(written(tmp_path / "w.fits", **change))).to_header()
    assert "PC1_1" in header
    assert header["CUNIT3"] == "m"
    fits.PrimaryHDU(header=header).writeto(tmp_path / "pc.fits")
    wcs = read_output_wcs(tmp_path / "pc.fits")
    assert wcs.cd == pytest.approx(expected.cd, rel=1e-12)
    assert (*wcs.crval, wcs.step) == pytest.approx((*expected.crval, expected.step), rel=1e-12)
    assert wcs.ctype3 == "AWAV-LOG"


def test_steps_without_the_first_axis_name_what_is_missing(tmp_path):
    path = written(tmp_path / "w.fits", without=MATRIX, CDELT1=-5e-5, CDELT3=1.25)
    with pytest.raises(MusedeepError, match="keyword CDELT2 is missing"):
        read_output_wcs(path)


def test_wrong_files_are_refused(tmp_path):
    with pytest.raises(MusedeepError, match="no such file"):
        read_output_wcs(tmp_path / "none.fits")
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(MusedeepError, match="no extension with NAXIS or WCSAXES"):
        read_output_wcs(tmp_path / "empty.fits")
    (tmp_path / "text.fits").write_text("no FITS at all")
    with pytest.raises(MusedeepError, match=r"text\.fits: no FITS header"):
        read_output_wcs(tmp_path / "text.fits")
