"""Satellite trails in the images of exposures: found and measured on what an image differs from the others.

1. The residual of an image against the mean of the others is divided by its noise. Pixels in which the mean is bright
   (5 sigma) are left out, and single outliers are cut at 5 sigma.
2. For each direction (every degree) the pixels are summed along lines of that direction, in bins of a pixel across
   (Radon transform). The sum in a strip as wide as a star, over that of pure noise, is compared with the two strips
   beside it; the smaller difference counts, so that steps between slices and IFUs are no trails.
3. A trail is where that difference exceeds 8 times the noise of the transform itself. This is its scatter (median
   absolute deviation) over all lines, which knows that neighbouring pixels are not independent.
4. A line is fitted to the light of the trail. The profile across it gives its peak flux and its width (second moment).
   The flux along it, in pieces as long as a star is wide and averaged over five, gives its length: from the first to
   the last piece above a quarter of the median flux.
5. What is along an axis of the grid, as slices and IFUs are, or short, as wings of stars, has to be brighter; what is
   narrower than stars is none. The line is masked, and the search repeated for another one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from musedeep.kernels.field.sources import background
from musedeep.quality.record import Finding
from musedeep.quality.singles import Singles

Floats = NDArray[np.float64]

BRIGHT, CUT = 5.0, 5.0
"""Signal to noise of pixels of the mean image that are left out, and at which residuals are cut."""
SIGNIFICANT: Final = 8.0
"""Of a trail, in the noise of the transform."""
STEP: Final = 1.0
"""Of directions [deg]."""
SHORTEST: Final = 0.25
"""Length of a line that is searched, over the shorter side of the image."""
LEAST_LENGTH: Final = 8.0
"""Of a trail that is not very bright [arcsec]."""
FAINTEST, ALONG, SHORT = 0.4, 3.0, 15.0
"""Peak flux of a trail over the noise of a pixel; of one along an axis of the grid; of a short one, across a strip."""
STRIP: Final = 0.3
"""Width over length of a field of a few IFUs."""
AXIS: Final = 6.0
"""Angle to an axis of the grid within which a trail is along it [deg]."""
NARROWEST, WIDEST = 0.5, 3.0
"""Width of a trail [arcsec]."""
MOST: Final = 5
"""Lines that are looked at in one exposure."""
WIDTH: Final = 0.8
"""Of a star [arcsec]."""


@dataclass(frozen=True)
class Trail:
    """A satellite in the image of an exposure.

    Attributes
    ----------
    exposure : name
    angle : of the trail to the lines of the grid, counterclockwise [deg]
    start, end : x, y in the grid [pixel from 0]
    peak : flux on its middle line, as in the image
    noise : of a pixel of the image
    width : full width at half maximum [arcsec]
    length : [arcsec]
    significance : in the noise of the transform
    """

    exposure: str
    angle: float
    start: tuple[float, float]
    end: tuple[float, float]
    peak: float
    noise: float
    width: float
    length: float
    significance: float


def find_trails(singles: Singles, number: int) -> list[Trail]:
    """Trails in the image of an exposure; see the module. None are found in an image that is alone."""
    one = singles.images[number]
    others = singles.others(number).astype(np.float64)
    noise = one.noise
    if not noise > 0:
        return []
    residual = (one.data - others) / noise
    usable = np.isfinite(residual) & (others < BRIGHT * noise)
    strip = max(1, round(WIDTH / singles.scale))
    usable &= ~ndimage.binary_dilation(np.nan_to_num(others) > BRIGHT * noise, iterations=strip)
    if usable.sum() < 100:
        return []
    residual = _without_stripes(np.where(usable, residual, np.nan))
    # sources and gradients widen the noise of an image, and not that of its residual
    middle, width = background(residual[usable])
    if not width > 0:
        return []
    noise *= width
    residual = np.where(usable, (residual - middle) / width, 0.0)
    cut = np.clip(residual, -CUT, CUT)
    found: list[Trail] = []
    for _ in range(MOST):
        best = _strongest(cut, usable, strip)
        if best is None or best[0] < SIGNIFICANT:
            break
        trail = _measure(residual, usable, best, strip, singles.scale)
        if trail is None:
            break
        angle, start, end, peak, width, length, mask = trail
        usable = usable & ~mask
        cut = np.where(usable, cut, 0.0)
        # what is fainter, shorter or narrower are slices, IFUs, and wings of stars
        along_axis = abs((angle + 45.0) % 90.0 - 45.0) < AXIS
        faintest = max(ALONG if along_axis else FAINTEST, SHORT if length < LEAST_LENGTH else 0.0)
        if peak < faintest or not NARROWEST < width < WIDEST:
            continue
        shift = np.array([one.x0, one.y0])
        first, last = (tuple(float(v) for v in np.array(point) + shift) for point in (start, end))
        found.append(
            Trail(one.name, angle, (first[0], first[1]), (last[0], last[1]), peak * noise * one.scale,
                  noise * one.scale, width, length, best[0])
        )  # fmt: skip
    return found


def findings(trails: list[Trail], limit: float | None = None) -> list[Finding]:
    """What to report of trails; those brighter than a limit (peak flux over noise) are called extreme."""
    out = []
    for one in trails:
        ratio = one.peak / one.noise if one.noise > 0 else 0.0
        extreme = limit is not None and ratio > limit
        text = (
            f"satellite: {one.length:.0f} arcsec long, {one.width:.1f} arcsec wide, peak {one.peak:.3g} "
            f"({ratio:.1f} times the noise)" + ("; extreme, exclude the exposure" if extreme else "; kept")
        )
        kind = "extreme satellite" if extreme else "satellite"
        out.append(Finding(kind=kind, text=text, exposure=one.exposure, value=ratio))
    return out


def _without_stripes(residual: Floats) -> Floats:
    """The residual of a field of a few IFUs without the medians along it, of which no satellite is part.

    There stripes of slices and IFUs are longer than any trail across.
    """
    ny, nx = residual.shape
    for axis, (long, wide) in ((1, (nx, ny)), (0, (ny, nx))):
        if wide < STRIP * long:
            known = np.isfinite(residual).any(axis=axis)
            levels = np.zeros(known.shape)
            levels[known] = np.nanmedian(residual[known] if axis == 1 else residual[:, known], axis=axis)
            residual = residual - np.expand_dims(levels, axis)
    return residual


def _across(shape: tuple[int, int], angle: float) -> Floats:
    """Distance of pixels from a line of a direction through the middle, float64 (ny, nx)."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    turn = np.radians(angle)
    return (y - (shape[0] - 1) / 2) * np.cos(turn) - (x - (shape[1] - 1) / 2) * np.sin(turn)


