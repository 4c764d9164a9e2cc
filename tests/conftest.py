"""Settings of all tests."""

import os
import signal
from typing import Any

import pytest
from hypothesis import settings

from musedeep.cli import progress
from musedeep.compiled import COMMAND, QUIET

# the first example of a test compiles kernels, which takes longer than any deadline
settings.register_profile("musedeep", deadline=None)
settings.load_profile("musedeep")

# nor does what commands say depend on what other tests have had compiled
os.environ[COMMAND] = QUIET

# or on how fast the machine is: no lines of progress among those that tests count
progress.QUIET_SECONDS = 1e9

# what a shell runs in the background ignores interrupts, and so would the processes that tests interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

NIGHT = ["geometry", "lsf", "night", "reduce_night", "scibasic", "twilight", "wavelengths"]
"""Files of tests/reference that need a night reduced by the reference, which takes ten minutes."""

LONGEST = ("night", "cluster", "tests/reference/test_first_stage.py", "tests/recipes/geometry/test_table.py")


def group(nodeid: str) -> str:
    """Tests that one process runs, where several share them: those of a night, of SLURM, else of one file."""
    file = nodeid.split("::")[0]
    directory, _, name = file.rpartition("/")
    if directory == "tests/reference" and name.removeprefix("test_").removesuffix(".py") in NIGHT:
        return "night"
    return "cluster" if directory == "tests/cluster" else file


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In one of several processes: what takes longest first. All of them come to the same order."""
    if hasattr(config, "workerinput"):
        turns = {name: k for k, name in enumerate(LONGEST)}
        items.sort(key=lambda item: turns.get(group(item.nodeid), len(turns)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share tests by group."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return Groups(config, log)
