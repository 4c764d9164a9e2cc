"""A campaign that is killed at random points: the same bits at its end, and nothing left behind.

    python -m benchmarks.campaign_kills PLAN.yaml [--seed 1] [--kills 5] [--work DIR] [--keep] [-- OPTIONS OF RUN]

1. `musedeep campaign run` makes the products of the plan, in a place of its own. What appears on disk is watched
   meanwhile: this is the course of the run, a list of names with their times.
2. Points are drawn from a uniform distribution over the time of that run. A point is the name that appeared last
   before it, and the time since then.
3. In another place the same command runs again. At each point all its processes get SIGKILL, those of its workers and
   jobs, too: they are known by a word in their environment. Then the command starts again. If a start finds that what
   it should wait for was there before, it waits for the next name of the course.
4. The last start is not disturbed. Data of all products, files that there are, journals, directories of temporary
   files, and processes are compared.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import yaml
from astropy.io import fits

WORD = "MUSEDEEP_KILLS_OF"
"""Variable of the environment by which processes of a run are known."""
POLL = 0.02
"""Between two looks at the disk [s]."""
SCRATCH = "dask-scratch-space"
SOON = 2.0
"""After the start, where nothing is left to wait for [s]."""
JOURNAL = ".musedeep-night/done.jsonl"
"""What stays of the making of a night, hidden."""


@dataclass
class Place:
    """Where a campaign runs: its plan, its folder, and a directory of temporary files."""

    directory: Path
    options: Sequence[str]
    seen: dict[str, float] = field(default_factory=dict)

    @property
    def campaign(self) -> Path:
        """Folder of all products."""
        return self.directory / "plan"

    @property
    def temporary(self) -> Path:
        """What TMPDIR says."""
        return self.directory / "tmp"

    @property
    def log(self) -> Path:
        """What all starts print."""
        return self.directory / "run.log"

    def start(self) -> subprocess.Popen[bytes]:
        """The command, in a process group of its own."""
        environment = {**os.environ, WORD: str(self.directory), "TMPDIR": str(self.temporary)}
        command = [sys.executable, "-m", "musedeep", "campaign", "run", str(self.directory / "plan.yaml")]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*command, *self.options], env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def look(self, began: float) -> None:
        """Note what is there for the first time."""
        for name in names_below(self.campaign):
            self.seen.setdefault(name, time.monotonic() - began)

    def processes(self) -> list[psutil.Process]:
        """All processes of the run, wherever they were started."""
        found = []
        for one in psutil.process_iter():
            try:
                if one.environ().get(WORD) == str(self.directory) and one.status() != psutil.STATUS_ZOMBIE:
                    found.append(one)
            except psutil.Error:
                continue
        return found

    def kill(self, process: subprocess.Popen[bytes]) -> int:
        """SIGKILL for everything; how many processes there were."""
        killed: set[int] = set()
        os.killpg(process.pid, signal.SIGKILL)
        while some := self.processes():
            for one in some:
                killed.add(one.pid)
                try:
                    one.kill()
                except psutil.NoSuchProcess:
                    pass
            process.poll()
            time.sleep(0.01)
        process.wait()
        return len(killed | {process.pid})


def names_below(folder: Path) -> Iterator[str]:
    """Names of what is in a folder, without what is in stores; directories of each start have the same name."""
    for directory, below, files in os.walk(folder):
        here = os.path.relpath(directory, folder)
        parts = ["start" if part.startswith("start-") else part for part in Path(here).parts]
        for name in (*below, *files):
            if not name.endswith(".part") and not name.startswith("start-"):
                yield "/".join((*parts, name))
        below[:] = [name for name in below if not name.endswith(".zarr")]


def prepare(plan: Path, directory: Path, options: Sequence[str]) -> Place:
    """A copy of the plan in a directory of its own, with the same catalogue and calibrations."""
    given = yaml.safe_load(plan.read_text(encoding="utf-8"))
    catalogue = given.get("catalogue") or "catalogue.sqlite"
    if "://" not in catalogue:
        given["catalogue"] = str((plan.parent / catalogue).resolve())
    cascade = (given.get("settings") or {}).get("cascade") or {}
    cascade["calibrations"] = [str((plan.parent / one).resolve()) for one in cascade.get("calibrations", ())]
    shutil.rmtree(directory, ignore_errors=True)
    place = Place(directory, options)
    place.temporary.mkdir(parents=True)
    (directory / "plan.yaml").write_text(yaml.safe_dump(given, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return place


def whole_run(place: Place) -> tuple[float, float]:
    """Run undisturbed: wall clock and processor time of all processes that were waited for [s]."""
    before, began = os.times(), time.monotonic()
    process = place.start()
    while process.poll() is None:
        place.look(began)
        time.sleep(POLL)
    took, after = time.monotonic() - began, os.times()
    must_be_well(place, process)
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return took, spent


def must_be_well(place: Place, process: subprocess.Popen[bytes]) -> None:
    """End here if a run has failed."""
    if process.returncode:
        raise SystemExit(f"status {process.returncode}; {place.log} ends:\n{place.log.read_text()[-2000:]}")


def killed_run(place: Place, course: Mapping[str, float], moments: Sequence[float]) -> int:
    """Run, and kill at some moments of the course of an undisturbed run; how many times it was killed."""
    kills, names = 0, sorted(course, key=lambda name: course[name])
    for moment in moments:
        past = [name for name in names if course[name] <= moment]
        index = max(len(past) - 1, 0)
        wait = moment - course[names[index]] if past else moment
        while index < len(names) and names[index] in place.seen and kills:
            index, wait = index + 1, 0.0
        if course and index == len(names):  # all names are there: soon after the start, then
            past, wait = [], SOON
        began = time.monotonic()
        process = place.start()
        while process.poll() is None:
            place.look(began)
            if (index < len(names) and names[index] in place.seen) or not past:
                break
            time.sleep(POLL)
        deadline = time.monotonic() + wait
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL)
        if process.poll() is not None:
            must_be_well(place, process)
            print(f"  point at {moment:.1f} s: the run had ended")
            continue
        place.look(began)
        number = place.kill(process)
        kills += 1
        after = names[index] if index < len(names) and past else "its beginning"
        print(f"  point at {moment:.1f} s: {number} processes killed, {wait:.2f} s after {after}", flush=True)
    process = place.start()
    process.wait()
    must_be_well(place, process)
    return kills


@dataclass
class Contents:
    """What a campaign has: digests of the data of its products, names of all files, tasks in journals."""

    data: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    tasks: Counter[str] = field(default_factory=Counter)
    nbytes: int = 0

    @classmethod
    def of(cls, campaign: Path) -> "Contents":
        """Read everything."""
        found = cls()
        for path in sorted(campaign.rglob("*")):
            name = str(path.relative_to(campaign))
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    found.files.add(f"{name}/")
                continue
            found.files.add(name)
            if name.endswith(JOURNAL):
                entries = [json.loads(line) for line in path.read_text().splitlines()]
                found.tasks.update(f"{path.parent.parent.name}/{one['task']}" for one in entries if "task" in one)
            elif path.suffix == ".fits":
                found._add_fits(name, path)
            elif ".zarr/" in name and path.name != "zarr.json" and "checksums" not in path.parts:
                found._add(name, path.read_bytes())
        return found

    def _add(self, name: str, raw: bytes) -> None:
        self.data[name] = hashlib.sha256(raw).hexdigest()
        self.nbytes += len(raw)

    def _add_fits(self, name: str, path: Path) -> None:
        with fits.open(path) as hdus, path.open("rb") as stream:
            for number, hdu in enumerate(hdus):
                where = hdu.fileinfo()
                stream.seek(where["datLoc"])
                self._add(f"{name}[{number} {hdu.name}]", stream.read(where["datSpan"]))


def differences(whole: Contents, killed: Contents, place: Place) -> list[str]:
    """What is not as it should be, a line each."""
    found = [f"{name}: only in the undisturbed run" for name in sorted(whole.files - killed.files)]
    found += [f"{name}: only in the killed run" for name in sorted(killed.files - whole.files)]
    both = whole.data.keys() & killed.data.keys()
    found += [f"{name}: other data" for name in sorted(both) if whole.data[name] != killed.data[name]]
    for contents, which in ((whole, "undisturbed"), (killed, "killed")):
        hidden = [name for name in contents.files if "/." in f"/{name}" and not name.endswith(JOURNAL)]
        ends = (".part", ".making", ".old")
        hidden += [name for name in contents.files if any(part.endswith(ends) for part in Path(name).parts)]
        found += [f"{name}: left in the {which} run" for name in sorted(set(hidden))]
        found += [f"{name}: {n} times in the journal of the {which} run" for name, n in contents.tasks.items() if n > 1]
    if whole.tasks != killed.tasks:
        found.append(f"other tasks in journals: {sorted(set(whole.tasks) ^ set(killed.tasks))}")
    found += [
        f"{path}: left among temporary files" for path in sorted(place.temporary.rglob("*")) if not _of_dask(path)
    ]
    found += [f"process {one.pid} is left: {' '.join(one.cmdline())[:80]}" for one in place.processes()]
    return found


def _of_dask(path: Path) -> bool:
    """Whether a path is the directory that dask keeps after every run, or one of its two empty locks there."""
    return path.name == SCRATCH or (path.parent.name == SCRATCH and path.suffix == ".lock")


def main() -> int:
    """Print what was done and compared; status 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plan", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--work", type=Path, help="directory of both runs; default: kills-work beside the plan")
    parser.add_argument("--keep", action="store_true", help="keep what both runs have made")
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given, options = parser.parse_args(sys.argv[1:end]), sys.argv[end + 1 :]
    work = (given.work or given.plan.parent / "kills-work").resolve()
    place = prepare(given.plan, work / "whole", options)
    took, spent = whole_run(place)
    whole = Contents.of(place.campaign)
    print(f"undisturbed: {took:.1f} s, {spent:.1f} s of processors, {sum(whole.tasks.values())} tasks of nights, "
          f"{len(whole.files)} files, {len(whole.data)} arrays of {whole.nbytes / 1e9:.2f} GB compared")  # fmt: skip
    course = place.seen
    if not given.keep:
        shutil.rmtree(place.directory)
    moments = sorted(np.random.default_rng(given.seed).uniform(0.0, took, given.kills).tolist())
    print(f"seed {given.seed}: {given.kills} points", flush=True)
    place = prepare(given.plan, work / "killed", options)
    kills = killed_run(place, course, moments)
    wrong = differences(whole, Contents.of(place.campaign), place)
    print(f"killed {kills} times; {len(wrong)} differences")
    for line in wrong:
        print(f"  {line}")
    if not wrong and not given.keep:
        shutil.rmtree(work)
    return 1 if wrong or not kills else 0


if __name__ == "__main__":
    sys.exit(main())
