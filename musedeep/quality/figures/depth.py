"""Depth: images and histograms of one exposure, one OB, the deep cube (figure 10); ABMAGLIM against time (5, 6, 9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.field.sources import background
from musedeep.quality.figures.images import DEEP, LINE, aspect, show
from musedeep.quality.histogram import FluxHistogram
from musedeep.reduction.pictures import FAINT, INK, draw, grid, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SATURATION = 26.5
"""ABMAGLIM beyond which no deep cube of the release goes, by residual gradients [mag]."""


@dataclass(frozen=True)
class Stack:
    """An image of some depth: what it is called, its exposure time [s], float (ny, nx)."""

    name: str
    seconds: float
    image: NDArray[np.floating]


def draw_depth(stacks: Sequence[Stack], path: Path) -> None:
    """Draw images of growing depth below their histograms; raises as `pictures.draw`."""
    low = 3.6 * aspect(stacks[0].image.shape)
    draw(lambda figure: _depth(figure, stacks, low), path, True, (3.9 * len(stacks), 3.2 + low))


def _depth(figure: "Figure", stacks: Sequence[Stack], low: float) -> None:
    rows = figure.add_gridspec(2, len(stacks), height_ratios=[2.9, low])
    levels = [background(one.image) for one in stacks]
    reach = 5.0 * max((noise for _, noise in levels), default=1.0) or 1.0
    # one stretch for all: that of the deepest, so that the noise is seen to shrink
    deepest = levels[-1][1] or 1.0
    for column, (one, (middle, noise)) in enumerate(zip(stacks, levels, strict=True)):
        axes = figure.add_subplot(rows[0, column])
        title(axes, one.name, f"{one.seconds:,.0f} s, noise of the background {noise:.2g}")
        histogram = FluxHistogram()
        histogram.add(one.image - middle)
        centres, counts = histogram.binned()
        if counts.size:
            step = centres[1] - centres[0]
            axes.stairs(counts / counts.max(), np.append(centres - step / 2, centres[-1] + step / 2), fill=True,
                        color="#8a9bb0")  # fmt: skip
        axes.axvspan(-noise, noise, color=DEEP, alpha=0.12, lw=0)
        axes.set_xlim(-reach, reach)
        axes.set_yticks([])
        grid(axes)
        axes.set_xlabel("flux less background [1e-20 erg/s/cm$^2$/$\\mathrm{\\AA}$]")
        axes = figure.add_subplot(rows[1, column])
        show(axes, one.image, (middle, 2.0 * deepest), float(np.arcsinh(12.0)))


@dataclass(frozen=True)
class Limit:
    """ABMAGLIM of a product or an exposure [mag] against its exposure time [s].

    `dominated` if sources, not noise, make the background (crowded or extended fields); `mosaic` if its exposures do
    not all show the same field.
    """

    name: str
    seconds: float
    magnitude: float
    deep: bool
    dominated: bool = False
    mosaic: bool = False


def draw_limits(limits: Sequence[Limit], path: Path) -> None:
    """Draw ABMAGLIM against exposure time for a campaign, without mosaics; raises as `pictures.draw`."""
    draw(lambda figure: _limits(figure.add_subplot(), limits), path, True, (8.6, 5.8))


def _limits(axes: "Axes", limits: Sequence[Limit]) -> None:
    shown = [one for one in limits if not one.mosaic and one.seconds > 0 and np.isfinite(one.magnitude)]
    left_out = sum(one.mosaic for one in limits)
    deep = sum(one.deep for one in shown)
    detail = f"{deep} deep cubes, {len(shown) - deep} single exposures"
    detail += f"; {left_out} mosaics left out" if left_out else ""
    title(axes, "Limiting magnitude against exposure time", detail)
    groups = (
        (False, False, "o", 14.0, LINE, "single exposure"), (True, False, "D", 34.0, INK, "deep cube"),
        (False, True, "o", 14.0, "#e58a8f", "single, crowded or extended"),
        (True, True, "D", 34.0, DEEP, "deep, crowded or extended"),
    )  # fmt: skip
    for is_deep, dominated, marker, size, colour, label in groups:
        some = [one for one in shown if (one.deep, one.dominated) == (is_deep, dominated)]
        if some:
            hours, magnitudes = [one.seconds / 3600 for one in some], [one.magnitude for one in some]
            axes.scatter(hours, magnitudes, s=size, c=colour, marker=marker, label=label, alpha=0.8, lw=0)
    clean = [one for one in shown if not one.dominated]
    if clean:
        # noise falls with the square root of time: from the median single exposure, else the shortest cube
        base = [one for one in clean if not one.deep] or [min(clean, key=lambda one: one.seconds)]
        offset = float(np.median([one.magnitude - 1.25 * np.log10(one.seconds) for one in base]))
        times = np.geomspace(min(o.seconds for o in shown) / 1.3, max(o.seconds for o in shown) * 1.3, 50)
        axes.plot(times / 3600, offset + 1.25 * np.log10(times), color=FAINT, lw=1, ls="--", label="1.25 log t")
        if offset + 1.25 * np.log10(times[-1]) > SATURATION - 1.0:
            axes.axhline(SATURATION, color=FAINT, lw=0.8, ls=":")
            axes.text(
                0.01, SATURATION, "limit of the release's cubes", transform=axes.get_yaxis_transform(), va="bottom",
                fontsize=8.5, color=FAINT,
            )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("exposure time [h]")
    axes.set_ylabel("ABMAGLIM [mag]")
    from matplotlib.ticker import FuncFormatter, NullFormatter

    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_major_formatter(plain)
    low, high = axes.get_xlim()
    axes.xaxis.set_minor_formatter(plain if high < 8 * low else NullFormatter())
    grid(axes)
    if shown:
        axes.legend(loc="lower right", fontsize=9)
