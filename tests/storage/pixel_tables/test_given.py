"""Rows of any source as a pixel table."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from musedeep.storage.pixel_tables.given import GivenTable
from tests.makers.row_sources import random_source


def test_rows_header_and_units_are_those_given():
    source, header = random_source(1, 1000), fits.Header([("OBJECT", "field")])
    table = GivenTable(source, header, Path("a.fits"))
    assert (table.n_rows, table.names, table.units, str(table.path)) == (1000, source.names, source.units, "a.fits")
    assert table.header is table.facts is header and table.flat_field is None
    assert table.identity != GivenTable(source, header, Path("a.fits")).identity
    ranges = np.array([[3, 9], [20, 500]])
    rows = {"data": np.empty(486, np.float32), "dq": np.empty(486, np.int32)}
    table.read_into(ranges, rows)
    for name, values in table.read(ranges, ("data", "dq")).items():
        np.testing.assert_array_equal(values, np.r_[source.rows[name][3:9], source.rows[name][20:500]])
        np.testing.assert_array_equal(values, rows[name])
