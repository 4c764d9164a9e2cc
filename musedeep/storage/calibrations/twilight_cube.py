"""TWILIGHT_CUBE as muse_scibasic needs it: the smooth cube, its grid, and the fluxes of the IFUs (manual 6.3.7)."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.hdus import open_hdus
from musedeep.storage.fits.headers import number_of

_SKY = re.compile(r"ESO DRS MUSE FLAT FLUX SKY(\d+)$")


@dataclass(frozen=True)
class TwilightCube:
    """The smooth cube of the twilight sky.

    Attributes
    ----------
    data : float32 (wavelengths, y, x), each plane of mean 1
    start, step : float64 (3,)
        Coordinates of the first voxel, and steps, in x, y [pixel of the field] and wavelength [Angstrom].
    sky_flux : flux of the twilight sky of each IFU
    """

    data: NDArray[np.float32]
    start: NDArray[np.float64]
    step: NDArray[np.float64]
    sky_flux: dict[int, float]

    @classmethod
    def nothing(cls) -> "TwilightCube":
        """A cube that changes nothing."""
        return cls(np.ones((0, 1, 1), np.float32), np.zeros(3), np.ones(3), {})


def read_twilight_cube(path: str | Path) -> TwilightCube:
    """Read a TWILIGHT_CUBE.

    Raises
    ------
    MusedeepError
        No FITS file, or no cube with a grid in DATA.
    """
    path = Path(path)
    with open_hdus(path, "TWILIGHT_CUBE") as hdus:
        primary = hdus[0].header
        if "DATA" not in hdus or hdus["DATA"].header.get("NAXIS") != 3:
            raise MusedeepError(f"{path}: no cube in an extension DATA; give a TWILIGHT_CUBE")
        header = hdus["DATA"].header
        try:
            step = np.array([float(header[f"CD{i}_{i}"]) for i in (1, 2, 3)])
            pixel = np.array([float(header[f"CRPIX{i}"]) for i in (1, 2, 3)])
            value = np.array([float(header[f"CRVAL{i}"]) for i in (1, 2, 3)])
        except (KeyError, TypeError, ValueError, fits.VerifyError) as error:
            raise MusedeepError(f"{path}: no grid in the header of DATA ({error}); give a TWILIGHT_CUBE") from error
        if not ((step != 0) & np.isfinite([step, pixel, value]).all(0)).all():
            raise MusedeepError(f"{path}: a step of the grid in DATA is 0, or it is not finite; give a TWILIGHT_CUBE")
        data = np.ascontiguousarray(hdus["DATA"].data, np.float32)
        flux = {int(m[1]): number_of(primary, key, path) for key in primary if (m := _SKY.match(key))}
    return TwilightCube(data, value + (1.0 - pixel) * step, step, flux)
