"""Depth of a cube: PIXNOISE and ABMAGLIM of ESO science data products (format sdpCube).

PIXNOISE: the square root of the most frequent variance among 0 <= STAT <= 25, as the centre of a bin of 0.04. So it
never exceeds 5.0e-20, however noisy the data are.

ABMAGLIM, the 5 sigma limit for point sources of the cube's mean over wavelength:

1. The mean image is taken in float32, over the finite voxels of each spaxel.
2. It is smoothed with a Gaussian of the width of a point source (SKY_RES) on a square of 2 n + 1 spaxels, n being the
   whole part of that width. Beyond the edges the image is reflected; empty spaxels have no weight, and get a value
   where they have neighbours with data.
3. The mode is that of a histogram with bins of 2 * 3.49 * 1.4826 MAD / N^(1/3) for N values, the first bin centred on
   the lowest value; within the fullest bin it is shifted towards the fuller neighbour. Of several fullest bins the
   mean place counts, and the neighbours of the first.
4. The noise is 1.4826 MAD of the values up to the mode (sources are above it), divided by sqrt(1 - 2 / pi).
5. A point source has 4 pi sigma^2 times the flux of its smoothed peak.

These agree with ESO 2.8.7 to 12 digits wherever both give a number.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.cube.collapse import add_planes, count_values
from musedeep.storage.cubes.voxels import CubeVoxels, bands

LARGEST_VARIANCE, VARIANCE_BIN = 25.0, 0.04
"""Range and bins of the histogram of variances."""

_BINS = round(LARGEST_VARIANCE / VARIANCE_BIN) + 1
_MAD = 1.4826
_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))


def collapse_cube(
    cube: CubeVoxels, weights: Sequence[NDArray[np.float64]], count_variances: bool = False
) -> tuple[list[NDArray[np.float32]], NDArray[np.int64]]:
    """Weighted means over wavelength (manual 7.3.5) and the histogram of variances, in one pass over the cube.

    Parameters
    ----------
    weights : sequence of float64 (nz,), one weight per plane, for each image
    count_variances : bool, whether the variances are read and counted

    Returns
    -------
    images : list of float32 (ny, nx), NaN where there are no data
    variances : int64 (626,), number of voxels per bin, see `pixel_noise`; all 0 unless counted
    """
    sums = [(np.zeros(cube.shape[1:]), np.zeros(cube.shape[1:])) for _ in weights]
    variances = np.zeros(_BINS, np.int64)
    planes = np.arange(cube.shape[0] if weights else 0)
    if not count_variances and weights:
        planes = np.flatnonzero(np.any([weight != 0.0 for weight in weights], axis=0))
    for first, last in bands(cube.data, int(planes[0]), int(planes[-1]) + 1) if planes.size else ():
        data = cube.data.read_box(first, last)
        for weight, (total, norm) in zip(weights, sums, strict=True):
            add_planes(data, weight[first:last], total, norm)
        if count_variances:
            count_values(cube.stat.read_box(first, last), VARIANCE_BIN, LARGEST_VARIANCE, variances)
        del data  # before the next band is read
    images = []
    for total, norm in sums:
        with np.errstate(invalid="ignore", divide="ignore"):
            images.append(np.where(norm > 0, total / norm, np.nan).astype(np.float32))
    return images, variances


def pixel_noise(variances: NDArray[np.int64]) -> float | None:
    """Noise of a voxel [1e-20 erg/s/cm2/Angstrom]: root of the centre of the fullest bin; None if all are empty."""
    if not variances.any():
        return None
    return math.sqrt((int(variances.argmax()) + 0.5) * VARIANCE_BIN)


def limiting_magnitude(image: NDArray[np.floating], width: float, limits: tuple[float, float]) -> float | None:
    """5 sigma AB magnitude limit for point sources of an image; see the module for the method.

    Parameters
    ----------
    image : float (ny, nx), flux density [1e-20 erg/s/cm2/Angstrom]; NaN where there are no data
    width : float, full width at half maximum of a point source [spaxel]
    limits : (float, float), shortest and longest wavelength of the image [Angstrom]

    Returns
    -------
    float or None
        None where the image has no measurable noise, is narrower than the smoothing needs (2 n spaxels), or where the
        width is less than a spaxel; the ESO pipeline writes -99 then.
    """
    reach = int(width)
    if reach < 1 or 2 * reach > min(image.shape):
        return None
    smooth = _smoothed(image.astype(np.float64), width, reach)
    if not smooth.size:
        return None
    noise = _noise_below_mode(smooth)
    if not noise > np.finfo(np.float32).eps * abs(np.median(smooth)):
        return None
    flux = 5.0 * noise * 4.0 * math.pi * (width / _FWHM) ** 2
    return -2.5 * math.log10(3.34e4 * limits[0] * limits[1] / 3631.0) + 50.0 - 2.5 * math.log10(flux)


def _smoothed(image: NDArray[np.float64], width: float, reach: int) -> NDArray[np.float64]:
    """The smoothed values that have data within `reach`, 1-D."""
    from scipy import ndimage  # takes longer to load than the start of a combination may wait

    finite = np.isfinite(image)
    total, weight = (
        ndimage.gaussian_filter(values, width / _FWHM, radius=reach)
        for values in (np.where(finite, image, 0.0), finite.astype(np.float64))
    )
    return total[weight > 0] / weight[weight > 0]


def _deviation(values: NDArray[np.float64]) -> float:
    return _MAD * float(np.median(np.abs(values - np.median(values))))


def _noise_below_mode(values: NDArray[np.float64]) -> float:
    """Standard deviation of the background, from the values up to their mode; 0 if half of them are the same."""
    step = 2.0 * 3.49 * _deviation(values) / values.size ** (1.0 / 3.0)
    if not step > 0:
        return 0.0
    start = float(values.min()) - step / 2.0
    # bins as numbers of those that hold anything: a bright star is millions of bins away
    bins, counts = np.unique(np.floor((values - start) / step), return_counts=True)
    number = dict(zip(bins.tolist(), counts.tolist(), strict=True))
    fullest = bins[counts == counts.max()]
    most, below, above = (number.get(float(fullest[0]) + k, 0) for k in (0, -1, 1))
    mode = start + step * (float(fullest.mean()) + (most - below) / (2 * most - below - above))
    return _deviation(values[values <= mode]) / math.sqrt(1.0 - 2.0 / math.pi)
