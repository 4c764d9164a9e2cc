"""OFFSET_LIST: offsets of position and flux scales of exposures, found by their DATE_OBS (manual 6.6.1, A.3.17)."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from musedeep.errors import MusedeepError

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
        """The row of an exposure.

        Raises
        ------
        MusedeepError
            No row has this DATE_OBS.
        """
        for row in self.rows:
            if row.date_obs == date_obs:
                return row
        raise MusedeepError(f"{self.path}: no row with DATE_OBS {date_obs}; add the exposure (zero offsets will do)")


def read_offset_list(path: str | Path) -> OffsetList:
    """Read an OFFSET_LIST: the first binary table of the file.

    Raises
    ------
    MusedeepError
        Missing file, table or column; an offset or scale that makes no sense; two different rows of one DATE_OBS.
    """
    path = Path(path)
    if not path.is_file():
        raise MusedeepError(f"{path}: no such file; give an OFFSET_LIST, as muse_exp_align writes it")
    try:
        with fits.open(path) as hdus:
            table = next((h.data for h in hdus if isinstance(h, fits.BinTableHDU)), None)
            rows = None if table is None else _rows(path, table)
    except (OSError, ValueError, TypeError) as error:
        raise MusedeepError(f"{path}: not a readable FITS file ({str(error).splitlines()[0]})") from error
    if rows is None:
        raise MusedeepError(f"{path}: no table; an OFFSET_LIST has {', '.join(COLUMNS)}")
    seen: dict[str, OffsetRow] = {}
    for row in rows:
        if not (math.isfinite(row.ra_offset) and math.isfinite(row.dec_offset)):
            raise MusedeepError(f"{path}: offset of {row.date_obs} is not finite; correct it, or use 0")
        if row.flux_scale is not None and not 0 < row.flux_scale < math.inf:
            raise MusedeepError(
                f"{path}: FLUX_SCALE of {row.date_obs} is {row.flux_scale:g}; give a positive factor, or NaN for none"
            )
        if seen.setdefault(row.date_obs, row) != row:
            raise MusedeepError(f"{path}: two different rows have DATE_OBS {row.date_obs}; keep the right one")
    return OffsetList(path, rows)


def _rows(path: Path, table: fits.FITS_rec) -> tuple[OffsetRow, ...]:
    names = {n.upper() for n in table.names}
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise MusedeepError(f"{path}: no column {', '.join(missing)}; an OFFSET_LIST has {', '.join(COLUMNS)}")
    n = len(table)
    scale = table["FLUX_SCALE"] if "FLUX_SCALE" in names else np.full(n, np.nan)
    mjd = table["MJD_OBS"] if "MJD_OBS" in names else np.zeros(n)
    return tuple(
        OffsetRow(
            str(table["DATE_OBS"][i]).strip(),
            float(table["RA_OFFSET"][i]),
            float(table["DEC_OFFSET"][i]),
            None if math.isnan(scale[i]) or scale[i] == 0 else float(scale[i]),
            float(mjd[i]),
        )
        for i in range(n)
    )


def write_offset_list(path: str | Path, rows: Sequence[OffsetRow]) -> None:
    """Write an OFFSET_LIST that both pipelines read; it gets its name when it is whole."""
    path = Path(path)
    scales = [np.nan if r.flux_scale is None else r.flux_scale for r in rows]
    columns = [
        fits.Column("DATE_OBS", "23A", array=np.array([r.date_obs for r in rows])),
        # the unit is that of the manual (A.3.17), although the value is in days
        fits.Column("MJD_OBS", "D", unit="s", array=np.array([r.mjd_obs for r in rows])),
        fits.Column("RA_OFFSET", "D", unit="deg", array=np.array([r.ra_offset for r in rows])),
        fits.Column("DEC_OFFSET", "D", unit="deg", array=np.array([r.dec_offset for r in rows])),
        fits.Column("FLUX_SCALE", "D", array=np.array(scales)),
    ]
    primary = fits.PrimaryHDU()
    primary.header["HIERARCH ESO PRO CATG"] = "OFFSET_LIST"
    partial = path.with_name(f".{path.name}.part")
    fits.HDUList([primary, fits.BinTableHDU.from_columns(columns)]).writeto(partial, overwrite=True, checksum=True)
    os.replace(partial, path)
