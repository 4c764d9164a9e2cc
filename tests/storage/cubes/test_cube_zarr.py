import warnings

import numpy as np
import pytest
import xarray as xr

from musedeep.storage.cubes import cube_zarr
from musedeep.storage.cubes.exposure_map import ExposureMapFile
from tests.makers import cubes

SHAPE = (40, 6, 9)
LARGE = (70, 30, 41)
"""With chunks of 32 x 8 x 8, in shards of 1 x 2 x 3 of them."""


@pytest.mark.parametrize("ctype3", ["AWAV", "AWAV-LOG"])
def test_xarray_opens_the_store(tmp_path, ctype3):
    data, stat = cubes.values(SHAPE)
    cube = cubes.create(tmp_path / "work.fits", SHAPE, ctype3)
    cube.write_box(0, 0, data, stat)
    number = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
    seconds = number.astype(np.float32) * 1500
    exposures = ExposureMapFile.create(tmp_path / "map.fits", SHAPE, cubes.primary(), cubes.wcs(ctype3))
    exposures.write_box(0, 0, number, seconds)
    exposures.collapse()
    cube_zarr.write_cube_store(tmp_path / "c.zarr", cube, exposures, cubes.wcs(ctype3), "field")
    cube_zarr.write_cube_store(tmp_path / "c.zarr", cube, exposures, cubes.wcs(ctype3), "field")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store = xr.open_zarr(tmp_path / "c.zarr", chunks=None)
    assert store.data.dims == ("wavelength", "y", "x")
    np.testing.assert_array_equal(store.data, data)
    np.testing.assert_array_equal(store.stat, stat)
    np.testing.assert_array_equal(store.exposures, number)
    np.testing.assert_array_equal(store.exptime, seconds)
    np.testing.assert_allclose(store.exposures_image, number.mean(0), rtol=1e-6)
    wave = store.wavelength.values
    assert wave[0] == 7000.0
    expected = 7001.25 if ctype3 == "AWAV" else 7000 * np.exp(1.25 / 7000)
    assert wave[1] == pytest.approx(expected, abs=1e-9)
    assert store.ra.values[3, 4] > store.ra.values[3, 5]
    assert store.data.attrs["units"] == "aerg/s/dm**2/angstrom"
    assert store.data.attrs["fits_unit"] == "10**(-20)*erg/s/cm**2/Angstrom"
    assert sorted(p.name for p in tmp_path.iterdir() if "zarr" in p.name) == ["c.zarr"]


def test_a_cube_of_many_chunks_in_few_files(tmp_path, monkeypatch):
    monkeypatch.setattr(cube_zarr, "CHUNK", (32, 8, 8))
    monkeypatch.setattr(cube_zarr, "CHUNKS_PER_SHARD", (1, 2, 3))
    data, stat = cubes.values(LARGE)
    data[:32, 16:, :24] = np.nan
    cube = cubes.create(tmp_path / "work.fits", LARGE)
    cube.write_box(0, 0, data, stat)
    cube_zarr.write_cube_store(tmp_path / "c.zarr", cube, None, cubes.wcs(), "field")
    store = xr.open_zarr(tmp_path / "c.zarr", chunks=None)
    np.testing.assert_array_equal(store.data, data)
    np.testing.assert_array_equal(store.stat, stat)
    files = {
        p.relative_to(tmp_path / "c.zarr" / "data").as_posix() for p in (tmp_path / "c.zarr/data").rglob("c/*/*/*")
    }
    # 3 x 2 x 2 shards, but for the one in which there is nothing
    assert files == {f"c/{z}/{y}/{x}" for z in range(3) for y in range(2) for x in range(2)} - {"c/0/1/0"}