def _sums(cut: Floats, usable: NDArray[np.bool_], angle: float, strip: int) -> tuple[Floats, Floats, int]:
    """Strips of a direction less both sides, in units of pure noise; their pixels; and which passes the middle."""
    middle = int(np.ceil(np.hypot(*cut.shape) / 2)) + 2 * strip
    bins = np.rint(_across((cut.shape[0], cut.shape[1]), angle)[usable]).astype(np.int64) + middle
    kernel = np.ones(strip)
    total = np.convolve(np.bincount(bins, cut[usable], 2 * middle + 1), kernel, "same")
    count = np.convolve(np.bincount(bins, minlength=2 * middle + 1), kernel, "same")
    mean = total / np.maximum(count, 1.0)
    left, right = np.roll(mean, strip + 1), np.roll(mean, -strip - 1)
    for side, by in ((left, strip + 1), (right, -strip - 1)):
        few = np.roll(count, by) < 0.3 * count
        side[few] = 0.0  # beyond the edge of the field there is only the background
    difference = np.minimum(mean - left, mean - right) * np.sqrt(count)
    return difference, count, middle


def _strongest(cut: Floats, usable: NDArray[np.bool_], strip: int) -> tuple[float, float, float] | None:
    """Significance, angle [deg] and distance from the middle [pixel] of the most significant strip; None: no line."""
    least = SHORTEST * min(cut.shape) * strip
    angles = np.arange(0.0, 180.0, STEP)
    rows = [_sums(cut, usable, float(angle), strip) for angle in angles]
    known = np.concatenate([row[0][row[1] > least] for row in rows])
    if known.size < 100:
        return None
    middle = float(np.median(known))
    noise = 1.4826 * float(np.median(np.abs(known - middle)))
    if not noise > 0:
        return None
    best = (-np.inf, 0.0, 0.0)
    for angle, (difference, count, zero) in zip(angles, rows, strict=True):
        value = np.where(count > least, (difference - middle) / noise, -np.inf)
        place = int(value.argmax())
        if value[place] > best[0]:
            best = (float(value[place]), float(angle), float(place - zero))
    for angle in best[1] + np.arange(-STEP, STEP + 0.01, STEP / 5):
        difference, count, zero = _sums(cut, usable, float(angle), strip)
        value = np.where(count > least, (difference - middle) / noise, -np.inf)
        place = int(value.argmax())
        if value[place] > best[0]:
            best = (float(value[place]), float(angle), float(place - zero))
    return best


