"""The work of a small combination, counted: a change that makes it read or touch more fails.

Times depend on the machine and on what else it does; counts do not. They are compared with those of
`counted_work.json`, which

    MUSEDEEP_RECORD_WORK=1 pytest tests/graph/combine/test_run_work.py

writes anew: after a change that lowers them, or one that raises them for a reason.
"""

import json
import logging
import os
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from numba.core.runtime import _nrt_python, rtsys

from musedeep.graph.combine.exp_combine import Request, combine
from musedeep.progress import LOG
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.storage.pixel_tables.ingest import ingest
from tests.makers.pixel_tables import write_dithers

RECORDED = Path(__file__).with_name("counted_work.json")
RECORD = "MUSEDEEP_RECORD_WORK"

SLACK = {
    "bytes read from files": 0.01,
    "bytes written to files": 0.01,
    "requests to files": 0.02,
    "peak of memory of Python and numpy": 0.03,
}
"""By how much counts of the operating system and of the allocator may grow, with versions of libraries; others: not."""

BOX_BYTES = 24 << 20
"""Memory of a box, so that there are some, with margins in both directions [bytes]."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Four dithered exposures as FITS files, and as stores."""
    made = tmp_path_factory.mktemp("work")
    files, _ = write_dithers(made, 4, step=5.0, ifus=(11, 12), wavelength=(7000.0, 7040.0), cosmics=1e-3)
    stores = [made / f"{path.stem}.zarr" for path in files]
    for path, store in zip(files, stores, strict=True):
        ingest([path], store)
    return {"FITS": files, "stores": stores}


def run(paths, output):
    """Combine them; the facts of its tasks."""
    found = []

    class Keep(logging.Handler):
        def emit(self, record):
            one = getattr(record, "run_record", None)
            if one is not None and one.event == "task":
                found.append(one.facts)

    handler, level = Keep(logging.DEBUG), LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.DEBUG)
    try:
        request = Request(
            [Path(p) for p in paths], RECIPE.parse({"crsigma": 10}), Path(output), threads=1, memory=2**31,
            box_bytes=BOX_BYTES, overwrite=True,
        )  # fmt: skip
        combine(request)
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
    return found


def file_counts():
    """What this process has asked of files so far, whether the page cache had it or not."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return Counter({name: int(value) for name, value in (line.split(": ") for line in lines)})


def counted(paths, output):
    """The work of a combination, by name."""
    run(paths, output)  # loads modules and kernels, which is no work of theirs
    _nrt_python.memsys_enable_stats()
    try:
        files, allocations = file_counts(), rtsys.get_allocation_stats().alloc
        tasks = run(paths, output)
        files, allocations = file_counts() - files, rtsys.get_allocation_stats().alloc - allocations
    finally:
        _nrt_python.memsys_disable_stats()
    tracemalloc.start()
    try:
        run(paths, output)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    boxes = [task for task in tasks if task["stage"] == "boxes"]
    indexing = [task for task in tasks if task["stage"] == "indexing"]
    return {
        "tasks": len(tasks),
        "rows looked at for the index": sum(int(task.get("rows_scanned", 0)) for task in indexing),
        "bytes of the index": sum(task["written"] for task in indexing),
        "rows of the cube": sum(task["rows"] for task in boxes),
        "rows that boxes read": sum(int(task["rows_read"]) for task in boxes),
        "bytes of columns that boxes read": sum(task["bytes"] for task in boxes),
        "voxels of boxes with margins": sum(int(task["voxels"]) for task in boxes),
        "bytes that boxes write": sum(task["written"] for task in boxes),
        "bytes read from files": files["rchar"],
        "bytes written to files": files["wchar"],
        "requests to files": files["syscr"] + files["syscw"],
        "allocations of kernels": allocations,
        "peak of memory of Python and numpy": peak,
    }


@pytest.mark.parametrize("kind", ["FITS", "stores"])
@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="this system does not count what processes read")
def test_a_combination_reads_and_touches_no_more_than_recorded(inputs, tmp_path, kind):
    found = counted(inputs[kind], tmp_path / "out")
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    if os.environ.get(RECORD):
        RECORDED.write_text(json.dumps({**recorded, kind: found}, indent=2) + "\n")
        return
    assert found.keys() == recorded[kind].keys()
    more = [
        f"{name}: {value:,} counted, {recorded[kind][name]:,} recorded ({value / recorded[kind][name] - 1:+.1%})"
        for name, value in found.items()
        if value > recorded[kind][name] * (1 + SLACK.get(name, 0.0))
    ]
    assert not more, (
        f"a combination from {kind} does more work than before:\n  "
        + "\n  ".join(more)
        + "\nIf that is meant, say why "
        f"in the commit, and record it: {RECORD}=1 pytest {Path(__file__).relative_to(Path(__file__).parents[3])}"
    )
