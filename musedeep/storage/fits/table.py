"""Tables: their columns, declared once for writer and reader; on disk a primary header and a binary table.

Many IFUs in one file are extensions CHANnn.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy.io import fits

from musedeep.storage.fits.hdus import write_hdus
from musedeep.storage.fits.header_cards import free_cards
from musedeep.storage.raw.file import extension_name


class Column(NamedTuple):
    """A column of a table: its name, FITS format and unit; the format A has the width of the longest text."""

    name: str
    format: str
    unit: str | None = None


def table_hdu(columns: Sequence[Column], values: Mapping[str, Any], name: str | None = None) -> fits.BinTableHDU:
    """A binary table.

    Parameters
    ----------
    values : of each column, by its name
    name : EXTNAME, which keeps its case
    """
    made = []
    for column in columns:
        array, form = values[column.name], column.format
        if form == "A":
            form = f"{max(map(len, array), default=1) or 1}A"
        if form.endswith("A"):
            array = np.array(array, f"S{form[:-1]}")
        made.append(fits.Column(column.name, form, column.unit, array=array))
    hdu = binary_table(made)
    if name is not None:
        # given to astropy it would be turned into capitals, and the ESO pipeline tells cases apart
        hdu.header["EXTNAME"] = name
    return hdu


def binary_table(
    rows: fits.FITS_rec | Sequence[fits.Column], header: fits.Header | None = None, name: str | None = None
) -> fits.BinTableHDU:
    """A binary table of rows, or columns with their values; see `BinTableHDU` and its `from_columns`.

    These load all of astropy.table, only to see that rows are no such table: 0.1 s, and 10 MB.
    """
    hdu = fits.BinTableHDU(header=header)
    hdu.data = rows if isinstance(rows, fits.FITS_rec) else fits.FITS_rec.from_columns(fits.ColDefs(rows))
    if name is not None:
        hdu.name = name
    return hdu


def tables_with(hdus: Iterable[Any], names: Iterable[str]) -> list[fits.BinTableHDU]:
    """The binary tables that have some columns."""
    wanted = set(names)
    return [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU) and wanted <= set(hdu.columns.names)]


def write_table(
    path: Path,
    header: fits.Header,
    table: fits.BinTableHDU | fits.ImageHDU,
    ifu: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write a table, or an image as one extension; raises as `whole_file`.

    Parameters
    ----------
    header : primary header
    ifu : name the extension CHANnn, an image CHANnn.NAME, and give it the cards of the header, for a file of many IFUs
    """
    if ifu is not None:
        own = "" if isinstance(table, fits.BinTableHDU) else f".{table.name}"
        table.header["EXTNAME"] = f"{extension_name(ifu)}{own}"
        table.header.extend(free_cards(header), unique=True, update=False)
    write_hdus(path, fits.HDUList([fits.PrimaryHDU(header=header), table]), overwrite)
