"""Spectra as the simulator keeps them: a continuum on one fine grid, and lines that are sharper than it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

STEP: Final = 0.1
"""Step of the fine grid, Angstrom: a thirteenth of a pixel, a twenty-fifth of the instrument's line width."""

FINE: Final[NDArray[np.float64]] = (4300.0 + STEP * np.arange(55501)).astype(np.float64)
"""Wavelengths of continua: air, as the detector sees them (topocentric), Angstrom."""
FINE.setflags(write=False)


@dataclass(frozen=True)
class Spectrum:
    """A continuum and lines; the unit is that of what it belongs to.

    Attributes
    ----------
    continuum : float64 (55501,), per Angstrom on the grid `FINE`
    line_wavelength : float64 (n,), air, Angstrom
    line_flux : float64 (n,), integrated over the line
    """

    continuum: NDArray[np.float64]
    line_wavelength: NDArray[np.float64]
    line_flux: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.continuum.shape != FINE.shape:
            raise ValueError(f"continuum has shape {self.continuum.shape}, expected {FINE.shape}")
        if self.line_wavelength.shape != self.line_flux.shape:
            raise ValueError(f"{self.line_wavelength.size} line wavelengths, {self.line_flux.size} line fluxes")

    def times(self, factor: NDArray[np.float64]) -> "Spectrum":
        """The spectrum multiplied by a function of wavelength, float64 (55501,) on the grid `FINE`."""
        lines = self.line_flux * np.interp(self.line_wavelength, FINE, factor)
        return Spectrum(self.continuum * factor, self.line_wavelength, lines)


def continuum_only(continuum: NDArray[np.float64]) -> Spectrum:
    """A spectrum without lines."""
    return Spectrum(continuum, np.empty(0), np.empty(0))


def lines_only(wavelength: NDArray[np.float64], flux: NDArray[np.float64]) -> Spectrum:
    """A spectrum without continuum."""
    return Spectrum(np.zeros(FINE.size), np.asarray(wavelength, np.float64), np.asarray(flux, np.float64))
