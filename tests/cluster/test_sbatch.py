"""cluster/combine.sbatch: scheduler, workers and command inside one allocation, and what ends it early."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.makers.places import ROOT

pytestmark = pytest.mark.slurm


@pytest.fixture
def submit(slurm, run):
    """Submits the script on two nodes; the job's number."""
    run.environment |= {
        "MUSEDEEP_PYTHON": sys.executable, "MUSEDEEP_INTERFACE": "lo", "MUSEDEEP_SCRATCH": str(run.scratch),
        "PYTHONPATH": f"{run.directory}:{ROOT}",
    }  # fmt: skip
    run.scratch.mkdir()

    def submitted(*options):
        done = subprocess.run(
            ["sbatch", "--parsable", "--nodes=2", "--cpus-per-task=1", "--mem=2500M", "--time=10", *options,
             "--output=job.log", str(ROOT / "cluster" / "combine.sbatch"), "selection.yaml"],
            cwd=run.directory, env=run.environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    return submitted


def state(slurm, job):
    return slurm.output("squeue", "-h", "-t", "all", "-j", job, "-o", "%T")


def ended(slurm, job, run, expected="COMPLETED"):
    over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
    slurm.wait("the job", lambda: state(slurm, job) in over, 120)
    log = (run.directory / "job.log").read_text()
    assert state(slurm, job) == expected, log
    assert "Traceback" not in log
    return log


def nothing_left(run):
    assert not list(run.scratch.iterdir())
    assert not list(run.directory.glob(".musedeep*"))


def test_a_whole_job_on_two_nodes(slurm, run, submit, same):
    run.environment["BOX_SECONDS"] = "0"
    log = ended(slurm, submit(), run)
    assert "4 exposures, " in log
    same(run.output)
    nothing_left(run)


def test_cancelled_and_submitted_again(slurm, run, submit, same):
    job = submit()
    slurm.wait("boxes", lambda: run.boxes() >= 3, 90)
    directory = next(run.directory.glob(".musedeep-cluster-*"))
    assert oct(directory.stat().st_mode)[-3:] == "700"
    assert {oct(path.stat().st_mode)[-3:] for path in directory.glob("*.pem")} == {"600"}
    slurm.output("scancel", job)
    ended(slurm, job, run, "CANCELLED")
    run.environment["BOX_SECONDS"] = "0"
    log = ended(slurm, submit(), run)
    assert "resuming: " in log
    same(run.output)


def test_the_scheduler_is_killed(slurm, run, submit, same):
    job = submit()
    slurm.wait("boxes", lambda: run.boxes() >= 3, 90)
    (scheduler,) = [n for n in slurm.processes(job) if b"dask_scheduler" in Path(f"/proc/{n}/cmdline").read_bytes()]
    os.kill(scheduler, signal.SIGKILL)
    log = ended(slurm, job, run, "FAILED")
    assert "the connection to dask's scheduler is lost; start again to resume" in log
    nothing_left(run)
    run.environment["BOX_SECONDS"] = "0"
    assert "resuming: " in ended(slurm, submit(), run)
    same(run.output)


def test_before_the_walltime_it_stops_and_goes_on_after(slurm, run, submit, same):
    run.environment["BOX_SECONDS"] = "0.8"
    job = submit()
    slurm.wait("boxes", lambda: run.boxes() >= 3, 90)
    # the signal that SLURM sends some time before the end
    slurm.output("scancel", "--batch", "--signal=USR1", job)
    slurm.wait("the job to be requeued", lambda: "Restarts=1" in slurm.output("scontrol", "show", "job", job))
    assert run.boxes() >= 3
    # the first start may still be coming to its end
    slurm.wait("the job to wait again", lambda: state(slurm, job) == "PENDING")
    # SLURM waits two minutes before it starts a requeued job; a node takes one that starts in the second
    # in which its first start was ended for killed
    slurm.output("scontrol", "update", f"JobId={job}", "StartTime=now+5")
    # until it has begun again, SLURM may still call it failed
    slurm.wait("its second start", lambda: "resuming: " in (run.directory / "job.log").read_text(), 120)
    log = ended(slurm, job, run)
    assert "back into the queue" in log
    same(run.output)
    nothing_left(run)


def test_it_ends_with_the_status_of_the_command(slurm, run, submit):
    (run.directory / "selection.yaml").write_text("exposures: [none.fits]\noutput: out\n")
    job = submit()
    log = ended(slurm, job, run, "FAILED")
    assert "none.fits does not exist" in log
    assert "ExitCode=1:0" in slurm.output("scontrol", "show", "job", job)
    nothing_left(run)


def test_the_script_says_how_to_use_it():
    done = subprocess.run(
        ["bash", str(ROOT / "cluster" / "combine.sbatch")], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 2
    assert "usage: sbatch combine.sbatch" in done.stderr
