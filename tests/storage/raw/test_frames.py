"""Raw frames: extensions in any order, compressed or not, ports from their keywords, and what is refused."""

import gzip

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.ifu_files import OtherIfu
from musedeep.storage.raw.frames import check_same_setup, open_raw_frame, raw_ifus
from tests.makers.raw_frames import extension, raw_image, write_raw


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


def stored(image):
    """The extension of an image whose stored values are those given."""
    cards = extension(raw_image()).header.cards
    return fits.ImageHDU(image, fits.Header([c for c in cards if c.keyword not in ("BZERO", "BSCALE")]))


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.float32, np.float64, np.uint32])
@pytest.mark.parametrize("packed", [False, True])
def test_other_types_of_pixels_are_read_too(tmp_path, kind, packed):
    image = raw_image()
    image[3, 5], image[4, 5] = 65535, 0
    path = write_raw(tmp_path / "other.fits", [extension(raw_image(seed=2), 2), stored(image.astype(kind))])
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes(), 1))
    frame = open_raw_frame(path, 1)
    assert frame.read().dtype == np.uint16
    np.testing.assert_array_equal(frame.read(), image)


@pytest.mark.parametrize(
    ("value", "kind"), [(-1, np.int32), (65536, np.int32), (np.nan, np.float32), (1200.5, np.float32), (-5, np.int16)]
)
def test_values_that_are_no_counts_are_refused(tmp_path, value, kind):
    image = (raw_image() // 2).astype(kind)
    image[10:12, 7] = value
    path = write_raw(tmp_path / "other.fits", [stored(image)])
    with pytest.raises(MusedeepError, match=r"other\.fits: CHAN01 has 2 pixels that are no integers from 0 to 65535"):
        open_raw_frame(path, 1)


@pytest.mark.parametrize(
    ("replaced", "name", "value", "message"),
    [
        ("BSCALE", "BSCALE", 4, r"\d+ pixels"),
        ("BSCALE", "BLANK", -30000, "3 pixels"),
        ("BZERO", "BZERO", 32768.5, r"\d+ pixels"),
    ],
)
def test_scaled_pixels_and_those_without_a_value_are_refused(tmp_path, replaced, name, value, message):
    image = np.maximum(raw_image(), 10)
    image[5, 6:9] = 32768 - 30000
    path = write_raw(tmp_path / "raw.fits", [extension(image)])
    raw = path.read_bytes()
    # in the place of a card of the same length
    at = raw.index(f"{replaced:8}=".encode(), raw.index(b"XTENSION"))
    path.write_bytes(raw[:at] + f"{name:8}= {value:>20}".encode().ljust(80) + raw[at + 80 :])
    with pytest.raises(MusedeepError, match=rf"raw\.fits: CHAN01 has {message}"):
        open_raw_frame(path, 1)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("OUT2 GAIN", 0.0, "OUT2 GAIN is 0"), ("OUT3 GAIN", "high", "no number in ESO DET OUT3 GAIN"),
        ("OUT1 PRSCX", -32, "OUT1 PRSCX is -32"), ("OUT1 NY", 149.5, "OUT1 NY is 149.5"),
        ("OUT4 OVSCY", 30, r"428 rows do not fit the read-out of port 4 \(ESO DET OUT4 NY, PRSCY, OVSCY\)"),
        ("OUT2 NX", 90, "528 columns do not fit the read-out of port 2"), ("OUT2 X", 1, "no four equal quadrants"),
    ],
)  # fmt: skip
def test_ports_that_make_no_sense_are_refused(tmp_path, key, value, message):
    path = write_raw(tmp_path / "raw.fits", [extension(raw_image(), cards={f"ESO DET {key}": value})])
    with pytest.raises(MusedeepError, match=rf"raw\.fits, CHAN01: .*{message}"):
        open_raw_frame(path, 1)


def test_another_ifu_has_its_own_type_of_error(tmp_path):
    path = write_raw(tmp_path / "raw.fits", [extension(raw_image(), 4)])
    with pytest.raises(OtherIfu, match="no extension CHAN05; give a raw file that holds IFU 5"):
        open_raw_frame(path, 5)


def test_a_file_that_is_cut_before_the_ifu_is_named_and_not_left_out(tmp_path):
    path = write_raw(tmp_path / "raw.fits", [extension(raw_image(seed=k), k) for k in (1, 2, 3)])
    whole = path.read_bytes()
    half, packed = whole[: len(whole) // 2], gzip.compress(whole, 1)
    for raw in (half, gzip.compress(half, 1), packed[: len(packed) // 2]):
        path.write_bytes(raw)
        for ifu in (2, 3):
            with pytest.raises(
                MusedeepError, match=r"raw\.fits: (truncated|the packed file is damaged or cut)"
            ) as found:
                open_raw_frame(path, ifu)
            assert not isinstance(found.value, OtherIfu)
        with pytest.raises(MusedeepError, match=r"truncated|cut off"):
            raw_ifus(path)


def test_damaged_tiles_are_named(tmp_path):
    path = write_raw(tmp_path / "raw.fits.fz", [extension(raw_image())], compress=True)
    whole = path.read_bytes()
    with fits.open(path, disable_image_compression=True) as hdus:
        places = hdus[1].fileinfo()["datLoc"]
    block = whole.index(b"ZVAL1   =")
    for at, damage in (
        (places, b"\xff" * 600),  # places of the compressed pixels
        (block, b"ZVAL1   =                    3"),
    ):
        path.write_bytes(whole[:at] + damage + whole[at + len(damage) :])
        with pytest.raises(
            MusedeepError, match=r"raw\.fits\.fz: no valid raw MUSE frame \(.*\); copy or make it again"
        ):
            open_raw_frame(path, 1)


def test_pixels_of_a_packed_frame_are_kept_in_a_file(tmp_path):
    image = raw_image()
    path = write_raw(tmp_path / "raw.fits", [extension(raw_image(seed=1), 2), extension(image)])
    path.write_bytes(gzip.compress(path.read_bytes(), 1))
    frame = open_raw_frame(path, 1)
    frame.spill(tmp_path)
    np.testing.assert_array_equal(frame.read(50, 90), image[50:90])
    assert (tmp_path / "raw.fits-01.pixels").stat().st_size == image.nbytes


@pytest.mark.parametrize("form", ["tiles", "gzip", "plain"])
def test_pixels_that_were_forgotten_are_read_again(tmp_path, form):
    image = raw_image()
    name = "raw.fits.fz" if form == "tiles" else "raw.fits"
    path = write_raw(tmp_path / name, [extension(raw_image(seed=1), 2), extension(image)], compress=form == "tiles")
    if form == "gzip":
        path.write_bytes(gzip.compress(path.read_bytes(), 1))
    frame = open_raw_frame(path, 1)
    first = frame.read(50, 90).copy()
    frame.forget()
    assert frame._pixels is None
    for pixels in (first, frame.read(50, 90)):
        np.testing.assert_array_equal(pixels, image[50:90])


def test_a_file_without_any_ifu_is_not_one_of_other_ifus(tmp_path):
    path = write_raw(tmp_path / "raw.fits", [extension(raw_image(), 3)])
    with fits.open(path, mode="update") as hdus:
        hdus[1].header["EXTNAME"] = "CHAN??"
    with pytest.raises(MusedeepError, match=r"raw\.fits: no extension CHAN03") as found:
        open_raw_frame(path, 3)
    assert not isinstance(found.value, OtherIfu)
