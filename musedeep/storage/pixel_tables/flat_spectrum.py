"""PIXTABLE_FLAT_FIELD: the spectrum of the lamp flat that the pixels of a table were divided by (manual A.3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.hdus import numbers, reading
from musedeep.storage.fits.headers import HeaderUnit, raw_bytes, scan_file
from musedeep.storage.fits.parts import padded
from musedeep.storage.fits.table import Column, table_hdu
from musedeep.storage.pixel_tables.table import PixelTable

EXTNAME: Final = "PIXTABLE_FLAT_FIELD"

COLUMNS: Final = (Column("lambda", "1D", "Angstrom"), Column("data", "1D", "count"))
SMOOTHED: Final = (Column("lambda", "1D"), Column("data", "1D"), Column("data_unsm", "1D"))
"""Columns of the spectrum of one IFU, and of that of a merged exposure."""


@dataclass(frozen=True)
class FlatSpectrum:
    """The spectrum of a lamp flat.

    Attributes
    ----------
    wavelength : float64 (n,), ascending [Angstrom]
    values : float64 (n,)
    unsmoothed : float64 (n,), the values before they were smoothed; None: they are not smoothed
    """

    wavelength: NDArray[np.float64]
    values: NDArray[np.float64]
    unsmoothed: NDArray[np.float64] | None = None

    def hdu(self) -> fits.BinTableHDU:
        """The table as it stands in a pixel table."""
        if self.unsmoothed is None:
            return table_hdu(COLUMNS, {"lambda": self.wavelength, "data": self.values}, EXTNAME)
        values = {"lambda": self.wavelength, "data": self.values, "data_unsm": self.unsmoothed}
        return table_hdu(SMOOTHED, values, EXTNAME)


def read_flat_spectrum(table: PixelTable) -> FlatSpectrum | None:
    """The spectrum of the flat of a pixel table, FITS file or store; None if it has none.

    Raises
    ------
    MusedeepError
        The table is damaged, its wavelengths do not ascend, or a value is not above 0.
    """
    hdu = flat_spectrum_hdu(table)
    if hdu is None:
        return None
    with reading(Path(str(table.path)), EXTNAME):
        names = [str(name).lower() for name in hdu.columns.names]
        if not {"lambda", "data"} <= set(names):
            raise ValueError(f"columns {', '.join(names)}, expected lambda and data")
        wavelength, values = numbers(hdu, "lambda"), numbers(hdu, "data")
        unsmoothed = numbers(hdu, "data_unsm") if "data_unsm" in names else None
    if wavelength.size < 2 or not (np.diff(wavelength) > 0).all() or not (values > 0).all():
        raise MusedeepError(
            f"{table.path}: {EXTNAME} has wavelengths that do not ascend, or values that are not above 0; make the "
            "pixel table again"
        )
    return FlatSpectrum(wavelength, values, unsmoothed)


def flat_spectrum_hdu(table: PixelTable) -> fits.BinTableHDU | None:
    """The table of the spectrum as it stands in a pixel table, FITS file or store; None if there is none.

    Raises
    ------
    MusedeepError
        It is damaged.
    """
    found = _stored(table) if hasattr(table, "attributes") else _of_file(table)
    if found is None:
        return None
    cards, content = found
    with reading(Path(str(table.path)), EXTNAME):
        raw = raw_bytes(cards) + content.ljust(padded(len(content)), b"\0")
        # a copy has its data in memory, and may get further cards
        return fits.BinTableHDU.fromstring(raw).copy()


def _stored(table: Any) -> tuple[Sequence[str], bytes] | None:
    """Cards and data of the HDU in a store."""
    for hdu in table.attributes()["hdus"]:
        if "array" in hdu and HeaderUnit(tuple(hdu["cards"]), 0).name == EXTNAME:
            return hdu["cards"], table.whole(hdu["array"]).tobytes()
    return None


def _of_file(table: PixelTable) -> tuple[Sequence[str], bytes] | None:
    """The same in a FITS file."""
    path = Path(str(table.path))
    for unit in scan_file(path):
        if unit.name == EXTNAME:
            with open(path, "rb") as stream:
                stream.seek(unit.data_offset)
                return unit.cards, stream.read(unit.data_bytes)
    return None
