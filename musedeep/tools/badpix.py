"""Tools for tables of bad pixels (manual 7.3.2): muse_badpix_from_dq, _from_ascii, _from_region."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_COLUMNS, N_IFUS, N_ROWS
from musedeep.storage.calibrations.badpix_table import (
    BAD_PIXEL,
    RAW_SHAPE,
    BadPixelTable,
    read_badpix_table,
    write_badpix_table,
)
from musedeep.storage.fits.hdus import open_hdus
from musedeep.storage.outputs import refuse_existing
from musedeep.storage.pixel_tables.origin import untrimmed
from musedeep.tools.command import ToolParser, flag_value, range_of_integers, run_tool

TRIMMED_SHAPE = (N_ROWS, N_COLUMNS)
_REGION = re.compile(r"\[\s*(\d+)\s*:\s*(\d+)\s*,\s*(\d+)\s*:\s*(\d+)\s*\]$")
_INHERITED = ("ORIGIN", "TELESCOP", "INSTRUME", "DATE-OBS", "MJD-OBS", "ESO INS MODE")
"""Cards of an image that its table of bad pixels keeps in the primary header."""


def bad_pixels(x: NDArray[Any], y: NDArray[Any], status: NDArray[Any] | int, trimmed: bool) -> NDArray[Any]:
    """Bad pixels as the table has them, BAD_PIXEL (n,); MusedeepError for a position that is not on the image.

    Parameters
    ----------
    x, y : int (n,), positions from 1, on the trimmed image if `trimmed`, else on the raw one
    status : int (n,) or int, Euro3D flags
    """
    x, y = np.asarray(x, np.int64), np.asarray(y, np.int64)
    (ny, nx), kind = (TRIMMED_SHAPE, "trimmed") if trimmed else (RAW_SHAPE, "raw")
    outside = (x < 1) | (x > nx) | (y < 1) | (y > ny)
    if outside.any():
        k = int(np.argmax(outside))
        hint = "" if trimmed else " (with -t positions count on the trimmed one)"
        raise MusedeepError(
            f"pixel {x[k]}, {y[k]} is not on the {kind} image, 1 to {nx} and 1 to {ny}{hint}; correct it"
        )
    out = np.zeros(x.size, BAD_PIXEL)
    out["xpos"], out["ypos"] = (untrimmed(x, nx), untrimmed(y, ny)) if trimmed else (x, y)
    out["status"] = status
    return out


def flagged_pixels(dq: NDArray[Any], mask: int = 0xFFFFFFFF) -> NDArray[Any]:
    """The pixels of a data-quality image that have any of the flags of a mask, with these flags, BAD_PIXEL (n,).

    The image is int32 (4112, 4096) or (4240, 4224), trimmed or raw.
    """
    flags = dq.astype(np.int64) & 0xFFFFFFFF & mask
    y, x = np.nonzero(flags)
    return bad_pixels(x + 1, y + 1, flags[y, x], dq.shape == TRIMMED_SHAPE)


def read_flags(path: Path) -> tuple[dict[int, tuple[NDArray[Any], fits.Header]], fits.Header]:
    """The DQ extensions of a master calibration, of one IFU or of several.

    DQ image of each IFU and cards that describe its chip; cards for the primary header. Raises MusedeepError for no
    FITS file, no DQ extension, or one of another shape; no IFU in the header.
    """
    found: dict[int, tuple[NDArray[Any], fits.Header]] = {}
    with open_hdus(path, "image with a DQ extension, as in MASTER_FLAT", memmap=True) as hdus:
        primary = hdus[0].header
        inherited = fits.Header([primary.cards[key] for key in _INHERITED if key in primary])
        for hdu in hdus[1:]:
            name = str(hdu.header.get("EXTNAME", "")).strip()
            match = re.match(r"(?:CHAN(\d\d)\.)?DQ$", name)
            if not match:
                continue
            # one IFU a file is named in the primary header, one of several in the names of the extensions
            ifu = match[1] or (re.match(r"CHAN(\d\d)", str(primary.get("EXTNAME", ""))) or [None, None])[1]
            if ifu is None or not 1 <= int(ifu) <= N_IFUS:
                raise MusedeepError(f"{path}: EXTNAME of the primary header is not CHANnn; which IFU is it? restore it")
            if not hdu.is_image or hdu.shape not in (TRIMMED_SHAPE, RAW_SHAPE):
                shape = "x".join(map(str, reversed(hdu.shape)))
                raise MusedeepError(f"{path}: extension {name} has {shape} pixels, expected 4096x4112 or 4224x4240")
            dq = np.asarray(hdu.data)
            if dq.dtype.kind not in "iu":
                raise MusedeepError(f"{path}: extension {name} holds no integers; write flags as 32-bit integers")
            source = primary if match[1] is None else hdu.header
            chip = fits.Header([c for c in source.cards if c.keyword.startswith("ESO DET CHIP ")])
            found[int(ifu)] = dq, chip
    if not found:
        raise MusedeepError(f"{path}: no extension DQ; give an image with one, as in MASTER_BIAS, _DARK or _FLAT")
    return found, inherited


def read_ascii(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Positions and flags of a text file: x, y, flag a line; # begins a comment.

    Raises MusedeepError if the file does not exist or has no such line; names the first line that is wrong.
    """
    if not path.is_file():
        raise MusedeepError(f"{path}: no such file; give a text file with x, y and flag in each line")
    values: list[tuple[int, int, int]] = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        words = line.split("#")[0].replace(",", " ").split()
        if not words:
            continue
        try:
            x, y, flag = words
            values.append((int(x), int(y), flag_value(flag)))
        except (ValueError, argparse.ArgumentTypeError):
            raise MusedeepError(
                f"{path}, line {number}: '{line.strip()[:60]}' is not x, y and flag, three integers; correct it"
            ) from None
    if not values:
        raise MusedeepError(f"{path}: no bad pixels in it; write x, y and flag in each line")
    x, y, flags = np.array(values, np.int64).T
    return x, y, flags


