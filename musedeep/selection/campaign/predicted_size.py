"""How large the cube of some exposures will be, from their places and modes alone.

North is up, so that the cube is the box around all fields at their position angles; its wavelengths are those of the
largest range of its modes, in steps of 1.25 Angstrom, with data and variance as 4-byte numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, isfinite, radians, sin
from typing import Final

from shapely import area

from musedeep.instrument import DISPERSION, SPAXEL_NFM, SPAXEL_WFM
from musedeep.selection.campaign.footprints import SIDES, outlines, plane_offset
from musedeep.selection.catalogue.exposure import Exposure

RANGES: Final = {"N": (4750.0, 9350.0), "E": (4600.0, 9350.0)}
"""Wavelengths of the nominal and of the extended range [Angstrom]."""
VOXEL: Final = 8
"""Bytes of data and variance."""


@dataclass(frozen=True)
class Size:
    """Of a cube: spaxels along right ascension and declination, planes, and the part that fields cover, 0 to 1."""

    columns: int = 0
    lines: int = 0
    planes: int = 0
    covered: float = 1.0

    @property
    def bytes(self) -> int:
        """Of data and variance."""
        return self.columns * self.lines * self.planes * VOXEL


def predicted_size(exposures: Sequence[Exposure]) -> Size:
    """Size of the cube of exposures, which have places; nothing for none."""
    if not exposures:
        return Size()
    first = exposures[0]
    fields = []
    for one in exposures:
        place = plane_offset(one.ra, one.dec, first.ra, first.dec)
        turn = radians(one.position_angle) if isfinite(one.position_angle) else 0.0
        fields.append((*place, turn, SIDES.get(one.mode.partition("-")[0], SIDES["WFM"])))
    half = [side / 2.0 * (abs(cos(turn)) + abs(sin(turn))) for _, _, turn, side in fields]
    ends = [(x - h, x + h, y - h, y + h) for (x, y, *_), h in zip(fields, half, strict=True)]
    west, east, south, north = zip(*ends, strict=True)
    wide, high = max(east) - min(west), max(north) - min(south)
    narrow = all(one.mode.startswith("NFM") for one in exposures)
    dx, dy = SPAXEL_NFM if narrow else (SPAXEL_WFM, SPAXEL_WFM)
    ranges = [RANGES.get(one.mode[-1:], RANGES["N"]) for one in exposures]
    planes = round((max(r[1] for r in ranges) - min(r[0] for r in ranges)) / DISPERSION) + 1
    covered = float(area(outlines(fields))) / (wide * high)
    return Size(round(wide / dx) + 1, round(high / dy) + 1, planes, min(covered, 1.0))
