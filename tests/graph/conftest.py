"""Of combinations of stores, what they are compared with."""

import pytest

from tests.makers.store_runs import run, voxels


@pytest.fixture(scope="module")
def undisturbed(stores, tmp_path_factory):
    """Voxels of the stores of a test module, combined without any disturbance."""
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    run(stores, output)
    return voxels(output)
