"""Forecasts: the same boxes and the same rows read as in a real run; more of the same."""

import logging
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from musedeep.errors import MusedeepError
from musedeep.graph.combine import tasks
from musedeep.graph.combine.exp_combine import Request, combine
from musedeep.graph.combine.plan import make_plan
from musedeep.graph.forecast import forecast as forecast_module
from musedeep.graph.forecast import requests
from musedeep.graph.forecast.forecast import forecast, survey_exposures
from musedeep.graph.forecast.rates import SECONDS, Rates
from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.progress import Silent
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.storage.fits import parts
from musedeep.storage.pixel_tables import fits, zarr
from musedeep.storage.pixel_tables.ingest import ingest
from tests.makers.pixel_tables import write_dithers

GIB = 2**30
IO = Path("/proc/thread-self/io")


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


@pytest.fixture(scope="module")
def stores_of_four(request_of_four, tmp_path_factory):
    directory = tmp_path_factory.mktemp("stores")
    stores = [directory / f"{path.stem}.zarr" for path in request_of_four.pixel_tables]
    for path, store in zip(request_of_four.pixel_tables, stores, strict=True):
        ingest([path], store)
    return replace(request_of_four, pixel_tables=stores, output=directory / "out")


@pytest.mark.skipif(not IO.exists(), reason="this system does not count what threads read")
@pytest.mark.parametrize("kind", ["FITS", "stores"])
def test_requests_are_those_of_the_run(request_of_four, stores_of_four, monkeypatch, kind):
    request = replace(
        stores_of_four if kind == "stores" else request_of_four, memory=GIB, box_bytes=24 << 20, threads=1
    )
    monkeypatch.setattr(forecast_module, "make_plan", partial(make_plan, box_bytes=24 << 20))
    combine(replace(request, overwrite=True))  # kernels are loaded from files, too
    expected = forecast(survey_exposures(request, Silent()), 1, 1, GIB, Rates())
    opened, read, written = [], [], []
    table = zarr.ZarrPixelTable if kind == "stores" else fits.ImageFormatTable
    plain_read, plain_write, plain_open = table.read_into, parts.write_at, os.open
    within = []

    def asked():
        lines = dict(line.split(": ") for line in IO.read_text().splitlines())
        return int(lines["syscr"])

    def read_into(self, ranges, rows):
        before, idle = asked(), asked()
        within.append(True)
        plain_read(self, ranges, rows)
        within.pop()
        read.append(asked() - idle - (idle - before))

    def write_at(descriptor, position, content):
        written.append(content.nbytes)
        plain_write(descriptor, position, content)

    def count(path, *arguments, **options):
        if within or str(path).endswith(("/DATACUBE_FINAL.fits", "/EXPOSURE_MAP.fits")):
            opened.append(path)
        return plain_open(path, *arguments, **options)

    def boxes_only(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(table, "read_into", read_into)
            patch.setattr(parts, "write_at", write_at)
            patch.setattr(os, "open", count)
            return plain_box(*arguments)

    plain_box = tasks.compute_box
    monkeypatch.setattr(tasks, "compute_box", boxes_only)
    outcome = combine(replace(request, overwrite=True))
    assert outcome.plan == replace(expected.plan, rows_read=0) and len(outcome.plan.tasks) > 3
    asked_for = expected.traffic
    assert (asked_for.reads, asked_for.writes, asked_for.opens) == (sum(read), len(written), len(opened))
    assert asked_for.bytes_out == sum(written) == expected.bytes_written
    columns = 24 * expected.plan.rows_read
    if kind == "FITS":  # short gaps are read along
        assert columns <= asked_for.bytes_in < 1.05 * columns
    else:  # whole chunks, compressed
        sizes = [one.layout.sizes for one in survey_exposures(request, Silent()).sample]
        every = sum(int(size[name].sum()) for size in sizes for name in tasks.COLUMNS)
        assert every < asked_for.bytes_in <= len(expected.plan.tasks) * every


def test_a_few_boxes_stand_for_all(survey, monkeypatch):
    every = forecast(survey, 32, 1, 32 * GIB, Rates())
    monkeypatch.setattr(requests, "BOXES", len(every.plan.tasks) // 2)
    half = forecast(survey, 32, 1, 32 * GIB, Rates())
    assert half.traffic.writes == every.traffic.writes
    assert half.traffic.bytes_in == pytest.approx(every.traffic.bytes_in, rel=0.1)
    assert half.traffic.reads == pytest.approx(every.traffic.reads, rel=0.3)
    assert requests.sampled(3, 8) == [0, 1, 2] and requests.sampled(9, 3) == [0, 4, 8] and requests.sampled(0, 3) == []


def _nothing():
    return Rates(**dict.fromkeys(SECONDS, 0.0))


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
    assert survey.sample and not longer.sample and forecast(longer, 1, 1, GIB, Rates()).traffic is None
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
    expected = forecast(survey, 1, 2, GIB, replace(_nothing(), storage_bytes_per_second=1e6))
    slow, asked = expected.simulation, expected.traffic
    indexing = slow.stages[0].bytes_read + slow.stages[1].bytes_read + slow.stages[3].bytes_read
    reading = (indexing + asked.bytes_in) / 1e6
    assert slow.seconds == pytest.approx(reading, rel=1e-6)
    assert slow.stages[2].waiting_seconds == pytest.approx(slow.stages[2].busy_seconds)


def test_requests_are_a_limit(survey):
    slow = forecast(survey, 1, 2, GIB, replace(_nothing(), storage_requests_per_second=1e3))
    assert slow.simulation.stages[2].seconds == pytest.approx(slow.traffic.requests / 1e3, rel=1e-3)
    assert slow.shares.bound == "storage" and slow.shares.storage > 0.99
    both = replace(_nothing(), storage_requests_per_second=1e3, storage_bytes_per_second=1e6)
    seconds = forecast(survey, 1, 2, GIB, both).simulation.stages[2].seconds
    assert seconds == pytest.approx(slow.traffic.requests / 1e3 + slow.traffic.bytes_in / 1e6, rel=1e-3)
    with pytest.raises(MusedeepError, match="leave it out"):
        forecast(survey.of_planes(500), 1, 1, GIB, both)


def test_too_little_memory(survey):
    with pytest.raises(MusedeepError, match="would do"):
        forecast(survey, 8, 1, GIB, Rates())
