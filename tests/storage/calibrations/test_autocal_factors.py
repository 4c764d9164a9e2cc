"""AUTOCAL_FACTORS: what is written is read back, whatever the order of rows; damaged tables are named in one line."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.autocal_factors import AutocalFactors, read_autocal_factors
from musedeep.storage.fits.header_cards import header_of


def some_factors(ranges=3):
    rng = np.random.default_rng(3)
    points = np.zeros((24, 48, ranges), np.int32)
    factors, originals = np.full(points.shape, np.nan), np.full(points.shape, np.nan)
    points[:2] = rng.integers(1, 9999, points[:2].shape)
    factors[:2] = rng.uniform(0.9, 1.1, points[:2].shape)
    originals[1, 4, 2] = 1.7
    return AutocalFactors(np.linspace(4000.0, 9000.0, ranges + 1), points, factors, originals)


@pytest.fixture
def path(tmp_path):
    factors = some_factors()
    primary = fits.PrimaryHDU(header=header_of(factors.cards()))
    fits.HDUList([primary, factors.table()]).writeto(tmp_path / "factors.fits")
    return tmp_path / "factors.fits"


def test_factors_come_back(path):
    wanted, found = some_factors(), read_autocal_factors(path)
    for name in ("limits", "points", "factors", "originals"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))


def test_the_table_is_that_of_the_eso_pipeline(path):
    with fits.open(path) as hdus:
        assert hdus[1].columns.names == ["ifu", "sli", "quad", "npts", "corr", "corr_orig"]
        assert hdus[1].columns.formats == ["1J", "1J", "1J", "1J", "1D", "1D"]
        assert len(hdus[1].data) == 24 * 48 * 3
        assert hdus[0].header["ESO DRS MUSE LAMBDA3 MAX"] == 9000.0


def changed(path, change):
    with fits.open(path) as hdus:
        hdus[1].data  # noqa: B018  (read it before the file is closed)
        new = fits.HDUList([hdus[0].copy(), hdus[1].copy()])
    change(new)
    new.writeto(path, overwrite=True)


def test_the_order_of_rows_does_not_matter(path):
    def shuffle(hdus):
        hdus[1].data = hdus[1].data[np.random.default_rng(1).permutation(len(hdus[1].data))]

    changed(path, shuffle)
    np.testing.assert_array_equal(read_autocal_factors(path).factors, some_factors().factors)


def _set(name, row, value):
    def change(hdus):
        hdus[1].data[name][row] = value

    return change


def _card(key, value):
    def change(hdus):
        if value is None:
            del hdus[0].header[key]
        else:
            hdus[0].header[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("corr", 5, -1.0), "no positive factor"),
        (_set("corr", 5, np.inf), "no positive factor"),
        (_set("sli", 7, 49), "not within"),
        (_set("sli", 7, 1), "more than one row"),
        (_card("ESO DRS MUSE LAMBDA2 MIN", None), "LAMBDA2 MIN"),
        (_card("ESO DRS MUSE LAMBDA2 MIN", 5000.0), "do not follow"),
        (
            lambda hdus: [hdus[0].header.remove(k) for k in list(hdus[0].header) if "LAMBDA" in k],
            "no wavelength ranges",
        ),
        (lambda hdus: hdus.pop(1), "no table"),
    ],
)
def test_a_damaged_table_is_refused(path, change, message):
    changed(path, change)
    with pytest.raises(MusedeepError, match=message) as raised:
        read_autocal_factors(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MusedeepError, match="no such file; give a AUTOCAL_FACTORS"):
        read_autocal_factors(tmp_path / "none.fits")
