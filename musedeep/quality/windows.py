"""Noise in small windows of a field, which gradients of the background do not widen.

The release description of MUSE-DEEP names this as what its ABMAGLIM lacks: it saturates near 26.5 mag, because the more
exposures there are, the more it measures residual gradients. The values here are own ones, beside ABMAGLIM.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.reduction.cube.depth import limiting_magnitude

Floats = NDArray[np.float64]

SIDE: Final = 8.0
"""Of a window [arcsec]."""
LEAST: Final = 0.5
"""Share of a window that has to have data."""


def windows(shape: tuple[int, int], side: int) -> Iterator[tuple[slice, slice]]:
    """Windows of about `side` pixels that cover a field; as equal as can be."""
    edges = [np.linspace(0, n, max(1, round(n / side)) + 1).astype(int) for n in shape]
    for y0, y1 in zip(edges[0][:-1], edges[0][1:], strict=True):
        for x0, x1 in zip(edges[1][:-1], edges[1][1:], strict=True):
            yield slice(int(y0), int(y1)), slice(int(x0), int(x1))


def local_noise(plane: NDArray[np.floating], empty: NDArray[np.bool_], side: int) -> float:
    """Median over windows of the noise of a plane, 1.4826 times the median absolute deviation; NaN without data.

    Parameters
    ----------
    plane : float (ny, nx), NaN where there are no data
    empty : bool (ny, nx), pixels without a source
    side : of a window [pixel]
    """
    found = []
    for window in windows((plane.shape[0], plane.shape[1]), side):
        values = plane[window][empty[window] & np.isfinite(plane[window])].astype(np.float64)
        if values.size >= LEAST * plane[window].size:
            found.append(1.4826 * np.median(np.abs(values - np.median(values))))
    return float(np.median(found)) if found else float("nan")


def local_limit(image: NDArray[np.floating], width: float, limits: tuple[float, float], side: int) -> float | None:
    """Median over windows of the 5 sigma limit for point sources [AB mag]; None where no window has one.

    Parameters
    ----------
    image : float (ny, nx), the mean of a cube [1e-20 erg/s/cm2/Angstrom]
    width : full width at half maximum of a point source [spaxel]
    limits : shortest and longest wavelength [Angstrom]
    side : of a window [pixel]
    """
    found = []
    for window in windows((image.shape[0], image.shape[1]), side):
        cut = image[window]
        if np.isfinite(cut).mean() >= LEAST and (limit := limiting_magnitude(cut, width, limits)) is not None:
            found.append(limit)
    return float(np.median(found)) if found else None
