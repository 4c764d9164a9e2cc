"""The series of the projection kernels against astropy's WCS."""

import numpy as np
import pytest
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.rows.projection import plane_positions, relative_positions, spectral_coefficients, voxel_positions


def native(xi, eta):
    """Native coordinates as pixel tables hold them, from tangent-plane coordinates [rad]."""
    return np.arctan2(xi, -eta).astype("f4") % np.float32(2 * np.pi), -np.arctan(np.hypot(xi, eta)).astype("f4")


@settings(max_examples=60)
@given(dec=st.floats(-85, 85), shift=st.floats(-0.1, 0.1), seed=st.integers(0, 2**31))
def test_positions_are_those_of_astropy(dec, shift, seed):
    rng = np.random.default_rng(seed)
    xi, eta = rng.uniform(-3e-4, 3e-4, (2, 500))
    phi, theta = native(xi, eta)
    own = WCS(naxis=2)
    own.wcs.ctype, own.wcs.crval, own.wcs.cd = ["RA---TAN", "DEC--TAN"], [150.0 + shift, dec], np.diag([-1.0, 1.0])
    own.wcs.crpix = [1.0, 1.0]
    r = np.tan(-theta.astype(float))
    x, y = np.rad2deg(r * np.sin(phi.astype(float))), np.rad2deg(-r * np.cos(phi.astype(float)))
    ra, decl = own.all_pix2world(-x, y, 0)
    out_ra, out_dec = np.empty((2, 500), np.float32)
    relative_positions(phi, theta, np.deg2rad(dec), shift, 0.0, out_ra, out_dec)
    # rounded to float32 twice
    assert np.abs(out_ra - (ra - 150.0)).max() < 1.5 * np.spacing(np.float32(np.abs(out_ra).max() + abs(shift)))
    assert np.abs(out_dec - (decl - dec)).max() < 1.5 * np.spacing(np.abs(out_dec).max())
    cube = WCS(naxis=2)
    cube.wcs.ctype, cube.wcs.crval, cube.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, dec], [10.5, 20.25]
    cd = np.array([[-5e-5, 1e-5], [1e-5, 5e-5]])
    cube.wcs.cd = cd
    vx, vy = np.empty((2, 500))
    voxel_positions(out_ra, out_dec, 0.0, 0.0, np.deg2rad(dec), np.linalg.inv(cd), np.array([10.5, 20.25]), vx, vy)
    expected = cube.all_world2pix(out_ra.astype(float) + 150.0, out_dec.astype(float) + dec, 0)
    assert np.abs(vx - expected[0]).max() < 1e-6
    assert np.abs(vy - expected[1]).max() < 1e-6


@pytest.mark.parametrize(("ctype", "kind"), [("AWAV", 0), ("WAVE", 2)])
def test_planes_are_linear_in_air_and_vacuum(ctype, kind):
    waves = np.linspace(4750, 9350, 11)
    z = np.empty(11)
    plane_positions(waves, spectral_coefficients(kind, 1.0, 4750.0, 1.25), z)
    vacuum = (z - (waves - 4750.0) / 1.25) * 1.25
    if ctype == "AWAV":
        assert np.abs(vacuum).max() < 1e-9
    else:
        # air to vacuum: 1.32 Angstrom at 4750, 2.57 at 9350 (refractive index 1.000278 .. 1.000275)
        assert vacuum[0] == pytest.approx(1.327, abs=0.01)
        assert vacuum[-1] == pytest.approx(2.565, abs=0.01)
