"""SKY_SPECTRUM (manual A.3.12): the spectrum of the sky region of an exposure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import FLUX_UNIT, VARIANCE_UNIT
from musedeep.storage.fits.hdus import numbers, open_hdus, whole_numbers
from musedeep.storage.fits.table import Column, table_hdu, tables_with

COLUMNS: Final = (
    Column("lambda", "D", "Angstrom"), Column("data", "D", FLUX_UNIT), Column("stat", "D", VARIANCE_UNIT),
    Column("dq", "J"),
)  # fmt: skip


@dataclass(frozen=True)
class SkySpectrumTable:
    """The mean spectrum of the pixels of the sky.

    Attributes
    ----------
    path : Path
    wavelength : float64 (n,), ascending, in air [Angstrom]
    data : float64 (n,), of a spaxel, 1e-20 erg/s/cm2/Angstrom
    stat : float64 (n,), mean variance of the pixels, as the ESO pipeline has it
    dq : int64 (n,), other than 0 where there are no data
    """

    path: Path
    wavelength: NDArray[np.float64]
    data: NDArray[np.float64]
    stat: NDArray[np.float64]
    dq: NDArray[np.int64]

    @property
    def ends(self) -> tuple[float, float]:
        """First and last wavelength with data [Angstrom]."""
        good = self.wavelength[self.dq == 0]
        return float(good[0]), float(good[-1])


def sky_spectrum_hdu(spectrum: SkySpectrumTable, unit: str = FLUX_UNIT) -> fits.BinTableHDU:
    """The table of a SKY_SPECTRUM; `unit` is that of the data."""
    values = {name: getattr(spectrum, name) for name in ("data", "stat", "dq")}
    units = {"data": unit, "stat": VARIANCE_UNIT if unit == FLUX_UNIT else f"({unit})**2"}
    columns = [one._replace(unit=units.get(one.name, one.unit)) for one in COLUMNS]
    return table_hdu(columns, {"lambda": spectrum.wavelength, **values})


def read_sky_spectrum(path: str | Path) -> SkySpectrumTable:
    """Read a SKY_SPECTRUM.

    Raises
    ------
    MusedeepError
        No FITS file, no such table, fewer than two good rows, wavelengths that do not ascend, good data that are not
        finite.
    """
    path = Path(path)
    needed = [one.name for one in COLUMNS]
    with open_hdus(path, "SKY_SPECTRUM") as hdus:
        tables = tables_with(hdus, needed)
        if not tables or "name" in tables[0].columns.names:
            category = hdus[0].header.get("ESO PRO CATG")
            what = f"is a {category}" if category else "no such table"
            raise MusedeepError(f"{path}: {what}, without the columns {', '.join(needed)}; give a SKY_SPECTRUM")
        wavelength, data, stat = (numbers(tables[0], name) for name in needed[:3])
        dq = whole_numbers(tables[0], "dq")
    good = dq == 0
    if good.sum() < 2 or not (np.diff(wavelength) > 0).all():
        raise MusedeepError(f"{path}: lambda does not ascend over two good rows or more; give a SKY_SPECTRUM")
    if not np.isfinite(data[good]).all():
        raise MusedeepError(f"{path}: data of dq = 0 that are not finite; correct the SKY_SPECTRUM")
    return SkySpectrumTable(path, wavelength, data, stat, dq)
