"""Sources made of sources: any part of them is part of the whole, and only what is needed is read."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.reduction.rows import source as source_module
from musedeep.reduction.rows.source import (
    Corrected,
    JoinedRows,
    RowsWithin,
    Scaled,
    all_rows,
    corrected,
    scaled_flux,
)
from musedeep.storage.pixel_tables import table
from musedeep.storage.pixel_tables.table import REQUIRED, RowsByOrigin, read_together
from tests.makers.row_sources import Offset, Redshifted, RowsInMemory, WeightOfSlice, random_source


def everything(source):
    return source.read(np.array([[0, source.n_rows]]), source.names)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.data())
def test_parts_of_nested_sources_are_parts_of_the_whole(seed, data):
    sizes = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=4))
    parts = []
    expected = []
    for k, n in enumerate(sizes):
        plain = random_source(seed + k, n)
        rows = plain.rows
        kept = (rows["lambda"] >= 5200) & (rows["lambda"] <= 5700)
        parts.append(corrected(RowsWithin(plain, 5200, 5700), [Redshifted(0.001), Offset("data", k), WeightOfSlice()]))
        factor = np.float32(1.001)
        changed = {name: rows[name][kept] for name in REQUIRED}
        changed |= {"lambda": changed["lambda"] * factor, "data": changed["data"] / factor + np.float32(k)}
        expected.append(changed | {"weight": (changed["origin"] & 63).astype(np.float32)})
    joined = JoinedRows(Path("all"), parts)
    whole = {name: np.concatenate([one[name] for one in expected]) for name in joined.names}
    assert joined.names == (*REQUIRED, "weight") and joined.n_rows == whole["data"].size
    assert joined.units == {"lambda": "Angstrom", "data": "faint count"}
    ends = st.integers(0, joined.n_rows)
    ranges = np.array([sorted(data.draw(st.tuples(ends, ends))) for _ in range(data.draw(st.integers(1, 4)))])
    names = data.draw(st.lists(st.sampled_from(joined.names), min_size=1, unique=True))
    numbers = np.concatenate([np.arange(a, b) for a, b in ranges])
    found = joined.read(ranges, names)
    assert list(found) == names
    for name, column in found.items():
        assert np.array_equal(column, whole[name][numbers]) and column.dtype == whole[name].dtype, name
    for name, column in all_rows(joined).items():
        assert np.array_equal(column, whole[name]), name


def test_only_the_corrections_of_the_wanted_columns_are_applied():
    plain = random_source(1, 20)
    source = corrected(plain, [Redshifted(0.1), WeightOfSlice(), Scaled("data", 2.0)])
    source.read(np.array([[3, 9]]), ("weight",))
    source.read(np.array([[3, 9]]), ("stat", "dq"))
    source.read(np.array([[3, 9]]), ("data",))
    assert plain.reads == [["origin"], ["dq", "stat"], ["data", "lambda"]]


def test_corrections_apply_in_their_order():
    plain = random_source(2, 50)
    before = plain.rows["data"]
    first = everything(corrected(plain, [Offset("data", 1.0), Scaled("data", 3.0)]))["data"]
    then = everything(corrected(plain, [Scaled("data", 3.0), Offset("data", 1.0)]))["data"]
    assert np.array_equal(first, (before + 1) * 3) and np.array_equal(then, before * 3 + 1)
    assert np.array_equal(plain.rows["data"], before)
    assert corrected(plain, []) is plain and scaled_flux(1.0) == []
    flux = everything(corrected(plain, scaled_flux(0.1)))
    assert np.array_equal(flux["stat"], (plain.rows["stat"].astype(float) * (0.1 * 0.1)).astype(np.float32))


class ByOrigin(RowsInMemory):
    """Rows that follow from their origin, which is their number."""

    def __init__(self, rows):
        super().__init__(rows | {"origin": np.arange(rows["lambda"].size, dtype=np.int32)})

    def complete(self, known):
        return known | {name: self.rows[name][known["origin"]] for name in self.names if name not in known}


def test_rows_are_completed_by_origin_unless_a_correction_changes_what_they_follow_from():
    plain = ByOrigin(random_source(3, 100).rows)
    source = corrected(plain, [Offset("data", 1.0), Scaled("stat", 2.0)])
    assert isinstance(source, RowsByOrigin)
    order = np.random.default_rng(4).permutation(100)
    rows = source.complete({name: plain.rows[name][order] for name in ("lambda", "origin")})
    for name, column in everything(source).items():
        assert np.array_equal(rows[name], column[order]), name
    assert not isinstance(corrected(plain, [Redshifted(0.1)]), RowsByOrigin)
    assert not isinstance(Corrected(random_source(5, 3), [Offset("data", 1.0)]), RowsByOrigin)


@pytest.mark.parametrize("processors", [1, 3])
def test_sources_are_read_in_blocks(monkeypatch, processors):
    monkeypatch.setattr(table, "ROWS_AT_ONCE", 64)
    monkeypatch.setattr("musedeep.processors.limits", lambda: [processors])
    plain = random_source(6, 1000)
    most = [0]
    read = plain.read

    def watched(ranges, names):
        most[0] = max(most[0], int((ranges[:, 1] - ranges[:, 0]).sum()))
        return read(ranges, names)

    plain.read = watched
    within = RowsWithin(plain, 5100, 5900)
    inside = (plain.rows["lambda"] >= 5100) & (plain.rows["lambda"] <= 5900)
    assert within.n_rows == inside.sum() and most[0] == 64
    assert np.array_equal(all_rows(within)["origin"], plain.rows["origin"][inside])
    assert most[0] == 64
    assert RowsWithin(plain, 1.0, 2.0).n_rows == 0 and everything(RowsWithin(plain, 1.0, 2.0))["dq"].size == 0


def test_readers_are_few():
    """Each of them has a block of rows in memory, on machines with many processors too."""
    assert 1 <= source_module.READERS <= 8


def test_columns_of_one_correction_are_read_together():
    source = random_source(1, 100)
    assert read_together(source) == ()
    shifted = corrected(source, [Offset("xpos", 1), Redshifted(0.001)])
    assert [set(group) for group in read_together(shifted)] == [{"xpos"}, {"lambda", "data"}]
    both = corrected(shifted, [Redshifted(0.001), Offset("dq", 1)])
    assert {frozenset(group) for group in read_together(both)} == {
        frozenset({"xpos"}), frozenset({"lambda", "data"}), frozenset({"dq"}),
    }  # fmt: skip
    for wrapped in (RowsWithin(both, 5000.0, 5500.0), JoinedRows(Path("all"), [both, both])):
        assert read_together(wrapped) == read_together(both)
