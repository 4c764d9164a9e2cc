"""LSF_PROFILE: the coordinates of the cube, and the parameters of the table, of wavelengths in Angstrom."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.kernels.lsf.hermite import N_PARAMETERS, SCALE, hermite_profiles
from musedeep.storage.calibrations.lsf_profile import hermite_hdu, profile_hdu, read_lsf_profile, read_lsf_profiles


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


def lsf_file(path, ifu, images, **names):
    hdu = profile_hdu(images, np.linspace(-5.0, 5.0, images.shape[2]), 4650.0, 9300.0)
    hdu.header.update(names)
    fits.HDUList([fits.PrimaryHDU(header=fits.Header([("EXTNAME", f"CHAN{ifu:02d}")])), hdu]).writeto(path)
    return path


def test_profiles_of_some_ifus_are_read(tmp_path):
    images = np.random.default_rng(2).random((2, 48, 4, 9)).astype(np.float32)
    paths = [lsf_file(tmp_path / f"{k}.fits", k + 3, images[k]) for k in (1, 0)]
    found = read_lsf_profiles(paths, (3, 4))
    for k, ifu in enumerate((3, 4)):
        assert found[ifu].ifu == ifu
        np.testing.assert_array_equal(found[ifu].images, images[k])
        np.testing.assert_allclose(found[ifu].offsets, np.linspace(-5.0, 5.0, 9))
        np.testing.assert_allclose(found[ifu].wavelengths, np.linspace(4650.0, 9300.0, 4))
    with pytest.raises(MusedeepError, match=r"no LSF_PROFILE of IFU 5 \(CHAN05\), only of CHAN04, CHAN03"):
        read_lsf_profiles(paths, (3, 5))


def test_many_ifus_in_one_file(tmp_path):
    images = np.random.default_rng(2).random((2, 48, 4, 9)).astype(np.float32)
    made = [profile_hdu(one, np.linspace(-5.0, 5.0, 9), 4650.0, 9300.0) for one in images]
    for k, hdu in enumerate(made):
        hdu.header["EXTNAME"] = f"CHAN{k + 3:02d}"
    fits.HDUList([fits.PrimaryHDU(), *made]).writeto(tmp_path / "x.fits")
    np.testing.assert_array_equal(read_lsf_profile(tmp_path / "x.fits", 4).images, images[1])


def test_profiles_of_a_table_of_parameters(tmp_path):
    parameters = np.tile([1.25, 0.9, 0.1, 0.0, 0.02, 0.0, 0.01, 0.0, 0.0, 0.0, 0.0, 0.0], (48, 1))
    parameters[7] = np.nan
    fits.HDUList([fits.PrimaryHDU(), hermite_hdu(5, parameters)]).writeto(tmp_path / "x.fits")
    found = read_lsf_profile(tmp_path / "x.fits", 5)
    expected = hermite_profiles(parameters[0], found.wavelengths, found.offsets)
    np.testing.assert_allclose(found.images[3], expected, atol=1e-12)
    assert not found.images[7].any()


def test_what_is_no_profile(tmp_path):
    with pytest.raises(MusedeepError, match="not finite or all 0"):
        read_lsf_profile(lsf_file(tmp_path / "a.fits", 1, np.zeros((48, 4, 9))), 1)
    with pytest.raises(MusedeepError, match="profiles of 47 slices"):
        read_lsf_profile(lsf_file(tmp_path / "b.fits", 1, np.ones((47, 4, 9))), 1)
    with pytest.raises(MusedeepError, match="CD2_2 is 0"):
        read_lsf_profile(lsf_file(tmp_path / "c.fits", 1, np.ones((48, 4, 9)), CD2_2=0.0), 1)
    fits.PrimaryHDU(np.ones((3, 3))).writeto(tmp_path / "d.fits")
    with pytest.raises(MusedeepError, match="give an LSF_PROFILE"):
        read_lsf_profile(tmp_path / "d.fits", 1)
