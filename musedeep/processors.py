"""How many processors this process may use: not all that the machine has, where others run beside it."""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
"""Where proc and sys are found."""

SLURM = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "SLURM_JOB_CPUS_PER_NODE")
"""Processors of a task or job of SLURM, the first that is set; the last as in 16(x2),8."""


def available_processors() -> int:
    """Default number of threads or processes: the least of `limits`, at least 1."""
    return max(1, min(limits()))


def limits() -> Iterator[int]:
    """The limits on the processors that this process is to use, one after the other.

    Its CPU affinity (else the processors of the machine), the quotas of its control groups, rounded up, the
    processors of its task or job of SLURM, and OMP_NUM_THREADS. Values that are no numbers do not count.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    yield len(affinity(0)) if affinity else os.cpu_count() or 1
    yield from (math.ceil(quota) for quota in _quotas())
    yield from _first_number(*SLURM)
    yield from _first_number("OMP_NUM_THREADS")


def _first_number(*names: str) -> Iterator[int]:
    """The number that the first of these environment variables begins with which has one above 0."""
    for name in names:
        found = re.match(r"\s*(\d+)", os.environ.get(name, ""))
        if found and int(found[1]) > 0:
            yield int(found[1])
            return


def _quotas() -> Iterator[float]:
    """Processors that the control groups of this process, and those around them, allow (versions 1 and 2)."""
    for line in _text(ROOT / "proc/self/cgroup").splitlines():
        controllers, _, group = line.partition(":")[2].partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = (controllers, "cpu") if controllers else ("",)
        place = Path(group.lstrip("/"))
        # in a container the group's path may be that of the host: then only the root is there
        for above in (place, *place.parents):
            for mount in mounts:
                at = ROOT / "sys/fs/cgroup" / mount / above
                if controllers:
                    words = [_text(at / "cpu.cfs_quota_us"), _text(at / "cpu.cfs_period_us")]
                else:
                    words = _text(at / "cpu.max").split()
                try:
                    quota, period = (float(word) for word in words)
                except ValueError:
                    continue  # no file there, or "max"
                if quota > 0 and period > 0:
                    yield quota / period


def _text(path: Path) -> str:
    """Text of a file; empty if it cannot be read."""
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
