"""Runs on SLURM: the same bits, as many jobs as there is work for, and nothing left behind."""

import os
import subprocess
import sys
import time

import pytest

from musedeep.graph.workers.cluster_profile import load_profile
from musedeep.graph.workers.executor import Resources
from musedeep.graph.workers.open import open_executor
from tests.makers.cluster_runs import write_profile
from tests.makers.places import ROOT
from tests.makers.tiny_nights import make_tiny_night

pytestmark = pytest.mark.slurm


def test_a_combination_from_beginning_to_end(slurm, run, same):
    run.environment["BOX_SECONDS"] = "0"
    # as sites have it: a function of the shell, which jobs inherit
    run.environment["BASH_FUNC_module%%"] = f"() {{ echo $* >> {run.directory}/modules; }}"
    run.profile(modules="[gcc/12, python/3.11]")
    status, out, error = run.start("--workers", "2").end()
    assert status == 0, error
    assert set((run.directory / "modules").read_text().splitlines()) == {"load gcc/12", "load python/3.11"}
    assert "4 exposures, " in out
    assert "dashboard: http://127.0.0.1:" in error
    same(run.output)
    run.assert_nothing_left(slurm)


def test_as_many_jobs_as_there_is_work_for(slurm, tmp_path):
    profile = load_profile(write_profile(tmp_path / "cluster.yaml", local_scratch=tmp_path / "scratch"))
    executor = open_executor(Resources(4, 1, 2**30, cluster=profile), tmp_path)
    try:
        assert (executor.parallel, executor.processes) == (4, 4)
        executor.check_workers([tmp_path], None)
        # two tasks: no more than two jobs
        executor.map(time.sleep, [(3.0,), (3.0,)])
        assert len(slurm.jobs()) == 2
        ended, most = [], []

        def finished(number, result):
            ended.append(number)
            if len(ended) == 5:
                # it is told of four that have ended: the jobs without work end while the last two run
                most.append(len(slurm.jobs()))
                slurm.wait("idle jobs to end", lambda: len(slurm.jobs()) <= 2)
                assert not executor.jobs.problem

        executor.run(time.sleep, [(12.0,), *[(0.5,)] * 5], finished, 4)
        assert ended[-1] == 0
        assert 2 <= most[0] <= 4
        assert sorted(ended) == list(range(6))
    finally:
        executor.close()
    slurm.wait("jobs to end", lambda: not slurm.jobs())
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".musedeep")] == []


def test_a_night_is_reduced_on_a_cluster(slurm, tmp_path):
    night = make_tiny_night(tmp_path / "night")
    profile = write_profile(tmp_path / "cluster.yaml", cores=2, memory="7GiB", local_scratch=tmp_path / "scratch")
    script = (
        "import sys, musedeep.cli.night\nfrom tests.makers.made_up_recipe import MODULES\n"
        "musedeep.cli.night.modules = lambda: MODULES\n"
        "from musedeep.cli.main import run\nsys.exit(run())"
    )
    command = [sys.executable, "-c", script, "reduce", str(night / "raw"), str(night / "static"), "--darks"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    digests = []
    for place, options in (("here", ()), ("there", ("--cluster", "slurm", "--cluster-profile", str(profile)))):
        done = subprocess.run(
            [*command, "--output-dir", str(tmp_path / place), *options], capture_output=True, text=True,
            env=environment, cwd=tmp_path, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "19 tasks, 19 done now, 0 earlier, 0 failed" in done.stdout
        products = [path for path in (tmp_path / place).rglob("*") if path.is_file() and path.suffix == ".fits"]
        digests.append({path.relative_to(tmp_path / place): path.read_text() for path in products})
    assert digests[0].keys() == digests[1].keys()
    slurm.wait("jobs to end", lambda: not slurm.jobs())
    assert not (tmp_path / "there" / ".musedeep-cluster").exists()
