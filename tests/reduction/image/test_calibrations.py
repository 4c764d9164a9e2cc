"""The calibrations of an IFU among files of many: the right ones, checked, opened only when they are needed."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.reduction.image.calibrations import Calibrations
from musedeep.reduction.parameters import OverscanParameters
from musedeep.storage.calibrations.badpix_table import BAD_PIXEL, BadPixelTable, write_badpix_table
from musedeep.storage.fits.header_cards import header_of
from musedeep.storage.fits.image import MuseImage, write_image
from musedeep.storage.raw.frames import open_raw_frame
from tests.makers.arc_frames import write_trace
from tests.makers.raw_frames import extension, raw_image, write_raw

OVERSCAN = OverscanParameters()
IFUS = (1, 2)


def write_master(path, ifu, *cards):
    header = header_of([("EXTNAME", f"CHAN{ifu:02d}", ""), *((*one, "") for one in cards)])
    data, flags = np.full((300, 400), ifu, np.float32), np.zeros((300, 400), np.int32)
    write_image(path, MuseImage(data, flags, np.ones_like(data), header, "adu"))
    return str(path)


@pytest.fixture
def frames(tmp_path):
    tags = {
        tag: [write_master(tmp_path / f"{tag}-{ifu:02d}.fits", ifu) for ifu in IFUS]
        for tag in ("MASTER_BIAS", "MASTER_FLAT")
    }
    tags["TRACE_TABLE"] = [str(write_trace(tmp_path / f"TRACE_TABLE-{ifu:02d}.fits", ifu)) for ifu in IFUS]
    return {**tags, "MASTER_DARK": [], "BADPIX_TABLE": []}


@pytest.fixture
def frame(tmp_path):
    return open_raw_frame(write_raw(tmp_path / "raw.fits", [extension(raw_image(), 2)]), 2)


def test_those_of_the_ifu(frames, frame):
    found = Calibrations(frames, 2, OVERSCAN)
    applied = found.of(frame)
    assert applied.dark is None and applied.known_bad[0].size == 0
    for image, tag in ((applied.bias, "MASTER_BIAS"), (applied.flat, "MASTER_FLAT")):
        assert str(image.path) == frames[tag][1] and (image.rows("DATA", 0, 2) == 2).all()
    assert found.trace.ifu == 2 and found.trace is found.trace
    with pytest.raises(MusedeepError, match=r"no MASTER_BIAS of IFU 3 \(CHAN03\), only of CHAN01, CHAN02; give one"):
        Calibrations(frames, 3, OVERSCAN).of(frame)


def test_known_bad_pixels_are_those_of_the_trimmed_image(tmp_path, frames, frame):
    table = BadPixelTable()
    # the first pixel behind the prescan, the first of the upper right quadrant, and one of the overscan
    table.add(2, np.array([(33, 33, 256, 0), (297, 247, 512, 0), (240, 40, 1024, 0)], BAD_PIXEL))
    write_badpix_table(tmp_path / "badpix.fits", table)
    frames["BADPIX_TABLE"] = [str(tmp_path / "badpix.fits")]
    rows, columns, flags = Calibrations(frames, 2, OVERSCAN).of(frame).known_bad
    assert (rows.tolist(), columns.tolist(), flags.tolist()) == ([0, 150], [0, 200], [256, 512])


def test_nothing_is_opened_before_it_is_needed(tmp_path, frames):
    for tag in ("MASTER_FLAT", "TRACE_TABLE"):
        (tmp_path / "damaged.fits").write_text("no FITS file")
        frames[tag] = [str(tmp_path / "damaged.fits")]
    found = Calibrations(frames, 1, OVERSCAN)
    assert found.bias is not None and found.dark is None
    with pytest.raises(MusedeepError, match=r"damaged\.fits"):
        found.flat  # noqa: B018


def test_those_that_do_not_fit(tmp_path, frames, frame):
    cards = ("ESO DET CHIP ID", "other"), ("ESO INS MODE", "WFM-AO-N")
    path = write_master(tmp_path / "other.fits", 2, *cards)
    found = Calibrations(frames | {"MASTER_BIAS": [path], "MASTER_FLAT": [path]}, 2, OVERSCAN)
    with pytest.raises(
        MusedeepError, match=rf"{path}: ESO DET CHIP ID is other, but chip2 in {frame.path}; give a MAS"
    ):
        found.check_chip(frame)
    with pytest.raises(MusedeepError, match=rf"{path}: ESO INS MODE is WFM-AO-N, but WFM-NOAO-N in {frame.path}; give"):
        found.check_mode(frame)
    fitting = Calibrations(frames, 2, OVERSCAN)
    fitting.check_chip(frame), fitting.check_mode(frame)


def test_a_bias_of_another_overscan_correction(tmp_path, frames):
    record = ("ESO PRO REC1 PARAM1 NAME", "overscan"), ("ESO PRO REC1 PARAM1 VALUE", "offset")
    frames["MASTER_BIAS"] = [write_master(tmp_path / "offset.fits", 2, *record)]
    with pytest.raises(MusedeepError, match="made with overscan=offset, the frames are reduced with vpoly; use"):
        Calibrations(frames, 2, OVERSCAN).bias  # noqa: B018
