"""Drive the reference pipeline over a simulated night: raw frames and sets of frames in, products out.

    python -m tests.reference.night.reduce NIGHT [--since STEP] [--until STEP] [--ifus 1,2]

NIGHT is what `musedeep simulate night NIGHT` wrote.  Products go to NIGHT/reduced, a log and a record of time and
memory of each step to NIGHT/reduced/log.  Steps that are done are skipped: an interrupted run goes on where it was.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final

RECIPES: Final = (
    ("bias", "muse_bias"),
    ("dark", "muse_dark"),
    ("flat", "muse_flat"),
    ("wavecal", "muse_wavecal"),
    ("lsf", "muse_lsf"),
    ("geometry", "muse_geometry"),
    ("twilight", "muse_twilight"),
    ("scibasic-STD", "muse_scibasic"),
    ("scibasic-ASTROMETRY", "muse_scibasic"),
    ("scibasic-SKY", "muse_scibasic"),
    ("scibasic-OBJECT", "muse_scibasic"),
    ("standard", "muse_standard"),
    ("create_sky", "muse_create_sky"),
    ("astrometry", "muse_astrometry"),
    ("scipost", "muse_scipost"),
    ("exp_align", "muse_exp_align"),
    ("exp_combine", "muse_exp_combine"),
)
"""Kinds of steps in the order in which they need each other, and their recipes."""

BY_IFU: Final = ("muse_bias", "muse_dark", "muse_flat", "muse_wavecal", "muse_lsf", "muse_scibasic")
"""Recipes that take one IFU at a time."""

OPTIONS: Final = {
    "muse_flat": ["--samples"],
    "muse_wavecal": ["--residuals"],
    "muse_scipost": ["--save=cube,skymodel,individual", "--filter=white"],
    "muse_exp_combine": ["--save=cube,combined", "--filter=white"],
}
OWN_DIRECTORY: Final = ("geometry", "scipost", "exp_align", "exp_combine")
"""Kinds whose products have names that other steps use too: they go to a directory of their own."""
PARTIAL: Final = {"muse_geometry": "GEOMETRY_TABLE.fits"}
"""Recipes that return 255 where IFUs are missing although they have made their product."""
UNUSED: Final = ("MASK_REDUCED_*", "*_RED_*")
"""Products that nothing needs: 200 MB each, deleted at once."""


@dataclass(frozen=True)
class Step:
    """One call of a recipe: its name is that of its set of frames."""

    name: str
    kind: str
    recipe: str
    sof: Path
    ifu: int | None

    @property
    def directory(self) -> str:
        """Directory of its products below reduced/."""
        return self.name if self.kind in OWN_DIRECTORY else "."


@dataclass(frozen=True)
class Cost:
    """What a step took: seconds of wall clock and of processor, MB of memory at the peak, names of its products."""

    step: str
    recipe: str
    seconds: float
    processor: float
    peak: float
    products: list[str]


class StepFailed(Exception):
    """A recipe failed; the message has its last errors."""


def steps(night: Path, ifus: Sequence[int] | None = None) -> list[Step]:
    """The steps for which there are sets of frames, in the order in which they must run."""
    names = sorted(path.stem for path in (night / "sof").glob("*.sof"))
    if not names:
        raise StepFailed(f"{night / 'sof'} has no set of frames; make a night with `musedeep simulate night {night}`")
    return list(_ordered(night, names, ifus))


def _ordered(night: Path, names: list[str], ifus: Sequence[int] | None) -> Iterator[Step]:
    for kind, recipe in RECIPES:
        pattern = re.compile(rf"{re.escape(kind)}(?:-(\d+))?")
        found = [(int(m[1] or 0), name) for name in names if (m := pattern.fullmatch(name))]
        for number, name in sorted(found):
            ifu = number if recipe in BY_IFU else None
            if ifu is None or ifus is None or ifu in ifus:
                yield Step(name, kind, recipe, night / "sof" / f"{name}.sof", ifu)


def run_step(night: Path, step: Step, threads: int = 2) -> Cost:
    """Run one step, unless it is done already.

    Raises
    ------
    StepFailed
        A frame of its set is missing, or the recipe failed.
    """
    reduced = night.resolve() / "reduced"
    record = reduced / "log" / f"{step.name}.json"
    if record.exists():
        return Cost(**json.loads(record.read_text()))
    missing = [line.split()[0] for line in _frames(step.sof) if not Path(line.split()[0]).exists()]
    if missing:
        raise StepFailed(f"{step.name}: {step.sof} wants {missing[0]}, which is not there ({len(missing)} missing)")
    work = reduced / f".running-{step.name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    record.parent.mkdir(exist_ok=True)
    log = record.with_suffix(".log")
    options = [*OPTIONS.get(step.recipe, []), *([f"--nifu={step.ifu}"] if step.ifu else [])]
    if step.recipe == "muse_geometry":
        # an IFU without data after one with data, in the share of the same thread, ends it with a segmentation fault
        threads = 1
    command = ["esorex", "--log-level=off", "--msg-level=info", step.recipe, *options, str(step.sof.resolve())]
    begin = time.monotonic()
    with log.open("w") as out:
        child = subprocess.Popen(
            command, cwd=work, stdout=out, stderr=out, env={**os.environ, "OMP_NUM_THREADS": str(threads)}
        )
        _, status, usage = os.wait4(child.pid, 0)
    code = child.returncode = os.waitstatus_to_exitcode(status)
    despite = PARTIAL.get(step.recipe)
    if code != 0 and not (code == 255 and despite is not None and (work / despite).exists()):
        raise StepFailed(f"{step.name}: {step.recipe} returned {code}; {log}:\n{_last_errors(log)}")
    for pattern in UNUSED:
        for path in work.glob(pattern):
            path.unlink()
    products = sorted(path.name for path in work.glob("*.fits"))
    if not products:
        raise StepFailed(f"{step.name}: {step.recipe} returned 0 but made no product; {log}:\n{_last_errors(log)}")
    target = reduced / step.directory
    target.mkdir(exist_ok=True)
    for name in products:
        (work / name).replace(target / name)
    shutil.rmtree(work)
    cost = Cost(
        step=step.name,
        recipe=step.recipe,
        seconds=round(time.monotonic() - begin, 1),
        processor=round(usage.ru_utime + usage.ru_stime, 1),
        peak=round(usage.ru_maxrss / 1024, 0),
        products=products,
    )
    record.write_text(json.dumps(asdict(cost), indent=1))
    return cost


def reduce_night(
    night: Path,
    until: str | None = None,
    ifus: Sequence[int] | None = None,
    together: int = 1,
    since: str | None = None,
) -> list[Cost]:
    """Run all steps of a night up to and including a kind (as "twilight"); progress goes to stdout.

    With `since` the products of the kinds before it are there already, whoever made them. The steps of several IFUs run
    `together` at a time, where a recipe takes one IFU.

    Raises
    ------
    StepFailed
        As `run_step`; what came before stays, and is skipped the next time.
    """
    kinds = [kind for kind, _ in RECIPES]
    for end in (since, until):
        if end is not None and end not in kinds:
            raise StepFailed(f"step '{end}' is unknown; the steps are {', '.join(kinds)}")
    costs = []
    for kind, group in groupby(steps(night, ifus), key=lambda step: step.kind):
        if until is not None and kinds.index(kind) > kinds.index(until):
            break
        if since is not None and kinds.index(kind) < kinds.index(since):
            continue
        these = list(group)
        if kind == "geometry" and not survives(these[0]):
            print("geometry  left out: the recipe crashes on an IFU without data after one with data", flush=True)
            continue
        apart = together > 1 and these[0].ifu is not None
        with ThreadPoolExecutor(together if apart else 1) as pool:
            for cost in pool.map(partial(run_step, night, threads=1 if apart else 2), these):
                costs.append(cost)
                made = " ".join(cost.products[:4])
                print(f"{cost.step:24s} {cost.seconds:7.1f} s {cost.peak:7.0f} MB  {made}", flush=True)
    return costs


def survives(step: Step) -> bool:
    """Whether the IFUs of a geometry are the last ones, up to 24, without a gap."""
    ifus = sorted({int(m[1]) for line in _frames(step.sof) if (m := re.search(r"TRACE_TABLE-(\d+)\.fits", line))})
    return bool(ifus) and ifus == list(range(ifus[0], 25))


def _frames(sof: Path) -> list[str]:
    return [line for line in sof.read_text().splitlines() if line.strip() and not line.startswith("#")]


def _last_errors(log: Path, number: int = 6) -> str:
    lines = log.read_text(errors="replace").splitlines()
    errors = [line.strip() for line in lines if "[ ERROR" in line or "[ FATAL" in line]
    return "\n".join((errors or lines)[-number:])


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: 0, or 1 with a message when a step failed."""
    parser = argparse.ArgumentParser(description="Reduce a simulated night with the reference pipeline.")
    parser.add_argument("night", type=Path, help="directory that `musedeep simulate night` wrote")
    parser.add_argument("--since", help="first kind of step; the products of those before it are there")
    parser.add_argument("--until", help="last kind of step, as twilight")
    parser.add_argument("--ifus", help="numbers with commas; all that there are if not given")
    given = parser.parse_args(arguments)
    ifus = [int(number) for number in given.ifus.split(",")] if given.ifus else None
    try:
        costs = reduce_night(given.night, given.until, ifus, since=given.since)
    except StepFailed as failed:
        print(f"error: {failed}", file=sys.stderr)
        return 1
    print(f"{len(costs)} steps, {sum(cost.seconds for cost in costs):.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
