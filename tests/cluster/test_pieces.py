"""cluster/pieces.sbatch: pieces by an array of jobs, and their cube, on a real SLURM."""

import os
import subprocess
import sys

import pytest

from musedeep.recipes.exp_combine.piece import NOTE
from tests.makers.places import ROOT

SCRIPT = ROOT / "cluster" / "pieces.sbatch"


@pytest.fixture
def submit(slurm, run):
    """Submits the script; the job's number."""
    # the command preloads nothing of dask: boxes are slowed by a module that Python imports at its start
    (run.directory / "sitecustomize.py").write_text(
        "import os, sys\nif 'combine' in sys.orig_argv:\n    exec(open(os.environ['SLOW']).read())\n"
    )
    run.environment |= {
        "MUSEDEEP_PYTHON": sys.executable, "PYTHONPATH": f"{run.directory}:{ROOT}", "BOX_SECONDS": "0",
        "SLOW": str(run.directory / "slow.py"),
    }  # fmt: skip

    def submitted(*arguments, options=()):
        done = subprocess.run(
            ["sbatch", "--parsable", "--cpus-per-task=1", "--mem=1500M", "--time=10", *options,
             "--output=job-%A-%a.log", str(SCRIPT), *arguments],
            cwd=run.directory, env=run.environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    return submitted


def ended(slurm, run, job, expected):
    """Wait for a job, or an array of jobs, whose states are then those expected; returns what they have said."""
    over = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"}

    def states():
        return set(slurm.output("squeue", "-h", "-t", "all", "-r", "-j", job, "-o", "%T").split())

    slurm.wait("the jobs", lambda: states() and states() <= over, 180)
    log = "\n".join(path.read_text() for path in sorted(run.directory.glob(f"job-{job}-*.log")))
    assert states() == {expected}, log
    assert "Traceback" not in log
    return log


def notes(run):
    return sorted(path.parent.name for path in run.output.glob(f"*/{NOTE}"))


@pytest.mark.slurm
def test_an_array_and_its_cube(slurm, run, submit, same):
    pieces = submit("3", "selection.yaml", options=["--array=1,3"])
    early = submit("stitch", "out", options=[f"--dependency=afterany:{pieces}"])
    ended(slurm, run, pieces, "COMPLETED")
    log = ended(slurm, run, early, "FAILED")
    assert "out: piece 2 of 3 is missing" in log
    assert notes(run) == ["piece-1-of-3", "piece-3-of-3"]
    # the missing piece, interrupted before its walltime: it goes back into the queue, and goes on
    run.environment["BOX_SECONDS"] = "1.5"
    last = submit("3", "selection.yaml", options=["--array=2"])
    journal = run.output / "piece-2-of-3" / ".musedeep-work" / "done.txt"
    slurm.wait("a box", lambda: journal.exists() and journal.read_text().count("\n") > 1, 90)
    slurm.output("scancel", "--batch", "--signal=USR1", f"{last}_2")
    slurm.wait("the job to be requeued", lambda: "Restarts=1" in slurm.output("scontrol", "show", "job", f"{last}_2"))
    slurm.wait("it to wait", lambda: slurm.output("squeue", "-h", "-j", last, "-o", "%T") == "PENDING")
    slurm.output("scontrol", "update", f"JobId={last}_2", "StartTime=now+5")
    slurm.wait("its second start", lambda: "resuming: " in (run.directory / f"job-{last}-2.log").read_text(), 120)
    log = ended(slurm, run, last, "COMPLETED")
    assert "back into the queue" in log
    log = ended(slurm, run, submit("stitch", "out"), "COMPLETED")
    assert "DATACUBE_FINAL.fits" in log
    same(run.output)
    assert not list(run.output.glob(".musedeep*"))


@pytest.mark.slurm
def test_pieces_of_the_field(slurm, run, submit, same):
    pieces = submit("2x3", "selection.yaml", options=["--array=1-3,5-6"])
    early = submit("stitch", "out", options=[f"--dependency=afterany:{pieces}"])
    ended(slurm, run, pieces, "COMPLETED")
    log = ended(slurm, run, early, "FAILED")
    assert "out: piece 4 of 2x3 is missing (columns " in log
    assert "--piece 4/2x3" in log
    assert notes(run) == [f"piece-{k}-of-2x3" for k in (1, 2, 3, 5, 6)]
    # once more, with those that are there
    ended(slurm, run, submit("2x3", "selection.yaml", options=["--array=3,4"]), "COMPLETED")
    ended(slurm, run, submit("stitch", "out"), "COMPLETED")
    same(run.output)
    assert not list(run.output.glob(".musedeep*"))


def test_the_script_says_how_to_use_it():
    def said(*arguments, **environment):
        known = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")} | environment
        done = subprocess.run(["bash", str(SCRIPT), *arguments], capture_output=True, text=True, env=known, check=False)
        assert done.returncode == 2
        return done.stderr

    assert "usage: sbatch --array=1-N pieces.sbatch N selection.yaml" in said()
    assert "give --mem" in said("3", "selection.yaml")
    assert "which piece? submit it with --array=1-3" in said("3", "selection.yaml", SLURM_MEM_PER_NODE="4000")
    assert "submit it with --array=1-6" in said("2x3", "selection.yaml", SLURM_MEM_PER_NODE="4000")
