"""Cubes to stores, back, and for viewers: the same bits, the same headers, and nothing half-written."""

import errno
import os
import shutil
import subprocess
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.cubes import cube_zarr, export
from musedeep.storage.cubes.content import read_content
from musedeep.storage.cubes.export import write_cube
from musedeep.storage.cubes.exposure_map import ExposureMapFile
from tests.makers import cube_pieces, cubes, viewer_cubes

CHANGED = {"CHECKSUM", "DATASUM", "DATAMD5", "DATE", "PIPEFILE", "HISTORY"}


def converted(source: Path, target: Path, **options) -> Path:
    write_cube(read_content(source), target, **options)
    return target


def cards(header: fits.Header) -> set[tuple[str, object, str]]:
    """All but what a new file has anew; comments of the structure are those of each program."""
    structure = ("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "EXTEND", "PCOUNT", "GCOUNT")
    return {
        (c.keyword, c.value, "" if c.keyword.startswith(structure) else c.comment)
        for c in header.cards
        if c.keyword not in CHANGED
    }


@pytest.mark.parametrize("small_chunks", [False, True])
def test_a_file_comes_back_from_a_store(tmp_path, monkeypatch, small_chunks):
    if small_chunks:
        monkeypatch.setattr(cube_zarr, "CHUNK", (8, 4, 8))
        monkeypatch.setattr(cube_zarr, "CHUNKS_PER_SHARD", (1, 2, 1))
    values = viewer_cubes.write(tmp_path / "c.fits")
    converted(tmp_path / "c.fits", tmp_path / "c.zarr")
    back = converted(tmp_path / "c.zarr", tmp_path / "back.fits")
    with fits.open(tmp_path / "c.fits") as before, fits.open(back, checksum=True) as after:
        assert [hdu.name for hdu in after] == ["PRIMARY", "DATA", "STAT", "DQ", "white"]
        for one, other in zip(before, after, strict=True):
            if other.data is not None:
                assert viewer_cubes.same_bits(values[other.header["EXTNAME"]], other.data)
            lost, new = cards(one.header) - cards(other.header), cards(other.header) - cards(one.header)
            if one.name == "STAT":  # astropy does not parse that of the pipelines
                assert lost == {("BUNIT", "(10**(-20)*erg/s/cm**2/Angstrom)**2", "")}
                assert new == {("BUNIT", "10**-40 erg2 Angstrom-2 s-2 cm-4", "")}
            else:
                assert not lost and not new


def test_a_store_of_a_recipe_becomes_a_file(tmp_path):
    """It has the exposure map, and no headers but that of DATA."""
    shape = (40, 6, 9)
    data, stat = cubes.values(shape)
    cube = cubes.create(tmp_path / "work.fits", shape)
    cube.write_box(0, 0, data, stat)
    number = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    exposures = ExposureMapFile.create(tmp_path / "map.fits", shape, cubes.primary(), cubes.wcs())
    exposures.write_box(0, 0, number, number.astype(np.float32) * 10)
    exposures.collapse()
    cube_zarr.write_cube_store(
        tmp_path / "c.zarr", cube, exposures, cubes.wcs(), "field", primary=cube_pieces.primary()
    )
    made = converted(tmp_path / "c.zarr", tmp_path / "c.fits")
    with fits.open(made, checksum=True) as hdus:
        assert [hdu.name for hdu in hdus[1:]] == [
            "DATA", "STAT", "EXPOSURES", "EXPTIME", "EXPOSURES_IMAGE", "EXPTIME_IMAGE",
        ]  # fmt: skip
        np.testing.assert_array_equal(hdus["DATA"].data, data)
        np.testing.assert_array_equal(hdus["STAT"].data, stat)
        np.testing.assert_array_equal(hdus["EXPOSURES"].data, number)
        np.testing.assert_allclose(hdus["EXPTIME_IMAGE"].data, 10.0 * number.mean(0), rtol=1e-6)
        assert hdus[0].header["ESO PRO REC2 ID"] == "muse_exp_combine"
        assert hdus["STAT"].header["CRVAL3"] == hdus["EXPTIME"].header["CRVAL3"] == 7000.0
        assert hdus["EXPTIME_IMAGE"].header["CRPIX1"] == 5.5 and "CRPIX3" not in hdus["EXPTIME_IMAGE"].header
    again = xr.open_zarr(converted(made, tmp_path / "again.zarr"), chunks=None)
    first = xr.open_zarr(tmp_path / "c.zarr", chunks=None)
    assert set(again.variables) == set(first.variables)
    for name in first.variables:
        assert again[name].dtype == first[name].dtype and again[name].equals(first[name]), name
        assert again[name].attrs.get("units") == first[name].attrs.get("units")


def test_pint_knows_the_units_of_a_store(tmp_path):
    import pint
    import pint_xarray  # noqa: F401

    viewer_cubes.write(tmp_path / "c.fits")
    converted(tmp_path / "c.fits", tmp_path / "c.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store = xr.open_zarr(tmp_path / "c.zarr", chunks=None)
    quantities = store.pint.quantify()
    one = pint.application_registry
    flux = quantities.data.pint.units
    assert (1.0 * flux).to("erg/s/cm**2/angstrom").magnitude == pytest.approx(1e-20, rel=1e-12)
    variance = quantities.stat.pint.units
    assert (1.0 * variance).to("(erg/s/cm**2/angstrom)**2").magnitude == pytest.approx(1e-40, rel=1e-12)
    assert quantities.wavelength.attrs.get("units", "") in ("", one.Unit("angstrom"))
    assert store.wavelength.attrs["standard_name"] == "radiation_wavelength"
    assert store.data.attrs["ancillary_variables"] == "stat dq"
    assert store.attrs["Conventions"] == "CF-1.11"
    assert "muse_exp_combine" in store.attrs["fits_primary"]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("source", ["c.fits", "c.zarr"])
def test_for_viewers_the_values_and_places_are_the_same(tmp_path, turned, source):
    from astropy.wcs import WCS

    values = viewer_cubes.write(tmp_path / "c.fits", wcs=viewer_cubes.TURNED if turned else None, table=True)
    if source == "c.zarr":
        converted(tmp_path / "c.fits", tmp_path / source)
    made = converted(tmp_path / source, tmp_path / "v.fits", viewers=True)
    with fits.open(tmp_path / "c.fits") as before, fits.open(made, checksum=True) as after:
        assert [hdu.name for hdu in after] == [hdu.name for hdu in before][: None if source == "c.fits" else 5]
        for name, array in values.items():
            assert viewer_cubes.same_bits(array, after[name].data)
        for name in ("DATA", "STAT", "white"):
            header = after[name].header
            assert not [key for key in header if key.startswith("CD") and not key.startswith("CDELT")]
            assert header["WCSAXES"] == header["NAXIS"] and header["RADESYS"] == "FK5"
            pixel = [3.0, 4.0, 5.0][: header["NAXIS"]]
            one, other = WCS(before[name].header), WCS(header)
            np.testing.assert_allclose(
                other.wcs_pix2world([pixel], 0), one.wcs_pix2world([pixel], 0), rtol=1e-14, atol=0
            )
        assert after["DATA"].header["SPECSYS"] == "BARYCENT" and "SPECSYS" not in after["white"].header
        if source == "c.fits":
            np.testing.assert_array_equal(after["SOURCES"].data["x"], [0, 1, 2])


def test_a_table_has_no_place_in_a_store(tmp_path, caplog):
    viewer_cubes.write(tmp_path / "c.fits", table=True)
    converted(tmp_path / "c.fits", tmp_path / "c.zarr")
    assert "a store has no place for SOURCES: left out" in caplog.text


def test_a_cube_of_another_instrument_without_variances(tmp_path, caplog):
    viewer_cubes.write(tmp_path / "c.fits", names=("DATA",), INSTRUME="KCWI")
    converted(tmp_path / "c.fits", tmp_path / "v.fits", viewers=True)
    assert "INSTRUME is 'KCWI', expected MUSE; its DATA are taken for such a cube" in caplog.text
    assert "no extension STAT (variances); neither has v.fits" in caplog.text
    converted(tmp_path / "c.fits", tmp_path / "c.zarr")
    assert read_content(tmp_path / "c.zarr").arrays.keys() == {"DATA"}


def test_memory_does_not_grow_with_the_cube(tmp_path, monkeypatch):
    monkeypatch.setattr("musedeep.storage.cubes.voxels.BAND_BYTES", 1 << 18)
    monkeypatch.setattr("musedeep.storage.cubes.voxels.CHUNK_BYTES", 1 << 20)
    shape = (256, 64, 64)
    viewer_cubes.write(tmp_path / "c.fits", shape, names=("DATA", "STAT"), image=False)
    converted(tmp_path / "c.fits", tmp_path / "c.zarr")
    for target in ("v.fits", "d.zarr", "e.fits"):
        source = "c.zarr" if target == "e.fits" else "c.fits"
        tracemalloc.start()
        converted(tmp_path / source, tmp_path / target)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 0.75 * 4 * np.prod(shape), target  # of 2 arrays of that size


def test_outputs_that_exist_are_not_replaced(tmp_path):
    viewer_cubes.write(tmp_path / "c.fits")
    for name in ("v.fits", "c.zarr"):
        converted(tmp_path / "c.fits", tmp_path / name)
        with pytest.raises(MusedeepError, match=f"{name}: exists already; give another name, or --overwrite"):
            converted(tmp_path / "c.fits", tmp_path / name)
        converted(tmp_path / "c.fits", tmp_path / name, overwrite=True)
    (tmp_path / "d.fits").mkdir()
    with pytest.raises(MusedeepError, match=r"d\.fits: is a directory and is not replaced"):
        converted(tmp_path / "c.fits", tmp_path / "d.fits", overwrite=True)


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("v.zarr", {"viewers": True}, "viewers read files, not stores"),
        ("v.fits.gz", {}, "no packed file is written"),
        ("none/v.fits", {}, "the directory .* does not exist"),
    ],
)
def test_outputs_that_cannot_be(tmp_path, target, options, message):
    viewer_cubes.write(tmp_path / "c.fits")
    with pytest.raises(MusedeepError, match=message):
        converted(tmp_path / "c.fits", tmp_path / target, **options)


