"""Each recipe, in a process of its own on full-size frames, takes at most the memory that it declares.

Those after muse_scibasic: `tests/reference/test_second_stage_memory.py`.
"""

from pathlib import Path

import pytest

from musedeep.cli.main import run
from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.recipes.registry import first_stage, recipes
from tests.makers.one_ifu_night import IFU, one_ifu_night
from tests.makers.peak_memory import peak_memory_of

pytestmark = pytest.mark.night

ELSEWHERE = {
    "muse_geometry": "tests/recipes/geometry/test_table.py, where there is a sequence of masks",
}
MONITORING = {
    "muse_lingain": ({"LINGAIN_LAMP_OFF": 2, "LINGAIN_LAMP_ON": 3}, ("MASTER_BIAS", "TRACE_TABLE")),
    "muse_ampl": ({"AMPL": 3}, ("MASTER_BIAS", "TRACE_TABLE", "WAVECAL_TABLE")),
    "muse_qi_mask": ({"BIAS": 1}, ("TRACE_TABLE", "WAVECAL_TABLE")),
    "muse_illum": ({"ILLUMFLAT": 1}, ()),
}
"""Recipes that a night has no sets of frames for: how many raw frames, and which products of the others, they take."""
MEASURED = [one.name for one in first_stage() if one.name not in ELSEWHERE]


def monitoring_frames(name: str, night: Path, output: Path) -> list[tuple[Path, str]]:
    """New raw frames for a recipe of MONITORING, and products that are there, with their tags."""
    raws, products = MONITORING[name]
    frames = [(output / f"{tag}-{IFU:02d}.fits", tag) for tag in products]
    frames += [(night / "static" / "filter_list.fits", "FILTER_LIST")] if name == "muse_ampl" else []
    for kind, number in raws.items():
        directory = output / f"{name}-{kind}"
        assert run(["simulate", "frame", kind, str(directory), f"--ifus={IFU}", f"--number={number}"]) == 0
        frames += [(path, kind) for path in sorted(directory.glob("*.fits"))]
    return frames


@pytest.fixture(scope="module")
def peaks(tmp_path_factory):
    """Peak memory of each recipe [bytes], on sets of frames of a night whose products are made on the way."""
    output = tmp_path_factory.mktemp("reduced")
    found = {}
    with one_ifu_night() as night:
        for recipe in first_stage():
            if recipe.name not in MEASURED or not recipe.in_night:
                continue
            names = (f"{recipe.step}-{IFU:02d}", recipe.step, f"{recipe.step}-OBJECT-{IFU:02d}")
            frames = next(path for name in names if (path := night / "sof" / f"{name}.sof").exists())
            sof = output / frames.name
            sof.write_text(frames.read_text().replace(str(night / "reduced"), str(output)))
            found[recipe.name] = peak_memory_of("recipe", recipe.name, str(sof), "--output-dir", str(output))
        for name in MONITORING:
            sof = output / f"{name}.sof"
            sof.write_text("".join(f"{path} {tag}\n" for path, tag in monitoring_frames(name, night, output)))
            found[name] = peak_memory_of("recipe", name, str(sof), "--output-dir", str(output))
    return found


@pytest.mark.parametrize("name", MEASURED)
def test_a_recipe_takes_at_most_the_memory_it_declares(name, peaks):
    cost = recipes()[name].cost
    declared = cost.memory + cost.memory_per_ifu
    beyond = peaks[name] - BASE_BYTES
    # muse_illum and muse_qi_mask need few of the libraries that the base counts
    assert (beyond > 0 or name in MONITORING) and beyond <= declared, (
        f"{beyond / 2**20:.0f} of {declared / 2**20:.0f} MiB"
    )
