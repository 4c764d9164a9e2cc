import numpy as np
from astropy.io import fits

from musedeep.storage.cubes.exposure_map import ExposureMapFile
from tests.makers import cubes

SHAPE = (5, 4, 3)


def test_map_has_numbers_seconds_and_their_means(tmp_path):
    number = np.random.default_rng(1).integers(0, 300, SHAPE).astype(np.uint16)
    seconds = (number * 1500.0).astype(np.float32)
    ExposureMapFile.create(tmp_path / "work.fits", SHAPE, cubes.primary(), cubes.wcs())
    one = ExposureMapFile.reopen(tmp_path / "work.fits")
    for y in range(SHAPE[1]):
        one.write_box(0, y, number[:, y : y + 1], seconds[:, y : y + 1])
    one.collapse()
    one.finish(tmp_path / "EXPOSURE_MAP.fits")
    with fits.open(tmp_path / "EXPOSURE_MAP.fits", checksum=True) as hdus:
        hdus.verify("exception")
        assert [h.name for h in hdus[1:]] == ["EXPOSURES", "EXPTIME", "EXPOSURES_IMAGE", "EXPTIME_IMAGE"]
        np.testing.assert_array_equal(hdus["EXPOSURES"].data, number)
        np.testing.assert_array_equal(hdus["EXPTIME"].data, seconds)
        np.testing.assert_allclose(hdus["EXPTIME_IMAGE"].data, seconds.mean(0), rtol=1e-6)
        assert hdus["EXPTIME"].header["BUNIT"] == "s"
        assert "CTYPE3" not in hdus["EXPTIME_IMAGE"].header
