"""Lists of arc lines: what they have to hold."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.line_catalog import read_line_catalog
from tests.makers.arc_frames import lines, write_catalog


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
