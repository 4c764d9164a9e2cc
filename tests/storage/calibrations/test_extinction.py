"""EXTINCT_TABLE: written and read again; tables that are of no use."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.extinction import extinction_hdus, read_extinction

WAVELENGTH = np.array([4000.0, 7000.0, 10000.0])


def written(path, wavelength=WAVELENGTH, magnitudes=(0.3, 0.1, 0.05)):
    extinction_hdus(np.asarray(wavelength), np.asarray(magnitudes, float), "a test").writeto(path)
    return path


def test_round_trip(tmp_path):
    table = read_extinction(written(tmp_path / "e.fits"))
    assert table.at(np.array([4000.0, 5500.0, 10000.0])) == pytest.approx([0.3, 0.2, 0.05])


def test_data_beyond_its_ends(tmp_path):
    table = read_extinction(written(tmp_path / "e.fits", WAVELENGTH - 1500.0))
    with pytest.raises(MusedeepError, match=r"e.fits: reaches from 2500 to 8500 Angstrom, the data from 5000 to 9350"):
        table.at(np.array([5000.0, 9350.0]))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"wavelength": WAVELENGTH[::-1]}, "do not ascend"),
        ({"magnitudes": [0.3, -0.1, 0.1]}, "negative"),
        ({"magnitudes": [0.3, np.nan, 0.1]}, "NaN"),
        ({"magnitudes": [30.0, 1.0, 0.1]}, "above 5 mag/airmass"),
    ],
)
def test_tables_of_no_use(tmp_path, changed, words):
    with pytest.raises(MusedeepError, match=words):
        read_extinction(written(tmp_path / "e.fits", **changed))


def test_another_file(tmp_path):
    from astropy.io import fits

    fits.PrimaryHDU().writeto(tmp_path / "x.fits")
    with pytest.raises(MusedeepError, match="no table with columns lambda and extinction"):
        read_extinction(tmp_path / "x.fits")
