"""The first run after an installation: all kernels are compiled before it begins, by processes of their own."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from musedeep.compiled import COMMAND, JOURNAL
from musedeep.graph.combine.rehearsal import EXPOSURE, rehearsal, rehearse
from musedeep.processors import available_processors
from musedeep.recipes.exp_combine.products import ExpCombine
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.storage.pixel_tables.ingest import ingest
from tests.makers.pixel_tables import write_dithers
from tests.makers.places import ROOT


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two small exposures, as files and as stores, and a directory without compiled kernels."""
    made = tmp_path_factory.mktemp("first")
    options = {
        "ifus": (7,),
        "slices": tuple(range(1, 49, 6)),
        "wavelength": (5100.0, 5112.0),
        "ra": 201.3,
        "dec": -41.5,
    }
    paths, _ = write_dithers(made, 2, **options)
    for path in paths:
        ingest([path], made / f"{path.stem}.zarr")
    return made


def combine(place, files, *arguments, **parameters):
    """Run the command; what it says, and the numbers of the processes that have compiled kernels, with its own."""
    inputs = ", ".join(str(path) for path in sorted(place.glob(files)))
    texts = ", ".join(f"{name}: {value}" for name, value in parameters.items())
    (place / "selection.yaml").write_text(f"exposures: [{inputs}]\nparameters: {{{texts}}}\noutput: out\n")
    journal = place / "cache" / JOURNAL
    before = len(journal.read_text()) if journal.exists() else 0
    environment = {name: value for name, value in os.environ.items() if name != COMMAND}
    environment |= {"NUMBA_CACHE_DIR": str(place / "cache"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "musedeep", "combine", str(place / "selection.yaml"), "--overwrite", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as run:
        _, error = run.communicate(timeout=300)
    assert run.returncode == 0, error
    lines = [line.split() for line in journal.read_text()[before:].splitlines() if not line.startswith("said")]
    return error.splitlines(), {line[3]: int(line[2]) for line in lines}, run.pid


def test_the_first_run_says_so_and_later_ones_do_not(place):
    said, compiled, own = combine(place, "*.fits")
    where = [k for k, line in enumerate(said) if "compil" in line]
    assert len(where) == 2 and said[where[0]] == "compiling kernels (once after an installation) ..."
    assert re.fullmatch(r"compiled kernels in \d+\.\d s", said[where[1]])
    # before the run begins, by two processes that are not its own
    assert where[1] < next(k for k, line in enumerate(said) if "indexing" in line)
    assert {"musedeep.kernels.cube.drizzle.add_plane", "musedeep.kernels.rows.segments.segment_boxes"} <= set(compiled)
    assert own not in compiled.values() and len(set(compiled.values())) == 2
    # only what is needed
    assert not {"musedeep.kernels.cube.resample._accumulate", "musedeep.kernels.cube.reject._reject_by_moments"} & set(
        compiled
    )
    # without that time
    records = [json.loads(line) for line in (place / "out" / "combine.jsonl").read_text().splitlines()]
    events = {record["event"]: record for record in records}
    began, ended = (datetime.fromisoformat(events[name]["time"]) for name in ("start", "end"))
    took, compiling = (ended - began).total_seconds(), events["compiled"]["seconds"]
    assert compiling > 1.0 and events["end"]["seconds"] == pytest.approx(took - compiling, abs=0.2)
    said, compiled, _ = combine(place, "*.fits")
    assert compiled == {} and not any("compil" in line for line in said)


@pytest.mark.parametrize(
    ("files", "parameters"),
    [
        ("*.zarr", {"resample": "renka", "crtype": "mean", "weight": "none"}),
        ("*.fits", {"resample": "nearest", "rejection": "stars", "save": '"cube,exposures"'}),
    ],
)
def test_nothing_is_left_to_compile_while_boxes_are_computed(place, files, parameters):
    _, compiled, own = combine(place, files, **parameters)
    assert compiled and own not in compiled.values()


def test_worker_processes_find_the_kernels_compiled(place):
    combine(place, "*.fits")
    _, compiled, _ = combine(place, "*.fits", "--workers", "2")
    assert compiled == {}


def how(parameters):
    return ExpCombine([], RECIPE.parse(parameters), Path()).resampling([EXPOSURE])


def test_no_rehearsal_leaves_a_process_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    with pytest.raises(KeyboardInterrupt), rehearsal(how({}), False, wanted=True) as begun:
        raise KeyboardInterrupt
    assert len(begun.processes) == min(2, available_processors())
    assert all(process.returncode for process in begun.processes) and not begun.done.exists()
    with rehearsal(how({}), False, wanted=False) as begun:
        assert begun.processes == []


@pytest.mark.parametrize("parameters", [{"pixfrac": "3"}, {"ld": 4, "resample": "lanczos"}, {"save": "combined,zarr"}])
def test_any_parameters_can_be_rehearsed(parameters):
    rehearse(how({"lambdamin": 4800, "lambdamax": 4801, "dx": 9.0, **parameters}), False)
