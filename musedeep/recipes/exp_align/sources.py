"""Sources of an image of the field: background, threshold, limits on the shape, distance to pixels without data."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.field.point_sources import SIGMA, PointSources, find_candidates
from musedeep.recipes.exp_align.recipe import ExpAlignParameters
from musedeep.storage.source_list import SourceList

Array = NDArray[np.float64]


LEAST_ERROR: Final = 0.01
"""Of the place of a source [pixel]."""


@dataclass(frozen=True)
class Sources:
    """Sources of one image.

    Attributes
    ----------
    found : of the image; NaN in what a list that was given does not say
    origin : "detection", or "catalog" for a list that was given
    median, deviation : of the background, and its median absolute deviation; 0 of a list
    threshold : that was used; 0 of a list
    noise : of the heights of sources; 0 of a list
    trouble : why there are none, or too few; empty if all is well
    """

    found: PointSources
    origin: str = "detection"
    median: float = 0.0
    deviation: float = 0.0
    threshold: float = 0.0
    noise: float = 0.0
    trouble: str = ""

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self.found.x)

    def errors(self, fwhm: float) -> Array:
        """Errors of the places [pixel], float64 (n,).

        That of a source is the width over its height in units of the noise, but not less than what the shape of the
        light in its pixels leaves.
        """
        if not self.noise:
            return np.full(self.number, LEAST_ERROR)
        return np.hypot(LEAST_ERROR, fwhm / SIGMA * self.noise / self.found.height)

    def failed(self, why: str) -> "Sources":
        """The same without sources."""
        return replace(self, found=self.found.chosen(slice(0, 0)), trouble=why)


def listed(given: SourceList) -> Sources:
    """The sources of a SOURCE_LIST."""
    unknown = np.full(len(given.x), np.nan)
    trouble = "" if len(given.x) else "its SOURCE_LIST is empty"
    return Sources(PointSources(given.x, given.y, unknown, unknown, unknown), "catalog", trouble=trouble)


def detected(data: Array, parameters: ExpAlignParameters) -> Sources:
    """Look for the sources of an image.

    Parameters
    ----------
    data : float64 (ny, nx), NaN where there are no data
    """
    none = PointSources(*np.empty((5, 0)))
    values = data[np.isfinite(data)]
    if not values.size:
        return Sources(none, trouble="no pixel has data")
    median, deviation = background(values, parameters.bkgignore, parameters.bkgfraction)
    start = parameters.threshold if parameters.threshold > 0 else median - parameters.threshold * deviation
    found, noise = find_candidates(data, parameters.fwhm)
    found = found.chosen(
        (found.sharpness >= parameters.sharpmin) & (found.sharpness <= parameters.sharpmax)
        & (found.roundness >= parameters.roundmin) & (found.roundness <= parameters.roundmax)
    )  # fmt: skip
    level, n = threshold(found.height, start, parameters)
    sources = Sources(found.chosen(found.height > level), "detection", median, deviation, level, noise)
    if n < parameters.srcmin:
        return sources.failed(f"{n} sources above {level:g}, at least {parameters.srcmin} are needed (srcmin)")
    if n > parameters.srcmax:
        return sources.failed(f"{n} sources above {level:g}, at most {parameters.srcmax} are wanted (srcmax)")
    sources = replace(sources, found=away_from_gaps(sources.found, data, parameters.bpixdistance))
    if not sources.number:
        return sources.failed(f"all {n} sources are within {parameters.bpixdistance:g} pixels of a gap (bpixdistance)")
    return sources


def background(values: Array, ignore: float, fraction: float) -> tuple[float, float]:
    """Median and median absolute deviation of the dark pixels of an image.

    Parameters
    ----------
    values : of the pixels (n,)
    ignore : share of the pixels, the darkest, that is left out
    fraction : share of the others, again the darkest, that counts
    """
    ordered = np.sort(values)
    n = ordered.size
    low = max(round_half_up(ignore * n), 1) - 1
    high = max(round_half_up((ignore + fraction * (1.0 - ignore)) * n), 1) - 1
    dark = ordered[(ordered > ordered[low]) & (ordered < ordered[min(high, n - 1)])]
    if not dark.size:  # a level image
        dark = ordered
    median = float(np.median(dark))
    return median, float(np.median(np.abs(dark - median)))


def round_half_up(number: float) -> int:
    """The nearest whole number."""
    return int(np.floor(number + 0.5))


def threshold(heights: Array, start: float, parameters: ExpAlignParameters) -> tuple[float, int]:
    """The threshold that leaves as many sources as there are to be, and how many.

    It is lowered or raised in steps. If a step leads from too many sources to too few, the threshold between them
    leaves the largest number that is wanted.

    Parameters
    ----------
    heights : of all candidates (n,)
    start : first threshold
    """
    ordered = np.sort(heights)

    def count(level: float) -> int:
        return int(ordered.size - np.searchsorted(ordered, level, side="right"))

    level = start
    n = count(level)
    rising: bool | None = None
    for _ in range(1, parameters.iterations):
        if parameters.srcmin <= n <= parameters.srcmax:
            break
        up = n > parameters.srcmax
        if rising is not None and up != rising:
            between = float(ordered[ordered.size - parameters.srcmax - 1])
            return between, count(between)
        rising = up
        moved = level + (parameters.step if up else -parameters.step)
        if moved <= 0 and not up:
            break
        level, n = moved, count(moved)
    return level, n


def away_from_gaps(found: PointSources, data: Array, distance: float) -> PointSources:
    """The sources whose pixel is at least `distance` [pixel] from all pixels without data."""
    gap = ~np.isfinite(data)
    if not gap.any() or not distance > 0:
        return found
    from scipy import ndimage  # takes a fifth of a second, which other recipes need not wait for

    free = ndimage.distance_transform_edt(~gap)
    return found.chosen(free[found.y.astype(int), found.x.astype(int)] >= distance)
