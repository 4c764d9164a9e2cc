"""From images of the holes of the multi-pinhole mask to the positions of the slices in the field of view.

The mask moves across the slices in small steps; positions are in its frame.

1. The flux of each spot along the steps has peaks, fitted by Gaussians (`find_peaks`). Their distances give that of the
   holes, and with it the scale of the movement (`hole_distance`, `MaskScale`).
2. The peaks give y and angle of a slice, but for a multiple of the distance of holes; the positions of its three spots
   along the slice give x and width. Lines are averaged, weighted by their flux (`slice_places`).
3. The slices of each stack are put one above the other, which fixes the multiple (`stack_rows`).
4. Outliers of a stack are replaced by a straight line (`smooth_stack`).

Method: manual 9.6; Weilbacher et al. 2020, A&A 641, A28. Unlike in the ESO pipeline, x comes from the columns of the
mask and not from gaps between neighbouring slices, whose width of 0.04 spaxel is too small to measure one by one.
"""

from dataclasses import dataclass
from typing import Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import CCD_TO_SKY, N_SLICES
from musedeep.kernels.lines.gaussian_fit import fit_gaussian_1d

Array = NDArray[np.float64]

HOLE_DISTANCE: Final = (2.945, 0.6135)
"""Distance of neighbouring holes of the mask along and across the slices, mm in the focal plane of the telescope
(across: what the reference's log calls expected; along: the widths of slices follow from it)."""
STACK_COLUMN: Final = (-4.5, -1.5, 1.5, 4.5)
"""Column of the mask in the middle of each stack of slices, in the order of the CCD; x decreases along a slice."""
FLANK: Final = 1.5
"""Dispersions on both sides of a peak that the scan has to cover."""
LEAST_PEAK: Final = 0.3
"""Smallest height of a peak over the highest one of its scan."""
CLIP: Final = 4.0
"""Measurements of different lines further than so many standard deviations (from the median deviation) are left out."""
ROWS_PER_IFU: Final = 12

