"""Raw frames: extensions in any order, compressed or not, ports from their keywords, and what is refused."""

import numpy as np
import pytest
from astropy.io import fits
from raw_frames import extension, raw_image, write_raw

from musedeep.errors import MusedeepError
from musedeep.storage.raw_frames import check_same_setup, open_raw_frame, raw_ifus


@pytest.mark.parametrize("compress", [False, True])
def test_an_ifu_is_found_wherever_it_stands(tmp_path, compress):
    images = {ifu: raw_image(seed=ifu) for ifu in (3, 1, 2)}
    path = write_raw(tmp_path / "raw.fits", [extension(i, n) for n, i in images.items()], compress=compress)
    assert raw_ifus(path) == [1, 2, 3]
    for ifu, image in images.items():
        frame = open_raw_frame(path, ifu)
        assert frame.header["ESO DET CHIP NAME"] == f"CHAN{ifu:02d}"
        np.testing.assert_array_equal(frame.read(), image)
        np.testing.assert_array_equal(frame.read(37, 61), image[37:61])


def test_ports_cover_the_image_and_the_overscan_lies_between_them(tmp_path):
    frame = open_raw_frame(write_raw(tmp_path / "raw.fits", [extension(raw_image())]), 1)
    trimmed, used = np.zeros((300, 400), int), np.zeros(frame.shape, int)
    for port in frame.ports:
        trimmed[port.trimmed_rows, port.trimmed_columns] += 1
        used[port.rows, port.columns] += 1
        used[port.vertical_overscan(0)] += 1
        used[port.horizontal_overscan(0)] += 1
        rows, columns = port.vertical_overscan(3)
        assert (columns.stop - columns.start, rows.stop - rows.start) == (29, 182)
    assert (trimmed == 1).all()
    # the outer 32 pixels are prescan
    assert (used[32:-32, 32:-32] == 1).all() and used.sum() == (used.shape[0] - 64) * (used.shape[1] - 64)
    low_left = frame.ports[0]
    assert (low_left.rows, low_left.columns) == (slice(32, 182), slice(32, 232))
    assert low_left.vertical_overscan(3)[1] == slice(235, 264)
    assert frame.ports[2].vertical_overscan(3)[1] == slice(264, 293)


def test_what_is_no_raw_frame_is_refused(tmp_path):
    path = write_raw(tmp_path / "raw.fits", [extension(raw_image())])
    with pytest.raises(MusedeepError, match="no extension CHAN07"):
        open_raw_frame(path, 7)
    with pytest.raises(MusedeepError, match="no such file"):
        open_raw_frame(tmp_path / "none.fits", 1)
    (tmp_path / "empty.fits").touch()
    with pytest.raises(MusedeepError, match="empty file"):
        open_raw_frame(tmp_path / "empty.fits", 1)
    (tmp_path / "text.fits").write_text("no FITS\n" * 500)
    with pytest.raises(MusedeepError, match="no FITS header at byte 0"):
        open_raw_frame(tmp_path / "text.fits", 1)
    cut = tmp_path / "cut.fits"
    cut.write_bytes(path.read_bytes()[:100000])
    with pytest.raises(MusedeepError, match=r"truncated.*CHAN01"):
        open_raw_frame(cut, 1)
    missing = write_raw(tmp_path / "missing.fits", [extension(raw_image(), cards={"ESO DET OUT2 GAIN": None})])
    with pytest.raises(MusedeepError, match="no number in ESO DET OUT2 GAIN"):
        open_raw_frame(missing, 1)


def test_frames_of_another_chip_or_mode_are_refused(tmp_path):
    one = open_raw_frame(write_raw(tmp_path / "1.fits", [extension(raw_image())]), 1)
    for name, value in (("CHIP ID", "other"), ("READ CURID", 3), ("BINX", 2)):
        path = write_raw(tmp_path / f"{value}.fits", [extension(raw_image(), cards={f"ESO DET {name}": value})])
        with pytest.raises(MusedeepError, match=f"ESO DET {name} is {value}"):
            check_same_setup([one, open_raw_frame(path, 1)])
    check_same_setup([one, one])


def test_other_types_of_pixels_are_read_too(tmp_path):
    image = raw_image()
    hdu = extension(image)
    wide = fits.ImageHDU(image.astype(np.int32), hdu.header)
    np.testing.assert_array_equal(open_raw_frame(write_raw(tmp_path / "wide.fits", [wide]), 1).read(), image)
