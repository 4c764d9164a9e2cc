"""Who may not take part, and what cannot work: one line that says what to do, and nothing left behind."""

import os
import re
import subprocess
import sys
import time

import pytest

from musedeep.errors import MusedeepError
from musedeep.graph.workers.cluster import UNSEEN_JOBS
from musedeep.graph.workers.cluster_profile import load_profile
from musedeep.graph.workers.credentials import environment, make_credentials
from musedeep.graph.workers.executor import Resources
from musedeep.graph.workers.open import open_executor
from tests.makers.cluster_runs import write_profile
from tests.makers.places import ROOT


def refused(run, slurm, *options):
    """The only line on standard error that is an error."""
    status, _, error = run.start("--workers", "2", *options).end()
    assert status == 1, error
    slurm.wait("jobs to end", lambda: not slurm.jobs())
    assert not run.output.exists()
    return error.strip().splitlines()[-1]


@pytest.mark.slurm
class TestSlurm:
    def test_unknown_partition(self, run, slurm):
        run.profile(partition="debgu")
        line = refused(run, slurm)
        assert "SLURM refuses the job: " in line and "nvalid partition" in line and "cluster.yaml" in line

    def test_a_job_that_would_wait_for_ever(self, run, slurm):
        run.profile(partition="short", walltime="02:00:00")
        line = refused(run, slurm)
        assert "its walltime is longer than the partition allows" in line

    def test_a_job_larger_than_any_node(self, run, slurm):
        run.profile(cores=64)
        assert "cluster.yaml" in refused(run, slurm)

    def test_a_job_that_ends_before_its_worker_reports(self, run, slurm):
        run.profile(prologue="[exec /nowhere/to/be/found]")
        line = refused(run, slurm)
        # so many are enough; of two at a time, the other one may have ended with the last
        number = re.search(r"(\d+) jobs have ended before their workers reported", line)
        assert UNSEEN_JOBS <= int(number[1]) < UNSEEN_JOBS + 2 and "/nowhere/to/be/found" in line

    def test_too_little_memory_in_the_profile(self, run, slurm):
        run.profile(cores=400, memory="720MiB")
        line = refused(run, slurm, "--dry-run")
        assert "cluster.yaml: memory: " in line and "would do" in line

    def test_credentials_are_files_of_the_owner_and_nowhere_else(self, run, slurm):
        run.start("--workers", "1").wait_workers(slurm, 1)
        directory = run.output / ".musedeep-cluster"
        assert directory.stat().st_mode & 0o777 == 0o700
        keys = [path for path in directory.iterdir() if path.suffix == ".pem"]
        assert len(keys) == 2
        assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
        secret = (directory / "key.pem").read_text().splitlines()[3]
        (job,) = slurm.jobs()
        said = [path.read_text() for path in directory.iterdir() if path.suffix != ".pem"]
        said.append(slurm.output("scontrol", "write", "batch_script", job, "-"))
        for number in [run.process.pid, *slurm.processes(job)]:
            for name in ("cmdline", "environ"):
                with open(f"/proc/{number}/{name}") as stream:
                    said.append(stream.read())
        assert "tls://" in "".join(said)
        assert secret not in "".join(said)
        # nothing listens where others can reach it
        listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout
        ours = [number for number in [run.process.pid, *slurm.processes(job)]]
        addresses = [line.split()[3] for line in listening.splitlines() if any(f"pid={n}," in line for n in ours)]
        assert addresses
        assert all(address.startswith("127.0.0.1:") for address in addresses), addresses

    def test_a_worker_of_another_version(self, run, slurm):
        other = run.directory / "other.py"
        other.write_text("import musedeep\nmusedeep.__version__ = '0.0.1'\n")
        run.environment["DASK_DISTRIBUTED__WORKER__PRELOAD"] = str(other)
        line = refused(run, slurm)
        from musedeep import __version__

        assert "has musedeep 0.0.1, here is musedeep " + __version__ in line

    def test_dry_run_submits_nothing(self, run, slurm):
        before = slurm.output("squeue", "-h", "-t", "all", "-o", "%A").split()
        status, out, error = run.start("--workers", "3", "--dry-run").end()
        assert status == 0, error
        assert "3 at once" in out
        assert slurm.output("squeue", "-h", "-t", "all", "-o", "%A").split() == before