SKY_OF_SLICE: Final = np.array([CCD_TO_SKY[k % 12] + 12 * (k // 12) for k in range(N_SLICES)])
"""Number on the sky of each slice, in the order of the CCD."""


@nb.njit(nogil=True, cache=True)
def _fit_peak(position, flux, centre, distance, p):
    """Fit the peak near a position; the result says if it is usable and covered by the scan."""
    first = np.searchsorted(position, centre - 0.5 * distance)
    last = np.searchsorted(position, centre + 0.5 * distance)
    if last - first < 6:
        return False
    near = flux[first:last]
    p[0], p[1], p[2], p[3] = near.min(), near.max() - near.min(), centre, 0.1 * distance
    if not p[1] > 0 or not fit_gaussian_1d(position[first:last], near, p):
        return False
    return (
        abs(p[2] - centre) < 0.25 * distance
        and p[2] - FLANK * p[3] >= position[0]
        and p[2] + FLANK * p[3] <= position[-1]
    )


@nb.njit(nogil=True, cache=True)
def find_peaks(position, flux, distance, peaks, heights):
    """Mask positions at which a spot is brightest.

    Parameters
    ----------
    position : float64 (exposures,), ascending, mm
    flux : float64 (exposures,)
    distance : of the holes across the slices, mm
    peaks : float64 (n,), filled, ascending; NaN where there are fewer
    heights : float64 (n,), filled with their heights
    """
    peaks[:] = np.nan
    heights[:] = np.nan
    top = 0
    for k in range(flux.size):
        if not np.isfinite(flux[k]):
            return
        if flux[k] > flux[top]:
            top = k
    p = np.empty(4)
    start = position[top]
    # the brightest step may belong to a peak that the scan cuts
    if _fit_peak(position, flux, start, distance, p):
        start = p[2]
    first = int(np.floor((position[0] - start) / distance))
    last = int(np.ceil((position[-1] - start) / distance))
    n = 0
    for k in range(first, last + 1):
        usable = n < peaks.size and _fit_peak(position, flux, start + k * distance, distance, p)
        if usable and p[1] > LEAST_PEAK * (flux[top] - p[0]):
            peaks[n], heights[n] = p[2], p[1]
            n += 1


@nb.njit(nogil=True, cache=True)
def find_all_peaks(position, flux, distance, peaks, heights):
    """Peaks of many spots: flux float64 (spots, exposures), peaks and heights (spots, n); see `find_peaks`."""
    for k in range(flux.shape[0]):
        find_peaks(position, flux[k], distance, peaks[k], heights[k])


def hole_distance(peaks: Array) -> tuple[float, float, int]:
    """Median, scatter [mm] and number of distances of holes across the slices; NaN, NaN, 0 without any.

    Parameters
    ----------
    peaks : float64 (spots, n), mm, ascending, NaN at the end
    """
    found = np.diff(peaks, axis=1).ravel()
    nominal = HOLE_DISTANCE[1]
    found = found[np.isfinite(found) & (np.abs(found - nominal) < 0.1 * nominal)]
    if found.size == 0:
        return float("nan"), float("nan"), 0
    middle = np.median(found)
    spread = 1.4826 * np.median(np.abs(found - middle))
    kept = found[np.abs(found - middle) <= CLIP * spread] if spread > 0 else found
    return float(np.median(kept)), float(kept.std(ddof=1)) if kept.size > 1 else 0.0, int(kept.size)


@dataclass(frozen=True)
class MaskScale:
    """The mask in spaxels.

    Attributes
    ----------
    column : distance of its holes along the slices, spaxels
    row : distance across the slices, spaxels
    per_mm : spaxels per mm that the mask moves across
    """

    column: float
    row: float
    per_mm: float

    @classmethod
    def of(cls, arcsec_per_mm: float, spaxel: float, distance: float) -> "MaskScale":
        """From the scale of the focal plane, the spaxel [arcsec], and the measured distance of the holes [mm].

        The mask's movement is as long as its holes say.
        """
        column, row = (d * arcsec_per_mm / spaxel for d in HOLE_DISTANCE)
        return cls(column, row, row / distance)


@dataclass
class SlicePlaces:
    """Places of the slices of one IFU in the frame of the mask, in the order of the CCD; NaN where not measured.

    Attributes
    ----------
    x, y, angle, width : float64 (48,), spaxels and degrees; y but for a multiple of the distance of holes
    x_error, y_error, angle_error, width_error : float64 (48,), errors of these means
    """

    x: Array
    y: Array
    angle: Array
    width: Array
    x_error: Array
    y_error: Array
    angle_error: Array
    width_error: Array


def slice_places(peaks: Array, flux: Array, offset: Array, scale: MaskScale) -> SlicePlaces:
    """Places of the slices of one IFU.

    Parameters
    ----------
    peaks : float64 (lines, 48, 3, n), positions of the mask [mm] at which spots are brightest
    flux : float64 (lines, 48), light of the lines, which gives their weight
    offset : float64 (lines, 48, 3)
        Where spots lie on their slice, from its middle towards growing x on the CCD, over its width.
    """
    names = ("x", "y", "angle", "width")
    values = {name: np.full(N_SLICES, np.nan) for name in names}
    errors = {name: np.full(N_SLICES, np.nan) for name in names}
    for index in range(N_SLICES):
        found = _one_slice(peaks[:, index], offset[:, index], STACK_COLUMN[index // 12], scale)
        for name in names:
            values[name][index], errors[name][index] = weighted_mean(found[name], flux[:, index])
    return SlicePlaces(**values, **{f"{name}_error": errors[name] for name in names})


def _one_slice(peaks: Array, offset: Array, column: float, scale: MaskScale) -> dict[str, Array]:
    """Places of one slice from each line: peaks (lines, 3, n), offset (lines, 3)."""
    holes = scale.column * (column + np.array([1.0, 0.0, -1.0]))
    # x = x_slice - offset * width * cos(angle) for each spot (as pixel tables are made)
    spread = offset - offset.mean(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        projected = -(spread * holes).sum(1) / (spread**2).sum(1)
    x = holes.mean() + offset.mean(1) * projected
    height = -scale.per_mm * peaks
    known = height[np.isfinite(height)]
    y, angle = np.full(x.size, np.nan), np.full(x.size, np.nan)
    if known.size:
        # the holes of a slice peak close together; other peaks are the next rows of the mask
        height = height - scale.row * np.round((height - known[0]) / scale.row)
        there = np.isfinite(height)
        count = there.sum(2)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(there, height, 0.0).sum(2) / count
        centred = holes - holes.mean()
        slope = (mean * centred).sum(1) / (centred**2).sum()
        y = mean.mean(1) + slope * (x - holes.mean())
        angle = np.degrees(np.arctan(slope))
    width = projected / np.cos(np.radians(np.where(np.isfinite(angle), angle, 0.0)))
    return {"x": x, "y": y, "angle": angle, "width": width}


def weighted_mean(values: Array, weights: Array) -> tuple[float, float]:
    """Mean of the values of different lines, float64 (n,), and its error, without outliers; NaN where none is known."""
    good = np.isfinite(values) & np.isfinite(weights) & (weights > 0)
    if not good.any():
        return float("nan"), float("nan")
    v, w = values[good], weights[good]
    middle = np.median(v)
    spread = 1.4826 * np.median(np.abs(v - middle))
    kept = np.abs(v - middle) <= CLIP * spread if spread > 0 else np.full(v.size, True)
    v, w = v[kept], w[kept] / w[kept].sum()
    mean = float((v * w).sum())
    if v.size < 2:
        return mean, float("nan")
    effective = 1.0 / (w**2).sum()
    return mean, float(np.sqrt((w * (v - mean) ** 2).sum() / max(effective - 1.0, 1.0)))


def central_gaps(x: Array, width: Array) -> Array:
    """Middles of the gaps between the inner stacks: float64 (..., 12), by row on the sky; x and width: (..., 48)."""
    order = np.argsort(SKY_OF_SLICE)
    right, left = x + 0.5 * width, x - 0.5 * width
    return np.asarray(0.5 * (right[..., order[12:24]] + left[..., order[24:36]]))


def stack_rows(height: Array, ifus: list[int], reference: int, row: float) -> tuple[Array, Array]:
    """Put the slices of each stack one above the other: float64 (ifus, 48), heights, and bool, which were measured.

    Each lies about a spaxel above the one before, as the order of slices and IFUs on the sky says, and a whole number
    of hole distances from its measured height; the distance, 5 spaxels, leaves no choice.
    Heights not measured lie between their neighbours.

    Parameters
    ----------
    height : float64 (ifus, 48), heights [spaxel] but for multiples of `row`, NaN where not measured
    ifus : numbers of the IFUs
    reference : int, index of the IFU whose slice 18 on the sky gets height 0
    row : distance of the holes, spaxels
    """
    rank = np.array([[ROWS_PER_IFU * ifu + (sky - 1) % ROWS_PER_IFU for sky in SKY_OF_SLICE] for ifu in ifus])
    out = np.full(height.shape, np.nan)
    zero_rank, zero = ROWS_PER_IFU * ifus[reference] + 5, float("nan")
    for stack in (1, 0, 2, 3):
        in_stack = np.broadcast_to(stack == (SKY_OF_SLICE - 1) // ROWS_PER_IFU, height.shape)
        ranks, heights = rank[in_stack], height[in_stack]
        order = np.argsort(ranks)
        known = order[np.isfinite(heights[order])]
        placed = np.full(ranks.size, np.nan)
        if known.size:
            start = int(np.argmin(np.abs(ranks[known] - zero_rank)))
            if np.isnan(zero):
                zero = heights[known[start]] - (ranks[known[start]] - zero_rank)
            before_rank, before = zero_rank, zero
            for k in known[start:]:
                placed[k] = before = _nearest(heights[k], before + (ranks[k] - before_rank), row)
                before_rank = ranks[k]
            before_rank, before = ranks[known[start]], placed[known[start]]
            for k in known[:start][::-1]:
                placed[k] = before = _nearest(heights[k], before + (ranks[k] - before_rank), row)
                before_rank = ranks[k]
            missing = np.isnan(placed)
            placed[missing] = _between(ranks[missing], ranks[known], placed[known])
        out[in_stack] = placed
    at_zero = out[reference, SKY_OF_SLICE == 18][0]
    return out - (at_zero if np.isfinite(at_zero) else 0.0), np.isfinite(height)


def _nearest(height: float, expected: float, row: float) -> float:
    """The height, up to multiples of `row`, that is nearest to the expected one."""
    return float(height - row * np.round((height - expected) / row))


def _between(ranks: NDArray[np.int64], known: NDArray[np.int64], heights: Array) -> Array:
    """Heights at ranks between (linearly) or beyond (a spaxel a rank) known ones."""
    out = np.interp(ranks, known, heights)
    return np.asarray(out + np.minimum(ranks - known.min(), 0) + np.maximum(ranks - known.max(), 0))


def smooth_stack(values: Array, sigma: float) -> tuple[Array, NDArray[np.bool_]]:
    """Values without outliers, which a straight line through all replaces (parameter smooth), and which were replaced.

    Parameters
    ----------
    values : float64 (12,), in the order on the sky
    sigma : float, limit in units of the root mean square of the residuals; nothing is replaced if it is not positive
    """
    good = np.isfinite(values)
    if sigma <= 0 or good.sum() < 3:
        return values.copy(), np.zeros(values.size, bool)
    place = np.arange(values.size)
    line = np.polynomial.Polynomial.fit(place[good], values[good], 1)
    residual = values - line(place)
    limit = sigma * np.sqrt(np.mean(residual[good] ** 2))
    # what rounding alone leaves is no outlier
    replaced = good & (np.abs(residual) > np.maximum(limit, 1e-9))
    return np.where(replaced, line(place), values), replaced
