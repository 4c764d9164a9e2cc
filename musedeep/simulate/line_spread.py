"""The line-spread function: wider in the blue and the far red, a little skew and peaked, other in every slice."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from musedeep.instrument import DISPERSION
from musedeep.simulate.spectrum import FINE, STEP

Array = NDArray[np.float64]

NODES: Final[Array] = np.linspace(FINE[0], FINE[-1], 17)
"""Wavelengths between which profiles are interpolated, Angstrom."""
OVERSAMPLING: Final = 5
"""Samples of a profile per step of the fine grid."""
REACH: Final = 9.0
"""Where profiles end, Angstrom from the line."""
FINER: Final = 4
"""Steps per sample when a profile is integrated over the pixel."""
PIXEL_SHARE: Final = 8.0 * np.log(2.0) / 12.0
"""Square of the full width that a pixel of unit width adds."""


def mean_fwhm(wavelength: Array) -> Array:
    """Full width at half maximum, pixel included, Angstrom (Bacon et al. 2017, UDF-10)."""
    return 5.866e-8 * wavelength**2 - 9.187e-4 * wavelength + 6.040


@dataclass(frozen=True)
class LineSpread:
    """Line-spread functions of the slices of an IFU.

    Attributes
    ----------
    width : float64 (48,), width of each slice over the mean law
    skew : third Gauss-Hermite coefficient at 7000 Angstrom; the fourth is 0.02
    """

    width: Array
    skew: float

    def moments(self, wavelength: float) -> tuple[float, float]:
        """Third and fourth Gauss-Hermite coefficient (van der Marel & Franx 1993)."""
        return self.skew + 0.012 * (wavelength - 7000.0) / 2500.0, 0.02

    def profiles(self, index: int) -> Array:
        """Profiles of a slice (index from 0) at `NODES`, per Angstrom, pixel included, each of unit integral.

        Float64 (n_nodes, n): sample n // 2 + k lies k * STEP / OVERSAMPLING Angstrom redward of the line.
        """
        return _profiles(float(self.width[index]), self.skew)

    def table(self) -> Table:
        """The truth: full width at half maximum and Gauss-Hermite coefficients by slice and wavelength."""
        rows = []
        for index in range(self.width.size):
            for node, profile in zip(NODES, self.profiles(index), strict=True):
                rows.append((index + 1, node, full_width(profile), *self.moments(node)))
        table = Table(rows=rows, names=("slice", "wavelength", "fwhm", "h3", "h4"))
        table.meta["comment"] = "fwhm in Angstrom with the pixel, h3 and h4 of the light before the pixel"
        return table


def full_width(profile: Array) -> float:
    """Full width at half maximum of a sampled profile, Angstrom."""
    half = 0.5 * profile.max()
    above = np.flatnonzero(profile >= half)
    first, last = above[0], above[-1]
    left = first - (profile[first] - half) / (profile[first] - profile[first - 1])
    right = last + (profile[last] - half) / (profile[last] - profile[last + 1])
    return float((right - left) * STEP / OVERSAMPLING)


@lru_cache(maxsize=256)
def _profiles(width: float, skew: float) -> Array:
    """Profiles at all nodes."""
    spread = LineSpread(np.array([width]), skew)
    sample = STEP / OVERSAMPLING
    half = round(REACH / sample)
    out = np.empty((NODES.size, 2 * half + 1))
    offsets = sample / FINER * np.arange(-half * FINER - 200, half * FINER + 201)
    for k, node in enumerate(NODES):
        fwhm = width * float(mean_fwhm(node))
        sigma = np.sqrt(fwhm**2 - PIXEL_SHARE * DISPERSION**2) / np.sqrt(8.0 * np.log(2.0))
        h3, h4 = spread.moments(float(node))
        t = offsets / sigma
        series = 1.0 + h3 * (2.0 * t**3 - 3.0 * t) / np.sqrt(3.0)
        series += h4 * (4.0 * t**4 - 12.0 * t**2 + 3.0) / np.sqrt(24.0)
        light = np.maximum(np.exp(-0.5 * t**2) * series, 0.0)
        total = np.concatenate(([0.0], np.cumsum(light)))
        places = np.append(offsets - 0.5 * sample / FINER, offsets[-1] + 0.5 * sample / FINER)
        # a line is where its centre of light is
        centres = sample * np.arange(-half, half + 1) + np.sum(light * offsets) / np.sum(light)
        ends = np.interp(centres + 0.5 * DISPERSION, places, total) - np.interp(
            centres - 0.5 * DISPERSION, places, total
        )
        out[k] = ends / (ends.sum() * sample)
    out.setflags(write=False)
    return out
