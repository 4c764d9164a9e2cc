"""What a scene is made of: sources of known flux at known places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from musedeep.simulate.spectrum import FINE

if TYPE_CHECKING:
    from musedeep.simulate.scene_cube import SceneCube

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Source:
    """One source as it is above the atmosphere, at wavelengths in air of the barycentre of the solar system.

    Attributes
    ----------
    name : what it is
    xi, eta : offset to the east and north of the scene's centre, arcsec (gnomonic)
    template : float64, on the grid `FINE`, erg/s/cm2/Angstrom; sources of one kind share it, since a crowded
        field would not fit into memory otherwise
    scale : factor of the template
    line_wavelength : float64 (n,), Angstrom, air
    line_flux : float64 (n,), erg/s/cm2; not multiplied by `scale`
    line_dispersion : standard deviation of the lines, km/s
    kind : "point", or "extended" with the axes below
    fwhm_major, fwhm_minor : intrinsic full width at half maximum, arcsec (an exponential disc: twice the radius at
        which it has fallen to half)
    angle : position angle of the major axis, degrees, north through east
    profile : radial profile of an extended source
    redshift : 0 for a star
    """

    name: str
    xi: float
    eta: float
    template: Array
    scale: float = 1.0
    line_wavelength: Array = field(default_factory=lambda: np.empty(0))
    line_flux: Array = field(default_factory=lambda: np.empty(0))
    line_dispersion: float = 0.0
    kind: Literal["point", "extended"] = "point"
    fwhm_major: float = 0.0
    fwhm_minor: float = 0.0
    angle: float = 0.0
    profile: Literal["gaussian", "exponential"] = "gaussian"
    redshift: float = 0.0

    def __post_init__(self) -> None:
        if self.template.shape != FINE.shape:
            raise ValueError(f"source {self.name}: template of shape {self.template.shape}, expected {FINE.shape}")
        if self.line_wavelength.shape != self.line_flux.shape:
            raise ValueError(f"source {self.name}: wavelengths and fluxes of its lines differ in number")

    @property
    def flux_continuum(self) -> Array:
        """Continuum, float64, on the grid `FINE`, erg/s/cm2/Angstrom."""
        return self.template * self.scale


@dataclass(frozen=True, eq=False)
class Scene:
    """What the telescope looks at: centre (degrees), sources, or a user's cube, whose middle is the centre."""

    name: str
    ra: float
    dec: float
    sources: tuple[Source, ...] = ()
    cube: SceneCube | None = None
