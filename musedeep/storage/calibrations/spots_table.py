"""SPOTS_TABLE (manual A.3.11): the images of the holes of the mask, measured on each exposure of one IFU."""

from collections.abc import Mapping
from typing import Any, Final

from astropy.io import fits

from musedeep.storage.fits.table import Column, table_hdu

COLUMNS: Final = (
    Column("filename", "A"), Column("image", "1J"),
    Column("POSENC2", "1J"), Column("POSPOS2", "1D", "mm"), Column("POSENC3", "1J"), Column("POSPOS3", "1D", "mm"),
    Column("POSENC4", "1J"), Column("POSPOS4", "1D", "mm"), Column("VPOS", "1D", "mm"),
    Column("ScaleFOV", "1D", "arcsec/mm"), Column("SubField", "1J"), Column("SliceCCD", "1J"),
    Column("lambda", "1D", "Angstrom"), Column("SpotNo", "1J"),
    *(Column(name, "1D", "pix") for name in ("xc", "yc", "xfwhm", "yfwhm")),
    Column("flux", "1D"), Column("bg", "1D"), Column("dxcen", "1D", "pix"), Column("twidth", "1D", "pix"),
)  # fmt: skip


def spots_hdu(values: Mapping[str, Any]) -> fits.BinTableHDU:
    """A SPOTS_TABLE; values of each column, (n,)."""
    return table_hdu(COLUMNS, values)
