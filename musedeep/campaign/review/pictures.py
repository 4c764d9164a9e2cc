"""PNG of the field, of its depth, of single exposures and of their residuals: made when they are looked at, and kept.

Grey values of the field and of single exposures run over zscale limits, with the asinh of the flux for the field.
Residuals are blue where light is missing, and red where there is too much. Pixels without data are transparent.
Pictures are kept in the folder .review of the campaign, by names that change with their inputs.
"""

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from astropy.visualization import ZScaleInterval
from numpy.typing import NDArray
from PIL import Image as Picture

from musedeep.campaign.review.campaign import Campaign, Item, digest
from musedeep.campaign.review.comparison import Image, Plane, bin_factor, binned, compared, read_plane
from musedeep.campaign.review.decisions import WORK
from musedeep.errors import MusedeepError
from musedeep.quality.record import ExposureRecord
from musedeep.storage.outputs import appearing_whole, replace_directory

FORM: Final = "1"
"""Of pictures; another one makes all of them again."""
WIDEST: Final = 900
"""Pixels of the longer side of the field."""
SOURCE_SIGMA: Final = 5.0
"""Peak of sources that are marked, in units of the noise."""
MOST_SOURCES: Final = 400
DIVERGING: Final = ((26, 84, 160), (96, 160, 214), (246, 246, 246), (238, 138, 98), (170, 28, 48))
DEPTH: Final = (
    (68, 1, 84),
    (70, 50, 126),
    (54, 92, 141),
    (39, 127, 142),
    (31, 161, 135),
    (74, 193, 109),
    (253, 231, 37),
)
"""Colours of viridis, at equal distances."""
GREY: Final = ((8, 10, 14), (250, 250, 248))


@dataclass(frozen=True)
class Field:
    """What there is to know of a picture of the field.

    Attributes
    ----------
    width, height : of the picture [pixel]
    scale : of its pixels [arcsec], or None
    low, high : values of the first and of the last colour
    dec : of its middle [deg]
    sources : x, y in the picture, from its upper left corner [pixel]
    """

    width: int
    height: int
    scale: float | None
    low: float
    high: float
    dec: float
    sources: list[tuple[float, float]]


def colours(stops: Sequence[tuple[int, int, int]]) -> list[int]:
    """A palette of 256: the first for pixels without data, the others between the stops."""
    place = np.linspace(0, len(stops) - 1, 255)
    parts = [np.interp(place, np.arange(len(stops)), [stop[k] for stop in stops]) for k in range(3)]
    return [0, 0, 0, *np.round(np.array(parts).T).astype(int).ravel().tolist()]


def save_png(path: Path, image: NDArray[np.floating], low: float, high: float, stops: Sequence[Any]) -> None:
    """Write an image, float (ny, nx), as PNG, the first row below; colours from `low` to `high`, NaN transparent."""
    span = high - low if high > low else 1.0
    with np.errstate(invalid="ignore"):
        index = 1 + np.round(254 * np.clip((image - low) / span, 0.0, 1.0))
    index = np.where(np.isfinite(image), index, 0).astype(np.uint8)
    picture = Picture.fromarray(np.ascontiguousarray(index[::-1]), "P")
    picture.putpalette(colours(stops))
    with appearing_whole(path) as partial:
        picture.save(partial, "PNG", transparency=0)


def limits_of(image: NDArray[np.floating]) -> tuple[float, float]:
    """Limits by zscale (IRAF), of the pixels with data; (0, 1) if there are none."""
    values = image[np.isfinite(image)]
    if not values.size:
        return 0.0, 1.0
    low, high = ZScaleInterval().get_limits(values)
    return float(low), float(high) if high > low else float(low) + 1.0


def warm() -> None:
    """Load what finds sources, so that the first product is shown as fast as the others."""
    sources_of(np.zeros((16, 16), np.float32), 1, 16)


