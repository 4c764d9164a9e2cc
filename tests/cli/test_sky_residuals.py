"""`musedeep sky-residuals`: FITS and stores, headers, eigenspectra; each bad input is one line, and nothing is left."""

import errno
import os
import shutil

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.storage.cubes.open_cube import open_cube
from musedeep.storage.fits.streamed import StreamedFits
from tests.makers.residual_cubes import small


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return small().write(tmp_path_factory.mktemp("made") / "cube.fits")


@pytest.fixture
def cube(made, tmp_path):
    return shutil.copy(made, tmp_path / "cube.fits")


@pytest.fixture
def store(cube, tmp_path):
    assert call(cube, "-o", tmp_path / "store.zarr", "--components", 0, "--keep-level") == 0
    return tmp_path / "store.zarr"


def call(*words):
    return run(["sky-residuals", *map(str, words)])


def files(directory):
    return {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def refused(tmp_path, capsys, *words, status=1):
    before = files(tmp_path)
    capsys.readouterr()
    assert call(*words) == status
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("musedeep: ")]
    assert len(said) == 1
    assert files(tmp_path) == before
    return said[0]


def changed(path, **cards):
    with fits.open(path, mode="update") as hdus:
        hdus[0].header.update(cards)
    return path


@pytest.mark.filterwarnings("error")
def test_fits(cube, tmp_path, capsys):
    fits.append(cube, np.ones((20, 80), np.float32), fits.Header([("EXTNAME", "white")]))
    assert call(cube) == 0
    assert "components in 1 segments subtracted" in capsys.readouterr().out
    output = tmp_path / "cube_SKYRES.fits"
    with fits.open(cube) as before, fits.open(output, checksum=True) as after:
        assert [hdu.name for hdu in after] == ["PRIMARY", "DATA", "STAT", "white"]
        for name in ("STAT", "WHITE"):
            np.testing.assert_array_equal(after[name].data, before[name].data)
        assert after["DATA"].data.std() < before["DATA"].data.std()
        assert after["DATA"].header["CRVAL3"] == before["DATA"].header["CRVAL3"]
        head = after[0].header
        assert head["OBJECT"] == "field" and head["ESO DRS MUSE SKYRES MASK"] == "continuum"
        assert head["ESO DRS MUSE SKYRES SEG1 COMPONENTS"] > 0 and head["ESO DRS MUSE SKYRES PLANES"] == 200
        assert "cube.fits" in str(head["HISTORY"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cube.fits", "cube_SKYRES.fits"]


def test_stores_have_the_same_bits(cube, store, tmp_path):
    assert call(cube, "-o", tmp_path / "a.fits", "--threads", 1) == 0
    for source, output in ((store, "b.fits"), (store, "b.zarr"), (cube, "c.zarr")):
        assert call(source, "-o", tmp_path / output) == 0
    expected = fits.getdata(tmp_path / "a.fits", "DATA")
    for output in ("b.fits", "b.zarr", "c.zarr"):
        found = open_cube(tmp_path / output)
        np.testing.assert_array_equal(found.data.read_box(0, 200), expected)
        np.testing.assert_array_equal(found.stat.read_box(0, 200), open_cube(cube).stat.read_box(0, 200))
        assert found.primary["ESO DRS MUSE SKYRES SEGMENTS"] == 1
    assert not list(tmp_path.glob(".*"))


def test_eigenspectra_of_another_cube(cube, tmp_path, capsys):
    assert call(cube, "-o", tmp_path / "own.fits", "--save-eigenspectra", tmp_path / "eigen.fits") == 0
    assert call(cube, "-o", tmp_path / "same.fits", "--eigenspectra", tmp_path / "eigen.fits") == 0
    own, same = (fits.getdata(tmp_path / name, "DATA") for name in ("own.fits", "same.fits"))
    np.testing.assert_array_equal(own, same)
    assert fits.getheader(tmp_path / "same.fits")["ESO DRS MUSE SKYRES EIGEN"] == "eigen.fits"
    # another pointing of the same instrument
    other = small(seed=1, stars=6, emission_lines=0)
    other.write(tmp_path / "other.fits")
    assert call(tmp_path / "other.fits", "--eigenspectra", tmp_path / "eigen.fits") == 0
    grid = small(first=8300.5).write(tmp_path / "grid.fits")
    line = refused(tmp_path, capsys, grid, "--eigenspectra", tmp_path / "eigen.fits")
    assert "eigen.fits: eigenspectra of 200 planes from 8300.00" in line and "from 8300.50" in line


def test_cubes_that_are_refused(cube, tmp_path, capsys):
    assert "no such file" in refused(tmp_path, capsys, tmp_path / "none.fits")
    with fits.open(cube) as hdus:
        fits.HDUList(hdus[:2]).writeto(tmp_path / "no-stat.fits")
    assert "no extension STAT (variances)" in refused(tmp_path, capsys, tmp_path / "no-stat.fits")
    assert "INSTRUME is 'KMOS', expected MUSE" in refused(tmp_path, capsys, changed(cube, INSTRUME="KMOS"))


def test_masks_that_are_refused(cube, tmp_path, capsys):
    mask = tmp_path / "mask.fits"
    fits.PrimaryHDU(np.zeros((20, 81), np.uint8)).writeto(mask)
    assert "the mask has 81 x 20 spaxels, the cube 80 x 20" in refused(tmp_path, capsys, cube, "--mask", mask)
    image = np.ones((20, 80), np.uint8)
    image[:3, :20] = 0
    fits.PrimaryHDU(image).writeto(mask, overwrite=True)
    line = refused(tmp_path, capsys, cube, "--mask", mask, "--components", 70)
    assert "60 spectra of sky for 70 components, at least 70 are needed" in line
    image[1:] = 1
    fits.PrimaryHDU(image).writeto(mask, overwrite=True)
    assert "20 spaxels of sky, at least 50 are needed" in refused(tmp_path, capsys, cube, "--mask", mask)


def test_a_lost_chunk(store, tmp_path, capsys):
    (store / "data" / "c" / "1" / "0" / "0").unlink()
    assert "chunk data/c/1/0/0 is lost" in refused(tmp_path, capsys, store, "-o", tmp_path / "out.fits")


def test_a_damaged_chunk(store, tmp_path, capsys):
    chunk = store / "data" / "c" / "1" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-30])
    assert "cannot be read" in refused(tmp_path, capsys, store, "-o", tmp_path / "out.fits")