def test_no_slurm_here(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    profile = load_profile(write_profile(tmp_path / "cluster.yaml"))
    with pytest.raises(MusedeepError, match="no sbatch here"):
        open_executor(Resources(1, 1, 2**30, cluster=profile), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cluster.yaml"]


@pytest.mark.parametrize(
    ("squeue", "said"),
    [
        ("echo 'squeue: error: fetch_config: DNS SRV lookup failed' >&2; exit 1", "DNS SRV lookup failed"),
        ("exit 3", "squeue: status 3"),
    ],
)
def test_slurm_that_does_not_answer(tmp_path, monkeypatch, squeue, said):
    """Its commands are there, but no configuration: no job would ever come, and nobody be told."""
    (tmp_path / "bin").mkdir()
    for name, text in (("sbatch", "exit 1"), ("squeue", squeue)):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    profile = load_profile(write_profile(tmp_path / "cluster.yaml"))
    with pytest.raises(MusedeepError, match=rf"SLURM does not answer here \(.*{said}\); run it where squeue works"):
        open_executor(Resources(1, 1, 2**30, cluster=profile), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "cluster.yaml"]


def test_without_dask_jobqueue(tmp_path, monkeypatch):
    for name in ("dask_jobqueue", "dask_jobqueue.slurm"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "musedeep.graph.workers.cluster", raising=False)
    profile = load_profile(write_profile(tmp_path / "cluster.yaml"))
    with pytest.raises(MusedeepError, match=r"dask_jobqueue.*pip install 'musedeep\[cluster\]'"):
        open_executor(Resources(1, 1, 2**30, cluster=profile), tmp_path)


class Dask:
    """A scheduler and a worker as commands of dask, over TLS."""

    def __init__(self, directory, **variables):
        self.directory = directory
        make_credentials(directory)
        self.variables = environment(directory)
        self.environment = os.environ | self.variables | {"PYTHONPATH": str(ROOT)} | variables
        self.file = directory / "scheduler.json"
        options = ["--protocol", "tls", "--interface", "lo", "--dashboard-address", "127.0.0.1:0"]
        self.processes = [
            self.start("scheduler", "--port", "0", *options),
            self.start("worker", "--nthreads", "1", *options, "--local-directory", str(directory)),
        ]

    def start(self, kind, *options):
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(self.file), *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment, cwd=self.directory,
        )  # fmt: skip

    def wait(self):
        deadline = time.monotonic() + 60
        while not (self.file.exists() and self.file.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self

    def end(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(20)


@pytest.fixture(scope="module")
def dask_over_tls(tmp_path_factory):
    made = Dask(tmp_path_factory.mktemp("dask"))
    yield made.wait()
    made.end()


def opened(file, variables):
    """What opening an executor says, in a process with these variables."""
    script = (
        "import sys\nfrom musedeep.errors import MusedeepError\n"
        "from musedeep.graph.workers.executor import Resources\n"
        "from musedeep.graph.workers.open import open_executor\n"
        "try:\n"
        "    executor = open_executor(Resources(1, 1, 2**30, sys.argv[1]))\n"
        "    executor.check_workers([], None)\n"
        "    print(executor.map(divmod, [(17, 5)]))\n"
        "    executor.close()\n"
        "except MusedeepError as error:\n"
        "    print('refused:', error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=False, timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_who_has_the_key_may_take_part(dask_over_tls):
    assert opened(dask_over_tls.file, dask_over_tls.variables) == "[(3, 2)]"


def test_a_stranger_without_a_certificate_is_refused(dask_over_tls):
    assert opened(dask_over_tls.file, {}).startswith(f"refused: no scheduler at {dask_over_tls.file} ")
    # nor by plain TCP
    address = dask_over_tls.file.read_text().split('"address": "')[1].split('"')[0]
    assert address.startswith("tls://")
    plain = address.replace("tls://", "tcp://")
    assert opened(plain, {}).startswith(f"refused: no scheduler at {plain} ")


def test_a_stranger_with_another_certificate_is_refused(dask_over_tls, tmp_path):
    make_credentials(tmp_path)
    said = opened(dask_over_tls.file, environment(tmp_path))
    assert said.startswith(f"refused: no scheduler at {dask_over_tls.file} ")


def test_a_stranger_learns_nothing_by_tls_without_a_certificate(dask_over_tls):
    import socket
    import ssl

    host, port = dask_over_tls.file.read_text().split("tls://")[1].split('"')[0].split(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def talk(plain):
        with context.wrap_socket(plain) as stream:
            # TLS 1.3 tells of the refusal at the first read
            if not stream.recv(1):
                raise ConnectionError("closed")

    with (
        socket.create_connection((host, int(port)), timeout=10) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        talk(plain)
    assert opened(dask_over_tls.file, dask_over_tls.variables) == "[(3, 2)]"


def test_a_running_scheduler_whose_worker_differs(tmp_path):
    (tmp_path / "other.py").write_text("import numba\nnumba.__version__ = '0.1'\n")
    made = Dask(tmp_path, DASK_DISTRIBUTED__WORKER__PRELOAD=str(tmp_path / "other.py"))
    try:
        said = opened(made.wait().file, made.variables)
    finally:
        made.end()
    import numba

    assert f"has numba 0.1, here is numba {numba.__version__}; install the same on both" in said


def test_a_path_that_workers_do_not_see(dask_over_tls, tmp_path, monkeypatch):
    from distributed import LocalCluster

    from musedeep.graph.workers import worker_check

    monkeypatch.setattr(worker_check, "PATIENCE", 0.6)
    mark = tmp_path / "mark"
    mark.write_text("ours")
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0"
    ) as cluster:
        executor = open_executor(Resources(None, 1, 2**30, cluster.scheduler_address))
        executor.check_workers([tmp_path, "s3://bucket/store"], mark)
        assert executor.map(divmod, [(17, 5)]) == [(3, 2)]
        with pytest.raises(MusedeepError, match=f"{tmp_path}/none: the worker on .* does not see it"):
            executor.check_workers([tmp_path / "none"], mark)
        # a directory of the same name, but another one
        needs = worker_check.Needs("x", worker_check.own_versions(), [], (str(mark), b"theirs"))
        assert needs.problem().startswith(f"{tmp_path}: the worker on ")
        # the same version, but another state of a checkout
        needs.code = "0123456789abcdef"
        assert "has other sources of musedeep than are here" in needs.problem()
        executor.close()


def test_a_later_worker_that_may_not_take_part_fails_its_tasks(monkeypatch):
    from musedeep.graph.workers import worker_check

    monkeypatch.setitem(worker_check._refusals, "run", "the worker on n7 has numpy 1.0, here is numpy 2.0")
    assert worker_check.checked("another", divmod, 17, 5) == (3, 2)
    with pytest.raises(MusedeepError, match="n7"):
        worker_check.checked("run", divmod, 17, 5)


def test_what_differs_is_named_with_both_versions():
    from musedeep.graph.workers.worker_check import differing, own_versions

    here = own_versions()
    assert differing(here, here, "n1") == ""
    assert differing({"Python": "3.11"}, {"Python": "3.13"}, "n1").startswith(
        "the worker on n1 has Python 3.13, here is Python 3.11"
    )
    assert "has no musedeep" in differing({"musedeep": "0.2"}, {"musedeep": "none"}, "n1")
