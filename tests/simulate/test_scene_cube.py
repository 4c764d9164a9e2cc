"""A user's cube as scene."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from musedeep.errors import MusedeepError
from musedeep.instrument import COLLECTING_AREA
from musedeep.kernels.field.tangent import tangent_offsets
from musedeep.simulate.atmosphere import Atmosphere
from musedeep.simulate.scene import make_scene, scene_components
from musedeep.simulate.scene_cube import SceneCube, read_scene_cube
from musedeep.simulate.templates import vacuum_of_air

CLEAR = Atmosphere(with_extinction=False, with_telluric=False)
UNIT = "10**(-20)*erg/s/cm**2/Angstrom"


def header(angle: float = 0.0) -> fits.Header:
    """0.2 arcsec, turned by an angle in degrees, and wavelengths from 5000 Angstrom."""
    step, turn = 0.2 / 3600.0, np.radians(angle)
    cards = {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CTYPE3": "AWAV",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CUNIT3": "Angstrom",
        "CRPIX1": 40.0,
        "CRPIX2": -7.0,
        "CRPIX3": 1.0,
        "CRVAL1": 53.16,
        "CRVAL2": -27.78,
        "CRVAL3": 5000.0,
        "CD1_1": -step * np.cos(turn),
        "CD1_2": step * np.sin(turn),
        "CD2_1": step * np.sin(turn),
        "CD2_2": step * np.cos(turn),
        "CD3_3": 1.25,
        "BUNIT": UNIT,
    }
    return fits.Header(cards.items())


def write(path: Path, data: np.ndarray, cards: fits.Header) -> Path:
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data.astype(np.float32), cards, "DATA")]).writeto(path)
    return path


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(1).normal(100.0, 20.0, (8, 6, 9))


@pytest.fixture
def cube(tmp_path: Path, values: np.ndarray) -> SceneCube:
    return read_scene_cube(write(tmp_path / "cube.fits", values, header(25.0)))


def test_at_the_middle_of_a_voxel_the_cube_is_what_it_was(cube: SceneCube, values: np.ndarray) -> None:
    wcs = WCS(header(25.0)).celestial
    for plane, row, column in ((0, 0, 0), (3, 2, 4), (7, 5, 8)):
        xi, eta = tangent_offsets(*wcs.pixel_to_world_values(column, row), cube.ra, cube.dec)
        flux = cube.flux(xi, eta, np.array(5000.0 + 1.25 * plane))
        assert flux == pytest.approx(values[plane, row, column] * 1e-20 / 0.04, rel=1e-4)


def test_between_voxels_it_is_interpolated_and_outside_it_is_dark(cube: SceneCube, values: np.ndarray) -> None:
    # the middle of the cube lies between two rows
    flux = cube.flux(np.zeros(3), np.zeros(3), np.array([5000.625, 4990.0, 5020.0])) / 25e-20
    assert flux[0] == pytest.approx(values[0:2, 2:4, 4].mean(), rel=1e-4)
    assert not flux[1:].any()
    assert cube.radius == pytest.approx(0.1 * np.hypot(6, 9), rel=1e-4)
    assert cube.flux(np.array(1.0), np.array(1.0), np.array(5003.0)) == 0.0


def test_photons_are_those_counted_by_hand(tmp_path: Path) -> None:
    path = write(tmp_path / "flat.fits", np.full((8, 6, 9), 40.0), header())
    (light,) = scene_components(make_scene(str(path)), CLEAR)
    # 40e-20 in 0.04 arcsec2 are 1e-17 an arcsec2; hc/lambda of 5005 A is 3.96895e-12 erg
    rate = light.sample(np.zeros((2, 1)), np.zeros((1, 3)), np.full((2, 3), 5005.0))
    assert rate.shape == (2, 3)
    np.testing.assert_allclose(rate, 1e-17 / 3.96895e-12 * COLLECTING_AREA, rtol=1e-4)
    assert light.bounds() == pytest.approx((0.0, 0.0, 0.1 * np.hypot(6, 9)), rel=1e-4)


def test_air_and_velocity_act_on_the_cube(tmp_path: Path) -> None:
    data = np.zeros((200, 4, 4))
    data[100] = 1.0
    path = write(tmp_path / "line.fits", data, header())
    air = Atmosphere(airmass=1.5, transparency=0.5, with_telluric=False)
    (light,) = scene_components(make_scene(str(path)), air, velocity_km_s=100.0)
    wavelength = np.arange(5120.0, 5130.0, 0.01)
    rate = light.sample(np.zeros(1), np.zeros(1), wavelength)
    assert wavelength[rate.argmax()] * (1.0 + 100.0 / 299792.458) == pytest.approx(5125.0, abs=0.02)
    expected = 25e-20 * 5125.0 * 5.03412e7 * COLLECTING_AREA * float(air.transmission(np.array(5125.0)))
    assert rate.max() == pytest.approx(expected, rel=0.01)


def test_a_scene_stands_where_its_cube_does_unless_it_is_put_elsewhere(tmp_path: Path, values: np.ndarray) -> None:
    path = write(tmp_path / "cube.fits", values, header())
    scene, moved = make_scene(str(path)), make_scene(str(path), ra=10.0, dec=5.0)
    ra, dec = WCS(header()).celestial.pixel_to_world_values(4.0, 2.5)
    assert (scene.ra, scene.dec) == pytest.approx((float(ra), float(dec)))
    assert (moved.ra, moved.dec) == (10.0, 5.0)
    assert not scene.sources


def test_wavelengths_of_vacuum(tmp_path: Path, values: np.ndarray) -> None:
    cards = header()
    cards["CTYPE3"] = "WAVE"
    cube = read_scene_cube(write(tmp_path / "vacuum.fits", values, cards))
    air = 5003.75 - float(vacuum_of_air(np.array(5003.75)) - 5003.75)
    plane = cube.flux(np.zeros(1), np.zeros(1), np.array([air])) / 25e-20
    assert plane[0] == pytest.approx(values[3, 2:4, 4].mean(), rel=1e-3)


@pytest.mark.parametrize("unit", [UNIT, "10**-20 Angstrom-1 cm-2 erg s-1", "1e-20 erg / (Angstrom cm2 s)"])
def test_units_that_are_met(tmp_path: Path, values: np.ndarray, unit: str) -> None:
    cards = header()
    cards["BUNIT"] = unit
    assert read_scene_cube(write(tmp_path / "cube.fits", values, cards)).scale == pytest.approx(25e-20, rel=1e-4)


def test_it_travels_to_another_process(cube: SceneCube) -> None:
    place = np.zeros(1), np.zeros(1), np.array([5003.0])
    expected = cube.flux(*place)
    text = pickle.dumps(cube)
    assert len(text) < 4000
    np.testing.assert_array_equal(pickle.loads(text).flux(*place), expected)


def test_nan_is_filled_from_the_neighbours_when_asked(tmp_path: Path, values: np.ndarray) -> None:
    values[:] = 7.0
    values[3, 2, 4] = np.nan
    values[:, :, 0:2] = np.nan
    path = write(tmp_path / "holes.fits", values, header())
    cube = make_scene(str(path), fill_nan=True).cube
    assert cube is not None
    near = cube.flux(np.array(0.0), np.array(-0.05), np.array(5003.6)) / 25e-20
    assert near == pytest.approx(7.0, rel=1e-4)
    assert cube.flux(np.array(0.78), np.array(0.0), np.array(5003.6)) == 0.0


def without(*names: str) -> Callable[[fits.Header, np.ndarray], None]:
    def remove(cards: fits.Header, data: np.ndarray) -> None:
        for name in names:
            del cards[name]

    return remove


def with_card(name: str, value: object) -> Callable[[fits.Header, np.ndarray], None]:
    return lambda cards, data: cards.set(name, value)


def with_nan(cards: fits.Header, data: np.ndarray) -> None:
    data[2, 1, 1:4] = np.nan


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (with_nan, r"3 of 432 values are NaN.*--fill-nan"),
        (without("CTYPE1", "CTYPE2"), "has no WCS"),
        (without("CTYPE3"), "has no wavelengths"),
        (with_card("CTYPE3", "VELO"), "CTYPE3 is 'VELO'"),
        (with_card("CUNIT3", "s"), "CUNIT3 's'"),
        (with_card("CD3_3", -1.25), "wavelengths must rise"),
        (without("BUNIT"), "BUNIT '' is no flux density"),
        (with_card("BUNIT", "count"), "BUNIT 'count'"),
        (with_card("BUNIT", "10**(-20)*erg/s/cm**2/parsecs"), "is no flux density"),
    ],
)
def test_cubes_that_are_refused(
    tmp_path: Path, values: np.ndarray, spoil: Callable[[fits.Header, np.ndarray], None], words: str
) -> None:
    cards = header()
    spoil(cards, values)
    path = write(tmp_path / "bad.fits", values, cards)
    with pytest.raises(MusedeepError, match=words) as error:
        make_scene(str(path))
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_files_that_are_no_cubes_are_refused(tmp_path: Path) -> None:
    image = tmp_path / "image.fits"
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(image)
    text = tmp_path / "text.fits"
    text.write_text("no FITS at all")
    cut = write(tmp_path / "cut.fits", np.zeros((50, 20, 20)), header())
    cut.write_bytes(cut.read_bytes()[:20000])
    none = tmp_path / "none.fits"
    for path, words in (
        (image, "has no cube"),
        (text, "no FITS header"),
        (cut, "truncated"),
        (none, "no such file"),
    ):
        with pytest.raises(MusedeepError, match=words) as error:
            make_scene(str(path))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_scaled_cubes_are_read_as_they_are_meant(tmp_path: Path, values: np.ndarray, kind: type) -> None:
    plain = write(tmp_path / "plain.fits", np.round(values), header())
    with fits.open(plain) as hdus:
        hdus["DATA"].data = np.round(values).astype(kind)
        hdus.writeto(tmp_path / "whole.fits")
    assert (fits.getheader(tmp_path / "whole.fits", "DATA").get("BZERO") == 32768) == (kind is np.uint16)
    one, other = (read_scene_cube(tmp_path / name) for name in ("plain.fits", "whole.fits"))
    np.testing.assert_array_equal(np.asarray(one.values(), float), np.asarray(other.values(), float))
