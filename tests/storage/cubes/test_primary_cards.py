"""Cards in the primary header of a finished cube, and images beside its arrays."""

import errno
import json
import re

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.cubes import primary_cards
from musedeep.storage.cubes.cube_axes import read_axes
from musedeep.storage.cubes.cube_zarr import write_cube_store
from musedeep.storage.cubes.open_cube import open_cube
from musedeep.storage.cubes.primary_cards import with_cards
from tests.makers import cubes
from tests.makers.cube_pieces import primary, write_cube

CARDS = [("FSFMODE", 2, "model"), ("FSFLB1", 4750.25, "blue")]
FORMER = re.compile("FSF")
MAP = [("CTYPE1", "RA---TAN", "")], np.arange(35, dtype=np.int32).reshape(5, 7)


@pytest.fixture
def cube(tmp_path):
    data, stat = cubes.values((4, 5, 7))
    image = fits.ImageHDU(np.ones((5, 7), np.float32), name="white")
    return write_cube(tmp_path / "cube.fits", data, stat, primary(FSFMODE="MOFFAT1", FSF00BET=2.8), further=[image])


@pytest.fixture
def store(cube):
    opened = open_cube(cube)
    path = cube.with_suffix(".zarr")
    write_cube_store(path, opened, None, read_axes(opened.header, cube).wcs(cube), "field", primary=opened.primary)
    return path


def contents(path):
    return {file.relative_to(path): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize("other", [False, True])
def test_file(cube, other, tmp_path):
    target = tmp_path / "new.fits" if other else cube
    before, bytes_before = fits.open(cube, memmap=False), cube.read_bytes()
    with_cards(open_cube(cube), target, CARDS, FORMER, {"FIELDMAP": MAP})
    if other:
        assert cube.read_bytes() == bytes_before
    with fits.open(target, checksum=True) as hdus:
        hdus.verify("exception")
        assert [hdu.name.upper() for hdu in hdus] == ["PRIMARY", "DATA", "STAT", "WHITE", "FIELDMAP"]
        assert hdus[0].header["FSFMODE"] == 2 and hdus[0].header["FSFLB1"] == 4750.25
        assert "FSF00BET" not in hdus[0].header
        assert hdus[0].header["ESO PRO REC2 ID"] == "muse_exp_combine"
        for k in (1, 2, 3):
            assert np.array_equal(hdus[k].data, before[k].data, equal_nan=True)
        assert np.array_equal(hdus["FIELDMAP"].data, MAP[1]) and hdus["FIELDMAP"].header["BITPIX"] == 32
        assert all(hdu.header["DATASUM"] for hdu in hdus[1:])
    # once more: no second map, the same header
    with_cards(open_cube(target), target, CARDS, FORMER, {"FIELDMAP": None})
    with fits.open(target, checksum=True) as hdus:
        assert [hdu.name.upper() for hdu in hdus] == ["PRIMARY", "DATA", "STAT", "WHITE"]
        assert hdus[0].header.count("FSFMODE") == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("other", [False, True])
def test_store(store, other, tmp_path):
    import xarray

    target = tmp_path / "new.zarr" if other else store
    before = contents(store)
    with_cards(open_cube(store), target, CARDS, FORMER, {"FIELDMAP": MAP})
    if other:
        assert contents(store) == before
    opened = open_cube(target)
    assert opened.primary["FSFMODE"] == 2 and "FSF00BET" not in opened.primary
    assert opened.primary["ESO PRO REC2 ID"] == "muse_exp_combine"
    assert np.array_equal(opened.data.read_box(0, 4), open_cube(store).data.read_box(0, 4), equal_nan=True)
    found = xarray.open_zarr(target)
    assert np.array_equal(found["fieldmap"].values, MAP[1]) and found["fieldmap"].dims == ("y", "x")
    with_cards(opened, target, CARDS, FORMER, {"FIELDMAP": None})
    assert "fieldmap" not in xarray.open_zarr(target)
    assert not (target / "fieldmap").exists()
    assert "fieldmap" not in json.loads((target / "zarr.json").read_text())["consolidated_metadata"]["metadata"]


def test_full_disk(cube, store, monkeypatch, tmp_path):
    before = cube.read_bytes(), contents(store)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(primary_cards.StreamedFits, "finish", full)
    with pytest.raises(MusedeepError, match=r"disk full while writing cube\.fits"):
        with_cards(open_cube(cube), cube, CARDS, FORMER, {})
    monkeypatch.setattr(primary_cards.shutil, "copytree", full)
    with pytest.raises(MusedeepError, match=r"new\.zarr: cannot be written .No space left"):
        with_cards(open_cube(store), tmp_path / "new.zarr", CARDS, FORMER, {})
    assert (cube.read_bytes(), contents(store)) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cube.fits", "cube.zarr"]
