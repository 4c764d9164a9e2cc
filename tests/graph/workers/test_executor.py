"""Executors: threads of this process, and workers of dask."""

import os
import threading
import time
from concurrent.futures import CancelledError
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from distributed.comm import CommClosedError

from musedeep.errors import MusedeepError
from musedeep.graph.workers.dask_executor import DaskExecutor
from musedeep.graph.workers.executor import Resources
from musedeep.graph.workers.open import open_executor
from musedeep.graph.workers.records import worker_name
from musedeep.graph.workers.thread_executor import ThreadExecutor


class TwoArgumentsError(Exception):
    """Is pickled without its second argument, and cannot be made again without it."""

    def __init__(self, first, second):
        super().__init__(first)


def fail():
    raise TwoArgumentsError("no such thing", 2)


def test_an_exception_that_cannot_be_sent_arrives_as_another(tmp_path):
    executor = open_executor(Resources(2, 2, 2**31), tmp_path)
    try:
        future = executor.submit(fail)
        with pytest.raises(RuntimeError, match="TwoArgumentsError: no such thing"):
            future.result(timeout=30)
    finally:
        executor.close()


def test_worker_processes_share_the_processors(tmp_path, monkeypatch):
    monkeypatch.setattr("musedeep.processors.limits", lambda: [7])
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    executor = open_executor(Resources(2, 2, 2**31), tmp_path)
    try:
        assert executor.submit(os.getenv, "OMP_NUM_THREADS").result(timeout=30) == "3"
        assert "OMP_NUM_THREADS" not in os.environ
    finally:
        executor.close()


def squared(number):
    return number * number


@pytest.mark.parametrize("watched", [False, True], ids=["threads", "dask"])
def test_several_calls_as_one_task(tmp_path, watched):
    executor = open_executor(Resources(1, 2, 2**31, watched=watched), tmp_path)
    finished = {}
    try:
        submitted = []
        submit = executor.submit
        executor.submit = lambda *call: submitted.append(call) or submit(*call)
        assert executor.map(squared, [(k,) for k in range(10)], finished.__setitem__, 4) == [k * k for k in range(10)]
        assert executor.embedded
        assert (executor.client is not None) == watched
    finally:
        executor.close()
    assert finished == {k: k * k for k in range(10)}
    assert len(submitted) == 3


@pytest.mark.parametrize(
    "error",
    [
        CommClosedError("in <TLS (closed) ConnectionPool.gather>: Stream is closed"),
        OSError("Timed out trying to connect to tls://10.0.0.1:8786 after 10 s"),
        CancelledError("gone"),
    ],
)
def test_a_scheduler_that_goes_while_it_is_asked(error):
    executor = DaskExecutor(SimpleNamespace(submit=Mock(side_effect=error)), None, 1, 1)
    with pytest.raises(MusedeepError, match="the connection to dask's scheduler is lost; start again to resume"):
        executor.submit(fail)
    with pytest.raises(MusedeepError, match="the connection to dask's scheduler is lost; start again to resume"):
        executor.result(SimpleNamespace(status="finished", result=Mock(side_effect=error)))


def test_a_fault_of_a_file_is_not_the_schedulers():
    executor = DaskExecutor(SimpleNamespace(), None, 1, 1)
    with pytest.raises(OSError, match="No space left"):
        executor.result(SimpleNamespace(status="error", result=Mock(side_effect=OSError(28, "No space left"))))


@pytest.mark.parametrize(
    ("resources", "one"),
    [
        (Resources(None, 2, 2**31), True),
        (Resources(1, 2, 2**31), True),
        (Resources(2, 2, 2**31), False),
        (Resources(None, 2, 2**31, scheduler="tcp://127.0.0.1:9"), False),
        (Resources(1, 2, 2**31, watched=True), False),
    ],
)
def test_threads_run_what_one_process_does(resources, one):
    assert resources.one_process == one


def test_threads_are_as_many_as_wanted_and_calls_wait_their_turn():
    executor = ThreadExecutor(3)
    at_work, most, waiting, lock = [0], [0], [], threading.Lock()
    submit = executor.submit
    executor.submit = lambda *call: waiting.append(call) or submit(*call)

    def task(number):
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        time.sleep(0.01)
        with lock:
            at_work[0] -= 1
        return number, worker_name()

    ended, ahead = [], []

    def finished(k, result):
        ended.append((k, result))
        ahead.append(len(waiting) - len(ended))

    try:
        executor.run(task, [(k,) for k in range(20)], finished, executor.parallel)
    finally:
        executor.close()
    assert most[0] == 3
    assert max(ahead) < 2 * 3
    assert sorted(ended) == [(k, (k, "0")) for k in range(20)]
    assert worker_name() == ""


def test_an_error_in_a_thread_gives_up_the_calls_that_wait():
    executor = ThreadExecutor(1)
    begun = []

    def task(number):
        begun.append(number)
        if number == 1:
            raise MusedeepError("no such thing")
        return number

    try:
        with pytest.raises(MusedeepError, match="no such thing"):
            executor.run(task, [(k,) for k in range(50)], lambda *_: None, 1)
    finally:
        executor.close()
    assert len(begun) < 5


def test_closing_waits_for_the_calls_at_work():
    executor = ThreadExecutor(1)
    begun, ended = threading.Event(), []

    def task():
        begun.set()
        time.sleep(0.05)
        ended.append(True)

    executor.submit(task)
    executor.submit(task)
    begun.wait()
    executor.close()
    executor.close()
    assert ended == [True]


def test_everywhere_is_here_and_a_failure_is_left_alone():
    executor, called = ThreadExecutor(1), []

    def call(value):
        called.append(value)
        raise OSError("gone")

    executor.everywhere(call, 3)
    executor.close()
    assert called == [3]
    assert executor.dashboard() is None


@pytest.mark.parametrize("error", [TimeoutError(), RuntimeError("Nanny failed to start"), None])
def test_workers_that_do_not_end_stop_no_run(error):
    cluster = SimpleNamespace(close=Mock(side_effect=error))
    executor = DaskExecutor(SimpleNamespace(close=Mock()), cluster, 2, 2)
    executor.close()
    executor.close()
    cluster.close.assert_called_once_with(timeout=60)
