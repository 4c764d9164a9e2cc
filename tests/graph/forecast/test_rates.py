"""Rates: laws found again in logs that were made by them; files that are wrong in one line."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.graph.forecast.rates import (
    SECONDS,
    Rates,
    box_seconds,
    fit_law,
    measure_rates,
    read_log,
    read_rates,
    waited,
)

TRUE = Rates(
    start=2.0, cluster=0.0, end=0.5, indexing=0.5, exposure=0.01, first_scan=0.4, first_box=0.8, scan=0.02,
    scan_row=2e-8, scan_segment=0.0, locate=0.004, locate_segment=1e-6, read_exposure=2e-3, read_row=1e-8,
    box=0.05, place_row=2e-8, box_row=2e-7, box_voxel=3e-8, completion=0.1, completion_voxel=5e-8, combined_row=3e-7,
)  # fmt: skip


def write_log(path, true=TRUE, exposures=12, boxes=60, seed=1, with_cluster=False):
    """The log of a run on one thread that obeys the rates."""
    rng = np.random.default_rng(seed)
    lines, now = [], 1e9

    def add(event, **facts):
        stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")
        lines.append(json.dumps({"time": stamp, "event": event, **facts}))

    began = now
    add("start", process_seconds=0.5, processors=2)
    start = true.start - 0.5 + (true.cluster if with_cluster else 0)
    now += start
    add("ready", seconds=start, parallel=1, processes=2 if with_cluster else 1)
    at = now
    now += true.indexing + exposures * true.exposure
    segments = rng.integers(1000, 9000, exposures)
    for stage, first in (("scan", true.first_scan), ("locate", 0.0)):
        for k in range(exposures):
            facts = {"segments": int(segments[k]), "rows_scanned": int(256 * segments[k])}
            seconds = true.scan + true.scan_row * facts["rows_scanned"] + true.scan_segment * segments[k]
            if stage == "locate":
                seconds = true.locate + true.locate_segment * segments[k]
            seconds += first if k == 0 else 0.0
            now += seconds
            add("task", stage="indexing", task=f"{stage} {k}", seconds=seconds, worker="0", rows=0, **facts)
    add("stage", stage="indexing", seconds=now - at)
    add("plan", exposures=exposures, resumed=0, resample="drizzle", crsigma=10.0, parallel=1)
    at = now
    rows = 0
    for k in range(boxes):
        box = {
            "exposures": int(rng.integers(exposures // 2, exposures + 1)),
            "rows_read": int(rng.integers(1e6, 9e6)), "rows_expected": int(rng.integers(1e6, 5e6)),
            "voxels": int(rng.integers(1e5, 9e6)),
        }  # fmt: skip
        rows += box["rows_expected"]
        box["select_seconds"] = 0.1 * true.read_exposure * box["exposures"]
        box["read_seconds"] = 0.9 * true.read_exposure * box["exposures"] + true.read_row * box["rows_read"]
        seconds = box_seconds(true, box) + (true.first_box if k == 0 else 0.0)
        now += seconds
        add(
            "task",
            stage="boxes",
            task=f"box {k}",
            seconds=seconds,
            cpu_seconds=0.6 * seconds,
            worker="0",
            rows=1,
            **box,
        )
    add("stage", stage="boxes", seconds=now - at)
    now += true.end
    voxels = 30_000_000
    combined = true.combined_row * rows
    seconds = true.completion + true.completion_voxel * voxels + combined
    now += seconds
    add("task", stage="completion", task="products", seconds=seconds, worker="", rows=rows, voxels=voxels,
        combined_seconds=combined)  # fmt: skip
    add("stage", stage="completion", seconds=seconds)
    add("end", seconds=now - began)
    path.write_text("\n".join(lines) + "\n")


def test_rates_are_found_again(tmp_path):
    write_log(tmp_path / "a.jsonl")
    write_log(tmp_path / "b.jsonl", exposures=40, seed=2)
    rates, fits = measure_rates(read_log(tmp_path / "a.jsonl") + read_log(tmp_path / "b.jsonl"), 5e8)
    for name in set(SECONDS) - {"dispatch", "completion", "completion_voxel", "cluster", "scan_row", "scan_segment"}:
        # the rates that musedeep brings along weigh a little, too
        assert getattr(rates, name) == pytest.approx(getattr(TRUE, name), rel=0.03, abs=1e-9), name
    # every row of a FITS file is in a segment of 256: only their sum is known
    assert rates.scan_row + rates.scan_segment / 256 == pytest.approx(TRUE.scan_row, rel=0.01)
    # of two runs, what is known already is scaled
    whole = rates.completion + 3e7 * rates.completion_voxel
    assert whole == pytest.approx(TRUE.completion + 3e7 * TRUE.completion_voxel, rel=1e-4)
    assert rates.storage_bytes_per_second == 5e8
    assert {fit.name: fit.tasks for fit in fits} == {
        "reading": 118, "boxes": 118, "scan": 50, "locate": 50, "completion": 2,
    }  # fmt: skip
    assert max(fit.scatter for fit in fits) < 0.01
    assert "12/40 exposures" in rates.conditions
    assert waited(read_log(tmp_path / "a.jsonl")) == pytest.approx(0.4)


def test_a_cluster_takes_longer_to_start(tmp_path):
    true = replace(TRUE, cluster=3.0)
    write_log(tmp_path / "a.jsonl", true)
    write_log(tmp_path / "b.jsonl", true, with_cluster=True)
    rates, _ = measure_rates(read_log(tmp_path / "a.jsonl") + read_log(tmp_path / "b.jsonl"))
    assert rates.start == pytest.approx(2.0) and rates.cluster == pytest.approx(3.0)


def test_a_log_of_two_starts_and_a_torn_line(tmp_path):
    write_log(tmp_path / "a.jsonl", boxes=10)
    text = (tmp_path / "a.jsonl").read_text()
    torn = text[: text.index("box 7") + 20]
    (tmp_path / "a.jsonl").write_text(torn + "\n" + text)
    first, second = read_log(tmp_path / "a.jsonl")
    assert len(first.tasks["boxes"]) == 7 and "end" not in first.events
    assert len(second.tasks["boxes"]) == 10 and "end" in second.events


def test_few_tasks_scale_what_is_known():
    columns = np.array([[1.0, 10.0], [1.0, 20.0]])
    before = np.array([1.0, 0.5])
    assert fit_law(columns, 3 * columns @ before, before) == pytest.approx(3 * before)


def test_what_the_tasks_do_not_have_stays():
    rng = np.random.default_rng(3)
    columns = np.stack([np.ones(20), np.zeros(20), rng.uniform(1, 9, 20)], axis=1)
    fitted = fit_law(columns, 2 + 3 * columns[:, 2], np.array([1.0, 7.0, 1.0]))
    assert fitted == pytest.approx([2, 7, 3])


def test_coefficients_are_never_negative():
    columns = np.stack([np.ones(20), np.arange(20.0)], axis=1)
    assert (fit_law(columns, 30 - np.arange(20.0), np.ones(2)) >= 0).all()


def test_a_file_of_rates_is_read_as_written(tmp_path):
    path = tmp_path / "r.json"
    path.write_text(replace(TRUE, storage_bytes_per_second=1e9, conditions="here").to_json())
    assert asdict(read_rates(path)) == asdict(replace(TRUE, storage_bytes_per_second=1e9, conditions="here"))
    path.write_text('{"format": "musedeep rates", "seconds": {"box": 7}}')
    assert read_rates(path) == replace(Rates(), box=7, conditions="r.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "no rates of musedeep"),
        ("{", "no rates of musedeep"),
        ('{"format": "musedeep rates"}', "no rates of musedeep"),
        ('{"format": "musedeep rates", "seconds": {"box_rwo": 1}}', "did you mean box_row?"),
        ('{"format": "musedeep rates", "seconds": {"box": -1}}', "box: -1 is not right"),
        ('{"format": "musedeep rates", "seconds": {"box": NaN}}', "box: nan is not right"),
        ('{"format": "musedeep rates", "seconds": {"box": "1"}}', "box: '1' is not right"),
        ('{"format": "musedeep rates", "seconds": {}, "storage_bytes_per_second": 0}', "storage_bytes_per_second: 0"),
    ],
)
def test_wrong_files_of_rates(tmp_path, text, message):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(MusedeepError) as error:
        read_rates(tmp_path / "r.json")
    assert message in str(error.value) and "r.json" in str(error.value)


def test_wrong_logs(tmp_path):
    with pytest.raises(MusedeepError, match="cannot be read"):
        read_log(tmp_path / "none.jsonl")
    (tmp_path / "x.jsonl").write_text("no log\n{}\n")
    with pytest.raises(MusedeepError, match="no structured log"):
        read_log(tmp_path / "x.jsonl")
    write_log(tmp_path / "a.jsonl", boxes=1)
    with pytest.raises(MusedeepError, match="too few boxes"):
        measure_rates(read_log(tmp_path / "a.jsonl"))
    write_log(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text((tmp_path / "a.jsonl").read_text().replace('"rows_read"', '"rows_raed"'))
    with pytest.raises(MusedeepError, match="another version of musedeep: 'rows_read'"):
        measure_rates(read_log(tmp_path / "a.jsonl"))