def test_a_lost_chunk(tmp_path):
    viewer_cubes.write(tmp_path / "c.fits")
    converted(tmp_path / "c.fits", tmp_path / "c.zarr")
    (tmp_path / "c.zarr/stat/c/0/0/0").unlink()
    with pytest.raises(MusedeepError, match=r"c\.zarr: chunk stat/c/0/0/0 is lost \(1 in all\); copy or make"):
        converted(tmp_path / "c.zarr", tmp_path / "v.fits")
    assert not (tmp_path / "v.fits").exists()


def test_a_damaged_chunk(tmp_path):
    viewer_cubes.write(tmp_path / "c.fits")
    converted(tmp_path / "c.fits", tmp_path / "c.zarr")
    chunk = tmp_path / "c.zarr/data/c/0/0/0"
    chunk.write_bytes(bytes(len(chunk.read_bytes())))
    with pytest.raises(MusedeepError, match=r"c\.zarr: planes 1 to 32 of data cannot be read"):
        converted(tmp_path / "c.zarr", tmp_path / "v.fits")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.fits", "c.zarr"]


@pytest.mark.parametrize("target", ["v.fits", "v.zarr"])
def test_a_full_disk(tmp_path, monkeypatch, target):
    viewer_cubes.write(tmp_path / "c.fits")
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
        with pytest.raises(MusedeepError, match=f"0 MiB free, {target} needs about"):
            converted(tmp_path / "c.fits", tmp_path / target)

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(export, "write_planes" if target == "v.fits" else "write_coordinates", full)
    with pytest.raises(MusedeepError, match=f"disk full while writing {target}"):
        converted(tmp_path / "c.fits", tmp_path / target)
    assert [p.name for p in tmp_path.iterdir()] == ["c.fits"]


@pytest.mark.parametrize("target", ["v.fits", "v.zarr"])
def test_a_small_disk(tmp_path, monkeypatch, target):
    """A real one, which gets full while the cube is written: nothing is left on it."""
    viewer_cubes.write(tmp_path / "c.fits")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        monkeypatch.setattr(export, "check_space", lambda path, need: None)
        with pytest.raises(MusedeepError, match=f"disk full while writing {target}"):
            converted(tmp_path / "c.fits", disk / target)
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)
