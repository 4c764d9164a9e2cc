"""Cutouts: the voxels asked for, with their places on the sky and wavelengths, and nothing else is read."""

from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.reduction.cube.cutout import Region, cut, region_of
from musedeep.storage.cubes import cube_zarr
from musedeep.storage.cubes.content import read_content
from musedeep.storage.cubes.export import write_cube
from tests.makers import cube_pieces, cubes, viewer_cubes

NZ, NY, NX = viewer_cubes.SHAPE


@pytest.fixture(scope="module", params=["c.fits", "c.zarr", "turned.fits"])
def cube(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("cube")
    turned = request.param.startswith("turned")
    values = viewer_cubes.write(directory / "c.fits", wcs=viewer_cubes.TURNED if turned else None)
    path = directory / "c.fits"
    if request.param == "c.zarr":
        path = directory / "c.zarr"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cube_zarr, "CHUNK", (8, 4, 8))
            patch.setattr(cube_zarr, "CHUNKS_PER_SHARD", (1, 2, 2))
            write_cube(read_content(directory / "c.fits"), path)
    return path, values, directory / "c.fits"


@given(data=st.data())
def test_voxels_and_their_places(cube, data, tmp_path_factory):
    path, values, original = cube
    spans = []
    for n in viewer_cubes.SHAPE:
        low = data.draw(st.integers(0, n - 1))
        spans.append((low, data.draw(st.integers(low + 1, n))))
    region = Region(*spans)
    part = cut(read_content(path), region)
    place = tuple(slice(*span) for span in spans)
    for name in ("DATA", "STAT", "DQ"):
        assert viewer_cubes.same_bits(part.arrays[name].read_box(0, region.shape[0]), values[name][place])
    (white,) = part.others
    assert viewer_cubes.same_bits(np.asarray(white.values), values["white"][place[1:]])
    before = WCS(fits.getheader(original, "DATA"))
    pixel = np.array([[1.0, 2.0, 3.0]])
    moved = pixel + [spans[2][0], spans[1][0], spans[0][0]]
    for name in ("DATA", "STAT", "DQ"):
        np.testing.assert_allclose(
            WCS(part.headers[name]).wcs_pix2world(pixel, 0), before.wcs_pix2world(moved, 0), rtol=1e-14
        )
    image = WCS(white.header).wcs_pix2world(pixel[:, :2], 0)
    np.testing.assert_allclose(image, before.celestial.wcs_pix2world(moved[:, :2], 0), rtol=1e-14)


def test_the_centre_is_in_the_middle(cube, tmp_path):
    path, values, original = cube
    content = read_content(path)
    before = WCS(fits.getheader(original, "DATA")).celestial
    sky = before.pixel_to_world(8, 6)
    region = region_of(content, sky=(sky.ra.deg, sky.dec.deg), size=(1.0, 0.6), wavelengths=(7010.0, 7020.0))
    assert region == Region((8, 17), (5, 8), (6, 11))
    assert region == region_of(content, pixel=(9, 7), size=(1.0, 0.6), wavelengths=(7010.0, 7020.0))
    write_cube(cut(content, region), tmp_path / "k.fits")
    with fits.open(tmp_path / "k.fits", checksum=True) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "DATA", "STAT", "DQ", "white"]
        assert viewer_cubes.same_bits(hdus["STAT"].data, values["STAT"][8:17, 5:8, 6:11])
        assert hdus[0].header["ESO PRO REC2 ID"] == "muse_exp_combine"
        assert "planes 9 to 17 of 40" in list(hdus[0].header["HISTORY"])
        found: SkyCoord = WCS(hdus["DATA"].header).celestial.pixel_to_world(2, 1)
        assert found.separation(sky).arcsec < 1e-8


def read_bytes() -> int:
    """Bytes that this process has read by system calls."""
    words = Path("/proc/self/io").read_text().split()
    return int(words[words.index("rchar:") + 1])


@pytest.mark.parametrize("kind", ["fits", "zarr"])
def test_the_rest_is_not_read(tmp_path, kind):
    """Of a region: its bytes of a file, the chunks that it touches of a store; and headers."""
    shape = (64, 256, 256)
    rng = np.random.default_rng(1)
    data = rng.normal(size=shape).astype(np.float32)  # which cannot be compressed
    cube_pieces.write_cube(tmp_path / "c.fits", data, data)
    path = tmp_path / "c.fits"
    if kind == "zarr":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cube_zarr, "CHUNK", (32, 32, 32))
            write_cube(read_content(path), tmp_path / "c.zarr")
        path = tmp_path / "c.zarr"
    whole = sum(p.stat().st_size for p in (path.rglob("*") if path.is_dir() else [path]) if p.is_file())
    region = region_of(read_content(path), pixel=(100, 100), size=(4.0, 4.0), wavelengths=(7000.0, 7037.5))
    assert region.shape == (31, 20, 20)
    before = read_bytes()
    part = cut(read_content(path), region)
    write_cube(part, tmp_path / "k.fits")
    read = read_bytes() - before
    assert viewer_cubes.same_bits(fits.getdata(tmp_path / "k.fits", "DATA"), data[:31, 90:110, 90:110])
    wanted = 2 * 4 * 31 * 20 * 20 if kind == "fits" else 2 * 4 * 32 * 64 * 64
    assert 0.9 * wanted <= read < wanted + 200_000, (wanted, read, whole)  # exponents are compressed by a tenth
    assert read < 0.06 * whole


