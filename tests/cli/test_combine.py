"""`musedeep combine --piece`, `--pieces` and `musedeep stitch` as the user runs them."""

import pytest

from musedeep.cli.main import run
from tests.makers.pieces import assert_same_products
from tests.makers.pixel_tables import write_dithers


@pytest.fixture
def selection(tmp_path):
    options = {"ifus": (11,), "wavelength": (7000.0, 7010.0), "cosmics": 1e-3}
    paths = write_dithers(tmp_path, 2, step=50.0, **options)[0]
    path = tmp_path / "selection.yaml"
    path.write_text(
        f"exposures: [{', '.join(str(p) for p in paths)}]\nparameters: {{crsigma: 5, save: 'cube,zarr'}}\noutput: out\n"
    )
    return path


def test_pieces_and_their_cube(selection, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["combine", str(selection), "--threads", "1"]
    assert run([*command, "--output-dir", str(tmp_path / "whole")]) == 0
    assert run([*command, "--piece", "2/3", "--dry-run"]) == 0
    assert "planes, 4 to 6 of 10" in capsys.readouterr().out
    assert run([*command, "--piece", "2/3"]) == 0
    assert run(["stitch", str(out)]) == 1
    error = capsys.readouterr().err
    assert "out: pieces 1, 3 of 3 are missing" in error
    assert "Traceback" not in error
    assert run([*command, "--pieces", "3"]) == 0
    said = capsys.readouterr().out
    assert "piece-2-of-3: piece 2 of 3 is there already" in said
    assert str(out / "piece-3-of-3") in said
    assert run(["stitch", *(str(out / f"piece-{k}-of-3") for k in (3, 2, 1))]) == 0
    said = capsys.readouterr().out
    assert "DATACUBE_FINAL.fits" in said
    assert_same_products(out, tmp_path / "whole")
    assert run(["stitch", str(out)]) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_pieces_of_the_field_and_their_cube(selection, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["combine", str(selection), "--threads", "1"]
    assert run([*command, "--output-dir", str(tmp_path / "whole")]) == 0
    capsys.readouterr()
    assert run([*command, "--piece", "2/1x2", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert ", lines 120 to 239 of 239" in said
    assert "columns" not in said
    assert run([*command, "--piece", "3/2x2", "--dry-run"]) == 0
    assert "lines 120 to 239 of 239, columns 1 to 151 of 302" in capsys.readouterr().out
    assert run([*command, "--piece", "2/2x2"]) == 0
    assert run([*command, "--pieces", "2x2"]) == 0
    assert "piece-2-of-2x2: piece 2 of 2x2 is there already" in capsys.readouterr().out
    assert run(["stitch", str(out)]) == 0
    assert_same_products(out, tmp_path / "whole")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--piece", "0/3"], "--piece 0/3: not a piece; give it as in 2/8"),
        (["--piece", "4/3"], "--piece 4/3: not a piece"),
        (["--piece", "second"], "--piece second: not a piece"),
        (["--piece", "1/3", "--pieces", "3"], "--piece and --pieces: give one of them"),
        (["--pieces", "0"], "--pieces 0: not a division; give a number as in 8"),
        (["--pieces", "3x"], "--pieces 3x: not a division"),
        (["--piece", "7/3x2"], "--piece 7/3x2: not a piece"),
        (["--pieces", "2", "--report", "r.html"], "--report: of which piece?"),
    ],
)
def test_wrong_usage(selection, capsys, options, said):
    assert run(["combine", str(selection), *options]) == 2
    assert said in capsys.readouterr().err
