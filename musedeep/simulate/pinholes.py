"""The multi-pinhole mask of the calibration unit: a grid of holes that moves down through the field in small steps.

The reference's muse_geometry sees when each slice is lit by a hole and finds from it where the slice lies.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.simulate.component import Component
from musedeep.simulate.effects import Effects
from musedeep.simulate.lamps import arc_lamp
from musedeep.simulate.spectrum import Spectrum

Array = NDArray[np.float64]

FOCAL_SCALE: Final = 1.705
"""Scale in the telescope's focal plane, arcsec/mm (ESO TEL FOCU SCALE)."""
HOLE_DISTANCE: Final = (2.945, 0.6135)
"""Distance of neighbouring holes along and across the slices, mm: three holes on a slice.  With these
muse_geometry finds the right widths of slices, and says 0.6135 in its log."""
HOLE_SIZE: Final = (0.21, 0.09)
"""Dispersion of a hole's image along and across the slices, arcsec."""
FIRST_POSITION: Final = 12.2
STEP: Final = 0.024
"""First position of the mask and its steps, mm: 60 steps are more than two distances of holes."""
ENCODER_STEPS: Final = 48595.75
"""Encoder steps per mm (real headers, ESO INS POS3 ENC over POS)."""
MASK_TIME: Final = 10.0
"""Exposure time, s."""
MASK_LIGHT: Final = 0.03
"""Light in the middle of a hole over that of the field without the mask."""


def mask_position(step: int) -> float:
    """Vertical position of the mask at a step of its sequence, mm."""
    return FIRST_POSITION + STEP * step


@dataclass(frozen=True)
class Holes:
    """A regular grid of holes; positions in arcsec, `lift` is how far the grid has moved down."""

    lift: float

    def density(self, x: Array, y: Array, wavelength: Array) -> Array:
        """Light at field positions, 1 without the mask."""
        along, across = (distance * FOCAL_SCALE for distance in HOLE_DISTANCE)
        # holes lie at half distances from the middle of the field
        u = (x / along) % 1.0 - 0.5
        v = ((y + self.lift) / across + 0.5) % 1.0 - 0.5
        light = np.exp(-0.5 * ((u * along / HOLE_SIZE[0]) ** 2 + (v * across / HOLE_SIZE[1]) ** 2))
        return np.broadcast_to(MASK_LIGHT * light, np.broadcast_shapes(np.shape(light), np.shape(wavelength)))

    def bounds(self) -> tuple[float, float, float]:
        """All over the field, but finer than a spaxel."""
        return 0.0, 0.0, 100.0


def pinhole_mask(step: int, effects: Effects) -> list[Component]:
    """The mask at a step of its sequence, lit by neon, mercury and cadmium together."""
    lamps = [arc_lamp(lamp, effects)[0].spectrum for lamp in ("Ne", "HgCd")]
    spectrum = Spectrum(
        lamps[0].continuum + lamps[1].continuum,
        np.concatenate([lamp.line_wavelength for lamp in lamps]),
        np.concatenate([lamp.line_flux for lamp in lamps]),
    )
    return [Component("pinhole mask", spectrum, Holes(FOCAL_SCALE * mask_position(step)), "field")]
