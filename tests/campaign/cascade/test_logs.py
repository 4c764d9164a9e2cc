import logging

from musedeep.campaign.cascade.logs import by_task, logged, read_lines, seconds_of, write_log
from musedeep.graph.workers.records import Measured, Recorder, Work
from musedeep.progress import LOG
from musedeep.quality.record import StepRecord


def test_what_is_logged_is_kept_and_read(tmp_path):
    path = tmp_path / "a" / "night.jsonl"
    level = LOG.level
    for seconds in (3.0, 2.0):
        with logged(path):
            LOG.info("one line")
            LOG.debug("not for a person")
            Recorder().task("bias", "bias-03", Measured(None, Work(), 1e9, seconds, 0, ""))
        path.write_text(path.read_text() + '{"half a li')
    LOG.info("not logged")
    assert LOG.level == level and not any(type(one).__name__ == "_JsonLines" for one in LOG.handlers)
    entries = read_lines(path)
    assert [one["event"] for one in entries] == ["info", "task"] * 2
    tasks = by_task([*entries, {"event": "warning", "text": "bias-03: few frames"}])
    assert [one["event"] for one in tasks["bias-03"]] == ["task", "task", "warning"]
    assert seconds_of(tasks["bias-03"]) == 2.0 and seconds_of([]) == 0.0
    assert read_lines(tmp_path / "none") == []


def test_a_log_has_all_that_repeats_a_step(tmp_path):
    step = StepRecord(
        recipe="muse_bias", label="bias-03", parameters={"nifu": 3}, inputs=[["a.fits", "BIAS"]], seconds=1
    )
    entries = [{"time": "2026-01-02T03:04:05.678Z", "event": "warning", "text": "few frames"}]
    write_log(tmp_path / "x.log", [step], entries)
    lines = (tmp_path / "x.log").read_text().splitlines()
    assert lines[:5] == ["# muse_bias bias-03", "#   --nifu=3", "a.fits BIAS", "#   1.0 s", ""]
    assert lines[5:] == ["2026-01-02 03:04:05  warning: few frames"]
    assert logging.getLogger("musedeep") is LOG
