"""The reference over a night, as fast as it can on two processors: what `benchmarks.whole_night` measures.

    python -m benchmarks.reference_night NIGHT [--until exp_combine]

NIGHT has raw/, static/ and the sets-of-frames sof/ of `musedeep associate`; products go to NIGHT/reduced. Of recipes on
one IFU two calls run at once, with one thread each, as they have nothing to do for a second one. All other recipes run
one after the other with two threads. Options are those with which products are those of `musedeep reduce`.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final

from tests.reference.night.reduce import BY_IFU, RECIPES, Step, steps, survives

OPTIONS: Final = {
    "muse_scibasic": ["--saveimage=FALSE"],
    "muse_scipost": ["--save=cube,skymodel,individual", "--filter=white"],
    "muse_exp_combine": ["--save=cube", "--filter=white"],
}
ESOREX: Final = ("esorex", "--log-level=off", "--msg-level=error")
TOGETHER: Final = 2


def run_step(night: Path, step: Step, threads: int) -> None:
    """One call, in a directory of its own; its products go where others look for them."""
    reduced = night / "reduced"
    work = reduced / f".running-{step.name}"
    work.mkdir(parents=True)
    options = [*OPTIONS.get(step.recipe, []), *([f"--nifu={step.ifu}"] if step.ifu else [])]
    done = subprocess.run(
        [*ESOREX, step.recipe, *options, str(step.sof)], cwd=work, capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
    )  # fmt: skip
    # where IFUs are missing, it makes its table and returns 255
    if done.returncode not in ((0, 255) if step.recipe == "muse_geometry" else (0,)):
        raise SystemExit(f"{step.name}: {step.recipe} returned {done.returncode}\n{done.stdout[-2000:]}")
    target = reduced / step.directory
    target.mkdir(exist_ok=True)
    for path in work.iterdir():
        path.rename(target / path.name)
    work.rmdir()


def main(arguments: Sequence[str] | None = None) -> int:
    """Reduce the night; a line for each kind of step goes to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("night", type=Path)
    # of scibasic there are several kinds
    kinds = [kind.partition("-")[0] for kind, _ in RECIPES]
    parser.add_argument("--until", default=kinds[-1], choices=dict.fromkeys(kinds))
    given = parser.parse_args(arguments)
    night, wanted = given.night.resolve(), kinds[: len(kinds) - kinds[::-1].index(given.until)]
    for kind, group in groupby(steps(night), key=lambda step: step.kind):
        these = list(group)
        if kind.partition("-")[0] not in wanted or (kind == "geometry" and not survives(these[0])):
            continue
        began = time.perf_counter()
        apart = these[0].recipe in BY_IFU and len(these) > 1
        threads = 1 if apart or kind == "geometry" else 2
        with ThreadPoolExecutor(TOGETHER if apart else 1) as pool:
            list(pool.map(partial(run_step, night, threads=threads), these))
        print(f"{kind:20s} {len(these)} calls, {time.perf_counter() - began:6.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
