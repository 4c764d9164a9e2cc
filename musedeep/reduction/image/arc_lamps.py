"""Arc exposures by lamp: which lamp is on, and the combination of the exposures of each (manual 6.3.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from musedeep.errors import MusedeepError
from musedeep.reduction.image.combine import Calibration, Combined, MeasuredFrame, combine, measure_all
from musedeep.reduction.image.inputs import lamp_flux
from musedeep.reduction.parameters import CombineParameters, OverscanParameters
from musedeep.storage.fits.image import ImageFile
from musedeep.storage.raw.frames import RawFrame

LAMP_NAMES: Final = {3: "Ne", 4: "Xe", 5: "HgCd", 6: "Ne"}
"""Arc lamps by their numbers (manual, note 10; the last one is a spare)."""

SIGCLIP_FRAMES: Final = 3
"""Exposures of a lamp that sigma clipping needs; one alone is taken as it is (found on the reference)."""


@dataclass
class LampFrames:
    """Exposures of one lamp: its number (ESO INS LAMPn), its name (Ne, Xe or HgCd), and the frames."""

    number: int
    name: str
    frames: list[RawFrame]


@dataclass
class LampImage:
    """The combined exposures of one lamp [count], and what the first look at the frames found."""

    lamp: LampFrames
    measured: list[MeasuredFrame]
    combined: Combined


def lamp_of(frame: RawFrame) -> tuple[int, str]:
    """Number and name of the arc lamp that a frame was exposed to: lamp on, shutter open; raises MusedeepError if none
    is on, or more than one.
    """
    on = [
        n
        for n in LAMP_NAMES
        if frame.primary.get(f"ESO INS LAMP{n} ST") is True and frame.primary.get(f"ESO INS SHUT{n} ST") is True
    ]
    if not on:
        raise MusedeepError(
            f"{frame.path}: no arc lamp is on with its shutter open (ESO INS LAMPn ST, SHUTn ST; n is 3 to 6); "
            "leave the frame out"
        )
    if len(on) > 1:
        lamps = ", ".join(str(n) for n in on)
        raise MusedeepError(f"{frame.path}: lamps {lamps} are on; give exposures of one lamp each")
    named = str(frame.primary.get(f"ESO INS LAMP{on[0]} NAME", ""))
    known = [name for name in ("HgCd", "Ne", "Xe") if name.lower() in named.lower()]
    return on[0], known[0] if known else LAMP_NAMES[on[0]]


def by_lamp(frames: Sequence[RawFrame], method: str) -> list[LampFrames]:
    """Frames by lamp, in the order of the first frame of each lamp, as in the ESO pipeline.

    Parameters
    ----------
    method : parameter combine

    Raises
    ------
    MusedeepError
        Too few exposures of a lamp for sigma clipping, or as `lamp_of`.
    """
    found: dict[int, LampFrames] = {}
    for frame in frames:
        number, name = lamp_of(frame)
        found.setdefault(number, LampFrames(number, name, [])).frames.append(frame)
    for lamp in found.values():
        n = len(lamp.frames)
        if method == "sigclip" and 1 < n < SIGCLIP_FRAMES:
            raise MusedeepError(
                f"{lamp.frames[0].path}: lamp {lamp.name} has {n} exposures, sigma clipping needs {SIGCLIP_FRAMES} of "
                "each lamp; add some, or use --combine=average"
            )
    return list(found.values())


def combine_lamp(lamp: LampFrames, overscan: OverscanParameters, calibration: Calibration, method: str) -> LampImage:
    """Combine the exposures of a lamp.

    Raises
    ------
    MusedeepError
        Most pixels are saturated, or limits that make no sense.
    """
    combination = CombineParameters.model_validate({"combine": method})
    combination.check_number(len(lamp.frames))
    measured = measure_all(lamp.frames, overscan)
    combined = combine(measured, overscan, calibration, combination)
    for frame in lamp.frames:
        frame.forget()  # those of other lamps may be many
    n_saturated = combined.n_saturated
    if n_saturated > combined.dq.size // 2:
        raise MusedeepError(
            f"{lamp.frames[0].path}: {n_saturated} pixels of lamp {lamp.name} are saturated; give shorter exposures"
        )
    return LampImage(lamp, measured, combined)


def flat_flux_cards(flat: ImageFile | None) -> list[tuple[str, object, str]]:
    """FLAT FLUX LAMP: the flux of the master flat, where one was used."""
    flux = lamp_flux(flat) if flat is not None else None
    if flux is None:
        return []
    return [("ESO DRS MUSE FLAT FLUX LAMP", flux, "Flux value, integrated over the whole master flat")]
