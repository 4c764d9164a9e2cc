"""Tables of stars on the sky that a user gives: FITS, ECSV or CSV with the columns RA and DEC [deg]."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError, reason
from musedeep.storage.fits.hdus import numbers, open_hdus

Array = NDArray[np.float64]


def read_star_table(path: Path) -> tuple[Array, Array]:
    """Right ascensions and declinations of stars [deg], both float64 (n,).

    A FITS file (its first table with both columns, for example a SOURCE_LIST), or a text table with a line of names,
    separated by commas or blanks. Capitals do not matter.

    Raises
    ------
    MusedeepError
        The file cannot be read, has no such columns, no rows, or a value is no position.
    """
    if not path.is_file():
        raise MusedeepError(f"{path}: no such file; give a table of stars with columns RA and DEC (deg)")
    with path.open("rb") as stream:
        is_fits = stream.read(9) == b"SIMPLE  ="
    ra, dec = _fits(path) if is_fits else _text(path)
    if not ra.size:
        raise MusedeepError(f"{path}: no rows; give a table of stars with columns RA and DEC (deg)")
    wrong = ~(np.isfinite(ra) & (np.abs(dec) <= 90.0))
    if wrong.any():
        raise MusedeepError(f"{path}: RA or DEC of row {int(wrong.argmax()) + 1} is no position in degrees; correct it")
    return ra, dec


def _fits(path: Path) -> tuple[Array, Array]:
    with open_hdus(path, "table of stars") as hdus:
        for hdu in hdus:
            names = {name.upper(): name for name in getattr(getattr(hdu, "columns", None), "names", [])}
            if {"RA", "DEC"} <= set(names):
                return numbers(hdu, names["RA"]), numbers(hdu, names["DEC"])
    raise _no_columns(path)


def _text(path: Path) -> tuple[Array, Array]:
    try:
        lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise MusedeepError(f"{path}: cannot be read ({reason(error)}); give a table as FITS, ECSV or CSV") from error
    if not lines:
        raise _no_columns(path)
    rows = list(csv.reader(lines)) if "," in lines[0] else list(csv.reader(lines, delimiter=" ", skipinitialspace=True))
    names = [name.strip().upper() for name in rows[0]]
    if not {"RA", "DEC"} <= set(names):
        raise _no_columns(path)
    values = np.full((2, len(rows) - 1), np.nan)
    for k, row in enumerate(rows[1:]):
        for i, name in enumerate(("RA", "DEC")):
            try:
                values[i, k] = float(row[names.index(name)])
            except (ValueError, IndexError):
                values[i, k] = np.nan
    return values[0], values[1]


def _no_columns(path: Path) -> MusedeepError:
    return MusedeepError(f"{path}: no columns RA and DEC; give a table of stars with both (deg)")
