"""Footprints of the exposures and the exposure map with its regions (figures 11 to 13 of the release description).

Regions are connected areas of about one exposure time: levels between which the histogram of the map has gaps. They are
labelled a, b, c ... from the largest, with their depth relative to the shallowest of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from musedeep.quality.figures.images import NO_DATA, aspect, bare, scale_bar, show
from musedeep.quality.singles import Singles
from musedeep.reduction.pictures import FAINT, INK, colour_bar, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALLEST: Final = 0.02
"""Share of the field that a region has at least."""
LEVEL: Final = 0.12
"""Relative difference of exposure times that belong to one level."""


@dataclass(frozen=True)
class Region:
    """An area of one depth: its letter, exposure time [s], share of the field with data, and a place in it (x, y)."""

    letter: str
    seconds: float
    share: float
    place: tuple[float, float]


def regions(seconds: NDArray[np.floating]) -> list[Region]:
    """Regions of an exposure map, float (ny, nx) [s], 0 or NaN where there are no data; the largest first."""
    from scipy import ndimage

    known = np.isfinite(seconds) & (seconds > 0)
    if not known.any():
        return []
    levels: list[float] = []
    values = np.sort(seconds[known].astype(np.float64))
    rest = values
    while rest.size > SMALLEST * values.size and len(levels) < 12:
        # the most usual time that is left
        bins = np.floor(np.log(rest) / LEVEL)
        numbers, counts = np.unique(bins, return_counts=True)
        level = float(np.median(rest[bins == numbers[counts.argmax()]]))
        levels.append(level)
        rest = rest[np.abs(np.log(rest / level)) > LEVEL]
    found = []
    for level in levels:
        inside = known & (np.abs(np.log(np.where(known, seconds, 1.0) / level)) <= LEVEL)
        share = float(inside.sum() / known.sum())
        core = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        if share < SMALLEST or core.max() < 2:
            continue
        y, x = np.unravel_index(int(core.argmax()), core.shape)
        found.append((share, level, (float(x), float(y))))
    found.sort(reverse=True)
    return [Region(chr(ord("a") + k), level, share, place) for k, (share, level, place) in enumerate(found)]


def draw_fields(
    singles: Singles,
    names: Sequence[str],
    image: NDArray[np.floating],
    seconds: NDArray[np.floating] | None,
    path: Path,
) -> None:
    """Draw footprints, exposure map and depth; raises as `pictures.draw`.

    Parameters
    ----------
    names : of the pointings, by exposure; those of one name are drawn in one colour
    image : float (ny, nx), of the product
    seconds : float (ny, nx), exposure map [s]; None: no map
    """
    height = 5.2 * aspect(image.shape) + 1.6
    draw(lambda figure: _fields(figure, singles, names, image, seconds), path, True, (12.0, height))


def _fields(
    figure: "Figure",
    singles: Singles,
    names: Sequence[str],
    image: NDArray[np.floating],
    seconds: NDArray[np.floating] | None,
) -> None:
    left, right = figure.subplots(1, 2)
    shape = image.shape[0], image.shape[1]
    show(left, image)
    pointings = list(dict.fromkeys(names))
    left.set_title(f"{len(singles.images)} exposures of {len(pointings)} pointing{'s' * (len(pointings) > 1)}",
                   loc="left", fontsize=11, color=INK)  # fmt: skip
    colours = ("#b8121f", "#1f5fa8", "#0b7d3b", "#e0a100", "#7a3fa0", "#dd5f14", "#16808a", "#8a5a2b")
    for number, name in enumerate(pointings):
        colour = colours[number % len(colours)]
        some = [o for o, of in zip(singles.images, names, strict=True) if of == name and np.isfinite(o.data).any()]
        centres = []
        for one in some:
            outline = _outline(np.isfinite(one.data)) + np.array([one.x0, one.y0])
            left.plot(outline[:, 0], outline[:, 1], color=colour, lw=0.9, alpha=0.7)
            centres.append(outline[:-1].mean(axis=0))
        if not centres:
            continue
        x, y = np.mean(centres, axis=0)
        left.plot(x, y, "+", color=colour, ms=9, mew=1.6)
        left.annotate(f"P{number + 1}", (x, y), (5, 5), textcoords="offset points", color=colour, fontweight="bold")
    left.margins(0.02)
    scale_bar(left, shape, singles.scale)
    if seconds is None:
        right.set_axis_off()
        right.text(0.5, 0.5, "no exposure map", ha="center", color=FAINT)
        return
    _map(right, seconds)


def _map(axes: "Axes", seconds: NDArray[np.floating]) -> None:
    from matplotlib import colormaps

    hours = np.where(seconds > 0, seconds, np.nan) / 3600
    drawn = axes.imshow(
        np.ma.masked_invalid(hours), origin="lower", cmap=colormaps["YlGnBu"].with_extremes(bad=NO_DATA), vmin=0,
        interpolation="nearest",
    )  # fmt: skip
    bare(axes)
    found = regions(seconds)
    least = min((one.seconds for one in found), default=1.0)
    words = [f"{one.letter}: {one.seconds / 3600:.2f} h ({one.seconds / least:.2g} x)" for one in found]
    axes.set_title("exposure time", loc="left", fontsize=11, color=INK)
    if words:
        text = "     ".join(words[:4]) + ("\n" + "     ".join(words[4:8]) if len(words) > 4 else "")
        axes.set_xlabel(text, loc="left", fontsize=9.5, color=INK)
    top = np.nanmax(hours) if np.isfinite(hours).any() else 1.0
    for one in found:
        dark = one.seconds / 3600 > 0.55 * top
        axes.text(*one.place, one.letter, ha="center", va="center", fontweight="bold", color="white" if dark else INK)
    colour_bar(drawn, axes, "[h]")


def _outline(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Corners of the smallest convex polygon around pixels, float64 (n, 2), closed."""
    y, x = np.nonzero(inside)
    if x.size < 3:
        return np.column_stack([x, y, x, y]).astype(np.float64).reshape(-1, 2)
    from scipy.spatial import ConvexHull, QhullError

    points = np.column_stack([x, y]).astype(np.float64)
    try:
        corners = points[ConvexHull(points).vertices]
    except QhullError:
        corners = points[[0, -1]]
    return np.vstack([corners, corners[:1]])
