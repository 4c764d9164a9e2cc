"""A night with one command: every product that the reference makes of it, and nothing to do the second time."""

import re
import shutil
from collections import Counter

import pytest

from musedeep.cli.main import run
from musedeep.cli.report import size_on_disk
from musedeep.graph.night.disk import products_of
from musedeep.recipes.registry import first_stage, named
from musedeep.selection.night.associate import Wish, associate
from musedeep.selection.night.classify import classify_files, fits_files

pytestmark = pytest.mark.reference

SECOND_STAGE = re.compile(r"STD_|SKY_|ASTROMETRY_WCS|DATACUBE_(STD|ASTROMETRY)|TRACE_SAMPLES|WAVECAL_RESIDUALS|.*_RED_")


def assert_sizes_are_those_of_the_plan(night, output):
    """Each product on disk is as large as was said before, to 10 %; what is not said is nothing."""
    frames = classify_files(fits_files([night.directory / name for name in ("raw", "static")]))
    expected, found = Counter(), Counter()
    for one in associate(frames, Wish(output, darks=True)).sets:
        if named(one.recipe) in first_stage():
            recipe = named(one.recipe)
            given = {"saveimage": "false"} if one.step == "scibasic" else {}
            expected.update(products_of(one, recipe.parse(given).texts(), False))
    for path in output.iterdir():
        if not path.name.startswith("."):
            (kind,) = [kind for kind in expected if kind in path.name]
            found[kind] += size_on_disk(path)
    assert found == pytest.approx(expected, rel=0.1)


def test_a_night_from_raw_frames_to_pixel_tables(night, tmp_path, capsys):
    directories = [str(night.directory / name) for name in ("raw", "static")]
    command = ["reduce", *directories, "--darks", "--output-dir", str(tmp_path / "reduced")]
    assert run(command) == 0
    out = capsys.readouterr().out
    n_tasks = int(re.search(r"(\d+) tasks, (\d+) done now, 0 earlier, 0 failed, 0 skipped", out)[1])
    assert n_tasks == 9 * len(night.ifus) + 1
    made = {p.name.partition(".")[0] for p in (tmp_path / "reduced").iterdir() if not p.name.startswith(".")}
    theirs = {p.name.partition(".")[0] for p in night.reduced.glob("*.fits")}
    assert {n for n in made if not SECOND_STAGE.match(n)} == {n for n in theirs if not SECOND_STAGE.match(n)}
    assert_sizes_are_those_of_the_plan(night, tmp_path / "reduced")
    assert run(command) == 0
    assert f"{n_tasks} tasks, 0 done now, {n_tasks} earlier" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "reduced")