def test_a_part_beyond_the_field_is_left_out(cube, caplog):
    content = read_content(cube[0])
    region = region_of(content, pixel=(1, 1), size=(1.0, 1.0))
    assert region == Region((0, NZ), (0, 3), (0, 3))
    assert "5 x 5 pixels about pixel 1, 1 reach beyond the field; 3 x 3 of them are in it" in caplog.text


def test_the_smallest_region_has_one_pixel(cube):
    assert region_of(read_content(cube[0]), pixel=(3, 4), size=(1e-9, 1e-9)).shape == (NZ, 1, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sky": (53.3, -27.7), "size": (1, 1)}, r"about RA 53\.300000, DEC -27\.700000 is outside the field, which"),
        ({"sky": (233.16, 27.78), "size": (1, 1)}, "is outside the field"),
        ({"pixel": (-9, 4), "size": (1, 1)}, "about pixel -9, 4 is outside the field"),
        ({"sky": (53.16, -97.7), "size": (1, 1)}, "is no place on the sky"),
        ({"pixel": (3, 4), "size": (0, 0)}, "size of the cutout is 0 x 0; give a positive number of arcsec"),
        ({"pixel": (3, 4), "size": (1, -1)}, "size of the cutout is 1 x -1"),
        ({"pixel": (3, 4), "size": (float("nan"), 1)}, "size of the cutout is nan x 1"),
        ({"pixel": (3, 4)}, "size of the cutout is none"),
        ({"wavelengths": (4000, 5000)}, r"no plane between 4000 and 5000 Angstrom; the cube has 7000\.00 to 7048\.75"),
        ({"wavelengths": (7020, 7010)}, "give the shorter one first"),
        ({"wavelengths": (float("nan"), 7010)}, "give the shorter one first"),
    ],
)  # fmt: skip
def test_regions_that_cannot_be(cube, options, message):
    with pytest.raises(MusedeepError, match=message) as caught:
        region_of(read_content(cube[0]), **options)
    assert str(cube[0]) in str(caught.value) and "\n" not in str(caught.value)


def test_a_logarithmic_axis(tmp_path):
    viewer_cubes.write(tmp_path / "c.fits", wcs=cubes.wcs("AWAV-LOG"))
    content = read_content(tmp_path / "c.fits")
    part = cut(content, region_of(content, wavelengths=(7012.0, 7030.0)))
    waves = 7000.0 * np.exp(1.25 / 7000.0 * np.arange(NZ))
    expected = waves[(waves >= 7012) & (waves <= 7030)]
    pixels = np.column_stack([np.zeros((expected.size, 2)), np.arange(expected.size)])
    found = WCS(part.header).wcs_pix2world(pixels, 0)[:, 2] * 1e10
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_depth_of_a_science_product_is_that_of_the_whole(tmp_path):
    viewer_cubes.write(
        tmp_path / "c.fits", WAVELMIN=700.0, WAVELMAX=704.875, PIXNOISE=1e-20, ABMAGLIM=24.0, SPEC_RES=2.0
    )
    content = read_content(tmp_path / "c.fits")
    primary = cut(content, region_of(content, wavelengths=(7010.0, 7020.0))).primary
    assert (primary["WAVELMIN"], primary["WAVELMAX"]) == (701.0, 702.0)
    assert not {"PIXNOISE", "ABMAGLIM"} & set(primary) and 2000 < primary["SPEC_RES"] < 3500
    assert "PIXNOISE" in content.primary


def test_axes_in_pixels_of_the_field(tmp_path):
    """DATACUBE_SKYFLAT and the like: cut along the wavelength, or not at all."""
    from musedeep.storage.cubes.cube_fits import field_image_header
    from musedeep.storage.cubes.field_grid import PixelWCS

    grid = PixelWCS((1.0, 1.0, 7000.0), 1.25)
    header = field_image_header(grid)
    header.extend(fits.Header(grid.spectral()))
    data = np.zeros((4, 5, 6), np.float32)
    fits.HDUList([fits.PrimaryHDU(header=cube_pieces.primary()), fits.ImageHDU(data, header)]).writeto(
        tmp_path / "c.fits"
    )
    content = read_content(tmp_path / "c.fits")
    assert region_of(content, wavelengths=(7001.0, 7003.0)).shape == (2, 5, 6)
    with pytest.raises(MusedeepError, match="no scale of pixels on the sky"):
        region_of(content, pixel=(2, 2), size=(1, 1))
    with pytest.raises(MusedeepError, match="CTYPE1, CTYPE2 are 'PIXEL', 'PIXEL', which are not on the sky"):
        region_of(content, sky=(2, 2), size=(1, 1))
