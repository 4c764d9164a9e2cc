"""All recipes: declarations agree with each other, with the work and with products, and cost little to load."""

import os
import subprocess
import sys

import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.recipes.registry import declared, first_stage, makers, named, recipes
from musedeep.reduction.parameters import SAVE_FITS
from musedeep.selection.night.classify import RAW_TAGS
from tests.makers import arc_frames, exposure_frames, mask_frames
from tests.makers.pixel_tables import write_dithers
from tests.makers.places import ROOT
from tests.makers.quality_keywords import differences, keywords, single
from tests.makers.raw_frames import extension, raw_image, write_raw

# inputs, products, work


def test_raw_inputs_come_from_the_telescope_or_from_a_recipe():
    raws = set(RAW_TAGS.values())
    categories = {one.category for recipe in declared().values() for one in recipe.products}
    made = {category.replace("TAG", tag) for category in categories for tag in raws}
    for recipe in declared().values():
        for one in recipe.inputs:
            if one.raw:
                # ILLUMFLAT is what muse_illum calls an ILLUM
                assert one.name in raws | made | {"ILLUMFLAT"}, f"{recipe.name}: {one.name}"
            assert not one.nearest or one.nearest in raws, f"{recipe.name}: {one.name}"
            assert set(one.match) <= {"mode", "field", "read_out"}, f"{recipe.name}: {one.name}"


def test_every_raw_tag_is_an_input():
    assert set(RAW_TAGS.values()) <= {one.name for recipe in declared().values() for one in recipe.inputs}


def test_no_product_has_two_makers():
    for recipe in declared().values():
        made = [one.name for one in recipe.products]
        assert len(made) == len(set(made)), recipe.name
    first = [one.name for recipe in first_stage() for one in recipe.products]
    assert len(first) == len(set(first))
    for tag, (recipe, one) in makers().items():
        assert one in recipe.products and one.category == tag
        # a table that a later recipe takes and gives back is the first one's
        assert not any(other.name == tag and other.raw for other in recipe.inputs)


@pytest.mark.parametrize("name", declared())
def test_products_depend_on_parameters_of_the_recipe(name):
    recipe = declared()[name]
    recipe.parse({})
    for one in recipe.products:
        for choice in (one.when, one.or_when or {}):
            recipe.parse({key: value for key, value in choice.items() if key != SAVE_FITS})


@pytest.mark.parametrize("name", recipes())
def test_the_work_is_where_it_is_declared(name):
    recipe = named(name)
    assert callable(recipe.load().run)


# quality-control keywords


def test_a_group_of_keywords_is_expanded():
    assert single("TRACE SLICE_L, SLICE_R XPOS, TILT") == [
        "TRACE SLICE_L XPOS", "TRACE SLICE_L TILT", "TRACE SLICE_R XPOS", "TRACE SLICE_R TILT",
    ]  # fmt: skip
    assert single("GEO EXPk FWHM") == [r"GEO EXP\d+ FWHM"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Quality-control keywords in the products of each recipe, run on small frames."""
    root = tmp_path_factory.mktemp("products")

    def call(name, directory, lines, *options):
        sof = directory / f"{name}.sof"
        sof.write_text("".join(lines))
        to = ["--output-dir", str(directory), "--overwrite"]
        assert run(["recipe", f"muse_{name}", *options, str(sof), *to]) == 0

    frames, arcs, masks, tables = (root / name for name in ("frames", "arcs", "masks", "tables"))
    for directory in (frames, arcs, masks, tables):
        directory.mkdir()
    # bias and flat, too
    exposure_frames.write_set(frames)
    calibrations = [f"{frames}/{name}.fits {name.removesuffix('-01')}\n" for name in exposure_frames.NAMES]
    size = exposure_frames.NX, exposure_frames.NY
    for k in range(3):
        hdu = extension(raw_image(None, *size, 70 + k), 1, *size)
        write_raw(frames / f"dark{k}.fits", [hdu], 1800.0)
    call("dark", frames, [*calibrations[:1], *(f"{frames}/dark{k}.fits DARK\n" for k in range(3))])
    twilights = [f"{frames}/flat{k}.fits SKYFLAT\n" for k in range(3)]
    call("twilight", frames, [*calibrations, *twilights], "--lambdamin=6260", "--lambdamax=6560", "--dlambda=100")
    lines = "--skyneighbours=false", f"--skylines={exposure_frames.LINE}"
    call("scibasic", frames, [*calibrations, f"{frames}/object0.fits OBJECT\n"], *lines, "--save-fits")
    made = arc_frames.write_set(arcs)
    with fits.open(arcs / "TRACE_TABLE-01.fits", mode="update") as hdus:
        # lines of single lamps are reported in slice 20
        for column in hdus[1].columns.names[2:]:
            hdus[1].data[column][19] = hdus[1].data[column][1]
    call("bias", arcs, [(arcs / "bias.sof").read_text()])
    # the sum of all lamps, too
    call("wavecal", arcs, made, "--yorder=3", "--lampwise=false")
    call("wavecal", arcs, made, "--yorder=3", "--saveimages", "--resample")
    call("lsf", arcs, [*made, f"{arcs}/WAVECAL_TABLE-01.fits WAVECAL_TABLE\n"], "--save_subtracted")
    sequence = mask_frames.write_calibrations(masks, (11,))
    truth = mask_frames.draw_geometry(11)
    for k in range(50):
        light = mask_frames.mask_light(truth, mask_frames.FIRST + mask_frames.STEP * k)
        image = raw_image(light, mask_frames.NX, mask_frames.NY, k)
        sequence.append(f"{mask_frames.write_mask(masks / f'mask{k:02d}.fits', k, {11: image})} MASK\n")
    call("geometry", masks, sequence, "--lambdamin=6030", "--lambdamax=6130", "--saveimage=false")
    paths, _ = write_dithers(tables, 2, ifus=(19,), wavelength=(8000.0, 8009.0))
    call("exp_combine", tables, [f"{path} PIXTABLE_REDUCED\n" for path in paths])
    return keywords(root.rglob("*.fits"))


WRITTEN = [one.name for one in first_stage() if one.in_night] + ["muse_exp_combine"]
"""Recipes of which small frames will do; the others are in tests/reference/test_quality_keywords.py, those
that no night has in their own tests."""


@pytest.mark.parametrize("name", [name for name in recipes() if name in WRITTEN])
def test_quality_keywords_are_declared_and_written(name, written):
    assert not differences(named(name), written[name])


# costs of loading


HEAVY = ["numpy", "scipy", "numba", "astropy", "zarr", "dask"]


def test_loading_all_declarations_loads_no_library_that_computes():
    code = "import sys\nfrom musedeep.recipes.registry import recipes\nassert len(recipes()) > 8\n"
    code += f"print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def processor_seconds(*arguments: str) -> float:
    """Processor time of Python with these arguments, the least of three processes."""
    taken = []
    for _ in range(3):
        before = os.times()
        subprocess.run(
            [sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        after = os.times()
        taken.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return min(taken)


def test_help_is_there_within_half_a_second():
    start = processor_seconds("-c", "pass")
    for command in (["recipe", "--list"], ["recipe", "muse_flat", "--help"], ["--help"]):
        assert processor_seconds("-m", "musedeep", *command) - start < 0.5, command
