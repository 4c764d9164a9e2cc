"""OUTPUT_WCS: what is taken, and each restriction of manual A.4.1."""

import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.output_wcs import read_output_wcs

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
    import numpy as np

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
        ({"CUNIT3": "nm"}, "CUNIT3 is 'nm'; it has to be Angstrom"),
        ({"CUNIT1": "arcsec"}, "CUNIT1 is 'arcsec'"),
        ({"CD3_1": 1e-3}, "tilted"),
        ({"CD2_3": 1e-3}, "tilted"),
        ({"PC1_1": 1.0}, "has PC1_1; give the transformation as CDi_j"),
        ({"CD1_1": 0.0, "CD1_2": 0.0}, "singular"),
        ({"CD3_3": -1.25}, "has to be positive"),
        ({"CRVAL3": 0.0}, "has to be positive"),
        ({"CRPIX1": "one"}, "CRPIX1 is 'one'; it has to be a number"),
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


def test_cdelt_is_refused(tmp_path):
    path = written(tmp_path / "w.fits", without=("CD1_1", "CD1_2", "CD2_1", "CD2_2"), CDELT1=-5e-5, CDELT2=5e-5)
    with pytest.raises(MusedeepError, match="has CDELT1"):
        read_output_wcs(path)


def test_wrong_files_are_refused(tmp_path):
    with pytest.raises(MusedeepError, match="no such file"):
        read_output_wcs(tmp_path / "none.fits")
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(MusedeepError, match="no extension with NAXIS or WCSAXES"):
        read_output_wcs(tmp_path / "empty.fits")
    (tmp_path / "text.fits").write_text("no FITS at all")
    with pytest.raises(MusedeepError, match="not a readable FITS file"):
        read_output_wcs(tmp_path / "text.fits")
