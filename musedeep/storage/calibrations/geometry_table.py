"""GEOMETRY_TABLE (manual A.3.10): where the slices lie in the field of view."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.storage.fits.hdus import numbers, open_hdus, whole_numbers
from musedeep.storage.fits.table import Column, table_hdu, tables_with

PLACE: Final = (
    Column("x", "1D", "pix"),
    Column("y", "1D", "pix"),
    Column("angle", "1D", "deg"),
    Column("width", "1D", "pix"),
)
COLUMNS: Final = (Column("SubField", "1J"), Column("SliceCCD", "1J"), Column("SliceSky", "1J"), *PLACE)
ERRORS: Final = tuple(Column(f"{one.name}err", one.format, one.unit) for one in PLACE)
"""Errors of the places, which not every table has."""

_NEEDED: Final = [one.name for one in COLUMNS if one.name != "SliceSky"]


def geometry_hdu(values: Mapping[str, NDArray[Any]]) -> fits.BinTableHDU:
    """A GEOMETRY_TABLE of the columns `COLUMNS` and, if they are given, `ERRORS`; (n,) each."""
    return table_hdu([one for one in (*COLUMNS, *ERRORS) if one in COLUMNS or one.name in values], values)


def read_geometry(path: str | Path, ifu: int) -> NDArray[np.float64]:
    """Places of the slices of one IFU.

    Parameters
    ----------
    ifu : from 1

    Returns
    -------
    float64 (48, 4)
        x, y [pixel of the field of view], angle [rad] and width [pixel] of each slice, in the order on the CCD.

    Raises
    ------
    MusedeepError
        No FITS file, no geometry table, or not every slice of the IFU, once.
    """
    path = Path(path)
    with open_hdus(path, "GEOMETRY_TABLE") as hdus:
        tables = tables_with(hdus, _NEEDED)
        if not tables:
            raise MusedeepError(f"{path}: no table with the columns {', '.join(_NEEDED)}; give a GEOMETRY_TABLE")
        mine = whole_numbers(tables[0], "SubField") == ifu
        slices = whole_numbers(tables[0], "SliceCCD")[mine]
        columns = [numbers(tables[0], one.name)[mine] for one in PLACE]
    if sorted(slices) != list(range(1, N_SLICES + 1)):
        missing = sorted(set(range(1, N_SLICES + 1)) - set(slices.tolist()))
        what = f"slices {', '.join(map(str, missing))} are missing" if missing else "slices stand there twice"
        raise MusedeepError(f"{path}: IFU {ifu}: {what}; give a GEOMETRY_TABLE with its {N_SLICES} slices")
    order = np.argsort(slices)
    places = np.stack([values[order] for values in columns], axis=1)
    if not np.isfinite(places).all():
        raise MusedeepError(f"{path}: IFU {ifu}: a place is not finite; make the GEOMETRY_TABLE again")
    places[:, 2] = np.radians(places[:, 2])
    return places