class Pictures:
    """The pictures of a campaign, for many threads at once."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self._own: tempfile.TemporaryDirectory[str] | None = None
        self.root = campaign.folder / WORK / "pictures"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            writable = os.access(self.root, os.W_OK)
        except OSError:
            writable = False
        if not writable:
            self._own = tempfile.TemporaryDirectory(prefix="musedeep-review-")
            self.root = Path(self._own.name)
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def close(self) -> None:
        """Remove what is kept elsewhere than in the campaign."""
        if self._own is not None:
            self._own.cleanup()

    def field(self, item: Item) -> tuple[Path, Field] | None:
        """The image of the field, and its sources; None if the product has none, or it cannot be read."""
        path = next(filter(None, map(self.campaign.within, item.product.images)), None)
        return self._kept(item, "field", path, _draw_field) if path else None

    def depth(self, item: Item) -> tuple[Path, Field] | None:
        """The exposure time of each spaxel [s], from 0 to the largest; None as for `field`."""
        path = self.campaign.within(item.product.exposure_map)
        return self._kept(item, "depth", path, _draw_depth) if path else None

    def _kept(self, item: Item, name: str, source: Path, draw: Any) -> tuple[Path, Field] | None:
        folder = self.root / item.key
        path = folder / f"{name}-{_names([source])}.png"
        facts = path.with_suffix(".json")
        with self._lock(f"{item.key} {name}"):
            if not (path.exists() and facts.exists()):
                folder.mkdir(parents=True, exist_ok=True)
                for old in folder.glob(f"{name}-*"):
                    old.unlink(missing_ok=True)
                try:
                    found = draw(source, path)
                except MusedeepError:
                    return None
                facts.write_text(json.dumps(asdict(found)))
            return path, Field(**json.loads(facts.read_text()))

    def with_images(self, item: Item) -> list[ExposureRecord]:
        """Exposures whose image is there."""
        return [one for one in item.product.exposures if self.campaign.within(one.image)]

    def exposure(self, item: Item, what: Literal["single", "residual"], number: int) -> Path | None:
        """An exposure of `with_images` on the grid of the cube: its image, or that without the median of the others."""
        chosen = [(one, path) for one in item.product.exposures if (path := self.campaign.within(one.image))]
        if not 0 <= number < len(chosen):
            return None
        reference = next(filter(None, map(self.campaign.within, item.product.images)), chosen[0][1])
        # quality control may know more of an exposure than its record
        chosen = [(e.model_copy(update={"transparency": item.of(e, "transparency")}), path) for e, path in chosen]
        facts = [(e.ra_offset, e.dec_offset, e.flux_scale, e.transparency, e.excluded) for e, _ in chosen]
        folder = self.root / item.key / f"exposures-{_names([reference, *(path for _, path in chosen)], facts)}"
        with self._lock(f"{item.key} exposures"):
            if not folder.exists():
                folder.parent.mkdir(parents=True, exist_ok=True)
                for old in folder.parent.glob("exposures-*"):
                    shutil.rmtree(old, ignore_errors=True)
                try:
                    singles = [(one, read_plane(path)) for one, path in chosen]
                    _draw_exposures(folder, *compared(read_plane(reference), singles))
                except MusedeepError:
                    return None
        return folder / f"{what}-{number}.png"

    def _lock(self, name: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())


def _names(paths: Sequence[Path], more: object = "") -> str:
    stamps = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in paths]
    return digest(repr((FORM, stamps, more)).encode())


def _draw_field(source: Path, path: Path) -> Field:
    plane = read_plane(source)
    factor = bin_factor(plane.data.shape, WIDEST)
    image = binned(plane.data, factor)
    low, high = limits_of(image)
    # a few times the limits are left to bright sources
    soft = (high - low) / 3.0
    save_png(path, np.arcsinh((image - low) / soft), 0.0, float(np.arcsinh(4.0 * (high - low) / soft)), GREY)
    return _field(plane, image, factor, low, high, sources_of(plane.data, factor, image.shape[0]))


def _draw_depth(source: Path, path: Path) -> Field:
    plane = read_plane(source, "EXPTIME_IMAGE")
    factor = bin_factor(plane.data.shape, WIDEST)
    image = binned(np.where(plane.data > 0, plane.data, np.nan).astype(np.float32), factor)
    finite = image[np.isfinite(image)]
    high = float(finite.max()) if finite.size else 1.0
    save_png(path, image, 0.0, high, DEPTH)
    return _field(plane, image, factor, 0.0, high, [])


def _field(
    plane: Plane, image: Image, factor: int, low: float, high: float, sources: list[tuple[float, float]]
) -> Field:
    scale = plane.scale * factor
    height, width = image.shape
    return Field(width, height, scale if np.isfinite(scale) else None, low, high, plane.declination, sources)


def sources_of(image: Image, factor: int, height: int) -> list[tuple[float, float]]:
    """Sources of an image, the brightest first: x, y in a picture of it, from its upper left corner [pixel]."""
    from musedeep.kernels.field.point_sources import find_candidates  # loads the compiler

    candidates, noise = find_candidates(image.astype(np.float64), 3.5)
    if not noise > 0:
        return []
    found = candidates.chosen(
        (candidates.height > SOURCE_SIGMA * noise) & (candidates.sharpness < 1.0) & (np.abs(candidates.roundness) < 1.0)
    )
    found = found.chosen(np.argsort(-found.height)[:MOST_SOURCES])
    x, y = (found.x + 0.5) / factor, height - (found.y + 0.5) / factor
    return [(round(float(a), 2), round(float(b), 2)) for a, b in zip(x, y, strict=True)]


def _draw_exposures(folder: Path, images: Image, residuals: Image) -> None:
    """All at once, on the same scales; the folder appears with all of them."""
    partial = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
    try:
        low, high = np.median([limits_of(image) for image in images], axis=0)
        finite = residuals[np.isfinite(residuals)]
        spread = 6.0 * 1.4826 * float(np.median(np.abs(finite))) if finite.size else 1.0
        for number, (image, residual) in enumerate(zip(images, residuals, strict=True)):
            save_png(partial / f"single-{number}.png", image, float(low), float(high), GREY)
            save_png(partial / f"residual-{number}.png", residual, -spread, spread, DIVERGING)
        replace_directory(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
