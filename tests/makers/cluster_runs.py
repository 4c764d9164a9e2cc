"""Combinations on a SLURM of the tests: by the command line, in processes of their own."""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from astropy.io import fits

SMALL = 12 << 20
"""Memory of boxes of which there are many [bytes]."""

COMMAND = (
    f"import musedeep.graph.combine.plan as p\np.make_plan.__defaults__ = p.make_plan.__defaults__[:-1] + ({SMALL},)\n"
    "from musedeep.cli.main import run\nimport sys; sys.exit(run())"
)
"""The command line, with small boxes."""

SLOW = """\
# each box takes longer, half of it before it is computed and half before it is written
import os, time
import musedeep.graph.combine.tasks as tasks

# a preload may be loaded again
if tasks.combine_box.__name__ != "slowly":
    compute, seconds = tasks.combine_box, float(os.environ["BOX_SECONDS"])

    def slowly(*arguments):
        time.sleep(seconds / 2)
        result = compute(*arguments)
        time.sleep(seconds / 2)
        return result

    tasks.combine_box = slowly
"""

PROFILE = {"cores": 1, "memory": "1500MiB", "walltime": "00:10:00", "partition": "debug", "interface": "lo"}


def write_profile(path, **keys):
    """A cluster profile; keys that are None are left out."""
    lines = [f"{key}: {value}" for key, value in (PROFILE | keys).items() if value is not None]
    path.write_text("\n".join(lines) + "\n")
    return path


@dataclass
class Run:
    """A combination in a directory of its own, by the command line in a process of its own."""

    directory: Path
    environment: dict
    process: subprocess.Popen | None = None
    began: float = 0.0
    seconds: float = 0.0

    @property
    def output(self):
        return self.directory / "out"

    @property
    def scratch(self):
        return self.directory / "scratch"

    def profile(self, **keys):
        return write_profile(self.directory / "cluster.yaml", **({"local_scratch": self.scratch} | keys))

    def start(self, *options, cluster=True):
        where = ["--cluster", "slurm", "--cluster-profile", str(self.directory / "cluster.yaml")] if cluster else []
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "combine", str(self.directory / "selection.yaml"), *where, *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment, cwd=self.directory,
        )  # fmt: skip
        return self

    def boxes(self):
        """Boxes that are done."""
        try:
            return len((self.output / ".musedeep-work" / "done.txt").read_text().splitlines()) - 1
        except OSError:
            return 0

    def wait_boxes(self, number, seconds=90):
        """Wait until so many boxes are done."""
        deadline = time.monotonic() + seconds
        while self.boxes() < number:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.boxes()} boxes, {self.process.poll()}: {self.end()}")
            time.sleep(0.02)

    def end(self, seconds=150):
        """Wait for its end: status, output, errors."""
        try:
            out, error = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGINT)
            out, error = self.process.communicate(timeout=60)
            raise AssertionError(f"not over after {seconds} s\n{out}\n{error}") from None
        self.seconds = time.monotonic() - self.began
        assert "Traceback" not in error, error
        return self.process.returncode, out, error

    def job_name(self):
        """Name of the jobs of the run at work."""
        return (self.output / ".musedeep-cluster" / "jobs").read_text()

    def workers(self, slurm):
        """Process numbers of the workers (not of those that watch them), by job."""
        found = {}
        for job in slurm.output("squeue", "-h", "-t", "RUNNING", "-o", "%A").split():
            for number in slurm.processes(job):
                try:
                    if b"spawn_main" in Path(f"/proc/{number}/cmdline").read_bytes():
                        found[job] = number
                except OSError:
                    pass
        return found

    def wait_workers(self, slurm, number, seconds=60):
        """Wait until so many workers take part; their process numbers by job."""
        deadline = time.monotonic() + seconds
        logs = self.output / ".musedeep-cluster"
        while sum("Registered to" in path.read_text() for path in logs.glob("*.err")) < number:
            assert time.monotonic() < deadline and self.process.poll() is None, self.end()
            time.sleep(0.1)
        return self.workers(slurm)

    def assert_nothing_left(self, slurm, seconds=15):
        """No jobs, no processes of jobs, no files but products and the log."""
        slurm.wait("jobs to end", lambda: not slurm.jobs(), seconds)
        products = ["DATACUBE_FINAL.fits", "IMAGE_FOV_0001.fits", "combine.jsonl", "combine.log"]
        assert sorted(p.name for p in self.output.iterdir()) == products
        assert not self.scratch.exists() or not (left := sorted(self.scratch.rglob("*"))), left


def voxels(output):
    with fits.open(Path(output) / "DATACUBE_FINAL.fits") as hdus:
        return hdus["DATA"].data.copy(), hdus["STAT"].data.copy()
