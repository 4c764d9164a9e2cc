"""Settings of all tests."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

# the first example of a test compiles kernels, which takes longer than any deadline
settings.register_profile("musedeep", deadline=None)
settings.load_profile("musedeep")

# what a shell runs in the background ignores interrupts, and so would the processes that tests interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TOGETHER = ("a night", "cluster")
"""Tests that share what takes long to make, the longest first."""


def _group(item: pytest.Item) -> str:
    """Tests that one process runs: of the night that the reference reduces, of SLURM, else of one file."""
    if "night" in getattr(item, "fixturenames", ()) and item.path.parent.name == "reference":
        return "a night"
    return "cluster" if item.path.parent.name == "cluster" else str(item.path)


@pytest.hookimpl(tryfirst=True)  # pytest-xdist looks at the groups in the same hook
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests (`pytest -n`): which go together, and those that take longest first."""
    if not hasattr(config, "workerinput"):
        return
    groups = {item: _group(item) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))

    def turn(item: pytest.Item) -> tuple[int, bool]:
        group = groups[item]
        return TOGETHER.index(group) if group in TOGETHER else len(TOGETHER), "reference" not in Path(item.path).parts

    items.sort(key=turn)
