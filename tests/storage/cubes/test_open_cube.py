import json

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.storage.cubes import cube_zarr
from musedeep.storage.cubes.open_cube import open_cube
from tests.makers import cube_pieces, cubes


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store of 2 x 2 x 1 shards, one of them empty."""
    monkeypatch.setattr(cube_zarr, "CHUNK", (32, 4, 8))
    monkeypatch.setattr(cube_zarr, "CHUNKS_PER_SHARD", (1, 1, 1))
    shape = (40, 6, 8)
    data, stat = cubes.values(shape)
    data[32:, :4] = np.nan
    cube = cubes.create(tmp_path / "work.fits", shape)
    cube.write_box(0, 0, data, stat)
    path = tmp_path / "c.zarr"
    cube_zarr.write_cube_store(path, cube, None, cubes.wcs(), "field", primary=cube_pieces.primary())
    return path, data, stat


def test_a_store(store):
    path, data, stat = store
    cube = open_cube(path)
    assert cube.is_store and cube.shape == data.shape
    np.testing.assert_array_equal(cube.data.read_box(30, 40), data[30:40])
    np.testing.assert_array_equal(cube.stat.read_box(0, 3, 1, 5), stat[:3, 1:5])
    assert cube.data.ends == (32,)
    assert cube.primary["ESO PRO REC2 ID"] == "muse_exp_combine"
    assert cube.header["CRVAL3"] == 7000.0


def test_a_lost_chunk_is_told_from_an_empty_one(store):
    path, _, _ = store
    assert not (path / "data/c/1/0/0").exists()
    open_cube(path)
    (path / "stat/c/0/1/0").unlink()
    with pytest.raises(MusedeepError, match=r"c\.zarr: chunk stat/c/0/1/0 is lost \(1 in all\)"):
        open_cube(path)


def test_a_store_of_an_earlier_version(store, caplog):
    path, data, _ = store
    described = json.loads((path / "zarr.json").read_text())
    del described["attributes"][cube_zarr.EMPTY_SHARDS], described["attributes"][cube_zarr.PRIMARY]
    (path / "zarr.json").write_text(json.dumps(described))
    cube = open_cube(path)
    assert cube.primary["OBJECT"] == "field"
    assert "1 chunks of data are not there" in caplog.text
    np.testing.assert_array_equal(cube.data.read_box(0, 40), data)


@pytest.mark.parametrize("damage", ["no json", "no array", "other"])
def test_what_is_no_store(store, tmp_path, damage):
    path, _, _ = store
    if damage == "no json":
        (path / "zarr.json").write_text("{")
    elif damage == "no array":
        path = tmp_path / "empty"
        path.mkdir()
    else:
        path = tmp_path / "missing.fits"
    with pytest.raises(MusedeepError, match=str(path)):
        open_cube(path)


def test_a_file(tmp_path):
    data, stat = cubes.values(cube_pieces.SHAPE)
    cube = open_cube(cube_pieces.write_cube(tmp_path / "c.fits", data, stat))
    assert not cube.is_store and cube.images == ()
    np.testing.assert_array_equal(cube.data.read_stored(3, 5), data[3:5])
    assert cube.data.read_stored(3, 5).dtype == np.dtype(">f4")
