"""Evidence of misalignment (figure 14 of the release description), and the contact sheet of the exposures.

The picture has a row of residuals against the mean of the others, one per exposure, around the brightest sources of the
field; and the shift of each exposure from its place. A misaligned exposure shows dipoles: red on one side of each
source, blue on the other.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musedeep.quality.figures.images import BAD, GOOD, aspect, bare, short, show, show_residual
from musedeep.quality.misalignment import LIMIT, Shift
from musedeep.quality.singles import Singles
from musedeep.quality.trails import Trail
from musedeep.reduction.pictures import FAINT, INK, colour_bar, draw, grid, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

SOURCES = 5
"""Around which residuals are shown."""
HALF = 2.4
"""Half a side of a cut-out [arcsec]."""
MOST = 24
"""Exposures of which residuals are shown: the farthest ones from their place, the others in the diagram alone."""


def draw_alignment(singles: Singles, sources: Floats, found: Sequence[Shift], path: Path, limit: float = LIMIT) -> None:
    """Draw residuals and shifts of exposures; raises as `pictures.draw`."""
    order = sorted(range(len(found)), key=lambda k: -np.nan_to_num(found[k].size))[:MOST]
    rows = sorted(order)
    height = max(5.2, 0.98 * len(rows) + 1.2)
    draw(lambda figure: _alignment(figure, singles, sources[:SOURCES], found, rows, limit), path, True, (12.0, height))


def _alignment(
    figure: "Figure", singles: Singles, sources: Floats, found: Sequence[Shift], rows: Sequence[int], limit: float
) -> None:
    n = max(1, len(sources))
    parts = figure.add_gridspec(1, 2, width_ratios=[1.0, 0.85])
    cuts = parts[0].subgridspec(len(rows) + 1, n, wspace=0.04, hspace=0.06)
    half = round(HALF / singles.scale)
    drawn = None
    for column, place in enumerate(sources):
        axes = figure.add_subplot(cuts[0, column])
        show(axes, _cut(singles.mean, place, half))
        axes.set_title(f"source {column + 1}", fontsize=9, color=FAINT, pad=3)
        if column == 0:
            axes.set_ylabel("mean", rotation=0, ha="right", va="center", fontsize=9)
    for row, k in enumerate(rows, 1):
        one = singles.images[k]
        residual = singles.residual(k)
        for column, place in enumerate(sources):
            axes = figure.add_subplot(cuts[row, column])
            wrong = found[k].misaligned
            drawn = show_residual(axes, _cut(residual, place - np.array([one.x0, one.y0]), half), one.noise)
            bare(axes, BAD if wrong else "#9aa1aa")
            if column == 0:
                axes.set_ylabel(
                    short(one.name), rotation=0, ha="right", va="center", fontsize=9, color=BAD if wrong else INK
                )
    right = parts[1].subgridspec(2, 1, height_ratios=[1.0, max(0.06, 0.4 if len(rows) > 6 else 0.06)])
    axes = figure.add_subplot(right[0])
    _shifts(axes, found, limit)
    if drawn is not None:
        colour_bar(drawn, axes, "residual [noise of the exposure]", orientation="horizontal", location="bottom")


def _shifts(axes: "Axes", found: Sequence[Shift], limit: float) -> None:
    from matplotlib.patches import Circle

    known = [one for one in found if np.isfinite(one.size)]
    wrong = sum(one.misaligned for one in known)
    text = f"{wrong} of {len(found)} exposures misaligned" if wrong else f"{len(found)} exposures, none misaligned"
    title(axes, text, "shift of each exposure from its place, and 5 errors; circle: limit")
    reach = max([2.2 * limit, *(1.25 * one.size for one in known)])
    axes.add_patch(Circle((0, 0), limit, fill=False, color=FAINT, ls="--", lw=1))
    for one in known:
        colour = BAD if one.misaligned else GOOD
        axes.errorbar(one.east, one.north, 5 * one.error, 5 * one.error, fmt="o", color=colour, ms=5, lw=1)
        if one.misaligned:
            axes.annotate(
                f"{short(one.name)}\n{one.size:.2f} arcsec", (one.east, one.north), (9, 7), textcoords="offset points",
                color=BAD, fontsize=9,
            )  # fmt: skip
    if not known:
        axes.text(0.5, 0.5, "no source is bright enough", transform=axes.transAxes, ha="center", color=FAINT)
    axes.set_xlim(reach, -reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.set_xlabel("east [arcsec]")
    axes.set_ylabel("north [arcsec]")
    grid(axes)


def _cut(image: NDArray[np.floating], place: Floats, half: int) -> NDArray[np.floating]:
    """A square around a place; NaN beyond the image."""
    padded = np.pad(image, half + 1, constant_values=np.nan)
    x, y = np.clip(np.rint(place).astype(int), -1, np.array(image.shape[::-1])) + half + 1
    return padded[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]


def draw_contact(
    singles: Singles, values: Sequence[Sequence[str]], trails: Sequence[Trail], wrong: Sequence[bool], path: Path
) -> None:
    """All exposures side by side, each above its residual; `values` are the lines below each, `wrong` those in red."""
    n = len(singles.images)
    columns = min(n, 6)
    rows = -(-n // columns)
    size = 2.0 * columns + 0.2, (4.0 * aspect(singles.shape) + 0.75) * rows + 0.5
    draw(lambda figure: _contact(figure, singles, values, trails, wrong, (rows, columns)), path, True, size)


def _contact(
    figure: "Figure",
    singles: Singles,
    values: Sequence[Sequence[str]],
    trails: Sequence[Trail],
    wrong: Sequence[bool],
    form: tuple[int, int],
) -> None:
    from musedeep.kernels.field.sources import background
    from musedeep.quality.figures.images import stretched

    figure.set_layout_engine("compressed")
    rows, columns = form
    cells = figure.add_gridspec(2 * rows, columns, wspace=0.04, hspace=0.04)
    level = background(np.concatenate([one.data.ravel() for one in singles.images]))
    mean = stretched(singles.mean, level)
    top = float(np.nanquantile(mean, 0.999)) if np.isfinite(mean).any() else 2.0
    for k, one in enumerate(singles.images):
        row, column = divmod(k, columns)
        colour = BAD if wrong[k] else "#9aa1aa"
        axes = figure.add_subplot(cells[2 * row, column])
        show(axes, one.data, level, top)
        bare(axes, colour)
        axes.set_title(short(one.name), fontsize=8.5, color=BAD if wrong[k] else INK, pad=3)
        axes = figure.add_subplot(cells[2 * row + 1, column])
        show_residual(axes, singles.residual(k), one.noise, 6.0)
        bare(axes, colour)
        for trail in trails:
            if trail.exposure == one.name:
                ends = np.array([trail.start, trail.end]) - np.array([one.x0, one.y0])
                axes.plot(ends[:, 0], ends[:, 1], color=INK, lw=0.8, ls=":")
        axes.set_xlim(-0.5, one.data.shape[1] - 0.5)
        axes.set_ylim(-0.5, one.data.shape[0] - 0.5)
        axes.set_xlabel("\n".join(values[k]), fontsize=8, color=BAD if wrong[k] else FAINT)
