"""The executor with worker processes of its own."""

import pytest

from musedeep.graph.executor import Resources, open_executor


class TwoArgumentsError(Exception):
    """Is pickled without its second argument, and cannot be made again without it."""

    def __init__(self, first, second):
        super().__init__(first)


def fail():
    raise TwoArgumentsError("no such thing", 2)


def test_an_exception_that_cannot_be_sent_arrives_as_another(tmp_path):
    executor = open_executor(Resources(2, 2, 2**31), tmp_path, lambda text: None)
    try:
        future = executor.submit(fail)
        with pytest.raises(RuntimeError, match="TwoArgumentsError: no such thing"):
            future.result(timeout=30)
    finally:
        executor.close()
