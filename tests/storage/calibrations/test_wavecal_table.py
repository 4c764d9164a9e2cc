"""WAVECAL_TABLE and WAVECAL_RESIDUALS: what is written is read back."""

import numpy as np
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from musedeep.storage.calibrations.wavecal_table import (
    RESIDUALS,
    read_residuals,
    read_wavecal_table,
    residuals_hdu,
    wavecal_hdu,
)
from musedeep.storage.fits.table import write_table

NUMBERS = st.floats(-1e6, 1e6).filter(bool)


@settings(max_examples=10, deadline=None)
@given(x_order=st.integers(0, 3), y_order=st.integers(0, 10), data=st.data())
def test_solutions_come_back(tmp_path_factory, x_order, y_order, data):
    shape = 48, x_order + 1, y_order + 1
    coefficients = data.draw(arrays.arrays(np.float64, shape, elements=NUMBERS, fill=NUMBERS))
    squares = np.arange(48.0)
    coefficients[11], squares[11] = np.nan, np.nan
    path = tmp_path_factory.getbasetemp() / "wavecal.fits"
    table = wavecal_hdu(coefficients, squares)
    write_table(path, fits.Header([("EXTNAME", "CHAN03")]), table, overwrite=True)
    found = read_wavecal_table(path, 3)
    assert np.flatnonzero(~found.valid).tolist() == [11] and read_wavecal_table(path, None).ifu == 3
    np.testing.assert_array_equal(found.coefficients, coefficients)
    np.testing.assert_array_equal(found.mean_squares, squares)


def test_residuals_come_back(tmp_path):
    values = [np.array([number, number + 1]) for number in range(1, 8)]
    write_table(tmp_path / "r.fits", fits.Header(), residuals_hdu(*values))
    found = read_residuals(tmp_path / "r.fits")
    assert found.ifu is None and list(found.columns) == [column.name for column in RESIDUALS]
    for expected, array in zip(values, found.columns.values(), strict=True):
        np.testing.assert_array_equal(array, expected)
    assert [found.columns[name].dtype.kind for name in ("slice", "iteration", "x", "y")] == list("iiif")
