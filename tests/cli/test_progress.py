"""Progress: what is told, on a terminal and elsewhere."""

import io

from rich.console import Console

from musedeep.cli import progress as module
from musedeep.cli.progress import TerminalProgress, duration, tree_memory
from musedeep.cli.report import size_text


def test_durations_and_sizes():
    assert [duration(s) for s in (2.34, 61, 600, 7300)] == ["2.3 s", "1 min 01 s", "10 min 00 s", "2 h 01 min"]
    assert [size_text(n) for n in (0, 1023, 2048, 3 * 2**30)] == ["0 bytes", "1023 bytes", "2 KiB", "3 GiB"]


def run_through(terminal):
    stream = io.StringIO()
    with TerminalProgress(2**32, Console(file=stream, force_terminal=terminal, width=150)) as progress:
        progress.say("indexing [x]")
        progress.start(4, 4_000_000, 1)
        for _ in range(3):
            progress.advance(1_000_000)
        progress.stop()
    assert progress.done == 4
    assert progress.rows == 3_000_000
    assert progress.peak_bytes >= tree_memory() // 2 > 0
    return stream.getvalue()


def test_plain_lines(monkeypatch):
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.0)
    lines = run_through(False).splitlines()
    assert lines[0] == "indexing [x]"
    assert lines[1] == "resuming: 1 of 4 boxes are done"
    assert lines[2].startswith("2/4 boxes, ")
    assert "of 4.00 GiB" in lines[-1]
    assert "left" in lines[-1]
    assert len(lines) == 5


def test_a_fast_run_is_quiet():
    assert len(run_through(False).splitlines()) == 2


def test_a_terminal_gets_a_bar():
    assert "\x1b[" in run_through(True)
