"""The grid of cubes and images of the field of view, whose axes are pixels of the field and wavelengths."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.header_cards import Card


def grid_cards(
    start: Sequence[float], step: float, n_axes: int, pixels: tuple[float, float] = (1.0, 1.0)
) -> list[Card]:
    """Coordinates of a cube (3 axes) or an image (2).

    `start` is x, y [pixel] and wavelength [Angstrom] of the first voxel, `step` that of the planes [Angstrom], `pixels`
    are those of columns and lines.
    """
    cards: list[Card] = []
    for k in (1, 2):
        cards += [(f"CRPIX{k}", 1.0, ""), (f"CRVAL{k}", float(start[k - 1]), ""), (f"CTYPE{k}", "PIXEL", "")]
        cards += [(f"CUNIT{k}", "pixel", ""), (f"CD{k}_{k}", float(pixels[k - 1]), "")]
    cards += [("CD1_2", 0.0, ""), ("CD2_1", 0.0, "")]
    if n_axes == 3:
        cards += [("CTYPE3", "AWAV", ""), ("CUNIT3", "Angstrom", ""), ("CD3_3", float(step), ""), ("CRPIX3", 1.0, "")]
        cards += [("CRVAL3", float(start[2]), "")]
        cards += [(f"CD{a}_{b}", 0.0, "") for a, b in ((1, 3), (2, 3), (3, 1), (3, 2))]
    return cards


@dataclass(frozen=True)
class PixelWCS:
    """World coordinates of a cube in pixels of the field; see `grid_cards`."""

    start: tuple[float, float, float]
    step: float
    pixels: tuple[float, float] = (1.0, 1.0)

    def spatial(self) -> list[Card]:
        """Cards of the two spatial axes."""
        return grid_cards(self.start, self.step, 2, self.pixels)

    def spectral(self) -> list[Card]:
        """Cards of the wavelength axis."""
        return grid_cards(self.start, self.step, 3, self.pixels)[len(self.spatial()) :]


def read_grid(header: fits.Header, path: Path, kind: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of the first voxel of a cube, and steps, float64 (3,) each: x, y [pixel], wavelength [Angstrom].

    Raises MusedeepError if there is no grid; `kind` is to be given.
    """
    try:
        step, pixel, value = (
            np.array([float(header[name.format(i)]) for i in (1, 2, 3)]) for name in ("CD{0}_{0}", "CRPIX{}", "CRVAL{}")
        )
    except (KeyError, TypeError, ValueError, fits.VerifyError) as error:
        raise MusedeepError(f"{path}: no grid in the header of DATA ({error}); give a {kind}") from error
    if not ((step != 0) & np.isfinite([step, pixel, value]).all(0)).all():
        raise MusedeepError(f"{path}: a step of the grid in DATA is 0, or it is not finite; give a {kind}")
    return value + (1.0 - pixel) * step, step
