"""Pictures of the tracing (manual 7.2.1): muse_trace_plot_samples, muse_trace_plot_widths."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musedeep.cli.errors import UsageProblem
from musedeep.errors import MusedeepError
from musedeep.instrument import N_ROWS, N_SLICES
from musedeep.reduction import pictures
from musedeep.storage.calibrations.slice_tables import SliceRows
from musedeep.storage.calibrations.trace_table import TraceTable, read_trace_samples, read_trace_table
from musedeep.storage.fits.hdus import open_hdus
from musedeep.tools.command import ToolParser, range_of_integers, run_tool

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN = 12.0
"""Pixels shown beside the first and the last slice."""

EDGE, CENTRE, LINE = "#e0555b", "#4d93e6", "#15191f"
EDGE_ON_IMAGE, CENTRE_ON_IMAGE, LINE_ON_IMAGE = "#ff5a4f", "#5db4ff", "#ffe14d"
"""Samples of edges and of centres, and the solution over them: on white, and on the flat-field."""

Columns = dict[str, NDArray[Any]]


def samples_of(columns: Columns, first: int, last: int) -> Columns:
    """The tracing samples of slices first to last."""
    chosen = (columns["slice"] >= first) & (columns["slice"] <= last)
    return {name: values[chosen] for name, values in columns.items()}


def read_image(path: Path) -> tuple[NDArray[np.float32], int | None]:
    """DATA of a master flat-field, float32 (4112, 4096), and its IFU.

    Raises
    ------
    MusedeepError
        No FITS file, or no extension DATA with an image.
    """
    with open_hdus(path, "MASTER_FLAT") as hdus:
        for hdu in hdus:
            if hdu.is_image and hdu.header.get("EXTNAME", "") == "DATA" and hdu.header["NAXIS"] == 2 and all(hdu.shape):
                names = (re.match(r"CHAN(\d\d)", str(h.header.get("EXTNAME", ""))) for h in (hdus[0], hdu))
                return np.array(hdu.data, np.float32), next((int(name[1]) for name in names if name), None)
    raise MusedeepError(f"{path}: no image extension DATA; give the MASTER_FLAT of one IFU")


def stretch(image: NDArray[np.float32]) -> tuple[float, float]:
    """Black and white level: nothing, and the level that one of fifty pixels passes."""
    values = image[:: max(image.shape[0] // 500, 1)]
    values = values[np.isfinite(values)]
    return (0.0, max(float(np.percentile(values, 98)), 1e-6)) if values.size else (0.0, 1.0)


def _plural(first: int, last: int) -> str:
    return f"slice {first}" if first == last else f"slices {first} to {last}"


def draw_samples(
    figure: "Figure",
    samples: Columns,
    trace: TraceTable | None,
    image: NDArray[np.float32] | None,
    slices: tuple[int, int],
    heading: str,
) -> None:
    """Tracing samples in CCD coordinates, with the polynomials and the flat-field if there are any.

    Samples are the columns of TRACE_SAMPLES of slices (first and last); the image is float32 (4112, 4096).
    """
    axes = figure.add_subplot()
    edges = np.concatenate([samples["left"], samples["right"]]).astype(np.float64)
    low, high = float(np.nanmin(edges)) - MARGIN, float(np.nanmax(edges)) + MARGIN
    edge, centre, solution = (EDGE, CENTRE, LINE) if image is None else (EDGE_ON_IMAGE, CENTRE_ON_IMAGE, LINE_ON_IMAGE)
    if image is not None:
        a, b = max(int(low) - 1, 0), min(int(high) + 1, image.shape[1])
        part = image[:, a:b]
        black, white = stretch(part)
        drawn = axes.imshow(
            part, origin="lower", extent=(a + 0.5, b + 0.5, 0.5, image.shape[0] + 0.5), aspect="auto",
            cmap="gray", vmin=black, vmax=white, interpolation="antialiased",
        )  # fmt: skip
        pictures.colour_bar(drawn, axes, "flat-field, normalised", extend="max")
    else:
        pictures.grid(axes)
    failed = []
    if trace is not None:
        y = np.linspace(1.0, N_ROWS, 400)
        edges_and_centres = trace.at(y)[:, [1, 0, 2]]
        for number in range(slices[0], slices[1] + 1):
            if not trace.valid[number - 1]:
                failed.append(number)
                continue
            for line in edges_and_centres[number - 1]:
                axes.plot(line, y, color=solution, linewidth=0.7 if slices[1] - slices[0] < 24 else 0.35, zorder=4)
    size = float(np.clip(90.0 / (slices[1] - slices[0] + 1), 5.0, 24.0))
    for name, colour in (("left", edge), ("mid", centre), ("right", edge)):
        axes.scatter(
            samples[name], samples["y"], size, color=colour, marker="x", linewidths=0.8 if size > 5 else 0.5, zorder=3
        )
    _number_slices(axes, samples, slices)
    axes.set_xlim(low, high)
    axes.set_ylim(0.5, N_ROWS + 0.5)
    axes.set_xlabel("x on the CCD [pix]")
    axes.set_ylabel("y on the CCD [pix]")
    detail = "crosses: samples of edges (red) and centres (blue)"
    if trace is not None:
        detail += "; lines: trace table"
    if failed:
        detail += f"; no valid trace: slice {', '.join(map(str, failed))}"
    pictures.title(axes, heading, detail, above=20.0)


def _number_slices(axes: "Axes", samples: Columns, slices: tuple[int, int]) -> None:
    """Numbers of the slices above the axes, as many as there is room for."""
    every = max((slices[1] - slices[0] + 1) // 16, 1)
    for number in range(slices[0], slices[1] + 1, every):
        mine = np.flatnonzero((samples["slice"] == number) & np.isfinite(samples["mid"]))
        if mine.size:
            x = float(samples["mid"][mine[np.argmax(samples["y"][mine])]])
            axes.annotate(
                str(number), (x, 1.0), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
                ha="center", va="bottom", fontsize=9,
            )  # fmt: skip


def draw_widths(figure: "Figure", samples: Columns, slices: tuple[int, int], heading: str) -> None:
    """Widths of slices along y, green on the left of the CCD to red on the right."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    axes = figure.add_subplot()
    pictures.grid(axes)
    colours = pictures.left_to_right()
    norm = Normalize(*((1, N_SLICES) if slices[0] == slices[1] else slices))
    few = slices[1] - slices[0] < 12
    for number in range(slices[0], slices[1] + 1):
        mine = samples["slice"] == number
        order = np.argsort(samples["y"][mine])
        y = samples["y"][mine][order]
        width = (samples["right"] - samples["left"])[mine][order]
        axes.plot(
            y, width, color=colours(norm(number)), marker=pictures.SYMBOLS[number % len(pictures.SYMBOLS)],
            markersize=4.5 if few else 3.0, linewidth=0.7, markeredgewidth=0, alpha=0.85,
            label=f"slice {number}",
        )  # fmt: skip
    axes.set_xlim(0, N_ROWS + 1)
    axes.set_xlabel("y on the CCD [pix]")
    axes.set_ylabel("width of the slice [pix]")
    if few:
        figure.legend(loc="outside right upper", fontsize=9)
    else:
        bar = pictures.colour_bar(
            ScalarMappable(norm, colours), axes, "slice", ticks=np.unique(np.linspace(*slices, 9).round())
        )
        bar.ax.invert_yaxis()
    width = (samples["right"] - samples["left"]).astype(np.float64)
    width = width[np.isfinite(width)]
    detail = f"{_plural(*slices)}; {width.min():.2f} to {width.max():.2f} pix, median {np.median(width):.2f}"
    pictures.title(axes, heading, detail)


