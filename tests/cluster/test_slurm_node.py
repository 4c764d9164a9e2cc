"""The SLURM that the tests start."""

import pytest

pytestmark = pytest.mark.slurm


def test_jobs_run_on_both_nodes_and_end(slurm):
    nodes = slurm.output("srun", "-N2", "-n2", "sh", "-c", "echo $SLURMD_NODENAME").split()
    assert sorted(nodes) == ["n1", "n2"]
    job = slurm.output("sbatch", "--parsable", "--output=/dev/null", "--wrap", "sleep 60")
    slurm.wait("the job to run", lambda: slurm.output("squeue", "-h", "-j", job, "-o", "%T") == "RUNNING")
    slurm.output("scancel", job)
    slurm.wait("the job to end", lambda: not slurm.jobs())
