"""The second stage of a night on SLURM, with its own recipes on small pixel tables: killed, resumed, the same bits."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
from astropy.io import fits

from musedeep.graph.night.journal import WORK
from musedeep.graph.night.plan import FrameSet
from tests.makers.cluster_runs import write_profile
from tests.makers.field_tables import write_field_table
from tests.makers.places import ROOT
from tests.makers.scipost_frames import calibrations

pytestmark = pytest.mark.slurm

EXPOSURES = 3
SCRIPT = """\
# reduces the sets-of-frames that a file holds: FILE OUTPUT [PROFILE]
import pickle, sys
from pathlib import Path
from musedeep.cli.output import log_shown
from musedeep.graph.night.run import NightRequest, reduce_night
from musedeep.graph.workers.cluster_profile import load_profile
from musedeep.progress import Silent
from musedeep.recipes.registry import modules
if __name__ == "__main__":
    where = {"workers": 2, "cluster": load_profile(Path(sys.argv[3]))} if len(sys.argv) > 3 else {}
    given = {"muse_scipost": {"lambdamin": "7000", "lambdamax": "7040", "skymethod": "none", "save": "individual"}}
    sets = pickle.loads(Path(sys.argv[1]).read_bytes())
    with log_shown(print):
        out = reduce_night(NightRequest(sets, Path(sys.argv[2]), modules(), given, **where), Silent())
    print(len(out.made), "made", len(out.earlier), "earlier", out.failed)
"""
SLOW = """\
# each task takes longer, so that it can be killed in the middle
import time
import musedeep.graph.night.task as task

# a preload may be loaded again
if task.run_task.__name__ != "slowly":
    run = task.run_task

    def slowly(call):
        result = run(call)
        time.sleep(2.0)
        return result

    task.run_task = slowly
"""


def make_sets(place, output, bad=0):
    """Three exposures of two IFUs to be reduced and combined; muse_scipost refuses the one of the number `bad`."""
    found, reduced = [], []
    for number in range(1, EXPOSURES + 1):
        done = {"ESO_DRS_MUSE_PIXTABLE_FLUXCAL": True} if number == bad else {}
        date = f"2014-12-10T03:{number:02d}:12.000"
        frames = []
        for ifu in (11, 12):
            path = place / f"{'bad-' if done else ''}{number}-{ifu}.fits"
            if not path.exists():
                write_field_table(path, 100_000, ifu, **{"DATE-OBS": date}, **done)
            frames.append((str(path), "PIXTABLE_OBJECT"))
        frames += [(str(path), tag) for path, tag in calibrations(place)]
        reduced.append(str(output / f"scipost-{number}" / "PIXTABLE_REDUCED_0001.fits"))
        name = f"scipost-{number}"
        found.append(FrameSet(name, "scipost", "muse_scipost", 0, tuple(frames), (reduced[-1],), name, number))
    frames = tuple((path, "PIXTABLE_REDUCED") for path in reduced)
    cube = (str(output / "exp_combine" / "DATACUBE_FINAL.fits"),)
    return [*found, FrameSet("exp_combine", "exp_combine", "muse_exp_combine", 0, frames, cube, "exp_combine")]


def bits(output):
    """What all products hold, without headers, which tell the time."""
    found = {}
    for path in sorted(output.rglob("*")):
        name = str(path.relative_to(output))
        if path.suffix == ".fits":
            with fits.open(path) as hdus:
                found[name] = [np.asarray(hdu.data).tobytes() for hdu in hdus if hdu.data is not None]
        elif path.is_file() and path.name != "zarr.json" and not {WORK, "checksums"} & set(path.parts):
            found[name] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("exposures")


@pytest.fixture
def reduce(place, tmp_path):
    """Starts a reduction into a directory below, on SLURM or here."""
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "reduce.py").write_text(SCRIPT)
    profile = write_profile(tmp_path / "cluster.yaml", cores=2, memory="7GiB", local_scratch=tmp_path / "scratch")

    def start(name, slow=False, bad=0, cluster=True):
        sets = tmp_path / f"{name}.pickle"
        sets.write_bytes(pickle.dumps(make_sets(place, tmp_path / name, bad)))
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        if slow:
            environment["DASK_DISTRIBUTED__WORKER__PRELOAD"] = str(tmp_path / "slow.py")
        command = [sys.executable, "reduce.py", str(sets), str(tmp_path / name), *([str(profile)] if cluster else [])]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=tmp_path,
            start_new_session=True,
        )  # fmt: skip

    return start


def ended(process):
    out = process.communicate(timeout=300)[0]
    assert process.returncode == 0, out
    return out


def test_killed_in_the_middle_and_started_again(slurm, reduce, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    assert "4 made 0 earlier {}" in ended(reduce("here", cluster=False))
    for task, victims in (("scipost-2", "client"), ("scipost-3", "all"), ("exp_combine", "client")):
        process = reduce("there", slow=True)
        slurm.wait(task, lambda task=task: list((there / WORK).glob(f"*/{task}")), 200)
        assert process.poll() is None
        time.sleep(0.5)
        for number in [n for job in slurm.jobs() for n in slurm.processes(job)] if victims == "all" else []:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                pass
        # the next start comes at once, while jobs of this one may still be at work
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert "1 made 3 earlier {}" in ended(reduce("there"))
    assert bits(here) == bits(there) and len(bits(here)) > 10
    entries = [json.loads(line) for line in (there / WORK / "done.jsonl").read_text().splitlines()]
    assert Counter(one["task"] for one in entries if "task" in one) == dict.fromkeys(
        ["scipost-1", "scipost-2", "scipost-3", "exp_combine"], 1
    )
    slurm.wait("jobs to end", lambda: not slurm.jobs())
    assert [path.name for path in there.iterdir() if path.name.startswith(".")] == [WORK]
    assert [path.name for path in (there / WORK).iterdir()] == ["done.jsonl"]
    assert not [path for path in there.rglob("*") if path.name.endswith((".part", ".old"))]
    assert "0 made 4 earlier {}" in ended(reduce("there", cluster=False))


def test_a_bad_exposure_is_told_and_left_out(slurm, reduce, tmp_path):
    out = ended(reduce("out", bad=2))
    assert "3 made 0 earlier {'scipost-2': " in out and "its fluxes are calibrated" in out
    assert "exp_combine goes on without scipost-2/PIXTABLE_REDUCED_0001.fits, which could not be made" in out
    with fits.open(tmp_path / "out" / "exp_combine" / "DATACUBE_FINAL.fits") as hdus:
        assert [k for k in (1, 2, 3) if f"ESO PRO REC3 RAW{k} NAME" in hdus[0].header] == [1, 2]
    slurm.wait("jobs to end", lambda: not slurm.jobs())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        WORK, "exp_combine", "scipost-1", "scipost-3",
    ]  # fmt: skip