def _straightened(
    residual: Floats, usable: NDArray[np.bool_], angle: float, distance: float, strip: int
) -> tuple[float, float]:
    """Angle [deg] and distance [pixel] of the line that fits the light of a trail."""
    shape = (residual.shape[0], residual.shape[1])
    for _ in range(2):
        across, along = _across(shape, angle) - distance, _across(shape, angle - 90.0)
        near = usable & (np.abs(across) <= 1.5 * strip) & (residual > 1.0)
        if near.sum() < 10:
            break
        weight, x, y = residual[near], along[near], across[near]
        mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
        slope = float((weight * (x - mean_x) * (y - mean_y)).sum() / (weight * (x - mean_x) ** 2).sum())
        distance += float(mean_y - slope * mean_x)
        angle += float(np.degrees(np.arctan(slope)))
    return angle, distance


def _measure(
    residual: Floats, usable: NDArray[np.bool_], best: tuple[float, float, float], strip: int, scale: float
) -> tuple[float, tuple[float, float], tuple[float, float], float, float, float, NDArray[np.bool_]] | None:
    """Angle, ends, peak flux, width [arcsec], length [arcsec] of a trail, and the pixels to mask."""
    shape = (residual.shape[0], residual.shape[1])
    angle, distance = _straightened(residual, usable, best[1], best[2], strip)
    across = _across(shape, angle) - distance
    along = _across(shape, angle - 90.0)
    near = usable & (np.abs(across) < 4 * strip)
    bins = np.rint(across[near]).astype(np.int64) + 4 * strip
    count = np.bincount(bins, minlength=8 * strip + 1)
    profile = np.bincount(bins, residual[near], 8 * strip + 1) / np.maximum(count, 1)
    place = np.arange(-4 * strip, 4 * strip + 1)
    core, wings = np.abs(place) <= 1.5 * strip, np.abs(place) > 2 * strip
    level = float(np.median(profile[wings]))
    light = np.maximum(profile - level, 0.0)[core]
    if not light.sum() > 0:
        return None
    centre = float((light * place[core]).sum() / light.sum())
    width = 2.3548 * float(np.sqrt((light * (place[core] - centre) ** 2).sum() / light.sum()))
    middle = usable & (np.abs(across - centre) <= max(0.5, 0.25 * width))
    peak = float(residual[middle].mean()) - level if middle.any() else float(light.max())
    inside = usable & (np.abs(across - centre) <= max(1.0, 0.5 * width))
    pieces = np.floor(along[inside] / strip).astype(np.int64)
    first = int(pieces.min())
    number = np.bincount(pieces - first)
    flux = np.bincount(pieces - first, residual[inside] - level) / np.maximum(number, 1)
    smooth = ndimage.uniform_filter1d(flux, 5)
    lit = np.flatnonzero((smooth > 0.25 * np.median(smooth[smooth > 0])) & (number > 0))
    if not lit.size:
        return None
    low, high = (first + lit[0]) * strip, (first + lit[-1] + 1) * strip
    turn = np.radians(angle)
    direction, normal = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    origin = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2]) + (distance + centre) * normal
    ends = [origin + step * direction for step in (low, high)]
    a, b = ((float(e[0]), float(e[1])) for e in ends)
    mask = np.abs(across - centre) < 2.5 * max(width, strip)
    return angle % 180.0, a, b, peak, width * scale, float(high - low) * scale, mask
