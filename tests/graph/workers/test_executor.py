"""The executor with worker processes of its own."""

import os
from concurrent.futures import CancelledError
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from distributed.comm import CommClosedError

from musedeep.errors import MusedeepError
from musedeep.graph.workers.executor import Executor, Resources, open_executor


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


def test_several_calls_as_one_task(tmp_path):
    executor = open_executor(Resources(1, 2, 2**31), tmp_path)
    finished = {}
    try:
        submitted = []
        submit = executor.submit
        executor.submit = lambda *call: submitted.append(call) or submit(*call)
        assert executor.map(squared, [(k,) for k in range(10)], finished.__setitem__, 4) == [k * k for k in range(10)]
        assert executor.embedded
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
    executor = Executor(SimpleNamespace(submit=Mock(side_effect=error)), None, 1, 1)
    with pytest.raises(MusedeepError, match="the connection to dask's scheduler is lost; start again to resume"):
        executor.submit(fail)
    with pytest.raises(MusedeepError, match="the connection to dask's scheduler is lost; start again to resume"):
        executor.result(SimpleNamespace(status="finished", result=Mock(side_effect=error)))


def test_a_fault_of_a_file_is_not_the_schedulers():
    executor = Executor(SimpleNamespace(), None, 1, 1)
    with pytest.raises(OSError, match="No space left"):
        executor.result(SimpleNamespace(status="error", result=Mock(side_effect=OSError(28, "No space left"))))
