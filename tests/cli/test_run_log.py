"""Logs of a run: every task once, through interrupts too; no secrets; nothing that changes the cube."""

import io
import json
import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.cli.progress import TerminalProgress
from musedeep.cli.run_log import RunLog, log_paths
from musedeep.errors import MusedeepError
from musedeep.graph.combine.exp_combine import Request, combine
from musedeep.graph.workers.records import Record
from musedeep.recipes.exp_combine.recipe import RECIPE
from tests.makers.pixel_tables import write_dithers

SMALL = 4 << 20
"""Memory of boxes of which there are several [bytes]."""


@pytest.fixture(scope="module")
def exposures(tmp_path_factory):
    directory = tmp_path_factory.mktemp("exposures")
    return write_dithers(directory, 3, step=0.0, ifus=(11, 12), wavelength=(7000.0, 7015.0))[0]


@pytest.fixture
def selection(exposures, tmp_path):
    path = tmp_path / "selection.yaml"
    path.write_text(f"exposures: [{', '.join(str(p) for p in exposures)}]\noutput: out\n")
    return path


class Stopping(TerminalProgress):
    """Interrupts after so many boxes."""

    def __init__(self, stop_at=None):
        super().__init__(2**32, io.StringIO())
        self.stop_at = stop_at

    def advance(self, rows):
        super().advance(rows=rows)
        if self.done == self.stop_at:
            raise KeyboardInterrupt


def logged(exposures, output, stop_at=None, **options):
    request = Request(list(exposures), RECIPE.parse({}), output, box_bytes=SMALL, **options)
    with RunLog(output / "combine", late=True), Stopping(stop_at) as progress:
        return combine(request, progress)


