"""Cutouts of stars in bins of wavelength, from one pass over a cube: a band of planes is in memory at a time.

1. Bins hold equal numbers of planes. Planes without data, as in the gap of the laser, take no part.
2. The planes of a bin are averaged with weights: one over the median variance of the plane around the stars, so that
   planes with bright sky lines count little. Without STAT, the variance of a plane is that measured between its pixels.
3. A spaxel needs half of the weights of its bin. Spaxels near another source are masked. A star whose middle has a gap
   in a bin is left out there.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.field.sources import background
from musedeep.progress import Progress
from musedeep.storage.cubes.open_cube import OpenCube
from musedeep.storage.cubes.voxels import bands

Array = NDArray[np.float64]

RADIUS: Final = 3.5
"""Of the circle of a star, over its width."""
SMALLEST, LARGEST = 5, 30
"""Of that radius [pixel]."""
MASKED: Final = 1.5
"""Radius of the mask on a neighbour, over the width of stars."""
CORE: Final = 0.75
"""Radius within which a star may have no gap, over its width."""
LEAST_SHARE: Final = 0.5
"""Of the weights of a bin in a spaxel; and of the spaxels of a circle."""


@dataclass(frozen=True)
class Stamps:
    """Cutouts of stars.

    Attributes
    ----------
    values, weights : float64 (bins, stars, n, n), mean flux and its inverse variance; 0 without data
    corner : int64 (stars, 2), x and y of the first pixel in the cube
    wavelengths : float64 (bins,), weighted means [Angstrom]
    radius : of the circle [pixel]
    """

    values: Array
    weights: Array
    corner: NDArray[np.int64]
    wavelengths: Array
    radius: int

    def of(self, stars: NDArray[np.bool_]) -> "Stamps":
        """Those of some stars."""
        return Stamps(self.values[:, stars], self.weights[:, stars], self.corner[stars], self.wavelengths, self.radius)


def collect(
    cube: OpenCube, wavelengths: Array, places: Array, others: Array, width: float, n_bins: int, progress: Progress
) -> Stamps:
    """Cutouts of stars from a cube; see the module.

    Parameters
    ----------
    cube : with STAT or without
    wavelengths : float64 (nz,) of its planes [Angstrom]
    places : float64 (stars, 2), x and y [pixel from 0]
    others : float64 (m, 2), of all sources
    width : of stars [pixel]
    n_bins : at most as many bins as there are planes are made

    Raises
    ------
    MusedeepError
        The cube cannot be read.
    """
    nz, ny, nx = cube.shape
    radius = int(np.clip(np.ceil(RADIUS * width), SMALLEST, LARGEST))
    corner = np.rint(places).astype(np.int64) - radius
    rows, columns = _indices(corner[:, 1], radius, ny), _indices(corner[:, 0], radius, nx)
    mask = _masks(places, others, corner, width, radius)
    mask &= (rows >= 0)[:, :, None] & (columns >= 0)[:, None, :]
    ys, xs = rows.clip(0)[:, :, None], columns.clip(0)[:, None, :]
    edges = np.linspace(0, nz, min(n_bins, nz) + 1).astype(int)
    shape = (edges.size - 1, *mask.shape)
    total, norm, square = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    weight_of_bin, moment = np.zeros(shape[0]), np.zeros(shape[0])
    stat = cube.arrays.get("STAT")
    progress.begin(nz, "planes")
    for first, last in bands(cube.data):
        data = cube.data.read_box(first, last)
        variance = None if stat is None else stat.read_box(first, last)
        for z in range(first, last):
            flux = data[z - first][ys, xs].astype(np.float64)
            if variance is None:
                noise = background(data[z - first])[1]
                error = np.full(flux.shape, noise**2 if noise > 0 else 1.0)
            else:
                error = variance[z - first][ys, xs].astype(np.float64)
            good = np.isfinite(flux) & np.isfinite(error) & (error > 0) & mask
            if not good.any():
                continue
            weight = 1.0 / float(np.median(error[good]))
            b = int(np.searchsorted(edges, z, side="right")) - 1
            total[b] += np.where(good, weight * flux, 0.0)
            square[b] += np.where(good, weight**2 * error, 0.0)
            norm[b] += weight * good
            weight_of_bin[b] += weight
            moment[b] += weight * wavelengths[z]
        progress.advance(last - first)
    good = (norm >= LEAST_SHARE * weight_of_bin[:, None, None, None]) & (norm > 0)
    _drop_gaps(good, mask, places - corner, width)
    with np.errstate(divide="ignore", invalid="ignore"):
        values, weights = np.where(good, total / norm, 0.0), np.where(good, norm**2 / square, 0.0)
    kept = good.any(axis=(1, 2, 3))
    return Stamps(values[kept], weights[kept], corner, moment[kept] / weight_of_bin[kept], radius)


def _indices(first: NDArray[np.int64], radius: int, n: int) -> NDArray[np.int64]:
    """Indices of the pixels of cutouts along an axis, (stars, 2 radius + 1); -1 beyond the cube."""
    found = first[:, None] + np.arange(2 * radius + 1)
    return np.where((found >= 0) & (found < n), found, -1)


def _masks(places: Array, others: Array, corner: NDArray[np.int64], width: float, radius: int) -> NDArray[np.bool_]:
    """Spaxels of the circle of each star that are not near another source."""
    line = np.arange(2 * radius + 1)
    out = np.empty((len(places), line.size, line.size), np.bool_)
    for k, (x, y) in enumerate(places - corner):
        out[k] = np.hypot(line[:, None] - y, line - x) <= radius
        around = others - corner[k]
        apart = np.hypot(*(others - places[k]).T)
        for u, v in around[(apart > width) & (apart < 2.0 * radius + MASKED * width)]:
            out[k] &= np.hypot(line[:, None] - v, line - u) > MASKED * width
    return out


def _drop_gaps(good: NDArray[np.bool_], mask: NDArray[np.bool_], middle: Array, width: float) -> None:
    """Leave a star out of the bins in which its middle has a gap, or less than half of its circle has data."""
    line = np.arange(mask.shape[-1])
    for k, (x, y) in enumerate(middle):
        away = np.hypot(line[:, None] - y, line - x)
        core = away <= max(CORE * width, 1.0)
        whole = good[:, k][:, core].all(axis=1)
        circle = away <= (mask.shape[-1] - 1) / 2
        filled = good[:, k].sum(axis=(1, 2)) >= LEAST_SHARE * circle.sum()
        good[~(whole & filled), k] = False