def test_outputs_that_are_refused(cube, tmp_path, capsys):
    assert "is the cube itself" in refused(tmp_path, capsys, cube, "-o", cube, "--overwrite")
    (tmp_path / "out.fits").write_text("")
    assert "exists already" in refused(tmp_path, capsys, cube, "-o", tmp_path / "out.fits")
    line = refused(tmp_path, capsys, cube, "--save-eigenspectra", tmp_path / "out.fits")
    assert "out.fits: exists already" in line


@pytest.mark.parametrize("place", ["check", "write", "store"])
def test_a_full_disk(cube, tmp_path, capsys, monkeypatch, place):
    if place == "check":
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    else:

        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(StreamedFits, "begin_image", full)
        monkeypatch.setattr(StreamedFits, "write", full)
        monkeypatch.setattr("musedeep.storage.cubes.cube_zarr._write", full)
    output = tmp_path / ("out.zarr" if place == "store" else "out.fits")
    line = refused(tmp_path, capsys, cube, "-o", output)
    assert {"check": "0 MiB free", "write": "disk full", "store": "No space left"}[place] in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--segments", "7200,5400"], "--segments 7200,5400: give auto, one, paper"),
        (["--segments", "some"], "--segments some: give auto"),
        (["--eigenspectra", "e.fits", "--components", "3"], "--eigenspectra brings its own segments"),
        (["--memory", "much"], "--memory much: not an amount"),
        (["--components", "-1"], "greater than or equal to 0"),
    ],
)
def test_wrong_usage(cube, tmp_path, capsys, words, said):
    assert said in refused(tmp_path, capsys, cube, *words, status=2)


def test_little_memory(cube, tmp_path, capsys):
    line = refused(tmp_path, capsys, cube, "--memory", "100MiB")
    assert "100 MiB of memory, at least" in line and "--memory" in line
