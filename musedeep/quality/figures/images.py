"""How images of the field are shown: stretch, scale, directions, sources."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.field.sources import background
from musedeep.reduction.pictures import FAINT, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Image = NDArray[np.floating]

DEEP, BAD, GOOD, LINE = "#b8121f", "#b8121f", "#0b7d3b", "#1f5fa8"
"""Colours: of deep cubes, of what is beyond its range, of what is within, of lines."""
NO_DATA = "#eceef1"
"""Colour of pixels without data."""


def aspect(shape: tuple[int, ...]) -> float:
    """Height over width of images on a figure, for its size: between 0.15 (strips of a few IFUs) and 1.6."""
    return float(np.clip(shape[0] / max(1, shape[1]), 0.15, 1.6))


def stretched(image: Image, level: tuple[float, float] | None = None) -> NDArray[np.float64]:
    """An image for the eye: linear within the noise, logarithmic above (inverse hyperbolic sine of noise units).

    `level` is the background and its noise; None: of the image itself.
    """
    middle, noise = level or background(image)
    if not noise > 0:
        noise = 1.0
    return np.asarray(np.arcsinh((image - middle) / (2.0 * noise)), np.float64)


def show(axes: "Axes", image: Image, level: tuple[float, float] | None = None, top: float | None = None) -> Any:
    """Show an image of the field, dark sources on white; returns what matplotlib drew."""
    from matplotlib import colormaps

    values = stretched(image, level)
    known = values[np.isfinite(values)]
    high = top if top is not None else float(np.quantile(known, 0.999)) if known.size else 1.0
    drawn = axes.imshow(
        np.ma.masked_invalid(values), origin="lower", cmap=colormaps["gray_r"].with_extremes(bad=NO_DATA),
        vmin=-1.0, vmax=max(high, 2.0), interpolation="nearest",
    )  # fmt: skip
    bare(axes)
    return drawn


def show_residual(axes: "Axes", image: Image, noise: float, reach: float = 8.0) -> Any:
    """Show a residual in units of its noise, red above zero and blue below; returns what matplotlib drew."""
    from matplotlib import colormaps

    drawn = axes.imshow(
        np.ma.masked_invalid(image / (noise if noise > 0 else 1.0)), origin="lower",
        cmap=colormaps["RdBu_r"].with_extremes(bad=NO_DATA), vmin=-reach, vmax=reach, interpolation="nearest",
    )  # fmt: skip
    bare(axes)
    return drawn


def bare(axes: "Axes", colour: str = "#9aa1aa") -> None:
    """No ticks, a frame on all sides."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_edgecolor(colour)


def scale_bar(axes: "Axes", shape: tuple[int, int], scale: float) -> None:
    """A bar of 10 arcsec (or less, of a small field), and north and east, below the image."""
    from matplotlib.transforms import ScaledTranslation

    figure = axes.get_figure()
    assert figure is not None
    length = next((size for size in (60, 30, 10, 5, 2, 1) if size / scale < 0.4 * shape[1]), 1)
    width = length / scale / shape[1]
    below = axes.transAxes + ScaledTranslation(0, -12 / 72, figure.dpi_scale_trans)
    axes.plot([0.0, width], [0.0, 0.0], color=INK, lw=2, transform=below, clip_on=False)
    axes.text(width + 0.015, 0.0, f'{length}"', transform=below, va="center", color=INK, fontsize=9)
    axes.text(1.0, 0.0, "N up, E left", transform=below, va="center", ha="right", color=FAINT, fontsize=9)


def circles(axes: "Axes", places: NDArray[np.float64], radius: float, colour: str = DEEP) -> None:
    """Circles around places (n, 2) [pixel]."""
    from matplotlib.patches import Circle

    for x, y in places:
        axes.add_patch(Circle((x, y), radius, fill=False, color=colour, lw=0.9))


def short(name: str) -> str:
    """Name of an exposure without its instrument and fractions of seconds."""
    return name.removeprefix("MUSE.").partition(".")[0].replace("T", " ")
