"""Settings of all tests."""

import os
import shutil
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from musedeep.cli import progress
from musedeep.compiled import COMMAND, QUIET

# the first example of a test compiles kernels, which takes longer than any deadline
# the same examples in every run, so that a change is judged by what it changes; `make explore` draws others
settings.register_profile("musedeep", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("MUSEDEEP_HYPOTHESIS", "musedeep"))

# nor does what commands say depend on what other tests have had compiled
os.environ[COMMAND] = QUIET

# or on how fast the machine is: no lines of progress among those that tests count
progress.QUIET_SECONDS = 1e9

# what a shell runs in the background ignores interrupts, and so would the processes that tests interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

FIRST = (
    "tests/reference/test_night.py",
    "tests/cluster",
    "tests/reference/test_first_stage.py",
    "tests/recipes/geometry/test_table.py",
    "tests/cli/test_simulate.py",
    "tests/fuzz/test_fuzz.py",
    "tests/graph/combine/test_rehearsal.py",
    "tests/graph/combine/test_run_scratch.py",
    "tests/graph/combine/test_run.py",
    "tests/simulate/test_request.py",
)
"""Groups that start first: one process makes the night of the reference, others run the longest tests meanwhile."""


@pytest.fixture(autouse=True)
def names_of_extensions() -> Iterator[None]:
    """MPDAF has astropy tell upper from lower case in names of extensions, from its import on: not in other tests."""
    yield
    if "mpdaf" in sys.modules:
        from astropy.io import fits

        fits.conf.extension_name_case_sensitive = False


def group(nodeid: str) -> str:
    """Tests that one process runs: those of one file, and all that share a SLURM."""
    file = nodeid.split("::")[0]
    directory = file.rpartition("/")[0]
    return directory if directory == "tests/cluster" else file


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several processes: FIRST come first, tests that wait for the night last. All processes sort alike."""
    if not hasattr(config, "workerinput"):
        return
    turns = {
        group(item.nodeid): len(FIRST) + 1
        for item in items
        if item.nodeid.startswith("tests/reference/") and "night" in getattr(item, "fixturenames", ())
    } | {name: k for k, name in enumerate(FIRST)}
    items.sort(key=lambda item: turns.get(group(item.nodeid), len(FIRST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share tests by group."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return Groups(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Remove the temporary directories of a module's fixture after the module, or all of a lane would lie on disk."""
    if fixturedef.scope != "module" or "tmp_path_factory" not in fixturedef.argnames:
        return (yield)
    place: Path = request.getfixturevalue("tmp_path_factory").getbasetemp()
    before = set(place.iterdir())
    made: set[Path] = set()

    def remove() -> None:
        for path in made:
            shutil.rmtree(path, ignore_errors=True)

    fixturedef.addfinalizer(remove)  # first, so that it comes after what the fixture itself does at its end
    try:
        return (yield)
    finally:
        made |= set(place.iterdir()) - before
