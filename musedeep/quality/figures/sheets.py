"""The sheet of a product and of each of its exposures (figures 3 and 4 of the release description).

Each has the image with its sources, the bright end of the histogram of the raw frame, the histogram near zero flux with
its mode and HISTO_17, the histogram over the whole range, and a line of parameters; a single sheet without a dedicated
sky has the sky mask, too, if there is one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musedeep.quality.figures.images import BAD, GOOD, LINE, aspect, circles, scale_bar, show
from musedeep.quality.histogram import FluxHistogram
from musedeep.quality.saturation import HIGHEST, LOWEST, STEP, BrightCounts
from musedeep.reduction.pictures import FAINT, INK, draw, grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


STRIP = 0.5
"""Height over width of fields below which the image stands above the histograms."""


@dataclass(frozen=True)
class Sheet:
    """Content of a sheet.

    Attributes
    ----------
    title, details : of the sheet: product or exposure, and what its header says
    image : float (ny, nx), of the field
    scale : side of a pixel [arcsec]
    sources : float64 (n, 2), x and y [pixel from 0]
    radius : of the circles around them [pixel]
    histogram : of the voxels of the cube, or of the pixels of the image
    of : what the histogram counts: voxels or pixels
    raw : bright pixels of the raw frame; None if it was not read
    raw_name : of that frame
    parameters : (name, value, score) at the bottom; score 1 is shown red
    mask : bool (ny, nx), pixels that the sky was taken from; None if there is none
    """

    title: str
    details: str
    image: NDArray[np.floating]
    scale: float
    sources: NDArray[np.float64]
    radius: float
    histogram: FluxHistogram
    of: str
    raw: BrightCounts | None
    raw_name: str
    parameters: Sequence[tuple[str, str, int | None]]
    mask: NDArray[np.bool_] | None = None


def draw_sheet(sheet: Sheet, path: Path) -> None:
    """Draw a sheet; raises as `pictures.draw`."""
    form = aspect(sheet.image.shape)
    height = 8.4 if form > STRIP else 5.6 + 11.5 * form
    draw(lambda figure: _sheet(figure, sheet, form), path, True, (12.0, height))


def _sheet(figure: "Figure", sheet: Sheet, form: float) -> None:
    if form > STRIP:
        rows = figure.add_gridspec(2, 1, height_ratios=[8.6, 1.0])
        upper = rows[0].subgridspec(3, 2, width_ratios=[1.25, 1.0])
        axes = figure.add_subplot(upper[:, 0])
        places = [upper[k, 1] for k in range(3)]
    else:
        rows = figure.add_gridspec(3, 1, height_ratios=[11.5 * form + 0.6, 3.4, 1.0])
        axes = figure.add_subplot(rows[0])
        lower = rows[1].subgridspec(1, 3)
        places = [lower[0, k] for k in range(3)]
    show(axes, sheet.image)
    circles(axes, sheet.sources, sheet.radius)
    scale_bar(axes, (sheet.image.shape[0], sheet.image.shape[1]), sheet.scale)
    figure.suptitle(f"{sheet.title}", x=0.012, ha="left", fontsize=15, fontweight="bold")
    axes.set_title(sheet.details, loc="left", fontsize=9.5, color=FAINT)
    if sheet.mask is not None:
        _mask(axes, sheet.mask)
    for one, place in zip((_raw, _near_zero, _whole), places, strict=True):
        one(figure.add_subplot(place), sheet)
    _parameters(figure.add_subplot(rows[-1]), sheet.parameters)


def _mask(axes: "Axes", mask: NDArray[np.bool_]) -> None:
    """The sky mask, small, in a corner of the image."""
    from matplotlib.colors import ListedColormap

    inset = axes.inset_axes((0.71, 0.01, 0.28, 0.28))
    inset.imshow(mask, origin="lower", cmap=ListedColormap(["white", LINE]), vmin=0, vmax=1, interpolation="nearest")
    inset.set_xticks([])
    inset.set_yticks([])
    inset.set_title("sky mask (blue)", fontsize=8, color=INK, pad=2)


def _label(axes: "Axes", text: str) -> None:
    axes.set_title(text, loc="left", fontsize=10, color=INK)
    grid(axes)


def _raw(axes: "Axes", sheet: Sheet) -> None:
    _label(axes, f"raw frame {sheet.raw_name}")
    axes.set_xlim(LOWEST, HIGHEST)
    axes.set_xticks(range(LOWEST, HIGHEST + 1, 5000))
    axes.set_xlabel("counts [adu]")
    axes.set_ylabel("pixels")
    if sheet.raw is None:
        axes.text(0.5, 0.5, "the raw frame was not read", transform=axes.transAxes, ha="center", color=FAINT)
        axes.set_yticks([])
        return
    edges = np.arange(LOWEST, HIGHEST + STEP, STEP)
    axes.stairs(sheet.raw.counts, edges, fill=True, color="#8a9bb0")
    axes.set_ylim(0, max(10, 1.35 * sheet.raw.counts.max()))
    text = f"{sheet.raw.saturated} pixels of {HIGHEST:,} adu or more"
    axes.text(0.99, 0.97, text, transform=axes.transAxes, ha="right", va="top", color=INK, fontsize=9)


def _near_zero(axes: "Axes", sheet: Sheet) -> None:
    _label(axes, f"background: {sheet.of} near zero")
    axes.set_xlabel("flux [1e-20 erg/s/cm$^2$/$\\mathrm{\\AA}$]")
    axes.set_ylabel(sheet.of)
    centres, counts = sheet.histogram.binned()
    mode, fall, width = sheet.histogram.mode(), sheet.histogram.histo_17(), sheet.histogram.width()
    if not counts.size or mode is None or width is None:
        axes.text(0.5, 0.5, f"too few {sheet.of}", transform=axes.transAxes, ha="center", color=FAINT)
        return
    reach = max(6.0 * width, 2.0 * (mode - fall) if fall is not None else 0.0, 1e-3)
    axes.stairs(counts, _edges(centres), fill=True, color="#8a9bb0")
    axes.set_xlim(mode - reach, mode + reach)
    axes.axvline(mode, color=INK, ls="--", lw=1.2)
    axes.text(mode, 1.0, f" mode {mode:.3g}", transform=axes.get_xaxis_transform(), va="top", fontsize=9, color=INK)
    if fall is not None:
        axes.axvline(fall, color=BAD if fall <= -20 else GOOD, ls=":", lw=1.4)
        axes.text(
            fall, 0.6, f"HISTO_17 {fall:.3g} ", transform=axes.get_xaxis_transform(), va="top", ha="right", fontsize=9,
            color=BAD if fall <= -20 else GOOD,
        )  # fmt: skip


def _whole(axes: "Axes", sheet: Sheet) -> None:
    _label(axes, f"all {sheet.of}")
    axes.set_xlabel("flux [1e-20 erg/s/cm$^2$/$\\mathrm{\\AA}$]")
    axes.set_ylabel(sheet.of)
    edges, counts = sheet.histogram.whole()
    if not counts.size:
        return
    axes.stairs(counts / np.diff(edges), edges, fill=True, color="#8a9bb0")
    axes.set_xscale("symlog", linthresh=10.0)
    axes.set_yscale("log")
    axes.set_ylabel(f"{sheet.of} per unit of flux")


def _edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    step = centres[1] - centres[0] if centres.size > 1 else 1.0
    return np.append(centres - step / 2, centres[-1] + step / 2)


def _parameters(axes: "Axes", parameters: Sequence[tuple[str, str, int | None]]) -> None:
    """Names and values side by side; beyond its range a value is red."""
    axes.set_axis_off()
    axes.set_ylim(0, 1)
    axes.set_xlim(0, 1)
    axes.axhline(0.98, color="#c9ced6", lw=1)
    columns = max(1, -(-len(parameters) // 2))
    options: dict[str, Any] = {"transform": axes.transAxes, "va": "center"}
    for number, (name, value, score) in enumerate(parameters):
        x, y = (number % columns) / columns, 0.72 - 0.5 * (number // columns)
        axes.text(x, y + 0.12, name, color=FAINT, fontsize=8.5, **options)
        colour = BAD if score == 1 else INK
        axes.text(x, y - 0.1, value, color=colour, fontsize=11, fontweight="bold", **options)
