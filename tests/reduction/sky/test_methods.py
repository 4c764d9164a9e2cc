"""One function for each way to subtract the sky."""

from dataclasses import replace

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.reduction.rows.source import corrected
from musedeep.reduction.sky.exposure import SkyChoice
from musedeep.reduction.sky.methods import by_given_model, by_model, by_spectrum
from tests.makers.field_tables import observation
from tests.makers.row_sources import RowsInMemory
from tests.makers.sky_exposures import UNITS, line_table, lsf_of, sky_rows

LSFS = {12: lsf_of(12)}
DONE = observation(ESO_DRS_MUSE_PIXTABLE_FLUXCAL=True)
CHOICE = SkyChoice(fraction=0.9)


@pytest.fixture(scope="module")
def source():
    return RowsInMemory(sky_rows(12, LSFS, noise=2.0, slices=tuple(range(1, 25))), UNITS)


def left_of(source, subtracted):
    rows = corrected(source, subtracted.corrections).read(np.array([[0, source.n_rows]]), ("data",))
    return np.abs(np.median(rows["data"])), rows["data"].std()


def test_all_methods_leave_little(source):
    model = by_model(DONE, [source], line_table(), LSFS, CHOICE)
    given = by_given_model(DONE, [source], model.model.lines, model.model.continuum, LSFS)
    simple = by_spectrum(DONE, [source], CHOICE)
    for one in (model, given, simple):
        middle, scatter = left_of(source, one)
        assert middle < 0.2
        # what differs from slice to slice stays without a model
        assert scatter < (2.3 if one is not simple else 4.0)
    assert given.measured is None and simple.model is None
    np.testing.assert_array_equal(simple.measured.spectrum.data, model.measured.spectrum.data)


def test_a_given_continuum_is_kept(source):
    first = by_model(DONE, [source], line_table(), LSFS, CHOICE)
    known = replace(first.model.continuum, flux=first.model.continuum.flux + 1.0)
    assert by_model(DONE, [source], line_table(), LSFS, CHOICE, continuum=known).model.continuum is known


def test_counts_go_only_with_the_simple_method(source):
    counts = RowsInMemory(source.rows, UNITS | {"data": "count"})
    assert by_spectrum(observation(), [counts], CHOICE).corrections
    with pytest.raises(MusedeepError, match="calibrate the flux first"):
        by_model(observation(), [counts], line_table(), LSFS, CHOICE)


def test_nothing_is_subtracted_twice(source):
    twice = observation(ESO_DRS_MUSE_PIXTABLE_FLUXCAL=True, ESO_DRS_MUSE_PIXTABLE_SKYSUB=True)
    with pytest.raises(MusedeepError, match="subtracted already"):
        by_spectrum(twice, [source], CHOICE)
