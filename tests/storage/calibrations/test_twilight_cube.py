"""TWILIGHT_CUBE: what is written is read back."""

import numpy as np
from astropy.io import fits

from musedeep.storage.calibrations.twilight_cube import Extension, field_hdus, read_twilight_cube
from musedeep.storage.fits.hdus import write_hdus
from musedeep.storage.fits.header_cards import add


def test_a_cube_comes_back(tmp_path):
    data = np.random.default_rng(1).random((3, 4, 5)).astype(np.float32)
    parts = [Extension("DATA", "sky", data, "count"), Extension("white", "sky", data[0], "count", bad=data[0] > 0.5)]
    primary = fits.PrimaryHDU()
    add(primary.header, ("ESO DRS MUSE FLAT FLUX SKY7", 1.5e9), ("ESO DRS MUSE FLAT FLUX SKY12", 2.5e9))
    start = [-150.25, -144.5, 4650.0]
    write_hdus(tmp_path / "cube.fits", fits.HDUList([primary, *field_hdus(parts, start, 250.0)]))
    cube = read_twilight_cube(tmp_path / "cube.fits")
    np.testing.assert_array_equal(cube.data, data)
    assert (cube.start.tolist(), cube.step.tolist()) == (start, [1.0, 1.0, 250.0])
    assert cube.sky_flux == {7: 1.5e9, 12: 2.5e9}
    with fits.open(tmp_path / "cube.fits", checksum=True) as hdus:
        assert [hdu.name for hdu in hdus[1:]] == ["DATA", "white", "white_DQ"]
        np.testing.assert_array_equal(hdus[3].data == 1, data[0] > 0.5)
