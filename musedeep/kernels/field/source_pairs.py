"""How two sets of positions are shifted against each other.

1. The differences of all pairs of positions are counted in a histogram (voting). A shift that many pairs have in common
   stands out.
2. In the best bins the densest small circle, the core, is looked for. What it would hold by chance follows from the
   density of pairs around it. The chance that some core of the searched area has as many by accident says whether a
   shift can be trusted.
3. Steps 1 and 2 are done with all positions, and with only the brightest of both sets: where noise was taken for
   sources, the real ones are among the brightest.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BRIGHTEST: Final = (80, 40, 20, 10, 5)
"""Sizes of the sets of brightest positions."""
CERTAIN: Final = -12.0
"""log10 of a chance below which no other set is tried."""
WINDOWS: Final = 5
"""Bins of the histogram in which the core is looked for."""
SURROUNDINGS: Final = 10.0
"""Radius about a core, over its own, within which the density of pairs by chance is measured."""


class Shift(NamedTuple):
    """A shift of a set of positions against another.

    Attributes
    ----------
    east, north : second minus first, in the unit of the positions
    matches : pairs in the core
    chance : log10 of the probability that as many agree by accident; 0 or more: anything
    """

    east: float
    north: float
    matches: int
    chance: float


def differences(first: Array, second: Array) -> Array:
    """Second minus first of all pairs, float64 (n1 * n2, 2), of positions (n1, 2) and (n2, 2)."""
    return (second[None, :, :] - first[:, None, :]).reshape(-1, 2)


def likely_shift(first: Array, second: Array, radius: float, bins: int, core: float) -> Shift | None:
    """The most significant shift between two sets of positions; None if no pair is within the radius.

    Parameters
    ----------
    first, second : float64 (n, 2), in the order of brightness where that is known
    radius : of the search
    bins : of the histogram, along each axis
    core : radius within which pairs agree
    """
    most = max(len(first), len(second))
    sizes = [most, *(size for size in BRIGHTEST if size < most)]
    best = None
    for size in sizes:
        found = _voted(first[:size], second[:size], radius, bins, core)
        if found is not None and (best is None or found.chance < best.chance):
            best = found
        if best is not None and best.chance < CERTAIN:
            break
    return None if best is None else best._replace(chance=best.chance + math.log10(len(sizes)))


def _voted(first: Array, second: Array, radius: float, bins: int, core: float) -> Shift | None:
    apart = differences(first, second)
    apart = apart[np.hypot(*apart.T) <= radius]
    if not len(apart):
        return None
    edges = np.linspace(-radius, radius, bins + 1)
    votes, _, _ = np.histogram2d(apart[:, 0], apart[:, 1], bins=(edges, edges))
    # windows of two by two bins overlap, so that no shift falls between them
    windows = votes[:-1, :-1] + votes[1:, :-1] + votes[:-1, 1:] + votes[1:, 1:]
    width = edges[1] - edges[0]
    best = None
    for place in np.argsort(windows, axis=None, kind="stable")[::-1][:WINDOWS]:
        i, j = np.unravel_index(place, windows.shape)
        inside = apart[(np.abs(apart - (edges[i + 1], edges[j + 1])) <= width).all(1)]
        if not len(inside):
            continue
        near = np.hypot(*(inside[:, None, :] - inside[None, :, :]).T) <= core
        centre = np.median(inside[near[near.sum(0).argmax()]], axis=0)
        shift = _judged(apart, centre, radius, core)
        if best is None or shift.chance < best.chance:
            best = shift
    return best


def _judged(apart: Array, centre: Array, radius: float, core: float) -> Shift:
    """The shift at a centre, and how likely it is by accident."""
    distance = np.hypot(*(apart - centre).T)
    matches = int((distance <= core).sum())
    wide = min(SURROUNDINGS * core, radius)
    around = (distance <= wide).sum() - matches
    density = max(len(apart) / radius**2, around / (wide**2 - core**2) if wide > core else 0.0)
    cores = max((radius / core) ** 2, 1.0)
    return Shift(float(centre[0]), float(centre[1]), matches, math.log10(cores) + log_tail(matches, density * core**2))


def log_tail(least: int, mean: float) -> float:
    """log10 of the probability that a Poisson variable of some mean is at least `least`."""
    if least <= 0:
        return 0.0
    # the first term, and the sum of the others relative to it
    first = least * math.log(mean) - mean - math.lgamma(least + 1)
    total, term, k = 1.0, 1.0, least
    while term > 1e-12 * total and k < least + 100_000:
        k += 1
        term *= mean / k
        total += term
    return min((first + math.log(total)) / math.log(10), 0.0)


class Agreement(NamedTuple):
    """What the pairs of two sets within a radius say about their shift.

    Attributes
    ----------
    shift : float64 (2,), second minus first
    squares : float64 (2,), sum of the weighted squared deviations from it, in units of the errors of positions
    weight : float64 (2,), sum of the weights, each one over the square of an error
    matches : pairs
    """

    shift: Array
    squares: Array
    weight: Array
    matches: int


ROBUST: Final = 1.0
"""Deviation from which on a pair counts less [errors of its positions] (Huber 1964)."""
STEPS: Final = 20
"""Of the search for the shift with these weights."""


def agreement(first: Array, second: Array, errors: tuple[Array, Array], radius: float) -> Agreement | None:
    """The difference of the pairs within a radius, weighted by their errors, so that single pairs do not matter.

    It begins with the median; None if there are no pairs.

    Parameters
    ----------
    first, second : float64 (n, 2)
    errors : float64 (n,) each, of the positions
    radius : within which sources belong together
    """
    apart = differences(first, second)
    error = np.hypot(errors[0][:, None], errors[1][None, :]).ravel()
    near = np.hypot(*apart.T) <= radius
    if not near.any():
        return None
    apart, error = apart[near], error[near][:, None]
    shift = np.median(apart, axis=0)
    for _ in range(STEPS):
        relative = np.maximum(np.abs(apart - shift) / error, 1e-12)
        weight = np.minimum(1.0, ROBUST / relative) / error**2
        last, shift = shift, (weight * apart).sum(0) / weight.sum(0)
        if (np.abs(shift - last) < 1e-3 * error.min()).all():
            break
    return Agreement(shift, (weight * (apart - shift) ** 2).sum(0), weight.sum(0), len(apart))
