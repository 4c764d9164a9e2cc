"""Images of a field of stars, with pointing errors that are known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.storage.cubes.field_view import FieldPlane, write_field_view

Array = NDArray[np.float64]

SIZE = 120
SCALE = 0.2
CENTRE = (53.16, -27.78)
SIGMA = 1.6
"""Of the stars [pixel]."""


def plane_at(ra: float, dec: float, turn: float = 0.0, scale: float = SCALE, size: int = SIZE) -> FieldPlane:
    """Coordinates of an image around a place of the sky [deg], turned by an angle [deg]."""
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    cd = scale / 3600 * np.array([[-c, s], [s, c]])
    return FieldPlane(((size + 1) / 2, (size + 1) / 2), (ra % 360.0, dec), cd)


def star_image(x: Array, y: Array, flux: Array, noise: float, seed: int, size: int = SIZE, sky: float = 0.0) -> Array:
    """Gaussian stars at pixels counted from 0, with noise."""
    rows, columns = np.mgrid[:size, :size].astype(float)
    image = np.random.default_rng(seed).normal(sky, noise, (size, size)) if noise else np.full((size, size), sky)
    for a, b, f in zip(x, y, flux, strict=True):
        image += f / (2 * np.pi * SIGMA**2) * np.exp(-0.5 * ((columns - a) ** 2 + (rows - b) ** 2) / SIGMA**2)
    return image


def header(number: int) -> fits.Header:
    """Primary header of the image of an exposure."""
    made = {
        "TELESCOP": "ESO-VLT-U4", "INSTRUME": "MUSE", "RA": CENTRE[0], "DEC": CENTRE[1],
        "EXPTIME": 100.0 * (number + 1), "MJD-OBS": 57002.0 + number / 48,
        "DATE-OBS": f"2014-12-11T{number:02d}:30:00.000", "OBJECT": "field (white)",
        "HIERARCH ESO INS MODE": "WFM-NOAO-N", "HIERARCH ESO QC SCIPOST NDET": 3,
        "HIERARCH ESO PRO REC1 ID": "muse_scipost", "HIERARCH ESO PRO CATG": "IMAGE_FOV",
        "HIERARCH ESO DRS MUSE FILTER NAME": "white",
    }  # fmt: skip
    return fits.Header([(key, value) for key, value in made.items()])


def stars(n: int, seed: int, low: float = 2.5, high: float = 4.0, width: float = 30.0) -> tuple[Array, Array, Array]:
    """Right ascensions, declinations [deg] and fluxes of stars about the centre."""
    rng = np.random.default_rng(seed)
    east, north = rng.uniform(-width / 2, width / 2, (2, n))
    ra = CENTRE[0] + east / 3600 / np.cos(np.radians(CENTRE[1]))
    return ra, CENTRE[1] + north / 3600, 10 ** rng.uniform(low, high, n)


def write_views(
    directory: Path, sky: tuple[Array, Array, Array], errors: Sequence[tuple[float, float]], noise: float = 0.3,
    turns: Sequence[float] = (), dithers: Sequence[tuple[float, float]] = (), size: int = SIZE,
) -> list[Path]:  # fmt: skip
    """Images of stars: `errors` are measured minus true positions, east and north [arcsec], for each."""
    paths = []
    ra, dec, flux = sky
    for k, (east, north) in enumerate(errors):
        away = dithers[k] if dithers else (0.0, 0.0)
        cosine = np.cos(np.radians(CENTRE[1]))
        place = CENTRE[0] + away[0] / 3600 / cosine, CENTRE[1] + away[1] / 3600
        plane = plane_at(*place, turns[k] if turns else 0.0, size=size)
        true = plane_at(
            place[0] - east / 3600 / cosine, place[1] - north / 3600, turns[k] if turns else 0.0, size=size
        )  # fmt: skip
        image = star_image(*true.to_pixels(ra, dec), flux, noise, seed=k, size=size)
        image[:3] = np.nan
        path = directory / f"IMAGE_FOV_{k + 1:04d}.fits"
        write_field_view(path, header(k), image, plane, "10**(-20)*erg/s/cm**2/Angstrom", overwrite=True)
        paths.append(path)
    return paths
