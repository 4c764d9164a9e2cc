"""Cubes in Python: parts are read alone, and MPDAF gets what it would read from a file."""

import numpy as np
import pytest
from astropy import units
from astropy.wcs import WCS

import musedeep
from musedeep.errors import MusedeepError
from tests.makers import viewer_cubes


@pytest.fixture(scope="module", params=["c.fits", "c.zarr"])
def made(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("cube")
    values = viewer_cubes.write(directory / "c.fits")
    if request.param == "c.zarr":
        musedeep.open_cube(directory / "c.fits").write(directory / "c.zarr")
    return directory / request.param, values


def test_a_cube(made):
    path, values = made
    cube = musedeep.open_cube(str(path))
    assert cube.path == path and cube.shape == viewer_cubes.SHAPE
    assert cube.names == ("DATA", "STAT", "DQ") and cube.images == ("white",)
    assert (
        repr(cube) == f"<musedeep.Cube {path.name}: 17 x 12 x 40 voxels, 7000.00 to 7048.75 Angstrom, DATA, STAT, DQ>"
    )
    for name, found in (
        ("DATA", cube.data),
        ("STAT", cube.stat),
        ("DQ", cube.read("DQ")),
        ("white", cube.image("white")),
    ):
        assert viewer_cubes.same_bits(found, values[name]) and found.dtype.isnative
    part = cube.read("STAT", slice(3, -2), slice(None, 4), slice(5, None))
    assert viewer_cubes.same_bits(part, values["STAT"][3:-2, :4, 5:])
    assert cube.read(planes=slice(9, 4)).shape == (0, 12, 17)
    assert cube.unit == units.Unit("1e-20 erg / (s cm2 Angstrom)")
    np.testing.assert_allclose(cube.wavelengths, 7000 + 1.25 * np.arange(40))
    assert cube.primary["ESO PRO REC2 ID"] == "muse_exp_combine" and cube.header("STAT")["CRPIX1"] == 5.5
    assert cube.header("white")["CRPIX1"] == 5.5
    sky, wave = cube.wcs.pixel_to_world(4.5, 3.0, 8)
    assert (sky.ra.deg, sky.dec.deg) == pytest.approx((53.16, -27.78), abs=1e-12)
    assert wave.to_value("Angstrom") == pytest.approx(7010.0, rel=1e-12)
    assert cube.celestial.pixel_to_world_values(4.5, 3.0)[0] == pytest.approx(53.16, abs=1e-12)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda cube: cube.read("EXPTIME"), "no extension EXPTIME; there are DATA, STAT, DQ, white"),
        (lambda cube: cube.read("white"), "white is an image"),
        (lambda cube: cube.image("STAT"), "no image STAT; there are white"),
        (lambda cube: cube.header("X"), "no extension X"),
        (lambda cube: cube.read(lines=slice(0, 9, 2)), "has steps"),
        (lambda cube: cube.cutout((53.16, -27.78)), "size of the cutout is none"),
        (lambda cube: cube.cutout(size=3.0), "a cutout with a size needs a centre"),
        (lambda cube: cube.cutout((53.16, -27.78), 1, pixel=(1, 1)), "a cutout has one centre"),
        (lambda cube: cube.write(cube.path), "exists already"),
    ],
)
def test_mistakes(made, what, message):
    with pytest.raises(MusedeepError, match=message):
        what(musedeep.open_cube(made[0]))


def test_a_cube_without_variances(tmp_path):
    viewer_cubes.write(tmp_path / "c.fits", names=("DATA",))
    cube = musedeep.open_cube(tmp_path / "c.fits")
    with pytest.raises(MusedeepError, match="no extension STAT; there are DATA"):
        cube.stat  # noqa: B018
    assert cube.to_mpdaf().var is None


def test_cutouts_of_cutouts(made):
    path, values = made
    part = musedeep.cutout(path, (53.16, -27.78), 1.5, (7010.0, 7020.0))
    assert part.shape == (9, 8, 8)
    again = musedeep.cutout(part, pixel=(2, 3), size=(0.2, 0.6))
    assert again.shape == (9, 3, 1)
    place = np.rint(
        WCS(musedeep.open_cube(path).header()).wcs_world2pix(*again.wcs.wcs_pix2world(0, 0, 0, 0), 0)
    ).astype(int)
    x, y, z = place
    assert viewer_cubes.same_bits(again.data, values["DATA"][z : z + 9, y : y + 3, x : x + 1])


def test_mpdaf_gets_what_it_reads_from_a_file(made, tmp_path):
    from mpdaf.obj import Cube

    part = musedeep.cutout(made[0], (53.16, -27.78), (1.0, 0.8), (7002.0, 7040.0))
    handed, read = part.to_mpdaf(), Cube(str(part.write(tmp_path / "k.fits")))
    assert handed.shape == read.shape == part.shape
    np.testing.assert_array_equal(handed.mask, read.mask)
    assert handed.mask.any() and not handed.mask.all()
    np.testing.assert_array_equal(handed.data.filled(0), read.data.filled(0))
    np.testing.assert_array_equal(handed.var.filled(0), read.var.filled(0))
    assert handed.wcs.isEqual(read.wcs) and handed.wave.isEqual(read.wave) and handed.unit == read.unit
    assert handed.primary_header["ESO PRO REC2 ID"] == "muse_exp_combine"
    # and it can be written by MPDAF, with the same values
    handed.write(str(tmp_path / "m.fits"))
    np.testing.assert_array_equal(Cube(str(tmp_path / "m.fits")).data.filled(0), read.data.filled(0))


def test_without_mpdaf(made, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "mpdaf.obj", None)
    with pytest.raises(MusedeepError, match=r"MPDAF cannot be imported .*; pip install mpdaf"):
        musedeep.open_cube(made[0]).to_mpdaf()


def test_public_names():
    assert set(musedeep.__all__) <= set(dir(musedeep))
    for name in musedeep.__all__:
        assert getattr(musedeep, name).__doc__, name
    with pytest.raises(AttributeError, match="module 'musedeep' has no attribute 'nothing'"):
        musedeep.nothing  # noqa: B018
