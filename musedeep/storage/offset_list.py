"""OFFSET_LIST: offsets of position and flux scales of exposures, found by their DATE_OBS (manual 6.6.1, 6.6.2)."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from musedeep.errors import MusedeepError


@dataclass(frozen=True)
class OffsetRow:
    """One exposure: offsets [deg], and the factor on its flux (None: unchanged)."""

    date_obs: str
    ra_offset: float
    dec_offset: float
    flux_scale: float | None


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
    """Read an OFFSET_LIST.

    Raises
    ------
    MusedeepError
        Missing file, table or column; an offset that is not finite.
    """
    path = Path(path)
    try:
        with fits.open(path) as hdus:
            table = next((h.data for h in hdus if isinstance(h, fits.BinTableHDU)), None)
            if table is None:
                raise MusedeepError(f"{path}: no table; an OFFSET_LIST has DATE_OBS, RA_OFFSET, DEC_OFFSET")
            names = {n.upper() for n in table.names}
            for name in ("DATE_OBS", "RA_OFFSET", "DEC_OFFSET"):
                if name not in names:
                    raise MusedeepError(f"{path}: no column {name}; an OFFSET_LIST has DATE_OBS, RA_OFFSET, DEC_OFFSET")
            scale = table["FLUX_SCALE"] if "FLUX_SCALE" in names else np.full(len(table), np.nan)
            rows = tuple(
                OffsetRow(
                    str(table["DATE_OBS"][i]).strip(),
                    float(table["RA_OFFSET"][i]),
                    float(table["DEC_OFFSET"][i]),
                    float(scale[i]) if math.isfinite(scale[i]) and scale[i] > 0 else None,
                )
                for i in range(len(table))
            )
    except OSError as error:
        raise MusedeepError(f"{path}: not a readable FITS file ({str(error).splitlines()[0]})") from error
    for row in rows:
        if not (math.isfinite(row.ra_offset) and math.isfinite(row.dec_offset)):
            raise MusedeepError(f"{path}: offset of {row.date_obs} is not finite; correct it, or use 0")
    return OffsetList(path, rows)


def write_offset_list(path: str | Path, rows: list[OffsetRow]) -> None:
    """Write an OFFSET_LIST that both pipelines read."""
    n = len(rows)
    columns = [
        fits.Column("DATE_OBS", "23A", array=np.array([r.date_obs for r in rows])),
        fits.Column("MJD_OBS", "D", unit="s", array=np.zeros(n)),
        fits.Column("RA_OFFSET", "D", unit="deg", array=np.array([r.ra_offset for r in rows])),
        fits.Column("DEC_OFFSET", "D", unit="deg", array=np.array([r.dec_offset for r in rows])),
        fits.Column("FLUX_SCALE", "D", array=np.array([np.nan if r.flux_scale is None else r.flux_scale for r in rows])),
    ]
    primary = fits.PrimaryHDU()
    primary.header["HIERARCH ESO PRO CATG"] = "OFFSET_LIST"
    fits.HDUList([primary, fits.BinTableHDU.from_columns(columns)]).writeto(path, overwrite=True)
