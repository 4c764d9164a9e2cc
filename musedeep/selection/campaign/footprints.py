"""Fields of view on the sphere: pointings, what they share, and which of them hang together.

1. Exposures whose centres are within a few arcseconds and on the same side of nothing else are one pointing, whatever
   their position angles: dithers and rotations.
2. A pointing covers the union of its fields: squares of one arcminute at their position angles (7.5 arcsec in the
   narrow-field mode), on the plane that touches the sphere at its centre. There is no special place on the sphere:
   neighbours are found by the distance of unit vectors, so that neither 0 h nor the poles matter.
3. Two pointings share the part of the smaller one that lies in both.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from shapely import Geometry, Polygon, area, intersection, union_all
from shapely.affinity import rotate, translate

SIDES: Final = {"WFM": 60.0, "NFM": 7.5}
"""Of the field of view [arcsec]."""
SAME_POINTING: Final = 10.0
"""Exposures that near are of one pointing [arcsec]; beyond the dithers that are usual."""
ARCSEC: Final = math.degrees(1.0) * 3600.0
"""In a radian."""


@dataclass(frozen=True)
class Pointing:
    """A place of the telescope, and the fields that were taken there.

    Attributes
    ----------
    ra, dec : of its first exposure [deg]
    members : indices of the exposures
    angles : position angles that differ [deg]
    side : of the field [arcsec]
    """

    ra: float
    dec: float
    members: tuple[int, ...]
    angles: tuple[float, ...]
    side: float


def unit_vectors(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.float64]:
    """Directions, float64 (n, 3), of coordinates [deg], float64 (n,)."""
    alpha, delta = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)], axis=-1)


def separation(ra: float, dec: float, other_ra: float, other_dec: float) -> float:
    """Angle between two directions [arcsec], all coordinates in deg."""
    both = unit_vectors(np.array([ra, other_ra]), np.array([dec, other_dec]))
    return 2.0 * math.asin(min(1.0, 0.5 * float(np.linalg.norm(both[0] - both[1])))) * ARCSEC


def plane_offset(ra: float, dec: float, ra0: float, dec0: float) -> tuple[float, float]:
    """Place of a direction on the plane that touches the sphere at another (gnomonic) [arcsec], east and north."""
    turn, delta, delta0 = math.radians(ra - ra0), math.radians(dec), math.radians(dec0)
    depth = math.sin(delta0) * math.sin(delta) + math.cos(delta0) * math.cos(delta) * math.cos(turn)
    east = math.cos(delta) * math.sin(turn)
    north = math.cos(delta0) * math.sin(delta) - math.sin(delta0) * math.cos(delta) * math.cos(turn)
    return east / depth * ARCSEC, north / depth * ARCSEC


def pointings_of(
    ra: Sequence[float], dec: Sequence[float], angles: Sequence[float], fields: Sequence[str]
) -> list[Pointing]:
    """Pointings of exposures.

    Parameters
    ----------
    ra, dec, angles : of the exposures [deg], finite
    fields : WFM or NFM

    Returns
    -------
    pointings, in the order of their first exposures
    """
    vectors = unit_vectors(np.asarray(ra, float), np.asarray(dec, float))
    tree = cKDTree(vectors) if len(vectors) else None
    taken = np.zeros(len(vectors), bool)
    found = []
    for first in range(len(vectors)):
        if taken[first] or tree is None:
            continue
        near = tree.query_ball_point(vectors[first], SAME_POINTING / ARCSEC)
        members = [k for k in sorted(near) if not taken[k] and fields[k] == fields[first]]
        taken[members] = True
        turned = {round((angles[k] if math.isfinite(angles[k]) else 0.0) % 90.0, 1) for k in members}
        side = SIDES.get(fields[first], SIDES["WFM"])
        found.append(Pointing(ra[first], dec[first], tuple(members), tuple(sorted(turned)), side))
    return found


def shared(pointings: Sequence[Pointing]) -> Iterator[tuple[int, int, float]]:
    """Pairs of pointings that overlap: their indices, and the shared part of the smaller one, 0 to 1."""
    if len(pointings) < 2:
        return
    vectors = unit_vectors(np.array([one.ra for one in pointings]), np.array([one.dec for one in pointings]))
    reach = max(one.side for one in pointings) * math.sqrt(2.0)
    for first, second in sorted(cKDTree(vectors).query_pairs(reach / ARCSEC)):
        one, other = pointings[first], pointings[second]
        place = plane_offset(other.ra, other.dec, one.ra, one.dec)
        here, there = outline(one), translate(outline(other), *place)
        common = float(area(intersection(here, there)))
        if common > 0:
            yield first, second, common / min(float(area(here)), float(area(there)))


def outline(pointing: Pointing) -> Geometry:
    """What a pointing covers on its plane, east and north of its centre [arcsec]."""
    half = pointing.side / 2.0
    square = Polygon([(-half, -half), (half, -half), (half, half), (-half, half)])
    # position angles count from north to east
    return union_all([rotate(square, -angle, origin=(0, 0)) for angle in pointing.angles])


def outlines(fields: Iterable[tuple[float, float, float, float]]) -> Geometry:
    """What fields cover together: east and north of their centres [arcsec], angle [rad], side [arcsec] of each."""
    # dithers of less than an arcsecond cover the same
    places = {(round(east), round(north), round(turn, 2), side) for east, north, turn, side in fields}
    found = []
    for east, north, turn, side in places:
        half = side / 2.0
        square = Polygon([(-half, -half), (half, -half), (half, half), (-half, half)])
        found.append(translate(rotate(square, -turn, origin=(0, 0), use_radians=True), east, north))
    return union_all(found)


def connected(n: int, pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Parts of a graph of n nodes that hang together, each sorted, in the order of their first nodes."""
    parent = list(range(n))

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = parent[parent[k]]
            k = parent[k]
        return k

    for first, second in pairs:
        a, b = root(first), root(second)
        parent[max(a, b)] = min(a, b)
    parts: dict[int, list[int]] = {}
    for k in range(n):
        parts.setdefault(root(k), []).append(k)
    return list(parts.values())
