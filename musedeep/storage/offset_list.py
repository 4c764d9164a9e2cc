"""OFFSET_LIST: offsets of position and flux scales of exposures, found by their DATE_OBS (manual 6.6.1, A.3.17)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.fits.hdus import column, open_hdus, write_hdus
from musedeep.storage.fits.table import binary_table

COLUMNS = ("DATE_OBS", "RA_OFFSET", "DEC_OFFSET")
"""Columns without which a table is no OFFSET_LIST."""


@dataclass(frozen=True)
class OffsetRow:
    """One exposure: measured minus reference position [deg], the factor on its flux (None: unchanged), MJD [d]."""

    date_obs: str
    ra_offset: float
    dec_offset: float
    flux_scale: float | None = None
    mjd_obs: float = 0.0


@dataclass(frozen=True)
class OffsetList:
    """The rows of an OFFSET_LIST."""

    path: Path
    rows: tuple[OffsetRow, ...]

    def for_date(self, date_obs: str) -> OffsetRow:
        """The row of an exposure. The rows of other exposures do not matter.

        Raises MusedeepError for a DATE_OBS without a row; an offset or scale that makes no sense; two rows that differ.
        """
        rows = [row for row in self.rows if row.date_obs == date_obs]
        if not rows:
            raise MusedeepError(
                f"{self.path}: no row with DATE_OBS {date_obs}; add the exposure (zero offsets will do)"
            )
        for row in rows:
            if not (math.isfinite(row.ra_offset) and math.isfinite(row.dec_offset)):
                raise MusedeepError(f"{self.path}: offset of {date_obs} is not finite; correct it, or use 0")
            if row.flux_scale is not None and not 0 < row.flux_scale < math.inf:
                raise MusedeepError(
                    f"{self.path}: FLUX_SCALE of {date_obs} is {row.flux_scale:g}; give a positive factor, or NaN for "
                    "none"
                )
        if len({(row.ra_offset, row.dec_offset, row.flux_scale) for row in rows}) > 1:
            raise MusedeepError(f"{self.path}: two different rows have DATE_OBS {date_obs}; keep the right one")
        return rows[0]


def read_offset_list(path: str | Path) -> OffsetList:
    """Read an OFFSET_LIST: the first binary table of the file.

    Raises MusedeepError for a missing file, table or column; a column that holds no numbers.
    """
    path = Path(path)
    with open_hdus(path, "OFFSET_LIST, as muse_exp_align writes it") as hdus:
        table = next((h for h in hdus if isinstance(h, fits.BinTableHDU)), None)
        rows = None if table is None else _rows(path, table)
    if rows is None:
        raise MusedeepError(f"{path}: no table; an OFFSET_LIST has {', '.join(COLUMNS)}")
    return OffsetList(path, rows)


def _rows(path: Path, hdu: fits.BinTableHDU) -> tuple[OffsetRow, ...]:
    names = {n.upper() for n in hdu.columns.names if n}
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise MusedeepError(f"{path}: no column {', '.join(missing)}; an OFFSET_LIST has {', '.join(COLUMNS)}")
    n = len(hdu.data)
    dates = [str(date).strip() for date in hdu.data["DATE_OBS"]]
    right, up = _numbers(path, hdu, "RA_OFFSET"), _numbers(path, hdu, "DEC_OFFSET")
    scale = _numbers(path, hdu, "FLUX_SCALE") if "FLUX_SCALE" in names else [math.nan] * n
    mjd = [0.0] * n
    if "MJD_OBS" in names and hdu.data["MJD_OBS"].dtype.kind in "fiu":  # for the reader; rows are found by their dates
        mjd = _numbers(path, hdu, "MJD_OBS")
    return tuple(
        OffsetRow(date, ra, dec, None if math.isnan(s) or s == 0 else s, day)
        for date, ra, dec, s, day in zip(dates, right, up, scale, mjd, strict=True)
    )


def _numbers(path: Path, hdu: fits.BinTableHDU, name: str) -> list[float]:
    """A column of numbers, scaled as its header says; NaN where it has none."""
    values = column(hdu, name)
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise MusedeepError(f"{path}: column {name} does not hold one number in each row; make the table again")
    return [float(value) for value in values]


def write_offset_list(
    path: str | Path, rows: Sequence[OffsetRow], header: fits.Header | None = None, overwrite: bool = True
) -> None:
    """Write an OFFSET_LIST that both pipelines read; it gets its name when it is whole.

    Parameters
    ----------
    header : primary header; None: PRO CATG alone

    Raises
    ------
    MusedeepError
        The file exists and may not be replaced, or cannot be written.
    """
    scales = [np.nan if r.flux_scale is None else r.flux_scale for r in rows]
    columns = [
        fits.Column("DATE_OBS", "23A", array=np.array([r.date_obs for r in rows])),
        # the unit is that of the manual (A.3.17), although the value is in days
        fits.Column("MJD_OBS", "D", unit="s", array=np.array([r.mjd_obs for r in rows])),
        fits.Column("RA_OFFSET", "D", unit="deg", array=np.array([r.ra_offset for r in rows])),
        fits.Column("DEC_OFFSET", "D", unit="deg", array=np.array([r.dec_offset for r in rows])),
        fits.Column("FLUX_SCALE", "D", array=np.array(scales)),
    ]
    if header is None:
        header = fits.Header([("HIERARCH ESO PRO CATG", "OFFSET_LIST")])
    hdus = fits.HDUList([fits.PrimaryHDU(header=header), binary_table(columns)])
    write_hdus(Path(path), hdus, overwrite)
