"""What shines into the instrument: components, each a spectrum times a pattern on the sky or in the field."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from musedeep.simulate.spectrum import Spectrum

Array = NDArray[np.float64]


class Pattern(Protocol):
    """How light is spread, per square arcsec."""

    def density(self, x: Array, y: Array, wavelength: Array) -> Array:
        """Density at positions (arcsec) and wavelengths (Angstrom) that broadcast together."""

    def bounds(self) -> tuple[float, float, float] | None:
        """Centre and radius (arcsec) beyond which there is nothing to speak of; None: it is everywhere."""


@dataclass(frozen=True)
class Component:
    """Light whose spectrum is the same wherever it falls.

    Attributes
    ----------
    name : what it is
    spectrum : photons a second and Angstrom at the entrance of the instrument, over the telescope's collecting area
    pattern : its spread per square arcsec; integrates to 1 for a source, is about 1 for light that fills the field
        (whose spectrum then is per square arcsec)
    frame : "sky": positions are offsets east and north of the scene's centre; "field": positions in the field of view
    """

    name: str
    spectrum: Spectrum
    pattern: Pattern
    frame: Literal["sky", "field"] = "sky"


class CubeComponent(Protocol):
    """Light whose spectrum differs from place to place: a user's cube."""

    name: str

    def sample(self, xi: Array, eta: Array, wavelength: Array) -> Array:
        """Photons a second, Angstrom and square arcsec at offsets (arcsec) and wavelengths (Angstrom); 0 outside."""

    def bounds(self) -> tuple[float, float, float] | None:
        """Centre and radius (arcsec) of what it covers."""


@dataclass(frozen=True)
class Uniform:
    """The same everywhere."""

    def density(self, x: Array, y: Array, wavelength: Array) -> Array:
        """1 everywhere."""
        return np.ones(np.broadcast_shapes(np.shape(x), np.shape(y), np.shape(wavelength)))

    def bounds(self) -> None:
        """It is everywhere."""
        return None
