"""The axes of a cube as its header has them, of any pipeline: on the sky or in pixels of the field."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.cubes.cube_fits import CubeWCS
from musedeep.storage.cubes.output_wcs import SPECTRAL_TYPES
from musedeep.storage.fits.headers import number_of, number_or_none, text_of

SKY = ("RA---TAN", "DEC--TAN")


@dataclass(frozen=True)
class CubeAxes:
    """Coordinates of a cube.

    Attributes
    ----------
    types : CTYPE1, CTYPE2, CTYPE3
    units : CUNIT1, CUNIT2, CUNIT3
    crpix, crval : x, y, wavelength [Angstrom], as in the header
    cd : CD1_1, CD1_2, CD2_1, CD2_2
    step : CD3_3 [Angstrom]
    systematic_error : CSYER1, CSYER2; None if one of them is missing
    """

    types: tuple[str, str, str]
    units: tuple[str, str, str]
    crpix: tuple[float, float, float]
    crval: tuple[float, float, float]
    cd: tuple[float, float, float, float]
    step: float
    systematic_error: tuple[float, float] | None = None

    @property
    def logarithmic(self) -> bool:
        """Whether planes are equally spaced in the logarithm of the wavelength."""
        return self.types[2].endswith("-LOG")

    def wavelengths(self, n: int) -> NDArray[np.float64]:
        """Wavelengths of n planes, float64 (n,) [Angstrom]."""
        offset = (np.arange(n) + 1 - self.crpix[2]) * self.step
        if self.logarithmic:
            return np.asarray(self.crval[2] * np.exp(offset / self.crval[2]), np.float64)
        return np.asarray(self.crval[2] + offset, np.float64)

    def plane_of(self, wavelength: float) -> float:
        """The place of a wavelength [Angstrom] among the planes, counted from 0; between planes a fraction."""
        if self.logarithmic:
            offset = self.crval[2] * math.log(wavelength / self.crval[2])
        else:
            offset = wavelength - self.crval[2]
        return offset / self.step + self.crpix[2] - 1.0

    def covered(self, n: int) -> tuple[float, float]:
        """Wavelengths of the first of n planes, and of the last plus one step [Angstrom], as filters count them."""
        waves = self.wavelengths(n)
        return float(waves[0]), float(waves[-1] + (waves[-1] - waves[-2] if n > 1 else self.step))

    def wcs(self, path: Path) -> CubeWCS:
        """The axes as header cards need them; MusedeepError if they are not on the sky."""
        if self.types[:2] != SKY:
            raise MusedeepError(
                f"{path}: CTYPE1, CTYPE2 are '{self.types[0]}', '{self.types[1]}'; a cube store is on the sky "
                "(RA---TAN, DEC--TAN): give the output a name that ends in .fits"
            )
        return CubeWCS(self.crpix, self.crval, self.cd, self.step, self.types[2], self.systematic_error)


def read_axes(header: fits.Header, path: Path) -> CubeAxes:
    """The axes of a cube, from the header of its DATA.

    Raises
    ------
    MusedeepError
        A keyword is missing or no number; the third axis is no wavelength in Angstrom, or has no steps.
    """
    types = [text_of(header, f"CTYPE{i}", path, "") for i in (1, 2, 3)]
    spectral = next((i for i, one in enumerate(types, 1) if one in SPECTRAL_TYPES), None)
    if spectral != 3:
        what = f"CTYPE{spectral} is '{types[spectral - 1]}'" if spectral else f"CTYPE3 is '{types[2]}'"
        raise MusedeepError(
            f"{path}: {what}; the third axis has to be the wavelength ({', '.join(SPECTRAL_TYPES)}): "
            "bring the axes of the cube into the order RA, DEC, wavelength"
        )
    units = [text_of(header, f"CUNIT{i}", path, "") for i in (1, 2, 3)]
    if units[2].lower() not in ("angstrom", ""):
        raise MusedeepError(f"{path}: CUNIT3 is '{units[2]}', expected Angstrom; convert the wavelength axis")
    for key in ("CD1_3", "CD2_3", "CD3_1", "CD3_2"):
        if number_of(header, key, path, 0.0) != 0.0:
            raise MusedeepError(f"{path}: {key} is not zero; a tilted wavelength axis is not supported")
    crpix, crval = ([number_of(header, f"{key}{i}", path) for i in (1, 2, 3)] for key in ("CRPIX", "CRVAL"))
    if "CD1_1" in header or "CDELT1" not in header:
        cd = [number_of(header, f"CD{i}_{j}", path, None if i == j else 0.0) for i in (1, 2) for j in (1, 2)]
    else:
        delta = [number_of(header, f"CDELT{i}", path) for i in (1, 2)]
        cd = [delta[i - 1] * number_of(header, f"PC{i}_{j}", path, float(i == j)) for i in (1, 2) for j in (1, 2)]
    step = number_of(header, "CD3_3" if "CD3_3" in header or "CDELT3" not in header else "CDELT3", path)
    if not step > 0:
        raise MusedeepError(f"{path}: CD3_3 is {step:g}; the wavelength step has to be positive")
    if not crval[2] > 0:
        raise MusedeepError(f"{path}: CRVAL3 is {crval[2]:g}; the wavelength has to be positive")
    x, y = number_or_none(header, "CSYER1"), number_or_none(header, "CSYER2")
    error = (x, y) if x is not None and y is not None else None
    return CubeAxes(
        (types[0], types[1], types[2]), (units[0], units[1], units[2]), (crpix[0], crpix[1], crpix[2]),
        (crval[0], crval[1], crval[2]), (cd[0], cd[1], cd[2], cd[3]), step, error,
    )  # fmt: skip
