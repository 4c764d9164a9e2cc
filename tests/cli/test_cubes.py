"""`musedeep export` of cubes and `musedeep cutout`: what they say, and one line for every mistake."""

import shutil

import pytest
from astropy.io import fits

from musedeep.cli.cubes import place_on_sky
from musedeep.cli.main import run
from tests.makers import viewer_cubes
from tests.makers.pixel_tables import write_dithers


@pytest.fixture
def cube(tmp_path):
    viewer_cubes.write(tmp_path / "c.fits")
    return tmp_path / "c.fits"


def one_line(capsys) -> str:
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and captured.err.startswith("musedeep: ") and not captured.out
    return captured.err


def test_export_there_and_back(cube, capsys):
    store, back = cube.with_name("c.zarr"), cube.with_name("back.fits")
    assert run(["export", str(cube), str(store)]) == 0
    assert run(["export", str(store), str(back), "--for", "viewers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [str(store), str(back)]
    assert "CDELT1" in fits.getheader(back, "DATA")
    assert run(["export", str(store), str(back)]) == 1
    assert "exists already; give another name, or --overwrite" in one_line(capsys)
    assert run(["export", str(store), str(back), "--overwrite"]) == 0
    assert "CD1_1" in fits.getheader(back, "DATA")
    assert run(["info", str(store)]) == 0


def test_export_still_takes_pixel_tables(tmp_path, capsys):
    (table,), _ = write_dithers(tmp_path, 1, step=0.0, slices=(1, 2), wavelength=(7000.0, 7010.0))
    assert run(["ingest", str(table), str(tmp_path / "t.zarr")]) == 0
    assert run(["export", str(tmp_path / "t.zarr"), str(tmp_path / "t.fits")]) == 0
    capsys.readouterr()
    assert run(["export", str(tmp_path / "t.zarr"), str(tmp_path / "u.fits"), "--for", "viewers"]) == 2
    assert "is no cube; leave it out, or give a cube" in one_line(capsys)
    assert run(["export", str(table), str(tmp_path / "u.fits")]) == 1
    assert str(table) in one_line(capsys)


@pytest.mark.parametrize("where", ["--center 53.16,-27.78", "--center 03:32:38.4,-27:46:48", "--pixel 5.5,4"])
@pytest.mark.parametrize("source", ["c.fits", "c.zarr"])
def test_cutout(cube, capsys, where, source):
    if source == "c.zarr":
        assert run(["export", str(cube), str(cube.with_name(source))]) == 0
    out = cube.with_name("k.fits")
    arguments = [str(cube.with_name(source)), str(out), *where.split(), "--size", "0.8,1", "--lambda", "7010,7020"]
    assert run(["cutout", *arguments, "--for", "viewers"]) == 0
    assert f"{out}: 4 x 5 x 9 voxels" in capsys.readouterr().out
    with fits.open(out, checksum=True) as hdus:
        assert hdus["STAT"].shape == (9, 5, 4) and "CDELT3" in hdus["DATA"].header
    assert run(["cutout", *arguments]) == 1
    assert "--overwrite" in one_line(capsys)
    assert run(["cutout", *arguments, "--overwrite"]) == 0
    assert "CD3_3" in fits.getheader(out, "DATA")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("--pixel 5,4", 2, "--size, --center: give both"),
        ("--size 5", 2, "--center RA,DEC or --pixel X,Y with --size, or --lambda"),
        ("--size 5 --lambda 7010,7020", 2, "--size, --center: give both"),
        ("--center 53,-27 --pixel 5,4 --size 1", 2, "give one of them"),
        ("--center 53 --size 1", 2, "--center 53: give degrees as in"),
        ("--center 03:32:39,x --size 1", 2, "--center 03:32:39,x: give degrees as in"),
        ("--pixel a,b --size 1", 2, "--pixel a,b: give a column and a line"),
        ("--pixel 5,4 --size 1,2,3", 2, "--size 1,2,3: give arcsec"),
        ("--lambda 7010", 2, "--lambda 7010: give Angstrom"),
        ("--lambda 7010,7020 --for carta", 2, "--for carta: there is viewers"),
        ("--pixel 5,4 --size 0", 1, "size of the cutout is 0 x 0; give a positive number of arcsec"),
        ("--pixel 500,4 --size 1", 1, "is outside the field"),
        ("--lambda 4000,5000", 1, "no plane between 4000 and 5000 Angstrom"),
    ],
)
def test_mistakes(cube, capsys, words, status, message):
    assert run(["cutout", str(cube), str(cube.with_name("k.fits")), *words.split()]) == status
    assert message in one_line(capsys)
    assert [path.name for path in cube.parent.iterdir()] == ["c.fits"]


def test_a_lost_chunk_and_another_instrument(cube, capsys):
    store = cube.with_name("c.zarr")
    assert run(["export", str(cube), str(store)]) == 0
    shutil.rmtree(store / "data/c")
    capsys.readouterr()
    assert run(["cutout", str(store), str(cube.with_name("k.fits")), "--lambda", "7010,7020"]) == 1
    assert "is lost (2 in all); copy or make the store again" in one_line(capsys)
    viewer_cubes.write(cube, names=("DATA",), INSTRUME="KCWI")
    assert run(["cutout", str(cube), str(cube.with_name("k.fits")), "--lambda", "7010,7020"]) == 0
    said = capsys.readouterr().err
    assert "INSTRUME is 'KCWI'" in said and "no extension STAT" in said


@pytest.mark.parametrize("name", ["none.fits", "text.fits", "table.fits"])
def test_what_is_no_cube(tmp_path, capsys, name):
    (tmp_path / "text.fits").write_text("text")
    columns = [fits.Column("x", "D", array=[1.0])]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "table.fits")
    for command in (["export"], ["cutout", "--lambda", "7010,7020"]):
        assert run([command[0], str(tmp_path / name), str(tmp_path / "o.fits"), *command[1:]]) == 1
        assert name in one_line(capsys)


def test_places_on_the_sky():
    assert place_on_sky("53.16, -27.5") == (53.16, -27.5)
    assert place_on_sky("03:32:38.4,-27:30:36") == pytest.approx((53.16, -27.51), abs=1e-12)
    assert place_on_sky("00:00:01,-00:00:36") == pytest.approx((15 / 3600, -0.01), abs=1e-12)
