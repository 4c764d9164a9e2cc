"""Each recipe, in a process of its own on full-size frames, takes at most the memory that it declares.

Those after muse_scibasic: `tests/reference/test_second_stage_memory.py`.
"""

import pytest

from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.recipes.registry import first_stage, recipes
from tests.makers.one_ifu_night import IFU, one_ifu_night
from tests.makers.peak_memory import peak_memory_of

pytestmark = pytest.mark.night

ELSEWHERE = {
    "muse_geometry": "tests/recipes/geometry/test_table.py, where there is a sequence of masks",
}
MEASURED = [one.name for one in first_stage() if one.name not in ELSEWHERE]


@pytest.fixture(scope="module")
def peaks(tmp_path_factory):
    """Peak memory of each recipe [bytes], on sets of frames of a night whose products are made on the way."""
    output = tmp_path_factory.mktemp("reduced")
    found = {}
    with one_ifu_night() as night:
        for recipe in first_stage():
            if recipe.name not in MEASURED:
                continue
            names = (f"{recipe.step}-{IFU:02d}", recipe.step, f"{recipe.step}-OBJECT-{IFU:02d}")
            frames = next(path for name in names if (path := night / "sof" / f"{name}.sof").exists())
            sof = output / frames.name
            sof.write_text(frames.read_text().replace(str(night / "reduced"), str(output)))
            found[recipe.name] = peak_memory_of("recipe", recipe.name, str(sof), "--output-dir", str(output))
    return found


@pytest.mark.parametrize("name", MEASURED)
def test_a_recipe_takes_at_most_the_memory_it_declares(name, peaks):
    cost = recipes()[name].cost
    declared = cost.memory + cost.memory_per_ifu
    beyond = peaks[name] - BASE_BYTES
    assert 0 < beyond <= declared, f"{beyond / 2**20:.0f} of {declared / 2**20:.0f} MiB"
