"""Each recipe after muse_scibasic, on two IFUs of full size, takes at most the memory that it declares."""

import pytest

from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.recipes.registry import first_stage, recipes
from tests.reference.second_stage import PEAK, OurNight, declared_memory

pytestmark = pytest.mark.reference

IN_A_NIGHT = ("standard", "create_sky", "astrometry", "scipost-1", "exp_align", "exp_combine")
ON_ROWS = ("correct_dar", "calibrate_flux", "correct_rv", "apply_astrometry", "combine_pixtables", "make_cube")
"""Steps of muse_scipost that take PIXTABLE_OBJECT as it is."""
AFTER_FLUX = {"subtract_sky": "SKY_LINES", "subtract_sky_simple": "SKY_SPECTRUM"}
"""Steps that want fluxes, and what they take of muse_scipost."""
RAMAN = "muse_scipost_raman"
"""Needs a night with laser guide stars, which this one is not."""


def assert_within(recipe, frames, made):
    """The process that has made products has taken at most what is declared."""
    beyond, declared = int((made / PEAK).read_text()) - BASE_BYTES, declared_memory(recipe, frames)
    assert beyond <= declared, f"{recipe}: {beyond / 2**20:.0f} of {declared / 2**20:.0f} MiB"


def test_each_recipe_is_measured():
    measured = {f"muse_{step.removesuffix('-1')}" for step in IN_A_NIGHT}
    measured |= {f"muse_scipost_{step}" for step in (*ON_ROWS, *AFTER_FLUX)} | {RAMAN}
    assert measured == {name for name, one in recipes().items() if one not in first_stage()}


@pytest.mark.parametrize("step", IN_A_NIGHT)
def test_recipes_of_a_night(second_stage, step):
    night = OurNight(second_stage.night.directory, stage=second_stage)
    assert_within(f"muse_{step.removesuffix('-1')}", second_stage.frames(step), night.made(step))


def taken(recipe, frames):
    """The frames that a recipe takes."""
    tags = {one.name for one in recipes()[recipe].inputs}
    return [(path, tag) for path, tag in frames if tag in tags]


@pytest.mark.parametrize("step", ON_ROWS)
def test_steps_on_pixel_tables_as_they_are(second_stage, step):
    recipe = f"muse_scipost_{step}"
    frames = taken(recipe, second_stage.frames("scipost-1"))
    assert_within(recipe, frames, second_stage.ours("scipost-1", recipe=recipe, frames=frames))


@pytest.mark.parametrize("step", AFTER_FLUX)
def test_steps_on_fluxes(second_stage, step):
    night = OurNight(second_stage.night.directory, stage=second_stage)
    flux = second_stage.ours(
        "scipost-1", recipe="muse_scipost_calibrate_flux",
        frames=taken("muse_scipost_calibrate_flux", second_stage.frames("scipost-1")),
    )  # fmt: skip
    sky = night.made("scipost-1")
    frames = [(str(flux / "PIXTABLE_REDUCED_0001.zarr"), "PIXTABLE_REDUCED")]
    frames += [
        (str(sky / f"{tag}_0001.fits"), tag) for tag in ("SKY_LINES", "SKY_CONTINUUM", "SKY_SPECTRUM")
    ]  # fmt: skip
    frames += [one for one in second_stage.frames("scipost-1") if one[1] == "LSF_PROFILE"]
    recipe = f"muse_scipost_{step}"
    frames = taken(recipe, frames)
    assert_within(recipe, frames, second_stage.ours("scipost-1", recipe=recipe, frames=frames))
