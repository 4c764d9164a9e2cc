"""The lock of an output directory: one run at a time, whatever became of the last one."""

import errno
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from musedeep.errors import MusedeepError
from musedeep.storage.lock import LOCK, output_lock

HOLD = (
    "import sys, time\nfrom pathlib import Path\nfrom musedeep.storage.lock import output_lock\n"
    "with output_lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
)


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of the directory `out`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env=os.environ | {"PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def without_locks(monkeypatch):
    """A file system that has no locks."""

    def no_locks(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)


def test_the_second_is_refused_in_one_line_and_told_who_is_there(tmp_path, holder):
    with pytest.raises(MusedeepError) as error, output_lock(tmp_path / "out"):
        pass
    text = str(error.value)
    assert "\n" not in text
    assert re.search(
        rf"out: another run is at work there \(process {holder.pid} on {re.escape(socket.gethostname())}, "
        r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
        text,
    )
    assert (tmp_path / "out" / LOCK).exists()


def test_other_directories_are_free(tmp_path, holder):
    with output_lock(tmp_path / "other"):
        assert (tmp_path / "other" / LOCK).exists()


def test_a_killed_holder_is_followed_at_once(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "out" / LOCK).exists()  # what it left
    with output_lock(tmp_path / "out"):
        assert json.loads((tmp_path / "out" / LOCK).read_text())["pid"] == os.getpid()
    assert not (tmp_path / "out" / LOCK).exists()


def test_an_interrupted_holder_leaves_nothing(tmp_path, holder):
    holder.send_signal(signal.SIGINT)
    holder.wait()
    assert not (tmp_path / "out").exists()  # it had made the directory


@pytest.mark.parametrize("failure", [MusedeepError, KeyboardInterrupt])
def test_released_after_failure_and_interrupt(tmp_path, failure):
    with pytest.raises(failure), output_lock(tmp_path):
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_a_directory_made_is_removed_only_if_empty(tmp_path):
    with output_lock(tmp_path / "a" / "b"):
        pass
    assert not (tmp_path / "a" / "b").exists()
    with output_lock(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "product").touch()
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["product"]


def test_two_threads_of_one_process_exclude_each_other(tmp_path):
    with output_lock(tmp_path), pytest.raises(MusedeepError, match=f"process {os.getpid()} on"), output_lock(tmp_path):
        pass


def test_never_two_at_a_time(tmp_path):
    (tmp_path / "out").mkdir()
    inside, most, entered = [], [], []

    def work():
        deadline = time.monotonic() + 60
        while len(entered) < 40 and time.monotonic() < deadline:
            try:
                with output_lock(tmp_path / "out"):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
                    entered.append(1)
            except MusedeepError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1 and len(entered) > 10


def test_without_locks_a_living_holder_is_known_by_its_process(tmp_path, holder, without_locks):
    with pytest.raises(MusedeepError, match=f"process {holder.pid}"), output_lock(tmp_path / "out"):
        pass
    holder.kill()
    holder.wait()
    with output_lock(tmp_path / "out"):
        pass


def test_without_locks_another_process_of_the_same_number_is_not_the_holder(tmp_path, without_locks):
    old = {"pid": os.getpid(), "host": socket.gethostname(), "since": "long ago", "process_start": 1.0}
    (tmp_path / LOCK).write_text(json.dumps(old))
    with output_lock(tmp_path):
        pass


def test_without_locks_a_run_on_another_host_counts_as_alive(tmp_path, without_locks):
    (tmp_path / LOCK).write_text(json.dumps({"pid": 1, "host": "elsewhere", "since": "yesterday", "process_start": 1}))
    expected = rf"1 on elsewhere, since yesterday.*remove .*{LOCK}"
    with pytest.raises(MusedeepError, match=expected), output_lock(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_damaged_lock_file_is_taken_over(tmp_path, text):
    (tmp_path / LOCK).write_text(text)
    with output_lock(tmp_path):
        pass


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MusedeepError, match=r"file/out: cannot be written"), output_lock(tmp_path / "file" / "out"):
        pass
