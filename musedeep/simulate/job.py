"""A job of the simulator: exposures, the instrument, effects; what it takes of disk and time."""

from dataclasses import dataclass, field
from typing import Final

from musedeep.simulate.detector import RAW_SHAPE
from musedeep.simulate.effects import Effects
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.optics import Instrument

IMAGE_BYTES: Final = 2 * RAW_SHAPE[0] * RAW_SHAPE[1] + 10 * 2880
"""Bytes of one IFU in a raw file; compressed ones are about half of it."""

OTHER_BYTES: Final = 2**25
"""Bytes of statics, truth and sets-of-frames."""

GUIDING_BYTES: Final = 2**24
"""Bytes of the guiding system's extensions in a science frame of ten minutes."""

GUIDED_KINDS: Final = ("OBJECT", "SKY")

SECONDS: Final = {"OBJECT": 8.0, "ASTROMETRY": 8.0, "STD": 3.0, "SKY": 2.0, "BIAS": 0.5}
"""What an image takes about on one processor, for the time left."""


def cost_of(exposure: Exposure) -> float:
    """What an image of an exposure takes, about, s on one processor."""
    return SECONDS.get(exposure.kind, 1.0)


@dataclass(frozen=True)
class Job:
    """What is to be simulated: exposures in the order of their times, noise of a seed; `compress`: files .fits.fz."""

    exposures: tuple[Exposure, ...]
    instrument: Instrument
    effects: Effects = field(default_factory=Effects)
    seed: int = 1
    compress: bool = False

    def file_name(self, exposure: Exposure) -> str:
        """Name of a raw file, as in the archive."""
        return f"MUSE.{exposure.date_obs}.fits" + (".fz" if self.compress else "")

    def space(self) -> int:
        """Bytes that everything takes at most, with the parts of a file that is being joined."""
        guided = sum(exposure.kind in GUIDED_KINDS for exposure in self.exposures)
        images = len(self.exposures) * len(self.instrument.ifus)
        joined = len(self.instrument.ifus) * IMAGE_BYTES + GUIDING_BYTES
        return images * IMAGE_BYTES + guided * GUIDING_BYTES + joined + OTHER_BYTES

    def cost(self) -> float:
        """Of all images, for the time left."""
        return len(self.instrument.ifus) * sum(cost_of(exposure) for exposure in self.exposures)
