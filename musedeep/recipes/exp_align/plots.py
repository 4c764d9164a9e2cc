"""The picture of an alignment: the offsets on the sky, and the differences of sources before and after."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musedeep.recipes.exp_align.offsets import Array, Offsets, pair_differences
from musedeep.recipes.exp_align.sources import Sources
from musedeep.reduction.pictures import FAINT, INK, draw, grid, title
from musedeep.storage.cubes.field_view import FieldPlane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALIGNED, ALONE = "#0b7d3b", "#b8121f"
"""Colours of images that were aligned, and that were not."""
MOST_NAMES = 30
"""Images that are named at their offsets."""


def draw_offsets(
    path: Path, planes: Sequence[FieldPlane], sources: Sequence[Sources], offsets: Offsets, radius: float,
    overwrite: bool,
) -> Path:  # fmt: skip
    """Draw an alignment into a PNG file, and return its path; raises as `pictures.draw`.

    Parameters
    ----------
    planes : coordinates of the images
    sources : of the images
    offsets : that were found
    radius : within which sources belong together in the end [arcsec]
    """
    before, after = pair_differences(planes, sources, offsets, radius)
    cosine = np.array([np.cos(np.radians(plane.crval[1])) for plane in planes])
    east, north = offsets.values[:, 0] * cosine * 3600, offsets.values[:, 1] * 3600

    def drawing(figure: "Figure") -> None:
        figure.suptitle(f"{len(planes)} images aligned by their sources", x=0.01, ha="left", fontweight="bold")
        left, middle, right = figure.subplots(1, 3)
        alone = np.array([offsets.alone(k) for k in range(len(planes))])
        for chosen, colour, text in ((~alone, ALIGNED, "aligned"), (alone, ALONE, "not aligned")):
            if chosen.any():
                left.plot(east[chosen], north[chosen], "o", color=colour, label=f"{chosen.sum()} {text}")
        for k in range(len(planes) if len(planes) <= MOST_NAMES else 0):
            left.annotate(str(k + 1), (east[k], north[k]), (4, 4), textcoords="offset points", fontsize=8, color=FAINT)
        left.legend(loc="best")
        _frame(left, "Offsets", "measured minus reference, numbers of images")
        _scatter(middle, before, "Before", "differences of sources that two images share")
        spread = 1.4826 * np.median(np.abs(after - np.median(after, axis=0)), axis=0) if len(after) else np.zeros(2)
        detail = f"scatter {spread[0] * 1e3:.1f} mas east, {spread[1] * 1e3:.1f} mas north"
        _scatter(right, after * 1e3, "After", detail, "mas")

    draw(drawing, path, overwrite, size=(13.0, 4.8))
    return path


def _scatter(axes: "Axes", differences: Array, text: str, detail: str, unit: str = "arcsec") -> None:
    axes.plot(*differences.T, ".", color=INK, ms=4, alpha=0.5)
    _frame(axes, text, detail, unit)


def _frame(axes: "Axes", text: str, detail: str, unit: str = "arcsec") -> None:
    """Axes of the sky, east to the left, with the place of no difference."""
    axes.axhline(0.0, color=FAINT, linewidth=0.8)
    axes.axvline(0.0, color=FAINT, linewidth=0.8)
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    half = max(float((high - low).max()) / 2, 0.01)
    middle = (low + high) / 2
    axes.set(xlim=(middle[0] + half, middle[0] - half), ylim=(middle[1] - half, middle[1] + half), box_aspect=1)
    axes.set(xlabel=f"east [{unit}]", ylabel=f"north [{unit}]")
    axes.locator_params(nbins=6)
    title(axes, text, detail)
    grid(axes)
