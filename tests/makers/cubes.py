"""Small cubes for tests."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from musedeep.storage.cubes.cube_fits import CubeFile, CubeWCS, extension_header
from musedeep.storage.fits.header_cards import checksum_cards

SPAXEL = 0.2 / 3600


def wcs(ctype3: str = "AWAV") -> CubeWCS:
    return CubeWCS((5.5, 4.0, 1.0), (53.16, -27.78, 7000.0), (-SPAXEL, 0.0, 0.0, SPAXEL), 1.25, ctype3, (6e-7, 9e-7))


def primary() -> fits.Header:
    return fits.Header([("OBJECT", "field"), ("PIPEFILE", "CUBE.fits"), ("DATAMD5", "0" * 32), *checksum_cards()])


def values(shape: tuple[int, int, int], seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Data with an empty spaxel, one that begins late and one with a hole; variances with the same NaN."""
    rng = np.random.default_rng(seed)
    data = rng.normal(size=shape).astype(np.float32)
    data[:, 0, 0] = np.nan
    data[:2, 1, 1] = np.nan
    data[3, 2, 2] = np.nan
    stat = np.where(np.isfinite(data), rng.uniform(1, 2, shape), np.nan).astype(np.float32)
    return data, stat


def create(path: Path, shape: tuple[int, int, int], ctype3: str = "AWAV") -> CubeFile:
    grid = wcs(ctype3)
    data, stat = (extension_header(name, "field", grid, name == "STAT") for name in ("DATA", "STAT"))
    return CubeFile.create(path, shape, primary(), data, stat)
