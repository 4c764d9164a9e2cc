"""Tools for pixel tables (manual 7.3.1): muse_pixtable_dump, muse_pixtable_crop, muse_pixtable_erase_slice."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.cli.errors import UsageProblem
from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS, N_SLICES
from musedeep.storage.fits.headers import number_of
from musedeep.storage.outputs import refuse_existing
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.pixel_tables.origin import UNKNOWN, OriginDecoder, Places, ifu_numbers, slice_numbers
from musedeep.storage.pixel_tables.subset import numbered_blocks, rows_in_file_order, write_subset, zero_points
from musedeep.storage.pixel_tables.table import PixelTable, Rows
from musedeep.tools.command import ToolParser, range_of_integers, run_tool

ROWS_PER_PRINT = 1 << 16
_LIMITS = "ESO DRS MUSE PIXTABLE LIMITS "
_AXES = (("lambda", "l", "LAMBDA"), ("xpos", "x", "X"), ("ypos", "y", "Y"))
_TITLES = (
    ("xpos", 14), ("ypos", 14), ("lambda", 9), ("data", 12), ("dq", 10), ("stat", 11), ("weight", 10), ("exposure", 8),
    ("IFU", 3), ("xCCD", 4), ("yCCD", 4), ("xRaw", 4), ("yRaw", 4), ("slice", 5),
)  # fmt: skip


def dump_heading(table: PixelTable, start: int, count: int) -> list[str]:
    """Comment lines above the rows: file, rows, columns, units."""
    position = table.units.get("xpos", "")
    units = (
        position, table.units.get("ypos", ""), table.units.get("lambda", ""), "(flux)", "flag", "(flux**2)", "-----",
        "No", "No", "pix", "pix", "pix", "pix", "No",
    )  # fmt: skip
    widths = [width for _, width in _TITLES]
    lines = [
        f'MUSE pixel table "{table.path}", showing {count} rows starting at index {start} of {table.n_rows}',
        " ".join(f"{text:>{w}}" for (text, _), w in zip(_TITLES, widths, strict=True))[2:],
        " ".join(f"{text:>{w}}" for text, w in zip(units, widths, strict=True))[2:],
        f"flux    in [{table.units.get('data', '')}]",
        f"flux**2 in [{table.units.get('stat', '')}]",
    ]
    return ["# " + line for line in lines]


def dump_lines(rows: Rows, places: Places, positions: str) -> Iterator[str]:
    """Rows as text; a weight of 0 is shown where there is none.

    `positions` is the unit of xpos and ypos: pixels are shown with 8 decimals, other units with 8 digits.
    """
    form = "14.8f" if positions == "pix" else "14.7e"
    weight = rows.get("weight", np.zeros(places.y.size, np.float32))
    columns = (
        rows["xpos"], rows["ypos"], rows["lambda"], rows["data"], rows["dq"].view(np.uint32), rows["stat"], weight,
        places.exposure, places.ifu, places.x, places.y, places.x_raw, places.y_raw, places.slice,
    )  # fmt: skip
    for x, y, wave, data, dq, stat, w, exposure, ifu, xc, yc, xr, yr, number in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        column, raw = (f"{xc:4d}", f"{xr:4d}") if xc != UNKNOWN else ("   -", "   -")
        yield (
            f"{x:{form}} {y:{form}} {wave:9.3f} {data:12.5e} 0x{dq:08x} {stat:11.5e} {w:10.4e} {exposure:8d} "
            f"{ifu:3d} {column} {yc:4d} {raw} {yr:4d} {number:5d}"
        )


def dump(path: Path, start: int = 0, count: int | None = None) -> Iterator[str]:
    """A pixel table as lines of text: five of comments, and `count` of rows from `start` (from 0), default all.

    The rows of a store come in the order of the FITS table it was made from. Raises MusedeepError for no pixel table,
    or if `start` is beyond its end.
    """
    table = open_pixel_table(path)
    if not 0 <= start < table.n_rows:
        raise MusedeepError(f"{path}: has {table.n_rows} rows, from index 0; index {start} is not among them")
    stop = table.n_rows if count is None else min(start + count, table.n_rows)
    yield from dump_heading(table, start, stop - start)
    decoder = OriginDecoder(table.header, table.path)
    for first in range(start, stop, ROWS_PER_PRINT):
        last = min(first + ROWS_PER_PRINT, stop)
        rows = rows_in_file_order(table, first, last, table.names)
        yield from dump_lines(rows, decoder.decode(rows["origin"], np.arange(first, last)), table.units.get("xpos", ""))


def muse_pixtable_dump(arguments: Sequence[str] | None = None) -> int:
    """Show rows of a pixel table, with the decoded origin of each."""
    parser = ToolParser("muse_pixtable_dump", "Show rows of a pixel table, and the pixel of the CCD each comes from.")
    parser.add_argument("-s", dest="start", type=int, default=0, metavar="ROW", help="row to begin with, from 0")
    parser.add_argument("-c", dest="count", type=int, metavar="N", help="number of rows; default: all that follow")
    parser.add_argument("pixtable", type=Path, help="FITS pixel table or pixel-table store")

    def action(given: argparse.Namespace) -> None:
        if given.count is not None and given.count < 1:
            raise UsageProblem(f"muse_pixtable_dump: -c {given.count} shows nothing; give a positive number of rows")
        for line in dump(given.pixtable, given.start, given.count):
            sys.stdout.write(line + "\n")
        sys.stdout.flush()

    return run_tool(parser, action, arguments)


Range = tuple[float | None, float | None]


def inside(rows: Rows, ranges: dict[str, Range], zero: dict[str, float]) -> NDArray[np.bool_]:
    """Which rows lie in all ranges, ends included.

    Ranges are the lowest and highest `xpos`, `ypos`, `lambda` (None: no limit); `zero` is of `subset.zero_points`.
    """
    keep = np.ones(rows["lambda"].size, np.bool_)
    for name, _, axis in _AXES:
        values = rows[name].astype(np.float64) + zero.get(axis, 0.0)
        low, high = ranges.get(name, (None, None))
        if low is not None:
            keep &= values >= low
        if high is not None:
            keep &= values <= high
    return keep


def crop_report(table: PixelTable, ranges: dict[str, Range]) -> list[str]:
    """What is going to be done: ranges with the units of this table, from its header where none are given."""
    header: fits.Header = table.facts
    lines = [f'MUSE pixel table "{table.path}" ({table.n_rows} rows)']
    for name, _, axis in _AXES:
        low, high = (
            given if given is not None else number_of(header, f"{_LIMITS}{axis} {end}", table.path, default)
            for given, end, default in zip(ranges[name], ("LOW", "HIGH"), (-np.inf, np.inf), strict=True)
        )
        form = ".2f" if name == "lambda" else ".3e" if table.units.get(name) != "deg" else ".6f"
        lead = "cropping to" if not lines[1:] else " " * 11
        lines.append(f"  {lead} {name:>6} = {low:{form}}..{high:{form}} {table.units.get(name, '')}")
    return lines


def crop(source: Path, target: Path, ranges: dict[str, Range], overwrite: bool = False) -> int:
    """Write the rows of a pixel table within ranges (see `inside`) as a new one (see `write_subset`); their number."""
    table = open_pixel_table(source)
    zero = zero_points(table.facts, table.units, table.path)
    low, high = ranges["lambda"]
    hint = (-np.inf if low is None else low, np.inf if high is None else high)
    return write_subset(source, target, lambda rows: inside(rows, ranges, zero), wavelength=hint, overwrite=overwrite)


def muse_pixtable_crop(arguments: Sequence[str] | None = None) -> int:
    """Cut a pixel table in x, y or wavelength."""
    parser = ToolParser("muse_pixtable_crop", "Cut a pixel table in x, y or wavelength, in the units of the table.")
    for name, letter, _ in _AXES:
        for end, word in ((1, "lowest"), (2, "highest")):
            parser.add_argument(f"-{letter}{end}", type=float, metavar="VALUE", help=f"{word} {name} to keep")
    parser.add_argument("pixtable_in", type=Path, help="FITS pixel table or pixel-table store")
    parser.add_argument("pixtable_out", type=Path, help="FITS pixel table to write, or a store if it ends in .zarr")
    parser.output_options()

    def action(given: argparse.Namespace) -> None:
        ranges: dict[str, Range] = {
            name: (getattr(given, letter + "1"), getattr(given, letter + "2")) for name, letter, _ in _AXES
        }
        for name, (low, high) in ranges.items():
            if low is not None and high is not None and low > high:
                raise UsageProblem(f"muse_pixtable_crop: {name} from {low:g} to {high:g} holds nothing; exchange them")
        if all(limits == (None, None) for limits in ranges.values()):
            raise UsageProblem("muse_pixtable_crop: give at least one of -x1 -x2 -y1 -y2 -l1 -l2")
        refuse_existing(given.pixtable_out, given.overwrite)
        print("\n".join(crop_report(open_pixel_table(given.pixtable_in), ranges)), flush=True)
        n = crop(given.pixtable_in, given.pixtable_out, ranges, given.overwrite)
        print(f'MUSE pixel table "{given.pixtable_out}" ({n} rows) saved')

    return run_tool(parser, action, arguments)


def erase_slice(source: Path, ifu: int, number: int, target: Path, overwrite: bool = False) -> tuple[int, int]:
    """Write a pixel table without one slice of one IFU, of all its exposures; the rows erased, the rows left.

    Raises MusedeepError if the table has no such rows; see also `subset.write_subset`.
    """
    table = open_pixel_table(source)
    ifus = np.zeros(32, np.int64)
    found = 0
    for start, stop, _ in numbered_blocks(table):
        origin = table.read(np.array([[start, stop]], np.int64), ("origin",))["origin"]
        of = ifu_numbers(origin)
        found += int(np.count_nonzero((of == ifu) & (slice_numbers(origin) == number)))
        ifus += np.bincount(of, minlength=32)
    if not found:
        there = np.flatnonzero(ifus)
        if ifu in there:
            raise MusedeepError(f"{source}: slice {number} of IFU {ifu} has no rows, there is nothing to erase")
        names = f"{there[0]} to {there[-1]}" if there.size > 1 else f"{there[0]}" if there.size else "none"
        raise MusedeepError(f"{source}: has no rows of IFU {ifu}, only of IFU {names}; give one of those")

    def others(rows: Rows) -> NDArray[np.bool_]:
        return (ifu_numbers(rows["origin"]) != ifu) | (slice_numbers(rows["origin"]) != number)

    return found, write_subset(source, target, others, overwrite=overwrite)


def muse_pixtable_erase_slice(arguments: Sequence[str] | None = None) -> int:
    """Remove one slice of one IFU from a pixel table."""
    parser = ToolParser(
        "muse_pixtable_erase_slice", "Remove the rows of one slice of one IFU, of all exposures, from a pixel table."
    )
    parser.add_argument("pixtable_in", type=Path, help="FITS pixel table or pixel-table store")
    parser.add_argument("ifu", type=range_of_integers(1, N_IFUS), help=f"IFU, 1 to {N_IFUS}")
    parser.add_argument("slice", type=range_of_integers(1, N_SLICES), help="slice as numbered on the CCD, 1 to 48")
    parser.add_argument("pixtable_out", type=Path, help="FITS pixel table to write, or a store if it ends in .zarr")
    parser.output_options()

    def action(given: argparse.Namespace) -> None:
        erased, left = erase_slice(given.pixtable_in, given.ifu, given.slice, given.pixtable_out, given.overwrite)
        print(f'MUSE pixel table "{given.pixtable_in}" ({erased + left} rows)')
        print(f"  erased {erased} rows of slice {given.slice} of IFU {given.ifu}")
        print(f'MUSE pixel table "{given.pixtable_out}" ({left} rows) saved')

    return run_tool(parser, action, arguments)
