"""SOURCE_LIST: point sources of the image of a field, as muse_exp_align writes and takes them.

The first binary table of the file. X and Y are pixels of the image, counted from 0. RA and DEC are where the header of
the image puts them, RA_CORR and DEC_CORR where its offset puts them. The ESO pipeline takes X and Y of a list, and
tells by MJD-OBS of its primary header to which image it belongs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.hdus import numbers, open_hdus, write_hdus
from musedeep.storage.fits.headers import number_of
from musedeep.storage.fits.table import Column, table_hdu, tables_with

Array = NDArray[np.float64]

COLUMNS: Final = (
    Column("Id", "1J"), Column("X", "1D", "pix"), Column("Y", "1D", "pix"), Column("Flux", "1D"),
    Column("Sharpness", "1D"), Column("Roundness", "1D"), Column("RA", "1D", "deg"), Column("DEC", "1D", "deg"),
    Column("RA_CORR", "1D", "deg"), Column("DEC_CORR", "1D", "deg"),
)  # fmt: skip
NEEDED: Final = ("Id", "X", "Y", "RA", "DEC")
"""Columns without which the ESO pipeline takes no list."""


@dataclass(frozen=True)
class SourceList:
    """Positions of sources in one image.

    Attributes
    ----------
    path : of the file
    mjd_obs : MJD-OBS of the image [d]
    x, y : float64 (n,), pixel of the image, counted from 0
    """

    path: Path
    mjd_obs: float
    x: Array
    y: Array


def read_source_list(path: str | Path) -> SourceList:
    """Read a SOURCE_LIST.

    Raises
    ------
    MusedeepError
        No FITS file, no table with the needed columns, a position that is no finite number, no MJD-OBS.
    """
    path = Path(path)
    with open_hdus(path, "SOURCE_LIST, as muse_exp_align writes it") as hdus:
        table = next(iter(tables_with(hdus, NEEDED)), None)
        if table is None:
            raise MusedeepError(f"{path}: no table with columns {', '.join(NEEDED)}; give a SOURCE_LIST")
        mjd = number_of(hdus[0].header, "MJD-OBS", path)
        x, y = numbers(table, "X"), numbers(table, "Y")
    if not (np.isfinite(x) & np.isfinite(y)).all():
        row = int(np.flatnonzero(~(np.isfinite(x) & np.isfinite(y)))[0])
        raise MusedeepError(f"{path}: X or Y of row {row + 1} is not finite; correct or remove the row")
    return SourceList(path, mjd, x, y)


def write_source_list(
    path: str | Path, header: fits.Header, values: Mapping[str, Array], overwrite: bool = False
) -> None:
    """Write a SOURCE_LIST; it gets its name when it is whole.

    Parameters
    ----------
    header : primary header
    values : of the columns, all (n,), but for `Id`, which counts from 1; NaN where a list that was given has none

    Raises
    ------
    MusedeepError
        The file exists and may not be replaced, or cannot be written.
    """
    n = len(values["X"])
    table = table_hdu(COLUMNS, {"Id": np.arange(1, n + 1, dtype=np.int32), **values})
    write_hdus(Path(path), fits.HDUList([fits.PrimaryHDU(header=header), table]), overwrite)
