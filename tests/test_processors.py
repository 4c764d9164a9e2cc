"""The processors that a process may use: affinity, control groups, jobs of SLURM, OMP_NUM_THREADS."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from musedeep import processors
from musedeep.processors import available_processors

HERE = Path(__file__).parents[1]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of 64 processors without limits; returns a function that writes files below its root."""
    for name in (*processors.SLURM, "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))
    monkeypatch.setattr(processors, "ROOT", tmp_path)

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


@pytest.mark.parametrize(
    ("files", "number"),
    [
        ({}, 64),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 64),
        # two and a half processors keep three threads busy, half a one keeps one
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 3),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        # the limit may be that of a group around
        (
            {
                "proc/self/cgroup": "0::/system.slice/job_7/step_0\n",
                "sys/fs/cgroup/system.slice/job_7/step_0/cpu.max": "max 100000\n",
                "sys/fs/cgroup/system.slice/job_7/cpu.max": "1200000 100000\n",
                "sys/fs/cgroup/system.slice/cpu.max": "3200000 100000\n",
                "sys/fs/cgroup/other/cpu.max": "100000 100000\n",
            },
            12,
        ),
        # version 1, in a container: the path is that of the host
        (
            {
                "proc/self/cgroup": "11:memory:/docker/a1\n4:cpu,cpuacct:/docker/a1\n2:cpuset:/docker/a1\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "550000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            6,
        ),
        (
            {
                "proc/self/cgroup": "4:cpuacct,cpu:/user/me\n0::/\n",
                "sys/fs/cgroup/cpu/user/me/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu/user/me/cpu.cfs_period_us": "50000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
        ({"proc/self/cgroup": "no such line\n0::/\n", "sys/fs/cgroup/cpu.max": "a b c\n"}, 64),
    ],
)
def test_control_groups(machine, files, number):
    machine(files)
    assert available_processors() == number


@pytest.mark.parametrize(
    ("environment", "number"),
    [
        ({"SLURM_CPUS_PER_TASK": "16", "SLURM_CPUS_ON_NODE": "32"}, 16),
        ({"SLURM_CPUS_ON_NODE": "20"}, 20),
        ({"SLURM_JOB_CPUS_PER_NODE": "24(x3),8"}, 24),
        ({"SLURM_CPUS_PER_TASK": "128"}, 64),
        ({"SLURM_CPUS_PER_TASK": "16", "OMP_NUM_THREADS": "4"}, 4),
        ({"SLURM_CPUS_PER_TASK": "2", "OMP_NUM_THREADS": "4"}, 2),
        # one number for each level of nesting
        ({"OMP_NUM_THREADS": "6,2"}, 6),
        ({"OMP_NUM_THREADS": ""}, 64),
        ({"OMP_NUM_THREADS": "0"}, 64),
        ({"OMP_NUM_THREADS": "-3", "SLURM_CPUS_PER_TASK": "all"}, 64),
    ],
)
def test_environment(machine, monkeypatch, environment, number):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert available_processors() == number


def test_affinity_of_a_process():
    one = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{one}}}); from musedeep.processors import *; " + (
        "print(available_processors())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_no_default_counts_all_processors_of_the_machine():
    found = [
        path.relative_to(HERE).as_posix()
        for path in sorted((HERE / "musedeep").rglob("*.py"))
        if re.search(r"cpu_count|sched_getaffinity|PoolExecutor\(\)", path.read_text())
    ]
    assert found == ["musedeep/processors.py"]
