"""Tables of stars that a user gives."""

import numpy as np
import pytest
from astropy.table import Table

from musedeep.errors import MusedeepError
from musedeep.storage.star_table import read_star_table

ROWS = Table({"name": ["a b", "c"], "Ra": [53.1, 53.2], "dec": [-27.8, -27.9]})


@pytest.mark.parametrize(("ending", "form"), [("fits", "fits"), ("ecsv", "ascii.ecsv"), ("csv", "ascii.csv")])
def test_formats(tmp_path, ending, form):
    path = tmp_path / f"stars.{ending}"
    ROWS.write(path, format=form)
    ra, dec = read_star_table(path)
    assert np.array_equal(ra, ROWS["Ra"]) and np.array_equal(dec, ROWS["dec"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no columns RA and DEC"),
        ("x,y\n1,2\n", "no columns RA and DEC"),
        ("RA,DEC\n", "no rows"),
        ("RA,DEC\n1.0,2.0\n1.0,north\n", "RA or DEC of row 2 is no position"),
        ("RA DEC\n1.0 95.0\n", "RA or DEC of row 1 is no position"),
        ("RA DEC\n1.0\n", "RA or DEC of row 1 is no position"),
    ],
)
def test_wrong_tables(tmp_path, text, message):
    path = tmp_path / "stars.csv"
    path.write_text(text)
    with pytest.raises(MusedeepError, match=message):
        read_star_table(path)


def test_no_table(tmp_path):
    with pytest.raises(MusedeepError, match="no such file"):
        read_star_table(tmp_path / "stars.csv")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(MusedeepError, match="cannot be read"):
        read_star_table(tmp_path / "picture.csv")
    Table({"x": [1.0]}).write(tmp_path / "other.fits")
    with pytest.raises(MusedeepError, match="no columns RA and DEC"):
        read_star_table(tmp_path / "other.fits")
