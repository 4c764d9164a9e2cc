"""Pictures of the wavelength calibration (manual 7.2.2): muse_wave_plot_residuals, muse_wave_plot_column."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musedeep.cli.errors import complain
from musedeep.errors import MusedeepError
from musedeep.instrument import N_COLUMNS, N_ROWS, N_SLICES
from musedeep.reduction import pictures
from musedeep.storage.calibrations.slice_tables import SliceRows
from musedeep.storage.calibrations.wavecal_table import read_residuals, read_wavecal_table
from musedeep.tools.command import ToolParser, range_of_integers, run_tool

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Columns = dict[str, NDArray[Any]]

MARK_HEIGHT = (1.3, 2.2)
"""Height of a point on the map, of all slices and of one [points]."""

AGREEMENT = 0.005
"""Largest difference between residuals as listed and as the table of solutions gives them [Angstrom]."""


def residuals_of(table: SliceRows, number: int | None, iteration: int | None, column: int | None = None) -> Columns:
    """Residuals of one slice or of all, of one iteration (from 1) or of the last of each slice, in one column or all.

    `table` is a WAVECAL_RESIDUALS; MusedeepError if it has none.
    """
    columns = table.columns
    if iteration is None:
        last = np.zeros(N_SLICES + 1, np.int64)
        np.maximum.at(last, columns["slice"], columns["iteration"])
        keep = columns["iteration"] == last[columns["slice"]]
    else:
        keep = columns["iteration"] == iteration
    keep &= np.isfinite(columns["residual"])
    where = "iterations" if iteration is None else f"iteration {iteration}"
    if number is not None:
        keep &= columns["slice"] == number
        where += f" of slice {number}"
    if column is not None:
        keep &= columns["x"] == column
        where += f" in column {column}"
    if not keep.any():
        raise MusedeepError(
            f"{table.path}: no residuals for {where}; it has slices {columns['slice'].min()} to "
            f"{columns['slice'].max()}, columns {columns['x'].min()} to {columns['x'].max()} and iterations 1 to "
            f"{columns['iteration'].max()}"
        )
    return {name: values[keep] for name, values in columns.items()}


def colour_cuts(residual: NDArray[np.float64]) -> tuple[float, float]:
    """Limits of colours, symmetric about zero, that one of a hundred residuals exceeds."""
    limit = float(np.percentile(np.abs(residual), 99)) or 1e-3
    return -limit, limit


def draw_residuals(
    figure: "Figure", points: Columns, cuts: tuple[float, float] | None, by_wavelength: bool, heading: str
) -> None:
    """Map of residuals (columns of WAVECAL_RESIDUALS) on the CCD, or with wavelength along the vertical axis.

    `cuts` are the limits of colours [Angstrom]; default: `colour_cuts`.
    """
    from matplotlib.path import Path as Outline

    axes = figure.add_subplot()
    low, high = cuts or colour_cuts(points["residual"])
    width = float(np.ptp(points["x"])) + 1
    whole = width > N_COLUMNS / 2
    # a point is as wide as a column, but at least as a pixel of the file, and low, so that lines stay apart [points]
    size = float(np.clip(590.0 / width, 0.5, 8.0))
    height = MARK_HEIGHT[0] if whole else MARK_HEIGHT[1]
    flat, narrow = min(height / size, 1.0), min(size / height, 1.0)
    marker = Outline([(-narrow, -flat), (narrow, -flat), (narrow, flat), (-narrow, flat)])
    # the strongest lie on top
    order = np.argsort(np.abs(points["residual"] - 0.5 * (low + high)), kind="stable")
    drawn = axes.scatter(
        points["x"][order], points["lambda" if by_wavelength else "y"][order], s=max(size, height) ** 2,
        c=points["residual"][order], cmap="coolwarm", vmin=low, vmax=high, marker=marker, linewidths=0, rasterized=True,
    )  # fmt: skip
    margin = 0.01 * width
    axes.set_xlim(*((0.5, N_COLUMNS + 0.5) if whole else (points["x"].min() - margin, points["x"].max() + margin)))
    if not by_wavelength:
        axes.set_ylim(0.5, N_ROWS + 0.5)
    axes.set_xlabel("x on the CCD [pix]")
    axes.set_ylabel("wavelength [Å]" if by_wavelength else "y on the CCD [pix]")
    pictures.colour_bar(drawn, axes, "residual [Å]", extend="both")
    pictures.title(axes, heading, _summary(points))


def _summary(points: Columns) -> str:
    residual = points["residual"]
    return (
        f"{residual.size:,} points of {np.unique(points['lambda']).size} arc lines; rms {residual.std():.4f} Å, "
        f"median |residual| {np.median(np.abs(residual)):.4f} Å, largest {np.abs(residual).max():.3f} Å"
    )


def draw_column(
    figure: "Figure",
    points: Columns,
    solution: NDArray[np.float64],
    curves: tuple[NDArray[np.float64], dict[int, NDArray[np.float64]]] | None,
    heading: str,
) -> None:
    """Arc lines of one slice, coloured by column: residuals, or wavelengths with the solution.

    Parameters
    ----------
    points : columns of WAVECAL_RESIDUALS
    solution : float64 (n,), wavelength that the solution gives for each point
    curves : y [pix], float64 (m,), and the solution along it for some columns [Angstrom]; None: draw residuals
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    axes = figure.add_subplot()
    pictures.grid(axes)
    x = points["x"]
    norm = Normalize(x.min() - 0.5, x.max() + 0.5)
    colours = pictures.left_to_right()
    residual = points["lambda"].astype(np.float64) - solution
    detail = _summary({**points, "residual": residual})
    horizontal, vertical = (points["lambda"], residual) if curves is None else (points["y"], points["lambda"])
    one = np.unique(x).size == 1
    for k, symbol in enumerate(pictures.SYMBOLS):
        mine = x % len(pictures.SYMBOLS) == k
        if mine.any():
            axes.scatter(
                horizontal[mine], vertical[mine], 26 if one else 9, c=colours(norm(x[mine])), marker=symbol,
                linewidths=0, alpha=0.95 if one else 0.65, zorder=3,
            )  # fmt: skip
    if curves is None:
        limit = float(np.median(points["rejlimit"]))
        axes.axhline(0.0, color=pictures.INK, linewidth=0.9, zorder=2)
        for sign in (-1.0, 1.0):
            axes.axhline(sign * limit, color=pictures.FAINT, linewidth=0.9, linestyle=(0, (5, 4)), zorder=2)
        detail += f"; dashed: rejection at {limit:.4f} Å"
        top = max(1.15 * limit, 1.05 * float(np.abs(residual).max()))
        axes.set_ylim(-top, top)
        axes.set_xlabel("wavelength of the arc line [Å]")
        axes.set_ylabel("residual [Å]")
    else:
        y, lines = curves
        for column, line in lines.items():
            axes.plot(y, line, color=colours(norm(column)), linewidth=0.8, zorder=2)
        axes.set_xlim(0, N_ROWS + 1)
        axes.set_xlabel("y on the CCD [pix]")
        axes.set_ylabel("wavelength [Å]")
    if not one:
        pictures.colour_bar(ScalarMappable(norm, colours), axes, "x on the CCD [pix]")
    pictures.title(axes, heading, detail)


