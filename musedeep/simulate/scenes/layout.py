"""Places of sources: evenly strewn, so that every strip of the field holds some."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FIELD = 60.0
"""Side of the wide field, arcsec."""

ROW = 2.4
"""Distance of the rows, arcsec: the height of what one IFU sees."""

COLUMN = 14.0
"""Distance of neighbours in a row, arcsec."""

GOLDEN = 0.5 * (np.sqrt(5.0) - 1.0)


def strewn(generator: np.random.Generator) -> tuple[Array, Array]:
    """Offsets xi, eta (arcsec, in a field of 60) of about 125 points; every strip has its share, however it lies.

    Each row is shifted against the one before by the golden ratio of the columns' distance, so that any strip of the
    field of 4.8 arcsec, two IFUs, has about nine; then each point moves a little at random. At position angle 0 the
    rows run along the middles of the IFUs.
    """
    places, half = [], 33.0
    rows = int(np.floor(half / ROW))
    for row in range(-rows, rows):
        start = -half + (row * GOLDEN * COLUMN) % COLUMN
        places += [(xi, (row + 0.5) * ROW) for xi in np.arange(start, half, COLUMN)]
    # the places must not be a lattice: fields that are matched by their pattern would fit in many ways
    grid = np.array(places) + generator.uniform((-1.8, -0.8), (1.8, 0.8), (len(places), 2))
    return grid[:, 0], grid[:, 1]


def apart(generator: np.random.Generator, count: int, others: tuple[Array, Array], distance: float) -> Array:
    """Random offsets at a distance (arcsec) from given points (xi, eta) and from one another.

    Float64 (count, 2), xi and eta within 31 arcsec of the centre. The distance is given up step by step where there is
    no room.
    """
    taken = list(zip(*others, strict=True))
    found: list[tuple[float, float]] = []
    while len(found) < count:
        xi, eta = generator.uniform(-31.0, 31.0, 2)
        if min((np.hypot(xi - x, eta - y) for x, y in taken), default=np.inf) < distance:
            distance *= 0.995
            continue
        taken.append((xi, eta))
        found.append((xi, eta))
    return np.array(found)