def _slice_options(parser: ToolParser, first: int, last: int) -> None:
    number = range_of_integers(1, N_SLICES)
    parser.add_argument("-s1", type=number, default=first, metavar="SLICE", help=f"first slice; default {first}")
    parser.add_argument("-s2", type=number, default=last, metavar="SLICE", help=f"last slice; default {last}")


def _samples(given: argparse.Namespace, name: str) -> tuple[SliceRows, Columns]:
    if given.s1 > given.s2:
        raise UsageProblem(f"{name}: slices {given.s1} to {given.s2} run backwards; give the lower number as -s1")
    table = read_trace_samples(given.samples)
    samples = samples_of(table.columns, given.s1, given.s2)
    good = np.isfinite(samples["left"]) & np.isfinite(samples["right"])
    if not good.any():
        raise MusedeepError(
            f"{given.samples}: no samples of {_plural(given.s1, given.s2)}; the tracing failed there, "
            "try muse_flat with a lower --edgefrac"
        )
    return table, samples


def _heading(what: str, ifu: int | None) -> str:
    return what if ifu is None else f"{what}, IFU {ifu}"


def muse_trace_plot_samples(arguments: Sequence[str] | None = None) -> int:
    """Show tracing samples, with the trace table and the flat-field if they are given."""
    parser = ToolParser(
        "muse_trace_plot_samples",
        "Show the samples of the tracing, the solution over them, and the flat-field beneath.",
    )
    _slice_options(parser, 24, 25)
    parser.add_argument("samples", type=Path, help="TRACE_SAMPLES of muse_flat --samples")
    parser.add_argument("trace", type=Path, nargs="?", help="TRACE_TABLE of the same IFU")
    parser.add_argument("flat", type=Path, nargs="?", help="MASTER_FLAT of the same IFU")
    parser.output_options(picture=True)

    def action(given: argparse.Namespace) -> None:
        table, samples = _samples(given, parser.prog)
        files: list[Any] = [(table.path, table.ifu)]
        trace = image = None
        if given.trace:
            trace = read_trace_table(given.trace, None)
            files.append((trace.path, trace.ifu))
        if given.flat:
            image, ifu = read_image(given.flat)
            files.append((given.flat, ifu))
        heading = _heading(f"Tracing of {_plural(given.s1, given.s2)}", pictures.same_ifu(*files))
        pictures.draw(
            lambda figure: draw_samples(figure, samples, trace, image, (given.s1, given.s2), heading),
            given.output, given.overwrite, (10.0, 8.0),
        )  # fmt: skip

    return run_tool(parser, action, arguments)


def muse_trace_plot_widths(arguments: Sequence[str] | None = None) -> int:
    """Show the widths of slices along the CCD."""
    parser = ToolParser(
        "muse_trace_plot_widths", "Show the widths of the slices along the CCD, from the tracing samples."
    )
    _slice_options(parser, 1, N_SLICES)
    parser.add_argument("samples", type=Path, help="TRACE_SAMPLES of muse_flat --samples")
    parser.output_options(picture=True)

    def action(given: argparse.Namespace) -> None:
        table, samples = _samples(given, parser.prog)
        heading = _heading("Widths of the slices", table.ifu)
        pictures.draw(
            lambda figure: draw_widths(figure, samples, (given.s1, given.s2), heading), given.output, given.overwrite
        )

    return run_tool(parser, action, arguments)