def _where(what: str, ifu: int | None, place: str) -> str:
    return f"{what}, {place}" if ifu is None else f"{what}, IFU {ifu}, {place}"


def muse_wave_plot_residuals(arguments: Sequence[str] | None = None) -> int:
    """Show the residuals of the wavelength solution on the CCD."""
    parser = ToolParser(
        "muse_wave_plot_residuals", "Show the residuals of the wavelength solution as a map of the CCD."
    )
    parser.add_argument("-l", dest="wavelength", action="store_true", help="wavelength along the vertical axis, not y")
    parser.add_argument(
        "-s", dest="slice", type=range_of_integers(1, N_SLICES), metavar="SLICE", help="slice; default: all"
    )
    parser.add_argument(
        "-c", dest="cuts", type=float, nargs=2, metavar=("LOW", "HIGH"), help="limits of the colours [Angstrom]"
    )
    parser.add_argument(
        "-i", dest="iteration", type=range_of_integers(1, 10000), metavar="N",
        help="iteration of the fit, from 1; default: the last of each slice",
    )  # fmt: skip
    parser.add_argument("residuals", type=Path, help="WAVECAL_RESIDUALS of muse_wavecal --residuals")
    parser.output_options(picture=True)

    def action(given: argparse.Namespace) -> None:
        if given.cuts and given.cuts[0] >= given.cuts[1]:
            parser.error(f"-c {given.cuts[0]:g} {given.cuts[1]:g} runs backwards, give the lower limit first")
        table = read_residuals(given.residuals)
        points = residuals_of(table, given.slice, given.iteration)
        place = "all slices" if given.slice is None else f"slice {given.slice}"
        place += ", last iteration" if given.iteration is None else f", iteration {given.iteration}"
        heading = _where("Residuals of the wavelength solution", table.ifu, place)
        cuts = tuple(given.cuts) if given.cuts else None
        pictures.draw(
            lambda figure: draw_residuals(figure, points, cuts, given.wavelength, heading),
            given.output, given.overwrite, (10.0, 8.0),
        )  # fmt: skip

    return run_tool(parser, action, arguments)


