"""What the slow guiding system saw around the field (manual A.1.1: SGS_IMG, SGS_CUBE, SGS_DATA).

Shapes are the manual's: images of 1024 x 1024, one every two minutes, and a table of 4 + 10 n columns for n stars.  The
manual does not name the columns; the names here are this project's.
"""

from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.simulate.exposure import Exposure
from musedeep.simulate.optics import stream

SIZE: Final = 1024
SCALE: Final = 0.2
"""Pixel of the guiding camera, arcsec."""
PERIOD: Final = 120.0
"""Time between two images, s."""
GUIDING: Final = 7
"""Purpose of random numbers, beside those of the other modules."""
SKY: Final = 200.0
"""Background, adu."""
STAR_COLUMNS: Final = ("X", "Y", "DX", "DY", "FLUX", "PEAK", "FWHMX", "FWHMY", "BACK", "FLAG")


def guiding_extensions(exposure: Exposure, seed: int) -> list[fits.ImageHDU | fits.BinTableHDU]:
    """SGS_IMG float32 (1024, 1024), SGS_CUBE int16 (n, 1024, 1024), SGS_DATA with n rows, of an exposure of the sky."""
    rng = stream(seed, GUIDING, exposure.index)
    n_images = max(1, round(exposure.exposure_time / PERIOD))
    n_stars = int(rng.integers(3, 7))
    # stars lie around the field, not in it
    angle, radius = rng.uniform(0.0, 2.0 * np.pi, n_stars), rng.uniform(36.0, 90.0, n_stars) / SCALE
    x, y = SIZE / 2 + radius * np.cos(angle), SIZE / 2 + radius * np.sin(angle)
    flux = 10.0 ** rng.uniform(4.0, 5.5, n_stars)
    drift = np.cumsum(rng.normal(0.0, 0.05, (n_images, 2)), axis=0) / SCALE
    fwhm = exposure.seeing / SCALE * rng.uniform(0.9, 1.1, n_images)
    cube = np.empty((n_images, SIZE, SIZE), np.int16)
    rows = []
    for k in range(n_images):
        image = np.full((SIZE, SIZE), SKY)
        values: list[float] = [exposure.mjd + k * PERIOD / 86400.0, *drift[k], float(n_stars)]
        for star in range(n_stars):
            place = x[star] + drift[k, 0], y[star] + drift[k, 1]
            peak = _add_star(image, *place, flux[star], fwhm[k])
            values += [*place, *drift[k], flux[star], peak, fwhm[k], fwhm[k], SKY, 0.0]
        cube[k] = np.clip(np.rint(image + rng.normal(0.0, 1.0, image.shape) * np.sqrt(image / 4.0)), 0, 32767)
        rows.append(values)
    names = ["MJD", "DX", "DY", "NSTARS"] + [f"{name}{star}" for star in range(1, n_stars + 1) for name in STAR_COLUMNS]
    columns = [fits.Column(name, "D", array=column) for name, column in zip(names, np.array(rows).T, strict=True)]
    mean = cube.mean(axis=0, dtype=np.float64).astype(np.float32)
    return [
        fits.ImageHDU(mean, name="SGS_IMG"),
        fits.ImageHDU(cube, name="SGS_CUBE"),
        fits.BinTableHDU.from_columns(columns, name="SGS_DATA"),
    ]


def _add_star(image: NDArray[np.float64], x: float, y: float, flux: float, fwhm: float) -> float:
    """Add a round Gaussian star to an image and return its peak."""
    sigma = fwhm / np.sqrt(8.0 * np.log(2.0))
    reach = int(np.ceil(5.0 * sigma))
    first_x, first_y = max(int(x) - reach, 0), max(int(y) - reach, 0)
    rows = np.arange(first_y, min(int(y) + reach + 1, SIZE))[:, None]
    columns = np.arange(first_x, min(int(x) + reach + 1, SIZE))[None, :]
    peak = flux / (2.0 * np.pi * sigma**2)
    stamp = peak * np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / sigma**2)
    image[first_y : first_y + stamp.shape[0], first_x : first_x + stamp.shape[1]] += stamp
    return float(peak)
