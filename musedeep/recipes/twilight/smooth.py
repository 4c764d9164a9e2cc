"""The smooth form of the twilight cube: a polynomial for each plane, and one correction for the vignetted area."""

import math
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.field.twilight_fit import (
    Image,
    Mask,
    fit_vignetting,
    illuminated,
    lower_right,
    on_field,
    smooth_plane,
    strong_edges,
    upper_edge,
)
from musedeep.storage.calibrations.twilight_cube import Extension

LINES_PER_COEFFICIENT: Final = 2
"""Lines of the narrow field beside the vignetted ones, at least: the polynomials are extrapolated from them."""


@dataclass(frozen=True)
class Vignetting:
    """Where the field may be vignetted, and how that is smoothed.

    Attributes
    ----------
    mask : bool (lines, columns), or None
    height : of the vignetted upper edge of the narrow-field mode in pixels; 0: none
    edges : limit for edges
    method : polyfit, gaussian or median
    size : of it, in x and y
    loss : follow the loss of light, not the excess only
    """

    mask: Mask | None
    height: int
    edges: float
    method: str
    size: tuple[int, int]
    loss: bool

    def area(self, shape: tuple[int, int]) -> Mask | None:
        """The vignetted area of a field; None if there is none."""
        if self.mask is not None:
            area = on_field(self.mask if self.loss else lower_right(self.mask), shape)
        else:
            area = upper_edge(shape, self.height)
        return area if area.any() else None

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest value it can have."""
        if self.loss:
            return -math.inf, math.inf
        return (1.0, math.inf) if self.mask is not None else (-math.inf, 1.0)

    def fit(self, image: Image, area: Mask, used: Mask) -> Image:
        """The smooth vignetting; polynomials get a lower order where the area is too small for them."""
        if not used.any():
            return np.ones(image.shape)
        x, y = self.size
        while True:
            try:
                return fit_vignetting(image, area, used, self.method, x, y, self.limits)
            except ValueError:
                if x == y == 0:
                    return np.ones(image.shape)
                x, y = max(x - 1, 0), max(y - 1, 0)


def smooth_cube(
    data: NDArray[np.float32],
    white: NDArray[np.float32],
    orders: tuple[int, int],
    vignetting: Vignetting,
    target: str,
    first: float,
    step: float,
    pool: Executor,
) -> list[Extension]:
    """Smooth a cube of the twilight sky.

    Parameters
    ----------
    data : float32 (planes, lines, columns), NaN where there are no data
    white : float32 (lines, columns), mean of the planes
    orders : of the polynomial in x and y
    vignetting : what to do
    target : OBJECT
    first, step : wavelengths of the planes, for messages [Angstrom]
    pool : for planes in parallel

    Returns
    -------
    list of Extension, the smooth cube without the planes at its end that have no data, and images to check it by

    Raises
    ------
    MusedeepError
        A plane has too little light to fit; too little of the narrow field is not vignetted.
    """
    filled = np.flatnonzero(np.isfinite(data).any(axis=(1, 2)))
    n_planes = int(filled[-1]) + 1 if filled.size else 0
    lit = illuminated(white)
    area = vignetting.area(white.shape)
    left_out = np.zeros(white.shape, np.bool_) if area is None else area
    if vignetting.mask is None:
        _check_lines(int((lit & ~left_out).any(axis=1).sum()), vignetting.height, orders[1])

    def one(k: int) -> tuple[Image, Mask]:
        try:
            return smooth_plane(data[k].astype(np.float64), lit, left_out, *orders)
        except ValueError as error:
            raise MusedeepError(
                f"muse_twilight: plane of {first + k * step:g} Angstrom cannot be fitted ({error}); give limits in "
                "wavelength that all IFUs have, or lower xorder and yorder"
            ) from None

    if not n_planes:
        raise MusedeepError("muse_twilight: no pixel without flags; look at the MASTER_FLAT and the raw frames")
    smooth = np.array([surface for surface, _ in pool.map(one, range(n_planes))])
    mean = smooth.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        divided = white / white[lit].mean(dtype=np.float64) / mean
    images = [
        Extension("white_global_fit", "white from global fit", mean.astype(np.float32), "count"),
        Extension(
            "white_div_global", "normalized white-light divided by white global fit", divided.astype(np.float32),
            "1", ~lit, False,
        ),
    ]  # fmt: skip
    if area is not None:
        if vignetting.mask is not None:
            area = area & lit
        outside = np.where(lit, divided, 1.0) if vignetting.loss else np.ones(white.shape)
        within = np.where(area, divided, outside)
        used = area & lit & ~strong_edges(within, vignetting.edges)
        factor = vignetting.fit(divided, area, used)
        smooth *= factor
        smooth /= smooth.mean(axis=(1, 2), keepdims=True)
        if vignetting.edges > 0:
            text = "white-light divided by white global, mask excl edges"
            shown = np.where(area, divided, 1.0).astype(np.float32)
            images.append(Extension("white_div_global_excl_edges", text, shown, "1", ~used, False))
        fit = factor.astype(np.float32)
        images.append(Extension("vign_fit", "vignetting fit", fit, "", ~area, False))
        text = "white image corrected by vignetting fit"
        images.append(Extension("white_cor", text, (divided / factor).astype(np.float32), "count", ~used, False))
    return [Extension("DATA", target, smooth.astype(np.float32), "count"), *images]


def _check_lines(left: int, height: int, order: int) -> None:
    """Raise MusedeepError if so few lines of the field are not vignetted that the polynomials would run away."""
    needed = LINES_PER_COEFFICIENT * (order + 1)
    if height and left < needed:
        raise MusedeepError(
            f"muse_twilight: vignnfmmask={height} leaves {left} lines of the field for a polynomial of order {order} "
            f"in y, which needs {needed}; give a smaller one, as in vignnfmmask=5, or all IFUs"
        )
