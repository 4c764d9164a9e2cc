"""What is done of a combination: a file with a line a finished box, below a line that says of what."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from musedeep.graph.combine import tasks
from musedeep.graph.combine.plan import Plan
from musedeep.progress import LOG
from musedeep.provenance_key import code_state

NAME = "done.txt"

Done = dict[tuple[int, int, int, int], tuple[int, int, int]]
"""Finished boxes by their corners: rows, rejected rows, voxels with a value."""


def line(corners: Sequence[int], numbers: Sequence[int]) -> str:
    """What is noted of a finished box."""
    return " ".join(str(v) for v in (*corners, *numbers)) + "\n"


def recorded(work: Path) -> int:
    """How many boxes are noted in a work directory."""
    path = work / NAME
    return max(len(path.read_text().splitlines()) - 1, 0) if path.exists() else 0


def resume(work: Path, fingerprint: str, plan: Plan) -> Done:
    """Boxes finished by an earlier start of the same run, in a directory with which the run can go on.

    Parameters
    ----------
    work : Path, if nothing in it can be used, only what the survey of this run has made stays there
    fingerprint : str, of the job (`Job`)
    """
    path, state = work / NAME, f"{fingerprint} {code_state()}"
    first, *lines = path.read_text().split("\n") if path.exists() else [state, ""]
    lines = lines[:-1]  # what follows the last newline was not finished
    done: Done = {}
    if first == state and tasks.cube_path(str(work)).exists():
        for text in lines:
            z0, z1, y0, y1, rows, rejected, values = (int(v) for v in text.split())
            done[z0, z1, y0, y1] = rows, rejected, values
    if not done or not set(done) <= {task.box.corners for task in plan.tasks}:
        if lines:
            LOG.warning(f"{work}: an interrupted run cannot be continued: {_reason(first, state)}; starting afresh")
        done = {}
        for name in list(work.iterdir()):
            if not name.name.startswith(("index-", "segments-", "job.json")):
                shutil.rmtree(name) if name.is_dir() else name.unlink()
    unfinished = path.with_suffix(".part")
    unfinished.write_text(state + "\n" + "".join(line(*box) for box in done.items()))
    os.replace(unfinished, path)
    return done


def _reason(first: str, state: str) -> str:
    """Why the boxes below one line are of no use where another line would be expected."""
    if first.split()[1:] != state.split()[1:]:
        return "another version of musedeep, or of a library that computes, has begun it"
    return "it had other inputs or parameters" if first != state else "it divided the cube otherwise"
