"""Images of the single exposures of a product on one grid, and what each of them differs in from the others.

1. Each image is brought to the grid by its coordinates, after its offset of the OFFSET_LIST, with cubic splines. Pixels
   next to a gap are left out. An image is kept in the smallest box that holds it, so that a mosaic needs no more memory
   than its images do.
2. The background of an image is the median of its pixels; it is subtracted.
3. The images are divided by their transparencies, once these are known.
4. The mean of the others is that of all images without outliers (5 sigma from the median over the exposures, which
   needs four of them), less the image itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from musedeep.errors import MusedeepError
from musedeep.kernels.field.sources import background
from musedeep.quality.record import ExposureRecord
from musedeep.sky_angles import ra_on_circle
from musedeep.storage.cubes.field_view import FieldPlane, FieldView, read_field_view

Floats = NDArray[np.float64]
Image = NDArray[np.float32]

OUTLIER: Final = 5.0
"""Of a pixel among the exposures, in standard deviations."""
FEWEST: Final = 4
"""Exposures that outliers can be told among."""
LARGEST: Final = 50_000_000
"""Pixels of a grid."""
ONE_POINTING: Final = 20.0
"""Distance of the middles of images of one pointing [arcsec]."""
STRIP: Final = 32
"""Lines that are compared at a time."""


@dataclass(frozen=True)
class Single:
    """An image on the grid.

    Attributes
    ----------
    name : of the exposure
    y0, x0 : place of its first pixel in the grid
    data : float32 (ny, nx), less its background; NaN where there are no data
    background, noise : median, and 1.4826 times the median absolute deviation, of the pixels
    scale : its transparency, by which `data` has been divided
    pixels : lines and columns of the image in its file
    """

    name: str
    y0: int
    x0: int
    data: Image
    background: float
    noise: float
    scale: float = 1.0
    pixels: tuple[int, int] = (0, 0)

    @property
    def box(self) -> tuple[slice, slice]:
        """Where it is in the grid."""
        ny, nx = self.data.shape
        return slice(self.y0, self.y0 + ny), slice(self.x0, self.x0 + nx)


@dataclass(frozen=True)
class Singles:
    """Images of exposures on a common grid; see the module.

    Attributes
    ----------
    plane, shape : of the grid
    images : of the exposures
    reference : numbers of the images that `mean` is made of; None for all
    mean : float32 (ny, nx), of all images without outliers; NaN where there are none
    number : uint16 (ny, nx), images that `mean` is of
    kept : bool arrays of the shape of each image, whether the pixel is in `mean`
    """

    plane: FieldPlane
    shape: tuple[int, int]
    images: Sequence[Single]
    reference: frozenset[int] | None = None
    mean: Image = field(init=False)
    number: NDArray[np.uint16] = field(init=False)
    kept: list[NDArray[np.bool_]] = field(init=False)

    def __post_init__(self) -> None:
        mean, number, kept = _combined(self.shape, self.images, self.reference)
        for key, value in (("mean", mean), ("number", number), ("kept", kept)):
            object.__setattr__(self, key, value)

    @property
    def scale(self) -> float:
        """Side of a pixel [arcsec]."""
        return self.plane.scale

    def scaled(self, factors: Sequence[float]) -> "Singles":
        """The same with images divided by factors."""
        images = [
            replace(
                one, data=np.asarray(one.data / factor, np.float32), noise=one.noise / factor, scale=one.scale * factor
            )
            for one, factor in zip(self.images, factors, strict=True)
        ]
        return Singles(self.plane, self.shape, images, self.reference)

    def against(self, reference: frozenset[int]) -> "Singles":
        """The same images, compared with the mean of some of them."""
        return Singles(self.plane, self.shape, self.images, reference)

    def others(self, number: int) -> Image:
        """Mean of the other images in the box of one of them, float32; NaN where it is alone."""
        one = self.images[number]
        total = self.mean[one.box].astype(np.float64) * self.number[one.box]
        own = self.kept[number]
        count = self.number[one.box] - own.astype(np.int64)
        total = np.where(np.isfinite(total), total, 0.0) - np.where(own, one.data, 0.0)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)

    def residual(self, number: int) -> Image:
        """An image less the mean of the others, float32; NaN where either has no data."""
        return np.asarray(self.images[number].data - self.others(number), np.float32)

    def pointings(self) -> list[str]:
        """A name (P1, P2 ...) for the pointing of each image: those whose middles are near each other share it."""
        middles: list[Floats] = []
        names = []
        for one in self.images:
            middle = np.array([one.x0, one.y0]) + np.array(one.data.shape[::-1]) / 2
            away = [float(np.hypot(*(middle - other))) * self.scale for other in middles]
            near = next((k for k, distance in enumerate(away) if distance < ONE_POINTING), None)
            if near is None:
                middles.append(middle)
                near = len(middles) - 1
            names.append(f"P{near + 1}")
        return names


def read_singles(
    exposures: Sequence[ExposureRecord], campaign: Path, grid: tuple[FieldPlane, tuple[int, int]] | None = None
) -> Singles:
    """Read the images of exposures onto a grid: that of the deep image, or else one around all of them.

    Raises MusedeepError for an image that cannot be read, and for images so far apart that no grid holds them.
    """
    if grid is None:
        found = [_view(one, campaign) for one in exposures]
        shapes, planes = [view.data.shape for view, _ in found], [plane for _, plane in found]
        plane, shape = _grid_around(shapes, planes, campaign / exposures[0].image)
    else:
        plane, shape = grid
    images = []
    for one in exposures:
        view, own = _view(one, campaign)
        middle, noise = background(view.data)
        single = _on_grid(one.name, view.data - middle, own, plane, shape)
        pixels = view.data.shape[0], view.data.shape[1]
        images.append(replace(single, background=middle, noise=noise, pixels=pixels))
    return Singles(plane, shape, images)


def _view(one: ExposureRecord, campaign: Path) -> tuple[FieldView, FieldPlane]:
    """The image of an exposure, and its coordinates after its offset."""
    view = read_field_view(campaign / one.image)
    ra = ra_on_circle(view.plane.crval[0] - (one.ra_offset or 0.0))
    return view, replace(view.plane, crval=(ra, view.plane.crval[1] - (one.dec_offset or 0.0)))


def _corners(shape: tuple[int, ...], plane: FieldPlane, onto: FieldPlane) -> Floats:
    """Places of the corners of an image on a grid, float64 (2, 4)."""
    x, y = (np.array(v, float) for v in ((0, shape[1] - 1, 0, shape[1] - 1), (0, 0, shape[0] - 1, shape[0] - 1)))
    return np.array(onto.to_pixels(*plane.to_sky(x, y)))


def _grid_around(
    shapes: Sequence[tuple[int, ...]], planes: Sequence[FieldPlane], path: Path
) -> tuple[FieldPlane, tuple[int, int]]:
    places = np.concatenate([_corners(n, p, planes[0]) for n, p in zip(shapes, planes, strict=True)], axis=1)
    low, high = np.floor(places.min(axis=1)), np.ceil(places.max(axis=1))
    nx, ny = (high - low + 1).tolist()
    if not nx * ny < LARGEST:
        raise MusedeepError(f"{path}: its field and those of the other exposures lie far apart; check the offsets")
    first = planes[0]
    return replace(first, crpix=(first.crpix[0] - low[0], first.crpix[1] - low[1])), (int(ny), int(nx))


def _on_grid(name: str, data: Floats, own: FieldPlane, plane: FieldPlane, shape: tuple[int, int]) -> Single:
    places = _corners(data.shape, own, plane)
    x0, y0 = (max(0, int(np.floor(v))) for v in places.min(axis=1))
    x1, y1 = (min(n, int(np.ceil(v)) + 1) for n, v in zip(shape[::-1], places.max(axis=1), strict=True))
    if x1 <= x0 or y1 <= y0:
        return Single(name, 0, 0, np.full((1, 1), np.nan, np.float32), 0.0, 0.0)
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float64)
    column, row = own.to_pixels(*plane.to_sky(x, y))
    finite = np.isfinite(data)
    values = ndimage.map_coordinates(np.where(finite, data, 0.0), (row, column), order=3, mode="nearest")
    known = ndimage.map_coordinates(finite.astype(np.float64), (row, column), order=1, mode="constant") > 0.999
    return Single(name, y0, x0, np.where(known, values, np.nan).astype(np.float32), 0.0, 0.0)


def _combined(
    shape: tuple[int, int], images: Sequence[Single], reference: frozenset[int] | None
) -> tuple[Image, NDArray[np.uint16], list[NDArray[np.bool_]]]:
    """Mean without outliers, number of images in it, and which pixels of each image are in it."""
    mean, number = np.full(shape, np.nan, np.float32), np.zeros(shape, np.uint16)
    inside = [k for k in range(len(images)) if reference is None or k in reference]
    kept = [np.isfinite(one.data) & (k in inside) for k, one in enumerate(images)]
    for y0 in range(0, shape[0], STRIP):
        y1 = min(y0 + STRIP, shape[0])
        here = [k for k in inside if images[k].y0 < y1 and images[k].y0 + images[k].data.shape[0] > y0]
        if not here:
            continue
        stack = np.full((len(here), y1 - y0, shape[1]), np.nan, np.float32)
        spans = []
        for row, k in enumerate(here):
            one = images[k]
            first, last = max(y0, one.y0), min(y1, one.y0 + one.data.shape[0])
            spans.append((slice(first - y0, last - y0), one.box[1], slice(first - one.y0, last - one.y0)))
            stack[row][spans[row][:2]] = one.data[spans[row][2]]
        finite = np.isfinite(stack)
        noise = np.array([images[k].noise for k in here], np.float32)[:, None, None]
        if len(here) >= FEWEST:
            with np.errstate(all="ignore"):
                middle = _median(stack)
                spread = np.maximum(1.4826 * _median(np.abs(stack - middle)), noise)
                finite &= (np.abs(stack - middle) < OUTLIER * spread) | (finite.sum(axis=0) < FEWEST)
        count = finite.sum(axis=0)
        total = np.where(finite, stack, 0.0).sum(axis=0, dtype=np.float64)
        mean[y0:y1] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        number[y0:y1] = count
        for row, k in enumerate(here):
            kept[k][spans[row][2]] = finite[row][spans[row][:2]]
    return mean, number, kept


def _median(stack: Image) -> Image:
    """Median over the first axis of what is not NaN; NaN where there is nothing."""
    ordered = np.sort(stack, axis=0)  # NaN come last
    n = np.isfinite(stack).sum(axis=0)
    low, high = np.maximum(n - 1, 0) // 2, n // 2
    both = [np.take_along_axis(ordered, np.minimum(k, len(stack) - 1)[None], axis=0)[0] for k in (low, high)]
    return np.asarray(np.where(n > 0, 0.5 * (both[0] + both[1]), np.nan), np.float32)
