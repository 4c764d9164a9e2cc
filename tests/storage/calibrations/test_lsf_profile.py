"""LSF_PROFILE: the coordinates of the cube, and the parameters of the table, of wavelengths in Angstrom."""

import numpy as np
import pytest

from musedeep.kernels.lsf.hermite import N_PARAMETERS, SCALE
from musedeep.storage.calibrations.lsf_profile import hermite_hdu, profile_hdu


def test_a_cube_of_profiles():
    images = np.random.default_rng(1).random((48, 5, 11))
    hdu = profile_hdu(images, np.linspace(-5.0, 5.0, 11), 4650.0, 9300.0)
    header = hdu.header
    np.testing.assert_array_equal(hdu.data, images.astype(np.float32))
    assert header["EXTNAME"] == "LSF_PROFILE"
    assert (header["CRVAL1"], header["CD1_1"], header["CRVAL2"]) == (-5.0, 1.0, 4650.0)
    assert header["CD2_2"] == pytest.approx(4650 / 4)


def test_a_table_of_parameters():
    parameters = np.arange(48.0 * N_PARAMETERS).reshape(48, -1)
    table = hermite_hdu(5, parameters).data
    assert (table["ifu"] == 5).all() and table["slice"].tolist() == list(range(1, 49))
    np.testing.assert_array_equal(table["slit_width"], parameters[:, 0])
    np.testing.assert_allclose(table["lsf_width"] * SCALE ** np.arange(3), parameters[:, 1:4])
    joined = np.concatenate([table[f"hermit{order}"] for order in (3, 4, 5, 6)], axis=1)
    np.testing.assert_allclose(joined * np.tile([1.0, SCALE], 4), parameters[:, 4:])
