"""Forecasts: the same boxes and the same rows read as in a real run; more of the same."""

import logging
from dataclasses import replace

import pytest

from musedeep.errors import MusedeepError
from musedeep.graph.combine.exp_combine import Request, combine
from musedeep.graph.forecast.forecast import forecast, survey_exposures
from musedeep.graph.forecast.rates import Rates
from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.progress import Silent
from musedeep.recipes.exp_combine.recipe import RECIPE
from tests.makers.pixel_tables import write_dithers

GIB = 2**30


@pytest.fixture(scope="module")
def request_of_four(tmp_path_factory):
    directory = tmp_path_factory.mktemp("exposures")
    paths, _ = write_dithers(directory, 4, step=50.0, ifus=(9, 16), wavelength=(7000.0, 7030.0))
    return Request(paths, RECIPE.parse({"save": "cube,exposures"}), directory / "out", threads=2)


@pytest.fixture(scope="module")
def survey(request_of_four):
    found = survey_exposures(request_of_four, Silent())
    assert not request_of_four.output.exists()
    return found


def test_the_forecast_has_the_boxes_and_bytes_of_the_run(request_of_four, survey, caplog):
    caplog.set_level(logging.DEBUG, "musedeep")
    outcome = combine(replace(request_of_four, memory=GIB))
    records = [one.run_record for one in caplog.records if hasattr(one, "run_record")]

    def of(stage):
        return [one.facts for one in records if one.event == "task" and one.facts["stage"] == stage]

    expected = forecast(survey, 1, 2, GIB, Rates())
    assert replace(expected.plan, rows_read=0) == outcome.plan
    assert expected.plan == combine(replace(request_of_four, memory=GIB, overwrite=True), dry_run=True).plan
    stages = expected.simulation.stages
    assert stages[0].bytes_read + stages[1].bytes_read == pytest.approx(
        sum(t["bytes"] for t in of("indexing")), rel=0.01
    )
    boxes = of("boxes")
    assert expected.plan.rows_read == sum(b["rows_read"] for b in boxes) > expected.plan.rows_processed
    assert stages[2].bytes_read == pytest.approx(sum(b["bytes"] for b in boxes), rel=1e-9)
    assert stages[2].rows == pytest.approx(sum(b["rows"] for b in boxes), rel=0.01)
    assert expected.bytes_written == sum(b["written"] for b in boxes)
    assert expected.simulation.peak_memory <= outcome.plan.peak_bytes
    # what laws are made of: the voxels and rows of each box
    law = forecast(survey, 1, 2, GIB, replace(_nothing(), box_voxel=1.0))
    assert law.simulation.stages[2].busy_seconds == sum(b["voxels"] for b in boxes)
    law = forecast(survey, 1, 2, GIB, replace(_nothing(), box_row=1.0))
    assert law.simulation.stages[2].busy_seconds == sum(b["rows_expected"] for b in boxes)


def _nothing():
    names = [n for n in Rates.__dataclass_fields__ if n not in ("storage_bytes_per_second", "conditions")]
    return Rates(**dict.fromkeys(names, 0.0))


def test_more_exposures(survey):
    few, many = (forecast(survey.of_exposures(n), 2, 1, 2 * GIB, Rates()) for n in (4, 40))
    assert many.plan.rows == pytest.approx(10 * few.plan.rows, rel=1e-3)
    assert many.exposures == 40
    # the boxes of more rows are fewer here, and read fewer rows twice
    assert 5 * few.simulation.bytes_read < many.simulation.bytes_read < 10.1 * few.simulation.bytes_read
    assert many.simulation.seconds > few.simulation.seconds
    indexed = [f.simulation.stages[0].rows for f in (few, many)]
    assert indexed[1] == pytest.approx(10 * indexed[0])
    for one in (few, many):
        assert 3 * BASE_BYTES < one.simulation.peak_memory <= one.plan.peak_bytes


def test_more_planes(survey):
    planes = survey.grid.shape[0]
    assert survey.of_planes(planes - 3) is survey
    longer = survey.of_planes(10 * planes)
    assert longer.grid.shape == (10 * planes, *survey.grid.shape[1:])
    factor = 10 * planes / (planes - 1)
    assert longer.density.sum() == pytest.approx(factor * survey.density.sum(), rel=0.05)
    assert longer.rows.sum() == pytest.approx(factor * survey.rows.sum())
    whole = survey.grid.shape
    box = survey.reads.counter().rows(_whole(whole))
    assert longer.reads.counter().rows(_whole(longer.grid.shape)) == pytest.approx(factor * box, rel=0.05)
    assert (
        forecast(longer, 1, 1, GIB, Rates()).simulation.seconds
        > forecast(survey, 1, 1, GIB, Rates()).simulation.seconds
    )


def _whole(shape):
    from musedeep.reduction.cube.box import Box

    return Box(0, shape[0], 0, shape[1])


def test_the_combined_table_takes_its_time(request_of_four, survey):
    parameters = RECIPE.parse({"save": "cube,combined"})
    with_table = survey_exposures(replace(request_of_four, parameters=parameters), Silent())
    rates = replace(_nothing(), combined_row=1.0)
    assert forecast(with_table, 1, 1, GIB, rates).simulation.seconds == pytest.approx(survey.rows.sum())
    assert forecast(survey, 1, 1, GIB, rates).simulation.seconds == 0


def test_storage_is_a_limit(survey):
    slow = forecast(survey, 1, 2, GIB, replace(_nothing(), storage_bytes_per_second=1e6)).simulation
    reading = sum(stage.bytes_read for stage in slow.stages) / 1e6
    assert slow.seconds == pytest.approx(reading, rel=1e-6)


def test_too_little_memory(survey):
    with pytest.raises(MusedeepError, match="would do"):
        forecast(survey, 8, 1, GIB, Rates())
