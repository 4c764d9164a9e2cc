"""Tables of the slices of an IFU, as TRACE_TABLE and WAVECAL_TABLE are, from files of one IFU or of many."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.storage.calibrations.ifu_files import OtherIfu
from musedeep.storage.fits.hdus import numbers, open_hdus, whole_numbers
from musedeep.storage.fits.table import Column, tables_with
from musedeep.storage.raw.file import extension_name

SLICE_NUMBER: Final = Column("SliceNo", "1J", "No")


@dataclass(frozen=True)
class SliceRows:
    """Rows of a table of an IFU.

    Attributes
    ----------
    ifu : int; None where the file does not say it
    columns : one number per row: int64 for columns of integers, else float64
    """

    path: Path
    ifu: int | None
    columns: dict[str, NDArray[Any]]


def read_slice_rows(
    path: str | Path, ifu: int | None, kind: str, required: Sequence[Column], others: str = "$"
) -> SliceRows:
    """Read the rows of an IFU; rows of slice 0, in tables of the ESO pipeline those that failed, are left out.

    Parameters
    ----------
    ifu : int; None: that of a file with one table
    kind : what is expected, for messages: TRACE_TABLE ...
    required : columns that it must have; the first holds the numbers of the slices
    others : regular expression of further columns to read

    Raises
    ------
    MusedeepError
        No FITS file, no such table, that of another IFU, an empty one, or slices that do not exist.
    """
    path = Path(path)
    readers = {one.name: whole_numbers if one.format[-1] in "BJ" else numbers for one in required}
    with open_hdus(path, kind) as hdus:
        category = hdus[0].header.get("ESO PRO CATG")
        tables = tables_with(hdus, readers)
        if not tables:
            what = f"is a {category}" if category and category != kind else "no such table"
            raise MusedeepError(f"{path}: {what}, without the columns {', '.join(readers)}; give a {kind}")
        named = {_ifu_name(hdus[0].header, hdu.header, len(tables)): hdu for hdu in tables}
        if ifu is None:
            if len(tables) > 1:
                raise MusedeepError(
                    f"{path}: holds tables of {len(tables)} IFUs; give the {kind} of one (without --merge)"
                )
            (name,) = named
            ifu = int(name[4:]) if re.fullmatch(r"CHAN\d\d", name) else None
        else:
            name = extension_name(ifu)
            if name not in named and "" not in named:
                held = ", ".join(sorted(named))
                raise OtherIfu(f"{path}: {kind} of {held}, not of {name}; give that of IFU {ifu}", held)
        table = named[name if name in named else ""]
        names = [n for n in table.columns.names if n in readers or re.fullmatch(others, n)]
        columns = {n: readers.get(n, numbers)(table, n) for n in names}
    slices = columns[required[0].name]
    columns = {n: values[slices != 0] for n, values in columns.items()}
    slices = columns[required[0].name]
    if not slices.size:
        raise MusedeepError(f"{path}: the {kind} has no rows; run the recipe again, its messages say what failed")
    if slices.min() < 1 or slices.max() > N_SLICES:
        raise MusedeepError(f"{path}: {required[0].name} is not within 1 to {N_SLICES}; make the {kind} again")
    return SliceRows(path, ifu, columns)


def by_slice(table: SliceRows, kind: str, place: str, figures: Sequence[str]) -> tuple[NDArray, NDArray]:
    """Polynomials and figures of all slices, of a table with one row per slice.

    Parameters
    ----------
    kind : for messages
    place : regular expression of the columns of coefficients, whose two groups are their indices
    figures : other columns

    Returns
    -------
    float64 (48, n, m), NaN for slices without a row or whose polynomial is not finite or 0
    float64 (48, figures), NaN where there is no number

    Raises
    ------
    MusedeepError
        A slice twice, or every one failed.
    """
    rows = table.columns[SLICE_NUMBER.name] - 1
    if np.unique(rows).size != rows.size:
        raise MusedeepError(
            f"{table.path}: {SLICE_NUMBER.name} is not 1 to {N_SLICES}, each once; make the {kind} again"
        )
    found = {name: re.fullmatch(place, name) for name in table.columns}
    places = {name: (int(match[1]), int(match[2])) for name, match in found.items() if match}
    n, m = np.max(list(places.values()), axis=0) + 1
    coefficients = np.full((N_SLICES, n, m), np.nan)
    coefficients[rows] = 0.0
    for name, (i, j) in places.items():
        coefficients[rows, i, j] = table.columns[name]
    failed = ~np.isfinite(coefficients).all((1, 2)) | ~(coefficients != 0).any((1, 2))
    if failed.all():
        of_ifu = "" if table.ifu is None else f" of IFU {table.ifu}"
        raise MusedeepError(
            f"{table.path}: {kind}{of_ifu}: every slice failed; make it again with other parameters (manual 8.2)"
        )
    coefficients[failed] = np.nan
    others = np.full((N_SLICES, len(figures)), np.nan)
    for k, name in enumerate(figures):
        if name in table.columns:
            others[rows, k] = table.columns[name]
    return coefficients, others


def _ifu_name(primary: fits.Header, header: fits.Header, n_tables: int) -> str:
    """CHANnn of a table: its own name, or in a file with one table that of the file; "" where nothing says it."""
    own = str(header.get("EXTNAME", ""))
    if own.startswith("CHAN"):
        return own[:6]
    name = str(primary.get("EXTNAME", ""))
    return name[:6] if n_tables == 1 and name.startswith("CHAN") else own