def entries(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def events(lines, event, **facts):
    return [e for e in lines if e["event"] == event and all(e[k] == v for k, v in facts.items())]


def test_every_task_is_in_both_logs_once(exposures, tmp_path):
    outcome = logged(exposures, tmp_path / "out")
    structured, plain = log_paths(tmp_path / "out" / "combine")
    lines = entries(structured)
    boxes = events(lines, "task", stage="boxes")
    planned = {f"box z{t.box.z0}-{t.box.z1 - 1} y{t.box.y0}-{t.box.y1 - 1}" for t in outcome.plan.tasks}
    assert len(planned) > 3
    assert Counter(b["task"] for b in boxes) == Counter(planned)
    assert sum(b["rows"] for b in boxes) == outcome.rows
    assert sum(b["rejected"] for b in boxes) == outcome.rejected
    for box in boxes:
        assert box["bytes"] == 24 * box["rows_read"] >= 24 * box["rows"]
        assert 0 < box["cpu_seconds"] <= box["seconds"] + 0.01
        assert 0 < box["read_seconds"] + box["select_seconds"] < box["seconds"]
        assert 100 * 2**20 < box["peak_memory"] < 16 * 2**30
        assert box["worker"] != ""
    scans = [t["task"] for t in events(lines, "task", stage="indexing") if t["task"].startswith("scan")]
    assert sorted(scans) == [f"scan {p.name}" for p in exposures]
    assert [e["event"] for e in lines if e["event"] != "task"] == [
        "start", "ready", "stage", "plan", "stage", "stage", "end",
    ]  # fmt: skip
    assert len(plain.read_text().splitlines()) == len(lines)
    assert all(sum(b["task"] in line for line in plain.read_text().splitlines()) == 1 for b in boxes)


def test_stages_add_up(exposures, tmp_path):
    outcome = logged(exposures, tmp_path / "out")
    indexing, boxes, completion = outcome.stages
    assert [s.name for s in outcome.stages] == ["indexing", "boxes", "completion"]
    assert indexing.rows == sum(e.n_rows for e in outcome.job.exposures)
    assert (boxes.tasks, boxes.rows) == (len(outcome.plan.tasks), outcome.rows)
    assert boxes.bytes_written == outcome.plan.cube_bytes
    assert indexing.seconds + boxes.seconds + completion.seconds <= outcome.seconds
    stages = events(entries(tmp_path / "out" / "combine.jsonl"), "stage")
    assert [(s["stage"], s["tasks"], s["rows"]) for s in stages] == [(s.name, s.tasks, s.rows) for s in outcome.stages]


def test_an_interrupted_and_resumed_run_has_one_log(exposures, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        logged(exposures, tmp_path / "out", stop_at=2)
    structured = tmp_path / "out" / "combine.jsonl"
    assert len(events(entries(structured), "interrupted")) == 1
    # as a kill in the middle of a line would leave it
    with structured.open("a") as stream:
        stream.write('{"time": "2026')
    outcome = logged(exposures, tmp_path / "out")
    assert outcome.resumed_boxes == 2
    lines = [json.loads(line) for line in structured.read_text().splitlines() if line != '{"time": "2026']
    boxes = events(lines, "task", stage="boxes")
    assert len(boxes) == len({b["task"] for b in boxes}) == len(outcome.plan.tasks)
    assert sum(b["rows"] for b in boxes) == outcome.rows
    assert [p["resumed"] for p in events(lines, "plan")] == [0, 2]
    assert len(events(lines, "start")) == 2


def test_logs_change_no_bit_of_the_cube(exposures, selection, tmp_path, capsys):
    logged(exposures, tmp_path / "a")
    assert run(["combine", str(selection), "--no-log", "--threads", "1"]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["DATACUBE_FINAL.fits", "IMAGE_FOV_0001.fits"]
    with (
        fits.open(tmp_path / "a" / "DATACUBE_FINAL.fits") as one,
        fits.open(tmp_path / "out" / "DATACUBE_FINAL.fits") as other,
    ):
        for name in ("DATA", "STAT"):
            np.testing.assert_array_equal(one[name].data.view(np.uint32), other[name].data.view(np.uint32))


def test_the_end_shows_a_table_of_stages(selection, tmp_path, capsys):
    assert run(["combine", str(selection), "--log", str(tmp_path / "elsewhere.log")]) == 0
    out = capsys.readouterr().out.splitlines()
    header = next(k for k, line in enumerate(out) if line.startswith("stage"))
    assert out[header].split() == [
        "stage", "tasks", "rows", "million", "rows/s", "bytes", "read", "seconds", "peak", "memory",
    ]  # fmt: skip
    assert [line.split()[0] for line in out[header + 1 : header + 4]] == ["indexing", "boxes", "completion"]
    assert out[header + 1].split()[1] == "6"
    assert (tmp_path / "elsewhere.jsonl").exists() and (tmp_path / "elsewhere.log").exists()
    assert not (tmp_path / "out" / "combine.jsonl").exists()


def tell(event, facts):
    """As a run does it, in 1970."""
    record = Record(0.0, event, facts)
    logging.getLogger("musedeep.graph").debug("%s", record, extra={"run_record": record})


def test_secrets_are_in_no_log(tmp_path, caplog):
    facts = {
        "reason": "s3://AKIA:hunter2@store/x?X-Amz-Signature=hunter2&part=1: AWS_SECRET_ACCESS_KEY=hunter2 refused; "
        "'password': 'hunter2', Authorization: Bearer hunter2hunter2",
        "exposures": 3,
    }
    with RunLog(tmp_path / "x", late=False):
        tell("failed", facts)
    written = [path.read_text() for path in log_paths(tmp_path / "x")]
    assert all("1970-01-01" in text for text in written)
    for text in (*written, *caplog.messages):
        assert "hunter2" not in text
        assert "store/x" in text and "part=1" in text and "refused" in text
    assert len(caplog.messages) == 1


def test_a_full_disk_ends_the_log_and_not_the_run(tmp_path):
    class Full(io.StringIO):
        def flush(self):
            raise OSError(28, "No space left on device")

    with RunLog(tmp_path / "x", late=False) as log:
        log._streams = Full(), Full()
        tell("start", {})
        tell("end", {})
    assert log.failure == "No space left on device"


def test_bad_input_leaves_no_log(exposures, selection, tmp_path, capsys):
    assert run(["combine", str(selection), "--memory", "1MiB"]) == 1
    assert "would do" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--log", "a", "--no-log"], 2, "--log and --no-log: give one of them"),
        (["--log", "none/a"], 1, "none/a.jsonl: cannot be written"),
        (["--report", "report.txt"], 1, "report.txt: the performance report is an HTML file"),
        (["--report", "none/report.html"], 1, "the directory none does not exist"),
    ],
)
def test_wrong_use_is_one_line(selection, tmp_path, monkeypatch, capsys, options, status, message):
    monkeypatch.chdir(tmp_path)
    assert run(["combine", "selection.yaml", *options]) == status
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("musedeep: ") and message in lines[-1] and len(lines) == 1
    assert not Path("out").exists()


def test_a_report_without_bokeh_is_refused_before_work(selection, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("musedeep.graph.workers.performance.find_spec", lambda name: None)
    assert run(["combine", str(selection), "--report", str(tmp_path / "r.html")]) == 1
    assert "pip install 'musedeep[dashboard]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_report_is_written_and_the_dashboard_named(selection, tmp_path, capsys):
    pytest.importorskip("bokeh")
    (tmp_path / "r.html").write_text("former")
    assert run(["combine", str(selection), "--report", str(tmp_path / "r.html")]) == 0
    text = (tmp_path / "r.html").read_text()
    assert "bokeh" in text.lower() and "compute_box" in text
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []
    error = capsys.readouterr().err
    assert "dashboard: http://localhost:" in error


def test_the_dashboard_is_asked_for(selection, tmp_path, capsys, monkeypatch):
    pytest.importorskip("bokeh")
    assert run(["combine", str(selection)]) == 0
    assert "dashboard:" not in capsys.readouterr().err
    assert run(["combine", str(selection), "--overwrite", "--dashboard"]) == 0
    assert "dashboard: http://localhost:" in capsys.readouterr().err
    monkeypatch.setattr("musedeep.graph.workers.performance.find_spec", lambda name: None)
    assert run(["combine", str(selection), "--overwrite", "--dashboard"]) == 1
    assert "--dashboard needs the package bokeh" in capsys.readouterr().err


def test_log_names():
    assert [p.name for p in log_paths(Path("a/run.log"))] == ["run.jsonl", "run.log"]
    assert [p.name for p in log_paths(Path("run.2"))] == ["run.2.jsonl", "run.2.log"]


def test_a_log_that_cannot_be_opened(tmp_path):
    with pytest.raises(MusedeepError, match="cannot be written"):
        RunLog(tmp_path / "none" / "x", late=False)
