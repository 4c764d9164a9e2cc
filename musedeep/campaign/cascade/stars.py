"""Stars of single images: where they are on the sky, their light in apertures, and which images show the same ones.

1. Point sources are found as muse_exp_align does (`kernels.field.point_sources`), well above the noise and away from
   pixels without data.
2. Their light is the sum in a circle less the median of a ring around it, so that it does not depend on the seeing as
   the height of a peak does.
3. Two images share the sources that coincide after the most likely shift of one against the other
   (`kernels.field.source_pairs`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.field.point_sources import find_candidates
from musedeep.kernels.field.source_pairs import likely_shift
from musedeep.kernels.field.tangent import east_north
from musedeep.recipes.exp_align.sources import away_from_gaps
from musedeep.storage.cubes.field_view import FieldPlane, FieldView

Array = NDArray[np.float64]

FWHM: Final = 5.0
"""Of the sources that are looked for, as in muse_exp_align [pixel]."""
ABOVE_NOISE: Final = 10.0
"""Height of a star over the noise of heights."""
SHARP: Final = (0.2, 1.0)
ROUND: Final = (-1.0, 1.0)
"""Limits of sharpness and roundness, as in muse_exp_align."""
MOST: Final = 80
"""Stars of an image that are taken, the brightest."""
RING: Final = (1.5, 2.5)
"""Radii of the ring, over that of the aperture."""
SAME: Final = 1.0
"""Distance within which sources of two images are the same, after their shift [arcsec]."""
BINS: Final = 60
"""Of the search for a shift."""
CHANCE: Final = -2.0
"""log10 of the chance of a wrong shift that is taken."""


@dataclass(frozen=True)
class Stars:
    """Stars of an image: places [pixel, from 0], light in apertures [unit of the image]; float64 (n,)."""

    plane: FieldPlane
    x: Array
    y: Array
    flux: Array

    def places(self, centre: tuple[float, float]) -> Array:
        """East and north of a place on the sky [arcsec], float64 (n, 2)."""
        return east_north(*self.plane.to_sky(self.x, self.y), centre)


def stars_of(view: FieldView, radius: float) -> Stars:
    """The stars of an image, the brightest first.

    Parameters
    ----------
    radius : of the aperture [arcsec]
    """
    found, noise = find_candidates(view.data, FWHM)
    size = radius / view.plane.scale
    good = (
        (found.height > ABOVE_NOISE * noise)
        & (found.sharpness >= SHARP[0]) & (found.sharpness <= SHARP[1])
        & (found.roundness >= ROUND[0]) & (found.roundness <= ROUND[1])
    )  # fmt: skip
    found = away_from_gaps(found.chosen(good), view.data, size)
    order = np.argsort(-found.height, kind="stable")[:MOST]
    x, y = found.x[order], found.y[order]
    flux = np.array([aperture(view.data, a, b, size) for a, b in zip(x, y, strict=True)], np.float64)
    kept = np.isfinite(flux) & (flux > 0)
    return Stars(view.plane, x[kept], y[kept], flux[kept])


def aperture(image: Array, x: float, y: float, radius: float) -> float:
    """Light in a circle, less that of the median of the ring around it; NaN where the ring has no data.

    Parameters
    ----------
    image : float64 (ny, nx), NaN where there are no data
    x, y, radius : [pixel]
    """
    reach = math.ceil(RING[1] * radius) + 1
    x0, y0 = max(int(x) - reach, 0), max(int(y) - reach, 0)
    box = image[y0 : int(y) + reach + 2, x0 : int(x) + reach + 2]
    rows, columns = np.mgrid[: box.shape[0], : box.shape[1]]
    distance = np.hypot(columns + x0 - x, rows + y0 - y)
    ring = box[(distance >= RING[0] * radius) & (distance <= RING[1] * radius)]
    ring = ring[np.isfinite(ring)]
    inside = box[distance <= radius]
    inside = inside[np.isfinite(inside)]
    if not ring.size or not inside.size:
        return math.nan
    return float((inside - np.median(ring)).sum())


def same_stars(one: Stars, other: Stars, search: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Numbers of the stars that two images share, in each of them.

    Parameters
    ----------
    search : largest shift of one image against the other [arcsec]
    """
    none = np.empty(0, np.intp)
    if not one.x.size or not other.x.size:
        return none, none
    first, second = one.places(one.plane.crval), other.places(one.plane.crval)
    shift = likely_shift(first, second, search, BINS, 2 * one.plane.scale)
    # a few bright stars agree by more than chance only where all of them do
    few = min(len(first), len(second))
    if shift is None or (shift.chance > CHANCE and shift.matches < few):
        return none, none
    return nearest_pairs(first, second - np.array([shift.east, shift.north]), SAME)


def nearest_pairs(first: Array, second: Array, radius: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of positions that are nearest to each other, both ways, within a radius.

    Parameters
    ----------
    first, second : float64 (n, 2)
    """
    if not len(first) or not len(second):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    apart = np.hypot(*(second[None, :, :] - first[:, None, :]).transpose(2, 0, 1))
    there, back = apart.argmin(1), apart.argmin(0)
    k = np.arange(len(first))
    good = (back[there] == k) & (apart[k, there] <= radius)
    return k[good], there[good]


@dataclass(frozen=True)
class Scales:
    """Flux scales of images.

    Attributes
    ----------
    ratios : flux of the stars of each image, over the median of the other images that show them and are not wrong;
        None if too few do
    wrong : numbers of the images that are off by more than a limit
    undecided : whether half of the images or more are off against the others, so that nobody can say which are wrong
    """

    ratios: list[float | None]
    wrong: list[int]
    undecided: bool = False


def flux_scales(stars: Sequence[Stars], search: float, least: int, limit: float) -> Scales:
    """Compare the flux scales of images.

    1. Of each pair, the median ratio of the stars in common.
    2. An image is wrong if the median of its ratios, its own 1 among them, is beyond the limit.
    3. Its ratio is then that over the images which are right.

    Parameters
    ----------
    search : see `same_stars`
    least : fewest stars in common of a pair
    limit : ratio, or its inverse, beyond which a scale is wrong
    """
    n = len(stars)
    logs = np.full((n, n), np.nan)
    for i in range(n):
        for j in range(i + 1, n):
            a, b = same_stars(stars[i], stars[j], search)
            if len(a) >= least:
                value = float(np.median(np.log(stars[i].flux[a] / stars[j].flux[b])))
                logs[i, j], logs[j, i] = value, -value

    def median(i: int, others: Sequence[int], own: bool) -> float | None:
        known = [logs[i, j] for j in others if j != i and np.isfinite(logs[i, j])]
        return float(np.median([*known, 0.0] if own else known)) if known else None

    far = math.log(limit)
    first = [median(i, range(n), own=True) for i in range(n)]
    known = [i for i in range(n) if first[i] is not None]
    off = [i for i in known if abs(first[i] or 0.0) > far]
    if not known or 2 * len(off) >= len(known):
        found = [median(i, range(n), own=False) for i in range(n)]
        return Scales([None if one is None else math.exp(one) for one in found], [], bool(off))
    good = [i for i in known if i not in off]
    found = [median(i, good, own=False) if first[i] is not None else None for i in range(n)]
    ratios = [None if one is None else math.exp(one) for one in found]
    return Scales(ratios, [i for i in off if found[i] is not None and abs(found[i] or 0.0) > far])
