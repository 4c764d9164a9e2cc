"""Steps on rows: made again from what is kept of them, and from parts of their tables."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.storage.pixel_tables.row_steps import (
    KINDS,
    Multiply,
    Project,
    Scale,
    ScaleSlices,
    Shift,
    Stretch,
    SubtractRaman,
    SubtractSky,
    SubtractSpectrum,
    kind_of,
    needed,
    step_of,
)
from tests.makers.field_tables import field_rows

RNG = np.random.default_rng(5)
START, STEP, BINS = 4700.0, 5.0, 950
NODES = np.arange(4700.0, 9400.0, 5.0)
TABLE = RNG.normal(100.0, 10.0, (48, BINS + 2)).astype(np.float32)
FIELD = np.array([0.1, -0.2, 0.3, 0.05, 0.01, 1.0])
STEPS = [
    Scale("stat", 1.3),
    Multiply(np.stack([RNG.uniform(1.0, 2.0, 950), RNG.uniform(0.0, 1e-4, 950)], axis=1), START, STEP),
    Shift(RNG.normal(0.0, 0.3, (950, 2)), START, STEP),
    ScaleSlices(np.array([0.0, 7000.0, 10000.0]), RNG.uniform(0.9, 1.1, (24, 48, 2))),
    SubtractSpectrum(NODES, RNG.normal(50.0, 5.0, NODES.size)),
    SubtractRaman(6000.0, STEP, 100, {12: lambda first, last: TABLE[:, :100].copy()}, FIELD),
    SubtractSky(START, STEP, BINS, {12: lambda first, last: TABLE}),
    Stretch(1.0001),
    Project(np.array([3.0, -40.0]), np.array([[-1e-6, 1e-8], [1e-8, 1e-6]])),
]


def part_of_table(first, last):
    """What a store gives: no more than is asked for."""
    return np.ascontiguousarray(TABLE[:, first:last])


@pytest.fixture
def rows():
    return field_rows(4000)


def changed(step, rows):
    made = {name: values.copy() for name, values in rows.items()}
    step.apply(made)
    return made


def test_there_is_one_of_each_kind():
    assert {kind_of(step) for step in STEPS} == set(KINDS)


@pytest.mark.parametrize("step", STEPS, ids=kind_of)
def test_a_step_is_what_is_kept_of_it(step, rows):
    tables = {"subtract sky": part_of_table, "subtract Raman light": lambda first, last: part_of_table(first, last)}
    again = step_of(kind_of(step), step.numbers(), step.arrays().__getitem__, lambda ifu: tables[kind_of(step)])
    one, other = changed(step, rows), changed(again, rows)
    assert all(np.array_equal(one[name], other[name]) for name in rows)
    differing = {name for name in rows if not np.array_equal(rows[name], one[name])}
    assert differing == set(step.changes) <= set(step.reads)


@pytest.mark.parametrize("step", STEPS, ids=kind_of)
def test_it_needs_no_other_columns_and_no_other_rows(step, rows):
    one = changed(step, rows)
    few = {name: rows[name][1000:1100] for name in step.reads}
    other = changed(step, few)
    assert all(np.array_equal(one[name][1000:1100], other[name]) for name in few)


@pytest.mark.parametrize("wavelengths", [(4600.0, 4720.0), (6000.0, 6004.0), (9300.0, 9700.0), (4000.0, 9990.0)])
def test_a_part_of_the_spectra_does_for_rows_near_it(rows, wavelengths):
    rows["lambda"] = np.random.default_rng(6).uniform(*wavelengths, rows["lambda"].size).astype(np.float32)
    one = changed(STEPS[6], rows)
    other = changed(SubtractSky(START, STEP, BINS, {12: part_of_table}), rows)
    assert np.array_equal(one["data"], other["data"])


def test_rows_of_an_ifu_without_spectra(rows):
    with pytest.raises(MusedeepError, match="rows of IFU 12, of which there is no LSF_PROFILE"):
        SubtractSky(START, STEP, BINS, {11: part_of_table}).apply(rows)


def test_only_steps_that_matter_are_made():
    steps, names = needed(STEPS, ("ypos",))
    assert [kind_of(step) for step in steps] == ["shift", "project"] and names == ["lambda", "xpos", "ypos"]
    steps, names = needed(STEPS, ("dq",))
    assert steps == [] and names == ["dq"]
    # wavelengths are stretched after all that reads them
    assert [kind_of(step) for step in needed(STEPS, ("lambda",))[0]] == ["stretch"]


def test_an_unknown_kind():
    with pytest.raises(KeyError):
        step_of("polish", {}, STEPS[1].arrays().__getitem__, lambda ifu: part_of_table)