def parse_region(text: str) -> tuple[int, int, int, int]:
    """Lowest and highest x, lowest and highest y of a region [x1:x2,y1:y2].

    Raises ArgumentTypeError if the text has another form, or a range runs backwards.
    """
    match = _REGION.match(text.strip())
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form [x1:x2,y1:y2]")
    x1, x2, y1, y2 = map(int, match.groups())
    if x1 > x2 or y1 > y2:
        raise argparse.ArgumentTypeError(f"'{text}' runs backwards; write the lower limit first")
    return x1, x2, y1, y2


def _parser(name: str, description: str, trimmed: bool) -> ToolParser:
    parser = ToolParser(name, description)
    parser.add_argument("-i", dest="existing", type=Path, metavar="FILE", help="existing BADPIX_TABLE to start from")
    if trimmed:
        parser.add_argument("-t", dest="trimmed", action="store_true", help="positions are on the trimmed image")
    return parser


def _finish(parser: ToolParser) -> None:
    parser.add_argument("badpix_out", type=Path, help="BADPIX_TABLE to write")
    parser.output_options()


def _start(given: argparse.Namespace) -> BadPixelTable:
    refuse_existing(given.badpix_out, given.overwrite)
    return read_badpix_table(given.existing) if given.existing else BadPixelTable()


def _save(given: argparse.Namespace, table: BadPixelTable, added: dict[int, tuple[int, int]]) -> None:
    write_badpix_table(given.badpix_out, table, given.overwrite)
    for ifu, (listed, new) in added.items():
        print(f"CHAN{ifu:02d}: {listed} bad pixels, {new} of them new, {table.pixels[ifu].size} in all")
    print(f'bad pixel table "{given.badpix_out}" ({", ".join(f"CHAN{n:02d}" for n in sorted(table.pixels))}) saved')


def muse_badpix_from_dq(arguments: Sequence[str] | None = None) -> int:
    """Make a BADPIX_TABLE of the DQ extension of an image."""
    parser = _parser("muse_badpix_from_dq", "Make a BADPIX_TABLE of the DQ extension of a master calibration.", False)
    parser.add_argument(
        "--flags", type=flag_value, default=0xFFFFFFFF, metavar="MASK", help="Euro3D flags to list; default: all"
    )
    parser.add_argument("image", type=Path, help="image with a DQ extension, as in MASTER_FLAT")
    _finish(parser)

    def action(given: argparse.Namespace) -> None:
        table = _start(given)
        images, inherited = read_flags(given.image)
        if not given.existing:
            table.primary = inherited
        added = {}
        for ifu, (dq, chip) in images.items():
            pixels = flagged_pixels(dq, given.flags)
            added[ifu] = pixels.size, table.add(ifu, pixels, chip)
        _save(given, table, added)

    return run_tool(parser, action, arguments)


def muse_badpix_from_ascii(arguments: Sequence[str] | None = None) -> int:
    """Make a BADPIX_TABLE of a list of pixels."""
    parser = _parser("muse_badpix_from_ascii", "Make a BADPIX_TABLE of a text file with x, y, flag a line.", True)
    parser.add_argument("ascii", type=Path, help="text file: x, y and Euro3D flag in each line")
    parser.add_argument("ifu", type=range_of_integers(1, N_IFUS), help=f"IFU of the pixels, 1 to {N_IFUS}")
    _finish(parser)

    def action(given: argparse.Namespace) -> None:
        table = _start(given)
        x, y, flags = read_ascii(given.ascii)
        try:
            pixels = bad_pixels(x, y, flags, given.trimmed)
        except MusedeepError as error:
            raise MusedeepError(f"{given.ascii}: {error}") from error
        _save(given, table, {given.ifu: (pixels.size, table.add(given.ifu, pixels))})

    return run_tool(parser, action, arguments)


def muse_badpix_from_region(arguments: Sequence[str] | None = None) -> int:
    """Make a BADPIX_TABLE of a region of the CCD."""
    parser = _parser("muse_badpix_from_region", "Make a BADPIX_TABLE of a rectangular region.", True)
    parser.add_argument("region", type=parse_region, help="region [x1:x2,y1:y2], pixels from 1, ends included")
    parser.add_argument("flag", type=flag_value, help="Euro3D flag of its pixels, as in 256 (hot) or 512 (dark)")
    parser.add_argument("ifu", type=range_of_integers(1, N_IFUS), help=f"IFU of the region, 1 to {N_IFUS}")
    _finish(parser)

    def action(given: argparse.Namespace) -> None:
        table = _start(given)
        x1, x2, y1, y2 = given.region
        bad_pixels(np.array([x1, x2]), np.array([y1, y2]), given.flag, given.trimmed)  # corners, before a huge grid
        y, x = np.mgrid[y1 : y2 + 1, x1 : x2 + 1]
        pixels = bad_pixels(x.ravel(), y.ravel(), given.flag, given.trimmed)
        _save(given, table, {given.ifu: (pixels.size, table.add(given.ifu, pixels))})

    return run_tool(parser, action, arguments)
