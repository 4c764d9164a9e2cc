"""A night with one command: every product that the reference makes of it, and nothing to do the second time."""

import re
import shutil

import pytest

from musedeep.cli.main import run

pytestmark = pytest.mark.reference

SECOND_STAGE = re.compile(r"STD_|SKY_|ASTROMETRY_WCS|DATACUBE_(STD|ASTROMETRY)|TRACE_SAMPLES|WAVECAL_RESIDUALS|.*_RED_")


def test_a_night_from_raw_frames_to_pixel_tables(night, tmp_path, capsys):
    directories = [str(night.directory / name) for name in ("raw", "static")]
    command = ["reduce", *directories, "--output-dir", str(tmp_path / "reduced")]
    assert run(command) == 0
    out = capsys.readouterr().out
    n_tasks = int(re.search(r"(\d+) tasks, (\d+) done now, 0 earlier, 0 failed, 0 skipped", out)[1])
    assert n_tasks == 9 * len(night.ifus) + 1
    made = {p.name.partition(".")[0] for p in (tmp_path / "reduced").iterdir() if not p.name.startswith(".")}
    theirs = {p.name.partition(".")[0] for p in night.reduced.glob("*.fits")}
    assert {n for n in made if not SECOND_STAGE.match(n)} == {n for n in theirs if not SECOND_STAGE.match(n)}
    assert run(command) == 0
    assert f"{n_tasks} tasks, 0 done now, {n_tasks} earlier" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "reduced")
