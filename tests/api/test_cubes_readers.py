"""Other programs for Python open our cubes: the product, its export for viewers, and the store."""

import warnings

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.nddata import VarianceUncertainty
from astropy.wcs import WCS

import musedeep
from tests.makers import viewer_cubes

FLUX = 1e-20 * units.erg / units.s / units.cm**2 / units.AA
PLACE = (4, 3, 8)
"""Column, line, plane, from 0; its coordinates:"""
WAVE = 7010.0


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    """By kind a file of each, and the values."""
    directory = tmp_path_factory.mktemp("cubes")
    values = viewer_cubes.write(directory / "product.fits")
    product = musedeep.open_cube(directory / "product.fits")
    product.write(directory / "viewers.fits", viewers=True)
    product.write(directory / "store.zarr")
    musedeep.open_cube(directory / "store.zarr").write(directory / "back.fits")
    return directory, values


@pytest.fixture(params=["product", "viewers", "back"])
def file(cubes, request):
    return cubes[0] / f"{request.param}.fits"


@pytest.fixture
def place(cubes):
    """Right ascension and declination of PLACE [deg], by astropy from the product."""
    wcs = WCS(fits.getheader(cubes[0] / "product.fits", "DATA")).celestial
    return tuple(map(float, wcs.wcs_pix2world(*PLACE[:2], 0)))


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of units and of dates that astropy adds
        yield


def test_mpdaf(cubes, file, place):
    from mpdaf.obj import Cube

    cube = Cube(str(file))
    assert cube.unit == FLUX
    np.testing.assert_array_equal(cube.data.filled(0), np.where(cube.mask, 0, cubes[1]["DATA"]))
    np.testing.assert_array_equal(cube.var.filled(0), np.where(cube.mask, 0, cubes[1]["STAT"]))
    np.testing.assert_array_equal(cube.mask, np.isnan(cubes[1]["DATA"]))
    x, y, z = PLACE
    assert cube.wave.coord(z) == pytest.approx(WAVE, rel=1e-12)
    assert tuple(cube.wcs.pix2sky([y, x])[0][::-1]) == pytest.approx(place, rel=1e-12)


def test_astropy(cubes, file, place):
    with fits.open(file, checksum=True) as hdus:
        sky, wave = WCS(hdus["DATA"].header).pixel_to_world(*PLACE)
        assert (sky.ra.deg, sky.dec.deg) == pytest.approx(place, rel=1e-12)
        assert wave.to_value("Angstrom") == pytest.approx(WAVE, rel=1e-12)
        assert units.Unit(hdus["DATA"].header["BUNIT"]) == FLUX
        if file.stem != "product":
            assert units.Unit(hdus["STAT"].header["BUNIT"]) == FLUX**2


def test_spectral_cube(cubes, file, place):
    from spectral_cube import SpectralCube

    x, y, z = PLACE
    cube = SpectralCube.read(str(file), hdu=1)
    assert cube.unit == FLUX and cube.spectral_axis.to_value("Angstrom")[z] == pytest.approx(WAVE, rel=1e-12)
    np.testing.assert_array_equal(cube.unmasked_data[:].value, cubes[1]["DATA"])
    dec, ra = (axis.to_value("deg") for axis in cube.spatial_coordinate_map)
    assert (ra[y, x], dec[y, x]) == pytest.approx(place, rel=1e-12)


def test_specutils(cubes, file, place):
    from specutils import Spectrum

    x, y, z = PLACE
    spectrum = Spectrum.read(str(file), format="wcs1d-fits", hdu=1)
    assert spectrum.flux.unit == FLUX
    assert spectrum.spectral_axis.to_value("Angstrom")[z] == pytest.approx(WAVE, rel=1e-12)
    assert spectrum.spectral_axis_index == 0
    np.testing.assert_array_equal(spectrum.flux.value, cubes[1]["DATA"])
    assert spectrum.wcs.celestial.pixel_to_world_values(x, y) == pytest.approx(place, rel=1e-12)


def test_ndcube(cubes, file):
    from ndcube import NDCube

    with fits.open(file) as hdus:
        variance = FLUX**2 if file.stem == "product" else units.Unit(hdus["STAT"].header["BUNIT"])
        cube = NDCube(
            hdus["DATA"].data, WCS(hdus["DATA"].header), unit=units.Unit(hdus["DATA"].header["BUNIT"]),
            uncertainty=VarianceUncertainty(hdus["STAT"].data, unit=variance),
        )  # fmt: skip
        part = cube[5:20, 2:9, 3:11]
        assert part.axis_world_coords("em.wl")[0].to_value("Angstrom")[PLACE[2] - 5] == pytest.approx(WAVE, rel=1e-12)
        assert part.unit == FLUX and part.uncertainty.unit == FLUX**2
        np.testing.assert_array_equal(part.data, cubes[1]["DATA"][5:20, 2:9, 3:11])


def test_xarray(cubes, place):
    import pint
    import pint_xarray  # noqa: F401
    import xarray as xr

    x, y, _ = PLACE
    store = xr.open_zarr(cubes[0] / "store.zarr", chunks=None)
    plane = store.sel(wavelength=WAVE)
    np.testing.assert_array_equal(plane.data, cubes[1]["DATA"][PLACE[2]])
    np.testing.assert_array_equal(store.dq, cubes[1]["DQ"])
    np.testing.assert_array_equal(store.white, cubes[1]["white"])
    assert (float(store.ra[y, x]), float(store.dec[y, x])) == pytest.approx(place, rel=1e-12)
    flux = plane.pint.quantify().data.pint.to("erg/s/cm**2/angstrom")
    assert flux.pint.units == pint.application_registry.Unit("erg/s/cm**2/angstrom")
    np.testing.assert_allclose(flux.pint.dequantify(), cubes[1]["DATA"][PLACE[2]] * np.float64(1e-20), rtol=1e-6)
