"""The offsets of all images, from the positions of their sources.

1. For each pair of images the most likely shift is found by voting (`kernels.field.source_pairs`), within the first
   search radius.
2. Images are joined by the shifts that can be trusted, the most certain ones first, until no more can be joined. The
   images of a group then have first offsets. Those of the group of its first image are 0.
3. With each of the other radii, sources of two images of a group that are as near to each other as the radius belong
   together. The mean of their differences, weighted by their errors, is the shift of the pair. The offsets are those
   that agree best with the shifts of all pairs (weighted least squares). This is repeated with the last radius until
   the offsets stay.
4. An image that is in no group keeps the offset 0, and is said to.

An offset moves the point where the plane of an image touches the sky, and so does the recipe that combines exposures;
positions are computed again with each offset.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.field.source_pairs import Agreement, Shift, agreement, differences, likely_shift
from musedeep.kernels.field.tangent import east_north
from musedeep.recipes.exp_align.recipe import ExpAlignParameters
from musedeep.recipes.exp_align.sources import Sources
from musedeep.sky_angles import ra_on_circle
from musedeep.storage.cubes.field_view import FieldPlane

Array = NDArray[np.float64]

CORE: Final = 2.0
"""Radius within which sources of two images are counted as the same [pixel], or the last search radius, if less."""
MOST_CHANCE: Final = 0.01
"""Of one wrong shift in all images."""
ROUNDS: Final = 20
"""With the last radius, at most."""
SMALL: Final = 1e-5
"""Change of offsets at which they stay [arcsec]."""


@dataclass(frozen=True)
class Offsets:
    """The offsets of all images.

    Attributes
    ----------
    values : float64 (images, 2), measured minus reference: right ascension (not times cos of the declination) and
        declination [deg]
    group : the first image of the group of each image, from 0; its own number where it is alone
    matches : int64 (images, images), sources that two images share
    """

    values: Array
    group: list[int]
    matches: NDArray[np.int64]

    def alone(self, image: int) -> bool:
        """Whether an image was not aligned with any other."""
        return self.group.count(self.group[image]) == 1


def moved(plane: FieldPlane, offset: Array) -> FieldPlane:
    """The coordinates of an image after its offset [deg] is taken off."""
    ra, dec = ra_on_circle(plane.crval[0] - offset[0]), plane.crval[1] - offset[1]
    return replace(plane, crval=(ra, min(max(dec, -90.0), 90.0)))


def find_offsets(planes: Sequence[FieldPlane], sources: Sequence[Sources], parameters: ExpAlignParameters) -> Offsets:
    """The offsets of images.

    Parameters
    ----------
    planes : coordinates of each image
    sources : of each image
    """
    n = len(planes)
    radii = parameters.radii
    core = min(CORE * planes[0].scale, radii[-1])
    shifts: dict[tuple[int, int], Shift] = {}
    placed, order = _Placed(planes, sources, np.zeros((n, 2))), [_brightest(found_in) for found_in in sources]
    for i, j in combinations(range(n), 2):
        one, other = placed.pair(i, j)
        shift = likely_shift(one[order[i]], other[order[j]], radii[0], parameters.nbins, core)
        if shift is not None:
            shifts[i, j] = shift
    group, values = _joined(n, shifts, planes, sources, math.log10(MOST_CHANCE / n), parameters.srcmin)
    pairs = [(i, j) for i, j in combinations(range(n), 2) if group[i] == group[j]]
    errors = [found_in.errors(parameters.fwhm) * plane.scale for found_in, plane in zip(sources, planes, strict=True)]
    steps = [*radii[1:], *[radii[-1]] * ROUNDS] if len(radii) > 1 else [radii[0]] * ROUNDS
    found: dict[tuple[int, int], Agreement] = {}
    for number, radius in enumerate(steps):
        placed = _Placed(planes, sources, values)
        agreed = {(i, j): agreement(*placed.pair(i, j), (errors[i], errors[j]), radius) for i, j in pairs}
        found = {pair: value for pair, value in agreed.items() if value is not None}
        change = _solved(n, group, found, planes, parameters.weight)
        values += change
        scale = np.array([[math.cos(math.radians(plane.crval[1])), 1.0] for plane in planes]) * 3600
        if number >= len(radii) - 1 and np.abs(change * scale).max() < SMALL:
            break
    matches = np.zeros((n, n), np.int64)
    for (i, j), agreed_on in found.items():
        matches[i, j] = matches[j, i] = agreed_on.matches
    for k in range(n):
        if not matches[k].any():
            group = _without(k, group)
    for first in set(group):
        members = [k for k in range(n) if group[k] == first]
        values[members] -= values[first]
    return Offsets(values, group, matches)


def _without(image: int, group: Sequence[int]) -> list[int]:
    """The groups if an image is alone."""
    rest = [k for k, one in enumerate(group) if one == group[image] and k != image]
    return [k if k == image else min(rest) if k in rest else one for k, one in enumerate(group)]


class _Placed:
    """The sources of images on the sky, right ascensions and declinations [deg], after some offsets."""

    def __init__(self, planes: Sequence[FieldPlane], sources: Sequence[Sources], values: Array) -> None:
        self.centres = [plane.crval for plane in planes]
        self.places = [
            moved(plane, value).to_sky(one.found.x, one.found.y)
            for plane, one, value in zip(planes, sources, values, strict=True)
        ]

    def pair(self, i: int, j: int) -> tuple[Array, Array]:
        """Places of the sources of two images east and north of the centre of the first [arcsec], float64 (n, 2).

        Differences in right ascension are those on the circle of the centre's declination.
        """
        return east_north(*self.places[i], self.centres[i]), east_north(*self.places[j], self.centres[i])


def _brightest(sources: Sources) -> NDArray[np.intp]:
    """Numbers of the sources, the brightest first; as they come where brightness is not known."""
    height = sources.found.height
    return np.argsort(np.where(np.isfinite(height), -height, 0.0), kind="stable")


def _joined(
    n: int, shifts: dict[tuple[int, int], Shift], planes: Sequence[FieldPlane], sources: Sequence[Sources],
    limit: float, least: int,
) -> tuple[list[int], Array]:  # fmt: skip
    """The group of each image, and first offsets [deg]: a tree of the most certain shifts."""
    group = list(range(n))
    values = np.zeros((n, 2))

    def trusted(i: int, j: int, shift: Shift) -> bool:
        # few sources, but all of them in both images
        whole = shift.matches == sources[i].number == sources[j].number >= least
        return shift.chance <= limit or whole

    for (i, j), shift in sorted(shifts.items(), key=lambda item: (item[1].chance, item[0])):
        if group[i] == group[j] or not trusted(i, j, shift):
            continue
        step = np.array([shift.east / math.cos(math.radians(planes[i].crval[1])), shift.north]) / 3600.0
        # the offset of j minus that of i is the shift
        members = [k for k in range(n) if group[k] == group[j]]
        values[members] += values[i] + step - values[j]
        low, high = sorted((group[i], group[j]))
        group = [low if one == high else one for one in group]
    for first in set(group):
        members = [k for k in range(n) if group[k] == first]
        values[members] -= values[first]
    return group, values


def pair_differences(
    planes: Sequence[FieldPlane], sources: Sequence[Sources], offsets: Offsets, radius: float
) -> tuple[Array, Array]:
    """Differences of the sources that two images share, before and after their offsets, float64 (n, 2) [arcsec].

    Parameters
    ----------
    radius : within which sources belong together [arcsec]
    """
    states = [_Placed(planes, sources, values) for values in (np.zeros_like(offsets.values), offsets.values)]
    both: tuple[list[Array], list[Array]] = ([np.empty((0, 2))], [np.empty((0, 2))])
    for i, j in zip(*np.nonzero(np.triu(offsets.matches)), strict=True):
        apart = [differences(*state.pair(i, j)) for state in states]
        near = np.hypot(*apart[1].T) <= radius
        for kept, values in zip(both, apart, strict=True):
            kept.append(values[near])
    return np.concatenate(both[0]), np.concatenate(both[1])


def _solved(
    n: int, group: Sequence[int], found: dict[tuple[int, int], Agreement], planes: Sequence[FieldPlane], weight: bool
) -> Array:
    """What the offsets change by [deg], float64 (n, 2), so that the shifts of pairs vanish; 0 of first images."""
    change = np.zeros((n, 2))
    free = [k for k in range(n) if group[k] != k]
    if not free or not found:
        return change
    column = {k: c for c, k in enumerate(free)}
    matches = np.array([one.matches for one in found.values()])
    squares, weights = (np.array([getattr(one, name) for one in found.values()]) for name in ("squares", "weight"))
    # by how much positions scatter more than their errors say; all pairs support those with few sources
    common = squares.sum(0) / max(int((matches - 1).sum()), 1)
    excess = np.maximum((squares + common) / matches[:, None], 1.0)
    for axis in (0, 1):
        rows, wanted = np.zeros((len(found), len(free))), np.zeros(len(found))
        for row, ((i, j), one) in enumerate(found.items()):
            scale = math.cos(math.radians(planes[i].crval[1])) if axis == 0 else 1.0
            root = math.sqrt(weights[row, axis] / excess[row, axis]) if weight else 1.0
            wanted[row] = root * one.shift[axis] / 3600.0
            for k, sign in ((j, 1.0), (i, -1.0)):
                if k in column:
                    rows[row, column[k]] += sign * root * scale
        solution, *_ = np.linalg.lstsq(rows, wanted, rcond=None)
        change[free, axis] = solution
    return change
