"""Corrections of sources of rows, recorded."""

import numpy as np
import pytest

from musedeep.reduction.correct.never_twice import Recorded
from musedeep.reduction.rows.recorded import index_rows, recorded
from musedeep.reduction.rows.source import Correction, RowsWithin, Scaled, Stepped, corrected
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.pixel_tables.row_steps import Stretch
from tests.makers.field_tables import write_field_table


class Flagged(Correction):
    """One that no store can keep."""

    reads = changes = ("dq",)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "t.fits"
    write_field_table(path, 5000, 12)
    return open_pixel_table(path)


def test_what_is_left_out_twice_is_left_out(table):
    first = RowsWithin(corrected(table, [Scaled("data", 2.0), Recorded(("KEY", 1, ""))]), 5000.0, 8000.0)
    source = RowsWithin(corrected(first, [Stepped(Stretch(1.1)), Scaled("stat", 3.0)]), 6000.0, 7000.0)
    found = recorded(source)
    assert found.table is table and found.n_rows == source.n_rows
    rows = source.read(np.array([[100, 300], [400, 450]]), table.names)
    other = {name: np.empty_like(values) for name, values in rows.items()}
    found.read_into(np.array([[100, 300], [400, 450]]), other)
    assert all(np.array_equal(rows[name], other[name]) for name in rows)


def test_the_index_covers_what_is_kept(table):
    source = corrected(RowsWithin(table, 5000.0, 6000.0), [Stepped(Stretch(1.001))])
    index = index_rows([source, source])
    wavelength = source.read(np.array([[0, source.n_rows]]), ("lambda",))["lambda"]
    assert index.edges[-1] == 2 * source.n_rows and np.all(np.diff(index.edges) > 0)
    for k, (a, b) in enumerate(zip(index.edges[:-1], index.edges[1:], strict=True)):
        here = np.concatenate([wavelength, wavelength])[a:b]
        assert index.boxes[k, 0] == here.min() and index.boxes[k, 1] == here.max()
    assert index.limits.values[2].tolist() == [wavelength.min(), wavelength.max()]


def test_what_no_store_can_keep(table):
    with pytest.raises(TypeError, match="Flagged cannot be recorded"):
        recorded(corrected(table, [Flagged()]))
    with pytest.raises(TypeError, match="is no pixel table"):
        recorded(object())
