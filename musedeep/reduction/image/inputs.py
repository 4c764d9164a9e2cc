"""Inputs of the recipes on raw frames: frames of one IFU and its calibrations, found, opened and checked."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.reduction.image.parameters import Overscan
from musedeep.storage.calibrations.badpix_table import read_badpix_table
from musedeep.storage.calibrations.ifu_files import OtherIfu, read_of_ifu
from musedeep.storage.fits.headers import number_of, number_or_none, value_of
from musedeep.storage.fits.image import ImageFile, open_image
from musedeep.storage.raw.frames import RawFrame, check_same_setup, open_raw_frame


def open_frames(paths: Sequence[str], ifu: int, tag: str, minimum: int, recipe: str) -> list[RawFrame]:
    """Open one IFU of raw frames.

    Raises
    ------
    MusedeepError
        Too few frames hold the IFU, or they are of different chips or read-out modes.
    """
    frames, missing = [], None
    for path in paths:
        try:
            frames.append(open_raw_frame(path, ifu))
        except OtherIfu as error:
            missing = error
    if len(frames) < minimum:
        if missing is not None:
            raise missing
        raise MusedeepError(f"{recipe}: IFU {ifu} needs at least {minimum} {tag}, found {len(frames)}; add them")
    check_same_setup(frames)
    return frames


def check_bias(bias: ImageFile, overscan: Overscan) -> None:
    """Raise MusedeepError if the master bias was made with another overscan correction, which its header records."""
    names = [str(card.value) for card in bias.header["ESO PRO REC1 PARAM* NAME"].cards]
    values = [str(card.value) for card in bias.header["ESO PRO REC1 PARAM* VALUE"].cards]
    recorded = dict(zip(names, values, strict=False)).get("overscan")
    if recorded is not None and recorded.partition(":")[0] != overscan.method:
        raise MusedeepError(
            f"{bias.path}: made with overscan={recorded}, the frames are reduced with {overscan.method}; "
            "use the same for both"
        )


def find_image(paths: Sequence[str], ifu: int, tag: str) -> ImageFile | None:
    """The calibration image of an IFU among files, None if there are no files.

    Raises
    ------
    MusedeepError
        All files are of other IFUs, or one of them is no image.
    """
    return read_of_ifu(open_image, paths, ifu, tag) if paths else None


def known_bad_pixels(
    paths: Iterable[str], frame: RawFrame
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Known bad pixels of an IFU on the trimmed image: rows, columns from 0, and flags; sorted by row."""
    y, x, flags = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int32)]
    for path in paths:
        pixels = read_badpix_table(path).pixels.get(frame.ifu)
        if pixels is None:
            continue
        rows, columns = pixels["ypos"].astype(np.int64) - 1, pixels["xpos"].astype(np.int64) - 1
        for port in frame.ports:
            inside = (rows >= port.rows.start) & (rows < port.rows.stop)
            inside &= (columns >= port.columns.start) & (columns < port.columns.stop)
            y.append(rows[inside] - port.rows.start + port.trimmed_rows.start)
            x.append(columns[inside] - port.columns.start + port.trimmed_columns.start)
            flags.append(pixels["status"][inside].view(np.int32))
    all_y, all_x, all_flags = np.concatenate(y), np.concatenate(x), np.concatenate(flags)
    order = np.argsort(all_y, kind="stable")
    return all_y[order], all_x[order], all_flags[order]


def exposure_time(frame: RawFrame) -> float:
    """EXPTIME of a frame, s.

    Raises
    ------
    MusedeepError
        It is missing or not above 0.
    """
    value = number_or_none(frame.primary, "EXPTIME")
    if value is None or value <= 0:
        found = value_of(frame.primary, "EXPTIME")
        raise MusedeepError(f"{frame.path}: EXPTIME is {found}; give frames with an exposure time above 0")
    return value


def lamp_flux(flat: ImageFile) -> float | None:
    """Flux of a master flat, integrated over the whole image (ESO QC FLAT MASTER INTFLUX); None if it is not given.

    Raises
    ------
    MusedeepError
        It is no number.
    """
    key = "ESO QC FLAT MASTER INTFLUX"
    return number_of(flat.header, key, flat.path) if key in flat.header else None
