"""A SLURM for all tests of this directory."""

import pytest
from slurm_node import SlurmNode, missing


@pytest.fixture(scope="session")
def slurm():
    """A running SLURM of two nodes."""
    why = missing()
    if why:
        pytest.skip(f"no SLURM ({why})")
    with SlurmNode() as node:
        yield node
