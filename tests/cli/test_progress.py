"""Progress: what is told, on a terminal and elsewhere, and that it breaks no work."""

import io
import os
import subprocess
import sys
import time

import pytest

from musedeep.cli import progress as module
from musedeep.cli.output import Output
from musedeep.cli.progress import TerminalProgress, tree_memory
from musedeep.progress import LOG


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Gone(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text):
        raise BrokenPipeError


@pytest.fixture
def now(monkeypatch):
    """The time, which goes on when it is told to: nothing is shown by itself."""
    time_now = [1000.0]
    monkeypatch.setattr(module, "clock", lambda: time_now[0])
    monkeypatch.setattr(module, "SAMPLE_SECONDS", 3600.0)
    monkeypatch.setattr(module, "QUIET_SECONDS", 10.0)
    monkeypatch.setattr(module, "compiling_seconds", lambda since: 0.0)
    monkeypatch.setattr(module, "tree_memory", lambda: 3 << 29)
    return time_now


@pytest.fixture
def xterm(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")


def test_a_line_every_ten_seconds_whether_something_ends_or_not(now):
    stream = io.StringIO()
    with TerminalProgress(2**32, stream) as progress:
        LOG.info("indexing [x]")
        progress.begin(4, "boxes", 1)
        for _ in range(63):
            now[0] += 0.5
            progress.tick()
            if now[0] == 1021.0:
                progress.advance(rows=42_000_000)
    assert progress.done == 2 and progress.rows == 42_000_000 and progress.peak_bytes == 3 << 29
    assert stream.getvalue().splitlines() == [
        "indexing [x]",
        "resuming: 1 of 4 boxes are done",
        "1/4 boxes, starting, 1.50 of 4.00 GiB",
        "1/4 boxes, starting, 1.50 of 4.00 GiB",
        "2/4 boxes, 1.4 million rows/s, 1 min 00 s left, 1.50 of 4.00 GiB",
    ]


def test_costs_make_the_time_left(now):
    stream = io.StringIO()
    with TerminalProgress(stream=stream) as progress:
        progress.begin(10, "frames", cost=200.0)
        progress.advance(3, cost=80.0, made=False)
        progress.advance(0, cost=20.0)
        now[0] += 60.0
        progress.tick()
        progress.begin(0, "writing the truth")
        now[0] += 75.0
        progress.tick()
        progress.stop()
        now[0] += 75.0
        progress.tick()
    # half of the cost is over, 20 of it in this minute
    assert stream.getvalue().splitlines() == [
        "3/10 frames, 1.0 a minute, 5 min 00 s left, 1.50 GiB",
        "writing the truth, 1 min 15 s, 1.50 GiB",
    ]


def test_lines_come_by_themselves(monkeypatch):
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(module, "SAMPLE_SECONDS", 0.02)
    stream = io.StringIO()
    with TerminalProgress(stream=stream) as progress:
        progress.begin(7, "tasks")
        deadline = time.monotonic() + 20
        while stream.getvalue().count("0/7 tasks, starting, ") < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert stream.getvalue().count("0/7 tasks, starting, ") >= 3
    assert progress.peak_bytes >= tree_memory() // 2 > 0


def test_a_terminal_gets_a_bar_that_goes_away(now, xterm):
    stream = Terminal()
    with TerminalProgress(stream=stream) as progress:
        progress.begin(4, "boxes")
        progress.advance()
        now[0] += 1.0
        progress.tick()
        LOG.info("half")
    bar = "=" * 7 + "-" * 21
    assert stream.getvalue() == (
        f"\r{bar} 1/4 boxes, 60.0 a minute, 3.0 s left\x1b[K\r\x1b[Khalf\n".replace("left\x1b", "left, 1.50 GiB\x1b")
    )


def test_a_narrow_terminal_gets_one_line_and_a_dumb_one_no_control_characters(now, xterm, monkeypatch):
    monkeypatch.setattr(Output, "_width", lambda self: 20)
    for terminal, expected in (("xterm", "\r0/123 IFUs, startin\x1b[K\r\x1b[K"), ("dumb", "")):
        monkeypatch.setenv("TERM", terminal)
        stream = Terminal()
        with TerminalProgress(stream=stream) as progress:
            progress.begin(123, "IFUs")
            progress.tick()
        assert stream.getvalue() == expected


@pytest.mark.parametrize("stream", [Gone(), Terminal(), io.TextIOWrapper(io.BytesIO(), "ascii")])
def test_nothing_that_goes_wrong_in_showing_it_breaks_the_work(now, xterm, stream):
    if isinstance(stream, Terminal):
        stream.close()
    with TerminalProgress(stream=stream) as progress:
        LOG.info("Größe\udcff")
        progress.begin(3, "Würfel")
        now[0] += 11
        progress.tick()
        progress.advance()
    assert progress.done == 1
    if isinstance(stream, io.TextIOWrapper):
        stream.seek(0)
        lines = stream.read().splitlines()
        assert lines == ["Gr\\xf6\\xdfe\\udcff", "0/3 W\\xfcrfel, starting, 1.50 GiB"]


SCRIPT = """
import logging, sys, time
from musedeep.cli import progress as module
from musedeep.cli.errors import complain, guarded
module.QUIET_SECONDS = module.SAMPLE_SECONDS = 0.01
def work():
    with module.TerminalProgress() as progress:
        progress.begin(3, "tasks")
        time.sleep(0.5)
        progress.advance()
        logging.getLogger("musedeep.graph").warning("more")
    complain("something")
    open(sys.argv[1], "w").write("whole")
sys.exit(guarded(work))
"""


@pytest.mark.parametrize("how", ["2>&1 | head -1", "2>&-", ">&- 2>&-", "2>/dev/full"])
def test_work_goes_on_when_nobody_reads(tmp_path, how):
    (tmp_path / "work.py").write_text(SCRIPT)
    command = f"({sys.executable} work.py made; echo $? > status) {how}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, env=os.environ
    )
    assert (tmp_path / "made").read_text() == "whole" and (tmp_path / "status").read_text() == "0\n"
    assert "Traceback" not in done.stdout + done.stderr and len(done.stdout.splitlines()) <= 1


@pytest.mark.parametrize(("encoding", "expected"), [("ascii", b"gr\\xf6\\xdfe\n"), ("utf-8", "größe\n".encode())])
def test_names_that_a_locale_does_not_have_are_written_all_the_same(encoding, expected):
    code = "from musedeep.cli.errors import guarded\nraise SystemExit(guarded(lambda: print('gr\\xf6\\xdfe')))"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, b"")
