"""Saturated pixels of raw frames."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.quality.saturation import bright_counts
from tests.makers.raw_frames import extension, raw_image, write_raw


@pytest.mark.parametrize("compress", [False, True])
def test_bright_pixels_of_all_ifus_are_counted(tmp_path, compress):
    images = [raw_image(nx=40, ny=30, seed=k) for k in (1, 2)]
    images[0][10, :7] = 65535
    images[0][11, 5] = 65000
    images[1][60, 40:43] = 64999
    images[1][61, 40] = 50000
    images[1][62, 40] = 49999
    hdus = [extension(image, ifu, 40, 30) for ifu, image in enumerate(images, 1)]
    found = bright_counts(write_raw(tmp_path / "raw.fits", hdus, compress=compress))
    assert found.saturated == 8
    expected = np.zeros(150, int)
    expected[0], expected[-1] = 1, 3
    assert (found.counts == expected).all()


def test_files_that_are_no_raw_frames(tmp_path):
    path = write_raw(tmp_path / "raw.fits", [extension(raw_image(nx=40, ny=30), 1, 40, 30)])
    path.write_bytes(path.read_bytes()[:-30_000])
    with pytest.raises(MusedeepError, match=r"raw\.fits"):
        bright_counts(path)
    with pytest.raises(MusedeepError, match=r"none\.fits"):
        bright_counts(tmp_path / "none.fits")
