"""What one pass over a deep cube tells of it, plane by plane.

1. The histogram of all voxels.
2. The median and the noise of each plane, measured (1.4826 times the median absolute deviation), and as STAT has it
   (root of its median).
3. Noise between neighbouring spaxels in windows of 8 arcsec without sources, in every sixteenth plane.
4. Spectra of the brightest sources in their middle and in the ring around it. A misaligned exposure that has been
   rejected in part leaves a hole: a ring that is brighter than the middle. The depth of the hole is that of the mean
   over wavelength, or of the five planes around the brightest emission line, whichever is deeper.
5. The mean image, where the product has none.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.cube.collapse import add_planes
from musedeep.kernels.field.sources import background
from musedeep.quality.histogram import FluxHistogram
from musedeep.quality.windows import SIDE, local_noise
from musedeep.storage.cubes.open_cube import OpenCube
from musedeep.storage.cubes.voxels import bands

Floats = NDArray[np.float64]

EVERY: Final = 16
"""Planes from one whose noise in windows is measured to the next."""
RING: Final = (0.75, 1.5)
"""Radii of the ring around the middle of a source, over half of its width."""
MOST: Final = 20
"""Sources whose holes are looked for, the brightest ones."""
SIGNIFICANT: Final = 5.0
"""Of a hole."""


@dataclass(frozen=True)
class CubeFacts:
    """What a pass over a cube tells.

    Attributes
    ----------
    histogram : of its voxels
    median, noise, expected : float64 (nz,), median and noise of each plane, noise by STAT; NaN without data
    local_noise, local_ratio : median noise in windows, and its median ratio to that of STAT; NaN if unknown
    holes : float64 (sources,), depth of the hole in the middle of each source over its light; 0 without one
    light : float64 (nz,), mean flux in the middle of the brightest sources, less the median of each plane
    image : float32 (ny, nx), mean over wavelength
    """

    histogram: FluxHistogram
    median: Floats
    noise: Floats
    expected: Floats
    local_noise: float
    local_ratio: float
    holes: Floats
    light: Floats
    image: NDArray[np.float32]


def cube_facts(cube: OpenCube, sources: Floats, fwhm: float, empty: NDArray[np.bool_], scale: float) -> CubeFacts:
    """Measure a cube in one pass; see the module. Memory is that of a band of planes.

    Parameters
    ----------
    sources : float64 (n, 2), x and y of sources [pixel from 0], the brightest first
    fwhm : width of a star [pixel]
    empty : bool (ny, nx), pixels without a source
    scale : side of a spaxel [arcsec]

    Raises
    ------
    MusedeepError
        The cube has no STAT, or cannot be read.
    """
    nz, ny, nx = cube.shape
    histogram = FluxHistogram()
    median, noise, expected = np.full(nz, np.nan), np.full(nz, np.nan), np.full(nz, np.nan)
    total, norm = np.zeros((ny, nx)), np.zeros((ny, nx))
    masks = [_discs(place, fwhm, (ny, nx)) for place in sources[:MOST]]
    spectra = np.full((len(masks), 2, nz), np.nan)
    local, ratio = [], []
    side = max(8, round(SIDE / scale))
    for first, last in bands(cube.data):
        data, stat = cube.data.read_box(first, last), cube.stat.read_box(first, last)
        histogram.add(data)
        add_planes(data, np.ones(last - first), total, norm)
        for z in range(first, last):
            plane, variance = data[z - first], stat[z - first]
            median[z], noise[z] = background(plane)
            known = variance[np.isfinite(variance)]
            if not known.size:
                median[z] = noise[z] = np.nan
                continue
            expected[z] = np.sqrt(np.median(known))
            if z % EVERY == EVERY // 2 or nz < EVERY:
                here = local_noise((plane[:, 1:] - plane[:, :-1]) / np.sqrt(2.0), empty[:, 1:] & empty[:, :-1], side)
                local.append(here)
                ratio.append(here / expected[z] if expected[z] > 0 else np.nan)
            for k, (middle, ring) in enumerate(masks):
                spectra[k, 0, z], spectra[k, 1, z] = _mean(plane[middle]), _mean(plane[ring])
    with np.errstate(invalid="ignore", divide="ignore"):
        image = np.where(norm > 0, total / norm, np.nan).astype(np.float32)
    pixels = np.array([middle[0].size for middle, _ in masks])
    holes = _holes(spectra, noise, median, pixels)
    light = _mean_of(spectra[:, 0]) - median
    return CubeFacts(histogram, median, noise, expected, _median(local), _median(ratio), holes, light, image)


def _discs(place: Floats, fwhm: float, shape: tuple[int, int]) -> tuple[tuple[NDArray[np.intp], ...], ...]:
    """Pixels in the middle of a source, and in the ring around it."""
    reach = int(np.ceil(RING[1] * fwhm / 2)) + 1
    x0, y0 = np.rint(place).astype(int)
    y, x = np.mgrid[
        max(0, y0 - reach) : min(shape[0], y0 + reach + 1), max(0, x0 - reach) : min(shape[1], x0 + reach + 1)
    ]
    away = np.hypot(x - place[0], y - place[1]) / (fwhm / 2)
    inside, around = away <= max(0.4, 1.0 / fwhm), (away > RING[0]) & (away <= RING[1])
    return (y[inside], x[inside]), (y[around], x[around])


def _holes(spectra: Floats, noise: Floats, level: Floats, pixels: NDArray[np.intp]) -> Floats:
    """Depth of the hole of each source; see the module."""
    out = np.zeros(len(spectra))
    good = np.isfinite(noise) & (noise > 0)
    for k, (middle, ring) in enumerate(spectra - np.nan_to_num(level)):
        use = good & np.isfinite(middle) & np.isfinite(ring)
        if not use.any() or not pixels[k]:
            continue
        spans = [use]
        line = np.where(use, ring / np.where(good, noise, 1.0), -np.inf)
        peak = int(line.argmax())
        near = np.zeros(use.size, np.bool_)
        near[max(0, peak - 2) : peak + 3] = True
        spans.append(use & near)
        for span in spans:
            n = span.sum()
            light, dark = ring[span].mean(), middle[span].mean()
            error = np.sqrt((noise[span] ** 2).mean() / (n * pixels[k]))
            if light > 0 and light - dark > SIGNIFICANT * error:
                out[k] = max(out[k], (light - dark) / light)
    return out


def _mean_of(rows: Floats) -> Floats:
    """Mean of rows (n, nz), without what is not finite; NaN where nothing is."""
    known = np.isfinite(rows)
    total = np.where(known, rows, 0.0).sum(axis=0)
    return np.asarray(np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan), np.float64)


def _mean(values: NDArray[np.floating]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _median(values: list[float]) -> float:
    known = np.array(values)[np.isfinite(values)] if values else np.empty(0)
    return float(np.median(known)) if known.size else float("nan")
