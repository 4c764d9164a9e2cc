"""Which stars of a field are which stars of a catalogue, when position, angle and scale are hardly known.

Both methods compare figures of stars that do not change with position, angle and scale, of the stars with their
nearest neighbours. Each pair of figures that look alike proposes a transformation, and the stars decide:

* `match_quadruples` (Lang et al. 2010, AJ 139, 1782): of four stars, the two farthest apart make the axis of a frame
  in which the other two have four coordinates. A proposal holds if it brings most detections to a catalogue star.
* `match_triangles` (Groth 1986, AJ 91, 1244; Valdes et al. 1995, PASP 107, 1119): of three stars, the ratios of the
  sides, all turning the same way. Proposals that agree in angle and scale vote for pairs of stars; the voted pairs make
  the transformation.

A catalogue may be much deeper than the image. Figures of neighbours are then no longer the same stars: the catalogue is
tried cut at the magnitudes where it has as many stars per area as the image, twice, four times as many, and whole.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NEIGHBOURS: Final = 7
"""Nearest stars with which a star makes figures."""
CODE_TOLERANCE: Final = 0.4
"""Largest difference of a place in two figures, pixels: errors of centroids, distortion, unequal scales in x and y."""
LARGEST_TOLERANCE: Final = 0.03
"""The same in units of the longest side."""
SHARE: Final = 0.8
"""Of the detections that a good proposal brings to catalogue stars."""
LEAST_SHARE: Final = 0.5
"""Of the detections, where no proposal is good: the best one is taken if it is as good as that."""
FEWEST: Final = 4
"""Stars without which there is no solution."""
SCALES: Final = (0.9, 1.1)
"""Limits of the scale; pixels of the detections and of the catalogue are nominally the same."""
REFINEMENTS: Final = 5
TURN_TOLERANCE, SCALE_TOLERANCE = np.radians(1.0), 0.02
"""By how much triangles that vote together may differ in angle and scale."""
DEPTHS: Final = (1.0, 2.0, 4.0, np.inf)
"""Stars of the catalogue per detection."""


class Matches(NamedTuple):
    """Which detections are which stars.

    Attributes
    ----------
    detection, star : int64 (k,), numbers of both, each at most once
    transformation : float64 (3, 2); (x, y, 1) of a detection times it is a place in the catalogue
    radius : within which they were looked for in the end [pixel]
    accuracy : largest difference of places in figures [pixel]
    """

    detection: Integers
    star: Integers
    transformation: Floats
    radius: float
    accuracy: float


def match_quadruples(observed: Floats, catalogue: Floats, magnitude: Floats, radius: float) -> Matches | None:
    """Match detections to a catalogue by quadruples of stars; None if there is no match.

    Parameters
    ----------
    observed : float64 (n, 2), places of detections [pixel]
    catalogue : float64 (m, 2), places of stars, on a plane of about the same scale and the same parity [pixel]
    magnitude : float64 (m,); not finite: the catalogue is not cut
    radius : within which a detection is a star [pixel]
    """
    if min(len(observed), len(catalogue)) < FEWEST:
        return None
    best: Matches | None = None
    figures = _quadruples(observed)
    for chosen in _depths(observed, catalogue, magnitude):
        stars = catalogue[chosen]
        for proposal in _proposals(observed, figures, stars, _quadruples(stars), _quadruple_codes, CODE_TOLERANCE):
            found = _verified(observed, stars, proposal, radius)
            if found is None:
                continue
            found = found._replace(star=chosen[found.star], accuracy=CODE_TOLERANCE)
            if best is None or found.star.size > best.star.size:
                best = found
            if best.star.size > SHARE * len(observed):
                return _completed(observed, catalogue, best)
    return None if best is None else _completed(observed, catalogue, best)


def match_triangles(
    observed: Floats, catalogue: Floats, magnitude: Floats, radius: float, accuracy: float
) -> Matches | None:
    """Match detections to a catalogue by triangles of stars; None if there is no match.

    The accuracy is halved until there is a match, then doubled. The radius shrinks until no detection has two stars in
    it, and no star two detections.

    Parameters
    ----------
    observed, catalogue, magnitude : as in `match_quadruples`
    radius : within which a detection is a star, to begin with [pixel]
    accuracy : largest difference of places in two triangles, to begin with [pixel]
    """
    if min(len(observed), len(catalogue)) < FEWEST:
        return None
    finer = [accuracy * 0.5**k for k in range(6)]
    coarser = [accuracy * 2.0**k for k in range(1, 20) if accuracy * 2.0**k < radius]
    figures = _triangles(observed)
    chosen_of = [(chosen, _triangles(catalogue[chosen])) for chosen in _depths(observed, catalogue, magnitude)]
    for tolerance in (*finer, *coarser):
        for chosen, triangles in chosen_of:
            stars = catalogue[chosen]
            proposal = _voted(observed, figures, stars, triangles, tolerance)
            found = None if proposal is None else _verified(observed, stars, proposal, radius)
            if found is not None and found.star.size >= LEAST_SHARE * len(observed):
                found = _unique(observed, stars, found, radius)
                if found.star.size >= FEWEST:
                    found = found._replace(star=chosen[found.star], accuracy=tolerance)
                    return _completed(observed, catalogue, found)
    return None


def _depths(observed: Floats, catalogue: Floats, magnitude: Floats) -> Iterator[Integers]:
    """Numbers of the stars of the catalogue, cut at several magnitudes."""
    order = np.argsort(np.where(np.isfinite(magnitude), magnitude, np.inf), kind="stable").astype(np.int64)
    areas = [float(np.prod(np.maximum(np.ptp(places, axis=0), 1.0))) for places in (catalogue, observed)]
    sizes = []
    for depth in DEPTHS:
        wanted = depth * len(observed) * max(areas[0] / areas[1], 1.0)
        size = len(order) if wanted >= len(order) or not np.isfinite(magnitude).all() else int(wanted)
        if size not in sizes:
            sizes.append(size)
            yield np.sort(order[:size])


def _neighbours(places: Floats, size: int) -> Integers:
    """Numbers (k, size) of the stars of all figures of a star and its nearest neighbours, each figure once."""
    from scipy.spatial import cKDTree  # a tenth of a second, which help and plans need not wait for

    count = min(NEIGHBOURS + 1, len(places))
    if count < size:
        return np.empty((0, size), np.int64)
    near = cKDTree(places).query(places, count)[1].reshape(len(places), count)
    picks = np.array([(0, *others) for others in combinations(range(1, count), size - 1)])
    return np.unique(np.sort(near[:, picks].reshape(-1, size), axis=1), axis=0)


def _complex(places: Floats) -> NDArray[np.complex128]:
    return np.asarray(places[:, 0] + 1j * places[:, 1])


def _quadruples(places: Floats) -> Integers:
    """Stars (k, 4) of quadruples: the axis, from first to second, then the others by their place along it."""
    chosen = _neighbours(places, 4)
    z = _complex(places)[chosen]
    pairs = np.array(list(combinations(range(4), 2)))
    lengths = np.abs(z[:, pairs[:, 0]] - z[:, pairs[:, 1]])
    widest = pairs[lengths.argmax(axis=1)] if len(chosen) else np.empty((0, 2), np.int64)
    others = np.array([[k for k in range(4) if k not in pair] for pair in widest]).reshape(-1, 2)
    order = np.concatenate([widest, others], axis=1)
    quadruples = np.take_along_axis(chosen, order, axis=1)
    # the end of the axis nearer to the others comes first; of the others, the one nearer to it
    turned = _quadruple_codes(places, quadruples)[:, [0, 2]].sum(axis=1) > 1.0
    quadruples[turned] = quadruples[turned][:, [1, 0, 2, 3]]
    code = _quadruple_codes(places, quadruples)
    swapped = code[:, 0] > code[:, 2]
    quadruples[swapped] = quadruples[swapped][:, [0, 1, 3, 2]]
    return quadruples


def _quadruple_codes(places: Floats, quadruples: Integers) -> Floats:
    """Places of the third and fourth star in the frame of the axis, float64 (k, 4)."""
    a, b, c, d = _complex(places)[quadruples].T
    c, d = (c - a) / (b - a), (d - a) / (b - a)
    return np.stack([c.real, c.imag, d.real, d.imag], axis=1)


def _triangles(places: Floats) -> Integers:
    """Stars (k, 3) of triangles: opposite to the shortest, the middle and the longest side."""
    chosen = _neighbours(places, 3)
    z = _complex(places)[chosen]
    opposite = np.abs(np.roll(z, -1, axis=1) - np.roll(z, 1, axis=1))
    return np.take_along_axis(chosen, opposite.argsort(axis=1), axis=1)


def _triangle_codes(places: Floats, triangles: Integers) -> Floats:
    """Place of the star opposite to the longest side, in the frame of that side, float64 (k, 2)."""
    a, b, c = _complex(places)[triangles].T
    code = (c - a) / (b - a)
    return np.stack([code.real, code.imag], axis=1)


def _alike(
    observed: Floats, figures: Integers, stars: Floats, others: Integers, codes: Any, tolerance: float
) -> tuple[Integers, Integers]:
    """Pairs of figures whose codes differ by less than a tolerance [pixel], large figures first."""
    from scipy.spatial import cKDTree

    if not len(figures) or not len(others):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    z = _complex(observed)[figures]
    length = np.abs(z[:, 1] - z[:, 0])
    order = np.argsort(-length, kind="stable")
    limits = np.minimum(tolerance / length[order], LARGEST_TOLERANCE)
    tree = cKDTree(codes(stars, others))
    found = tree.query_ball_point(codes(observed, figures[order]), limits)
    mine = np.repeat(order, [len(one) for one in found])
    theirs = np.array([k for one in found for k in sorted(one)], np.int64)
    return mine, theirs


def _similarity(observed: Floats, stars: Floats) -> Floats:
    """Transformation (3, 2) by shift, turn and scale that brings places (k, 2) to others."""
    z, w = _complex(observed), _complex(stars)
    middle, other = z.mean(), w.mean()
    factor = np.vdot(z - middle, w - other) / np.vdot(z - middle, z - middle)
    shift = other - factor * middle
    return np.array([[factor.real, factor.imag], [-factor.imag, factor.real], [shift.real, shift.imag]])


def _scale(transformation: Floats) -> float:
    return float(np.sqrt(abs(np.linalg.det(transformation[:2]))))


def _proposals(
    observed: Floats, figures: Integers, stars: Floats, others: Integers, codes: Any, tolerance: float
) -> Iterator[Floats]:
    """Transformations by which figures that look alike are the same."""
    for mine, theirs in zip(*_alike(observed, figures, stars, others, codes, tolerance), strict=True):
        proposal = _similarity(observed[figures[mine]], stars[others[theirs]])
        if SCALES[0] < _scale(proposal) < SCALES[1]:
            yield proposal


def _voted(observed: Floats, figures: Integers, stars: Floats, others: Integers, tolerance: float) -> Floats | None:
    """Transformation of the pairs of stars for which most triangles vote."""
    mine, theirs = _alike(observed, figures, stars, others, _triangle_codes, tolerance)
    if not mine.size:
        return None
    z, w = _complex(observed)[figures[mine]], _complex(stars)[others[theirs]]
    ratio = (w[:, 1] - w[:, 0]) / (z[:, 1] - z[:, 0])
    scale, turn = np.abs(ratio), np.angle(ratio)
    kept = (scale > SCALES[0]) & (scale < SCALES[1])
    if not kept.any():
        return None
    # the turn and scale that most triangles share: the one with the most others near it
    from scipy.spatial import cKDTree

    mine, theirs, scale, turn = mine[kept], theirs[kept], scale[kept], turn[kept]
    units = np.stack([np.cos(turn) / TURN_TOLERANCE, np.sin(turn) / TURN_TOLERANCE, scale / SCALE_TOLERANCE], axis=1)
    tree = cKDTree(units)
    near = tree.query_ball_point(units, 1.0)
    together = np.array(max(near, key=len))
    votes = np.zeros((len(observed), len(stars)), np.int64)
    np.add.at(votes, (figures[mine[together]].ravel(), others[theirs[together]].ravel()), 1)
    star = votes.argmax(axis=1)
    mutual = (votes[:, star].max(axis=0) > 0) & (votes.argmax(axis=0)[star] == np.arange(len(observed)))
    mutual &= votes[np.arange(len(observed)), star] > 0
    if mutual.sum() < 3:
        return None
    pairs = np.flatnonzero(mutual)
    # a few pairs that got votes by chance do not count: the shift that most share
    transformation = _similarity(observed[pairs], stars[star[pairs]])
    factor = np.median(scale[together]) * np.exp(1j * np.angle(np.exp(1j * turn[together]).sum()))
    shift = _complex(stars[star[pairs]]) - factor * _complex(observed[pairs])
    close = np.abs(shift - (np.median(shift.real) + 1j * np.median(shift.imag))) < max(10.0 * tolerance, 5.0)
    if close.sum() >= 3:
        transformation = _similarity(observed[pairs[close]], stars[star[pairs[close]]])
    return transformation


def _nearest(observed: Floats, stars: Floats, transformation: Floats, radius: float) -> tuple[Integers, Integers]:
    """Detections, and the stars nearest to them within a radius, of which each is taken once: by the nearest."""
    from scipy.spatial import cKDTree

    placed = observed @ transformation[:2] + transformation[2]
    distance, star = cKDTree(stars).query(placed, distance_upper_bound=radius)
    detection = np.flatnonzero(np.isfinite(distance))
    detection = detection[np.argsort(distance[detection], kind="stable")]
    _, first = np.unique(star[detection], return_index=True)
    detection = np.sort(detection[first])
    return detection.astype(np.int64), star[detection].astype(np.int64)


def _verified(observed: Floats, stars: Floats, proposal: Floats, radius: float) -> Matches | None:
    """The matches of a proposal, refined; None if most detections are no stars, or lie badly."""
    detection, star = _nearest(observed, stars, proposal, radius)
    if detection.size < max(FEWEST, LEAST_SHARE * len(observed)):
        return None
    transformation = proposal
    for _ in range(REFINEMENTS):
        # a star that is matched wrongly, at the edge of the radius, must not draw the others to it
        off = np.hypot(*(observed[detection] @ transformation[:2] + transformation[2] - stars[star]).T)
        near = off <= max(2.0 * float(np.median(off)), 0.1)
        transformation = _refined(observed[detection[near]], stars[star[near]])
        detection, star = _nearest(observed, stars, transformation, radius)
        if detection.size < FEWEST:
            return None
    placed = observed[detection] @ transformation[:2] + transformation[2]
    spread = np.median(np.hypot(*(placed - stars[star]).T))
    # by chance, the median distance in a circle is 0.7 of its radius
    if spread > radius / 3.0 or not SCALES[0] < _scale(transformation) < SCALES[1]:
        return None
    return Matches(detection, star, transformation, radius, 0.0)


def _completed(observed: Floats, catalogue: Floats, found: Matches) -> Matches:
    """The matches, and those of other detections with stars of the whole catalogue."""
    others = np.setdiff1d(np.arange(len(observed)), found.detection)
    stars = np.setdiff1d(np.arange(len(catalogue)), found.star)
    if not others.size or not stars.size:
        return found
    detection, star = _nearest(observed[others], catalogue[stars], found.transformation, found.radius)
    detection = np.concatenate([found.detection, others[detection]])
    star = np.concatenate([found.star, stars[star]])
    order = np.argsort(detection)
    return found._replace(detection=detection[order], star=star[order])


def _refined(observed: Floats, stars: Floats) -> Floats:
    """Linear transformation by least squares; one without shear where there are few stars."""
    if len(observed) < 6:
        return _similarity(observed, stars)
    equations = np.column_stack([observed, np.ones(len(observed))])
    return np.asarray(np.linalg.lstsq(equations, stars, rcond=None)[0])


def _unique(observed: Floats, stars: Floats, found: Matches, radius: float) -> Matches:
    """The matches within the largest radius, at most this one, in which no detection and no star is twice."""
    placed = observed @ found.transformation[:2] + found.transformation[2]
    distance = np.hypot(placed[:, None, 0] - stars[None, :, 0], placed[:, None, 1] - stars[None, :, 1])
    while radius > 0.5:
        near = distance < radius
        if near.sum(axis=0).max() <= 1 and near.sum(axis=1).max() <= 1:
            break
        radius *= 0.9
    detection, star = np.nonzero(distance < radius)
    kept = (np.bincount(detection, minlength=len(observed))[detection] == 1) & (np.bincount(star)[star] == 1)
    return found._replace(detection=detection[kept], star=star[kept], radius=radius)
