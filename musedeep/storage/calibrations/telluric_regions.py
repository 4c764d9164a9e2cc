"""TELLURIC_REGIONS (manual A.2.8): where telluric bands are, and where the continuum beside them is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.static_file import static_file
from musedeep.storage.fits.hdus import numbers, open_hdus
from musedeep.storage.fits.table import Column, table_hdu, tables_with

COLUMNS: Final = tuple(Column(name, "D", "Angstrom") for name in ("lmin", "lmax", "bgmin", "bgmax"))


@dataclass(frozen=True)
class TelluricRegions:
    """Telluric bands and the continuum around each: Angstrom, float64 (n,) each.

    The background of a band reaches from `background_lower` to `lower` and from `upper` to `background_upper`.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    background_lower: NDArray[np.float64]
    background_upper: NDArray[np.float64]


def telluric_regions_hdus(regions: TelluricRegions, source: Any = None) -> fits.HDUList:
    """A TELLURIC_REGIONS; see `static_file`."""
    values = regions.lower, regions.upper, regions.background_lower, regions.background_upper
    table = table_hdu(COLUMNS, dict(zip((one.name for one in COLUMNS), values, strict=True)))
    return static_file("TELLURIC_REGIONS", table, source=source)


def read_telluric_regions(path: str | Path) -> TelluricRegions:
    """Read telluric regions.

    Raises
    ------
    MusedeepError
        No FITS file, no such table, an empty one, or a row not in the order bgmin <= lmin < lmax <= bgmax.
    """
    path = Path(path)
    names = [one.name for one in COLUMNS]
    with open_hdus(path, "TELLURIC_REGIONS") as hdus:
        tables = tables_with(hdus, names)
        if not tables:
            raise MusedeepError(f"{path}: no table with the columns {', '.join(names)}; give a TELLURIC_REGIONS")
        lower, upper, background_lower, background_upper = (numbers(tables[0], name) for name in names)
    if not lower.size:
        raise MusedeepError(f"{path}: the table has no rows; give a TELLURIC_REGIONS, or none for the built-in regions")
    ordered = (background_lower <= lower) & (lower < upper) & (upper <= background_upper)
    if not ordered.all():
        k = int(np.argmin(ordered))
        raise MusedeepError(
            f"{path}: row {k + 1}: lmin {lower[k]:g}, lmax {upper[k]:g}, bgmin {background_lower[k]:g}, bgmax "
            f"{background_upper[k]:g}, expected bgmin <= lmin < lmax <= bgmax; correct the TELLURIC_REGIONS"
        )
    order = np.argsort(lower, kind="stable")
    return TelluricRegions(lower[order], upper[order], background_lower[order], background_upper[order])
