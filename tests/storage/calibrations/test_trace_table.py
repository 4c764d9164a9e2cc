"""TRACE_TABLE and TRACE_SAMPLES: what is written is read back."""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.trace_table import (
    read_trace_samples,
    read_trace_table,
    samples_hdu,
    trace_hdu,
)
from musedeep.storage.fits.table import write_table
from tests.makers.calibrations import write_samples

NUMBERS = st.floats(-1e6, 1e6).filter(bool)


def stored(directory, hdu, ifu=7):
    path = directory / "table.fits"
    write_table(path, fits.Header([("EXTNAME", f"CHAN{ifu:02d}")]), hdu, overwrite=True)
    return path


@settings(max_examples=10, deadline=None)
@given(order=st.integers(0, 6), failed=st.integers(1, 48), data=st.data())
def test_a_trace_comes_back(tmp_path_factory, order, failed, data):
    coefficients = data.draw(arrays.arrays(np.float64, (48, 3, order + 1), elements=NUMBERS, fill=NUMBERS))
    coefficients[failed - 1] = np.nan
    widths, squares = np.linspace(75.0, 76.0, 48), np.arange(144.0).reshape(48, 3)
    path = stored(tmp_path_factory.getbasetemp(), trace_hdu(coefficients, widths, squares))
    for ifu in (7, None):
        found = read_trace_table(path, ifu)
        assert found.ifu == 7 and np.flatnonzero(~found.valid).tolist() == [failed - 1]
        np.testing.assert_array_equal(found.coefficients, coefficients)
        np.testing.assert_array_equal(found.widths, widths.astype(np.float32))
        np.testing.assert_array_equal(found.mean_squares, squares)


def test_samples_come_back_without_those_that_lack_an_edge(tmp_path):
    number, y = np.repeat(np.arange(1, 49), 3), np.tile([8.5, 24.5, 40.5], 48)
    left = 80.0 * number + 0.25
    right = np.where(y == 24.5, np.nan, left + 75.5)
    found = read_trace_samples(stored(tmp_path, samples_hdu(number, y, left, right)))
    seen = np.isfinite(right)
    expected = {"slice": number, "y": y, "mid": left + 37.75, "left": left, "right": right}
    assert found.ifu == 7 and found.columns.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found.columns[name], values[seen], name)


def test_the_only_table_of_a_file(tmp_path):
    path = write_samples(tmp_path / "s.fits")
    with fits.open(path) as hdus:
        hdus[0].header.remove("EXTNAME")
        hdus.writeto(tmp_path / "nameless.fits")
        twice = fits.HDUList([hdus[0], hdus[1], hdus[1].copy()])
        for hdu, name in zip(twice[1:], ("CHAN01", "CHAN02"), strict=True):
            hdu.header["EXTNAME"] = name
        twice.writeto(tmp_path / "merged.fits")
    assert read_trace_samples(path).ifu == 6 and read_trace_samples(tmp_path / "nameless.fits").ifu is None
    with pytest.raises(MusedeepError, match=r"holds tables of 2 IFUs; give the TRACE_SAMPLES of one \(without --merge"):
        read_trace_samples(tmp_path / "merged.fits")


def test_slices_that_do_not_exist(tmp_path):
    path = write_samples(tmp_path / "s.fits")
    with fits.open(path, mode="update") as hdus:
        hdus[1].data["slice"][5] = 49
    with pytest.raises(MusedeepError, match="slice is not within 1 to 48; make the TRACE_SAMPLES again"):
        read_trace_samples(path)
