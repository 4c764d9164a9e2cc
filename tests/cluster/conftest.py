"""A SLURM for all tests of this directory, exposures to combine on it, and what an undisturbed run makes of them."""

import os

import numpy as np
import pytest

from tests.makers.cluster_runs import SLOW, Run, voxels
from tests.makers.pixel_tables import write_dithers
from tests.makers.places import ROOT
from tests.makers.slurm_node import SlurmNode, missing


@pytest.fixture(scope="session")
def slurm():
    """A running SLURM of two nodes."""
    why = missing()
    if why:
        pytest.skip(f"no SLURM ({why})")
    with SlurmNode() as node:
        yield node


@pytest.fixture(scope="session")
def exposures(tmp_path_factory):
    """Four small exposures."""
    options = {"ifus": (11, 12), "wavelength": (7000.0, 7030.0), "cosmics": 1e-3}
    return write_dithers(tmp_path_factory.mktemp("exposures"), 4, step=50.0, **options)[0]


@pytest.fixture
def run(slurm, exposures, tmp_path):
    """A run that is not started yet; at the end of the test it is ended."""
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "selection.yaml").write_text(
        f"exposures: [{', '.join(str(p) for p in exposures)}]\nparameters: {{crsigma: 5}}\noutput: out\n"
    )
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "BOX_SECONDS": "0.4",
        "DASK_DISTRIBUTED__WORKER__PRELOAD": str(tmp_path / "slow.py"),
    }
    made = Run(tmp_path, environment)
    made.profile()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.communicate()
    for job in slurm.jobs():
        slurm.output("scancel", job)
    slurm.wait("jobs to end", lambda: not slurm.jobs())


@pytest.fixture(scope="session")
def undisturbed(exposures, tmp_path_factory):
    """DATA and STAT of a run on threads of one process."""
    from musedeep.graph.combine.exp_combine import Request, combine
    from musedeep.recipes.exp_combine.recipe import RECIPE

    output = tmp_path_factory.mktemp("undisturbed") / "out"
    combine(Request(list(exposures), RECIPE.parse({"crsigma": 5}), output))
    return voxels(output)


@pytest.fixture
def same(undisturbed):
    """Asserts that a cube is that of the undisturbed run, to the last bit."""

    def check(output):
        for a, b in zip(voxels(output), undisturbed, strict=True):
            np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32))

    return check
