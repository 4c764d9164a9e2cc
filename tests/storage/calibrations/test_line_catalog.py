"""Lists of arc lines: what they have to hold."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.line_catalog import line_catalog_hdus, read_line_catalog
from tests.makers.arc_frames import lines, write_catalog, write_trace


def test_lines_come_back(tmp_path):
    found = read_line_catalog(write_catalog(tmp_path / "lines.fits"))
    waves, flux, _, quality = lines()
    np.testing.assert_allclose(found.wavelengths, waves, rtol=1e-6)
    np.testing.assert_array_equal(found.fluxes, flux)
    np.testing.assert_array_equal(found.qualities, quality)
    assert set(found.ions) == {"NeI", "XeI", "HgI"}


def test_ions_are_one_text_in_each_row(tmp_path):
    path = write_catalog(tmp_path / "lines.fits")
    with fits.open(path) as hdus:
        columns = [c for c in hdus[1].columns if c.name != "ion"]
        pairs = fits.Column("ion", "2E", array=np.ones((len(hdus[1].data), 2)))
        fits.HDUList([hdus[0], fits.BinTableHDU.from_columns([*columns, pairs])]).writeto(tmp_path / "pairs.fits")
    with pytest.raises(MusedeepError, match=r"pairs\.fits: column ion does not hold one text in each row"):
        read_line_catalog(tmp_path / "pairs.fits")


def test_a_list_comes_back_sorted(tmp_path):
    waves, flux, lamps, quality = lines()
    shuffled = np.random.default_rng(1).permutation(waves.size)
    values = waves[shuffled], flux[shuffled], [lamps[i] + "I" for i in shuffled], quality[shuffled]
    hdus = line_catalog_hdus(*values, [""] * waves.size, "made up")
    hdus.writeto(tmp_path / "lines.fits")
    found = read_line_catalog(tmp_path / "lines.fits")
    np.testing.assert_array_equal(found.wavelengths, waves.astype(np.float32))
    np.testing.assert_array_equal(found.fluxes, flux)
    np.testing.assert_array_equal(found.qualities, quality)
    assert found.ions.tolist() == [lamp + "I" for lamp in lamps]


def test_a_list_of_lines(tmp_path):
    catalog = read_line_catalog(write_catalog(tmp_path / "lines.fits"))
    assert (np.diff(catalog.wavelengths) > 0).all() and set(catalog.ions) == {"NeI", "XeI", "HgI"}
    places = np.concatenate([catalog.of_lamp(lamp) for lamp in ("Ne", "Xe", "HgCd")])
    assert sorted(places) == list(range(catalog.wavelengths.size))


def test_bad_lists_of_lines(tmp_path):
    good = write_catalog(tmp_path / "lines.fits")
    for name, message, change in (
        ("nan", "not finite", lambda t: t["lambda"].__setitem__(3, np.nan)),
        ("order", "not sorted", lambda t: t["lambda"].__setitem__(3, 1.0)),
    ):
        path = tmp_path / f"{name}.fits"
        path.write_bytes(good.read_bytes())
        with fits.open(path, mode="update") as hdus:
            change(hdus[1].data)
        with pytest.raises(MusedeepError, match=message):
            read_line_catalog(path)
    with pytest.raises(MusedeepError, match="no table with the columns"):
        read_line_catalog(write_trace(tmp_path / "t.fits"))
