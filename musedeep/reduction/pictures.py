"""How tools and recipes draw: one look, into a file or a window."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musedeep.errors import MusedeepError
from musedeep.storage.outputs import appearing_whole, refuse_existing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

INK, FAINT, GRID = "#23282f", "#6b737d", "#e6e8eb"
LEFT_TO_RIGHT = ("#0b7d3b", "#7aa516", "#e0a100", "#dd5f14", "#b8121f")
"""From the left of the CCD (green) to its right (red), as in manual 7.2."""

SYMBOLS = "osD^v<>P*X"
"""Symbols that tell neighbours apart."""

_LOOK: Any = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 10.0,
    "axes.edgecolor": "#9aa1aa", "axes.labelcolor": INK, "axes.linewidth": 0.8, "axes.axisbelow": True,
    "text.color": INK, "xtick.color": INK, "ytick.color": INK, "xtick.direction": "out", "ytick.direction": "out",
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "figure.facecolor": "white",
    "savefig.facecolor": "white",
}  # fmt: skip

Drawing = Callable[["Figure"], None]


def draw(drawing: Drawing, output: Path | None, overwrite: bool, size: tuple[float, float] = (10.0, 6.5)) -> None:
    """Draw a picture on an empty figure, and write it to a file or show it in a window (None).

    The ending of the file names its format (PNG, PDF, SVG); it appears when it is whole. The size is in inches. Raises
    MusedeepError if there is no matplotlib, no display for a window, an ending that is no format, or the file exists.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MusedeepError(
            "matplotlib is needed for pictures; install it with pip install 'musedeep[plot]'"
        ) from error
    with matplotlib.rc_context(_LOOK):
        if output is None:
            _show(drawing, size)
        else:
            _save(drawing, output, overwrite, size)


def _save(drawing: Drawing, output: Path, overwrite: bool, size: tuple[float, float]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    refuse_existing(output, overwrite)
    figure = Figure(figsize=size, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    kind = output.suffix.lstrip(".").lower() or "png"
    if kind not in canvas.get_supported_filetypes():
        raise MusedeepError(f"{output}: .{kind} is no format for pictures; end the name in .png, .pdf or .svg")
    drawing(figure)
    with appearing_whole(output, 1 << 20) as partial:
        figure.savefig(partial, format=kind, dpi=150)


def _show(drawing: Drawing, size: tuple[float, float]) -> None:
    from matplotlib import pyplot

    if pyplot.get_backend().lower() in ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template"):
        raise MusedeepError("there is no display to open a window on; write the picture to a file with -o FILE")
    drawing(pyplot.figure(figsize=size, layout="constrained"))
    pyplot.show()


def title(axes: "Axes", text: str, detail: str = "", above: float = 8.0) -> None:
    """A title flush left, and a line of detail beneath it, which is `above` the axes [points]."""
    axes.set_title(text, loc="left", fontsize=13, fontweight="bold", pad=above + 16 if detail else above + 2)
    if detail:
        line = axes.annotate(
            detail, (0, 1), (0, above), xycoords="axes fraction", textcoords="offset points", color=FAINT, fontsize=10
        )
        line.set_in_layout(False)  # a long line must not narrow the axes


def left_to_right() -> "Colormap":
    """Colours from the left of the CCD to its right."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("left to right", LEFT_TO_RIGHT)


def grid(axes: "Axes") -> None:
    """A faint grid."""
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.tick_params(length=3, color="#9aa1aa")


def colour_bar(drawn: Any, axes: "Axes", label: str, **options: Any) -> Any:
    """A colour bar beside the axes."""
    figure = axes.get_figure()
    assert figure is not None
    bar = figure.colorbar(drawn, ax=axes, fraction=0.035, pad=0.015, aspect=32, **options)
    bar.set_label(label)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=3, color="#9aa1aa")
    return bar


def same_ifu(*given: tuple[Path, int | None]) -> int | None:
    """The IFU of all files; MusedeepError if they belong to different ones."""
    known = [(path, ifu) for path, ifu in given if ifu is not None]
    for path, ifu in known[1:]:
        if ifu != known[0][1]:
            raise MusedeepError(f"{path}: is of IFU {ifu}, {known[0][0]} of IFU {known[0][1]}; give files of one IFU")
    return known[0][1] if known else None
