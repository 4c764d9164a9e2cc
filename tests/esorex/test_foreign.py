"""Recipes that another esorex runs."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from musedeep.esorex import foreign
from musedeep.esorex.foreign import COMMAND, HANDED, is_ours, other_esorex, run_other


def program(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def no_esorex(monkeypatch, tmp_path):
    monkeypatch.delenv(COMMAND, raising=False)
    monkeypatch.delenv(HANDED, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "none"))


def test_the_next_esorex_in_path_that_is_not_ours(monkeypatch, tmp_path):
    script = program(tmp_path / "env" / "musedeep-esorex", "#!/bin/sh\n# from musedeep.esorex.main import run\n")
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    (tmp_path / "a" / "esorex").symlink_to(script)  # a link to this one
    program(tmp_path / "b" / "esorex", "#!/usr/bin/python\nfrom musedeep.esorex.main import run\n")  # another of ours
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / name) for name in ("a", "b")))
    assert other_esorex() is None
    theirs = program(tmp_path / "c" / "esorex", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / name) for name in ("a", "b", "c")))
    assert other_esorex() == str(theirs)
    assert is_ours(tmp_path / "a" / "esorex") and not is_ours(theirs) and is_ours(tmp_path / "missing")


def test_the_variable_counts_first(monkeypatch, tmp_path):
    theirs, named = (program(tmp_path / name / "esorex", "#!/bin/sh\n") for name in ("c", "d"))
    monkeypatch.setenv("PATH", str(theirs.parent))
    monkeypatch.setenv(COMMAND, str(named))
    assert other_esorex() == str(named)
    monkeypatch.setenv(COMMAND, "")
    assert other_esorex() is None
    monkeypatch.setenv(COMMAND, str(tmp_path / "missing"))
    assert other_esorex() is None


def test_nothing_is_handed_over_twice(monkeypatch, tmp_path):
    theirs = program(tmp_path / "c" / "esorex", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(theirs.parent))
    monkeypatch.setenv(HANDED, "1")
    assert other_esorex() is None


def test_words_environment_and_status_are_passed(tmp_path):
    seen = tmp_path / "seen"
    theirs = program(tmp_path / "c" / "esorex", f'#!/bin/sh\necho "$@" "${HANDED}" > {seen}\nexit 15\n')
    assert run_other(str(theirs), ["--time", "muse_other", "x y.sof"]) == 15
    assert seen.read_text() == "--time muse_other x y.sof 1\n"


def test_signals_are_passed_on(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    theirs = program(tmp_path / "c" / "esorex", f"#!/bin/sh\ntouch {tmp_path}/there\nexec sleep 60\n")
    started = subprocess.Popen

    def end():
        while not (tmp_path / "there").exists():
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    helper = threading.Thread(target=end)
    helper.start()
    assert run_other(str(theirs), []) == 128 + signal.SIGTERM
    helper.join()
    assert signal.getsignal(signal.SIGTERM) is before and foreign.subprocess.Popen is started
