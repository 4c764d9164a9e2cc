"""BADPIX_TABLE: what is written is read back, each pixel once."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.storage.calibrations.badpix_table import BAD_PIXEL, BadPixelTable, read_badpix_table, write_badpix_table

PIXELS = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.integers(-100, 100))


@settings(max_examples=20, deadline=None)
@given(pixels=st.lists(PIXELS, min_size=1, max_size=20), ifu=st.integers(1, 24))
def test_bad_pixels_come_back(tmp_path_factory, pixels, ifu):
    table = BadPixelTable()
    table.add(ifu, np.array(pixels, BAD_PIXEL))
    flags, values = {}, {}
    for x, y, flag, value in pixels:
        flags[y, x] = flags.get((y, x), 0) | flag
        values.setdefault((y, x), value)
    path = tmp_path_factory.getbasetemp() / "badpix.fits"
    write_badpix_table(path, table, overwrite=True)
    found = read_badpix_table(path).pixels
    assert list(found) == [ifu]
    expected = [(x, y, flags[y, x], values[y, x]) for y, x in sorted(flags)]
    assert found[ifu].tolist() == expected