def muse_wave_plot_column(arguments: Sequence[str] | None = None) -> int:
    """Show the wavelength solution of a slice, or of a column of the CCD, and the arc lines."""
    parser = ToolParser(
        "muse_wave_plot_column", "Show the arc lines of a slice or a column of the CCD beside the wavelength solution."
    )
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("-s", dest="slice", type=range_of_integers(1, N_SLICES), metavar="SLICE", help="slice")
    choice.add_argument(
        "-c", dest="column", type=range_of_integers(1, N_COLUMNS), metavar="COLUMN", help="column of the trimmed CCD"
    )
    parser.add_argument("-r", dest="residuals_only", action="store_true", help="residuals along the vertical axis")
    parser.add_argument("wavecal", type=Path, help="WAVECAL_TABLE")
    parser.add_argument("residuals", type=Path, help="WAVECAL_RESIDUALS of the same run and IFU")
    parser.output_options(picture=True)

    def action(given: argparse.Namespace) -> None:
        table = read_wavecal_table(given.wavecal, None)
        listed = read_residuals(given.residuals)
        ifu = pictures.same_ifu((table.path, table.ifu), (listed.path, listed.ifu))
        points = residuals_of(listed, given.slice, None, given.column)
        number = int(points["slice"][0])
        if not table.valid[number - 1]:
            raise MusedeepError(f"{table.path}: no valid solution for slice {number}; see the messages of muse_wavecal")
        solution = table.at(number, points["x"], points["y"])
        difference = np.abs(points["lambda"].astype(np.float64) - solution - points["residual"])
        if float(np.median(difference)) > AGREEMENT:
            complain(
                f"{listed.path}: its residuals differ from those of {table.path} by {np.median(difference):.3g} A; "
                "give tables of one run of muse_wavecal"
            )
        curves = None
        if not given.residuals_only:
            y = np.linspace(1.0, N_ROWS, 400)
            columns = np.unique(points["x"])
            shown = np.unique(columns[np.linspace(0, columns.size - 1, 5).astype(int)]).tolist()
            curves = y, {x: table.at(number, np.full(y.size, x), y) for x in shown}
        place = f"slice {number}" if given.column is None else f"column {given.column} (slice {number})"
        heading = _where("Residuals of arc lines" if curves is None else "Wavelength solution", ifu, place)
        pictures.draw(
            lambda figure: draw_column(figure, points, solution, curves, heading), given.output, given.overwrite
        )

    return run_tool(parser, action, arguments)
