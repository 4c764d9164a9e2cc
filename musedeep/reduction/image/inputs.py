"""Raw frames of one IFU, opened and checked, and what headers say of exposures."""

from collections.abc import Sequence

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.ifu_files import OtherIfu
from musedeep.storage.fits.headers import number_of, number_or_none, value_of
from musedeep.storage.fits.image import ImageFile
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


def exposure_time(frame: RawFrame) -> float:
    """EXPTIME of a frame, s; raises MusedeepError if it is missing or not above 0."""
    value = number_or_none(frame.primary, "EXPTIME")
    if value is None or value <= 0:
        found = value_of(frame.primary, "EXPTIME")
        raise MusedeepError(f"{frame.path}: EXPTIME is {found}; give frames with an exposure time above 0")
    return value


def lamp_flux(flat: ImageFile) -> float | None:
    """Flux of a master flat, integrated over the whole image (ESO QC FLAT MASTER INTFLUX); None if it is not given;
    raises MusedeepError if it is no number.
    """
    key = "ESO QC FLAT MASTER INTFLUX"
    return number_of(flat.header, key, flat.path) if key in flat.header else None
