"""FILTER_LIST: filter curves for field-of-view images (manual 7.3.5), and the built-in `white`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.static_file import static_file
from musedeep.storage.fits.hdus import numbers, open_hdus
from musedeep.storage.fits.headers import number_of
from musedeep.storage.fits.table import Column, table_hdu

COLUMNS: Final = (Column("lambda", "D", "Angstrom"), Column("throughput", "D"))
ZERO_POINTS: Final = {"ZP_VEGA": "Vega", "ZP_AB": "AB"}
"""Keywords of the zero points, and the systems that they are of."""


@dataclass(frozen=True)
class Filter:
    """A filter curve.

    Attributes
    ----------
    wavelength : float64 (n,), ascending [Angstrom]
    throughput : float64 (n,)
    zero_points : (float or None, float or None), Vega and AB magnitudes
    """

    name: str
    wavelength: NDArray[np.float64]
    throughput: NDArray[np.float64]
    zero_points: tuple[float | None, float | None] = (None, None)

    def at(self, wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
        """Throughput at wavelengths [Angstrom], interpolated linearly; 0 outside the curve."""
        return np.interp(wavelength, self.wavelength, self.throughput, left=0.0, right=0.0)

    def fraction(self, low: float, high: float) -> float:
        """Percentage of the filter's area between two wavelengths [Angstrom].

        As the reference does: the curve is sampled every Angstrom from its first point; `low` is the wavelength of
        the first plane, `high` that of the last plane plus one step. Equal to its FILTER FRACTION in seven digits
        for 11 curves (linear and logarithmic cubes; ranges inside, outside and across the edges).
        """
        samples = self.wavelength[0] + np.arange(np.floor(self.wavelength[-1] - self.wavelength[0]) + 1.0)
        throughput = self.at(samples)
        total = throughput.sum()
        covered = throughput[(samples >= low) & (samples <= high)].sum()
        return float(min(100.0, 100.0 * covered / total)) if total > 0 else 0.0

    def cards(self, low: float, high: float) -> list[tuple[str, object, str]]:
        """Name, zero points if known, and covered fraction between two wavelengths [Angstrom] (manual A.3.3)."""
        cards: list[tuple[str, object, str]] = [("ESO DRS MUSE FILTER NAME", self.name, "filter name used")]
        for key, system, value in zip(("ZPVEGA", "ZPAB"), ("Vega", "AB"), self.zero_points, strict=True):
            if value is not None:
                cards.append((f"ESO DRS MUSE FILTER {key}", value, f"[mag] {system}-mag zeropoint"))
        fraction = np.float32(self.fraction(low, high))
        cards.append(("ESO DRS MUSE FILTER FRACTION", fraction, "[%] fraction of filter covered by data"))
        return cards


WHITE = Filter("white", np.array([4649.99, 4650.0, 9300.0, 9300.01]), np.array([0.0, 1.0, 1.0, 0.0]))
"""The built-in filter: constant from 4650 to 9300 Angstrom. Edges and weights were found from images and FRACTION of
the reference on cubes that cross them."""


def filter_list_hdus(filters: Sequence[Filter], source: Any = None) -> fits.HDUList:
    """A FILTER_LIST: one extension per filter; see `static_file`."""
    tables = []
    for curve in filters:
        table = table_hdu(COLUMNS, {"lambda": curve.wavelength, "throughput": curve.throughput}, curve.name)
        for (key, system), value in zip(ZERO_POINTS.items(), curve.zero_points, strict=True):
            if value is not None:
                table.header[key] = (value, f"[mag] {system} zero point")
        tables.append(table)
    return static_file("FILTER_LIST", *tables, source=source)


def read_filters(path: str | Path | None, names: tuple[str, ...]) -> tuple[list[Filter], list[str]]:
    """The named filters, and the names that are not to be had (their images are left out, manual 9.14.3).

    Raises
    ------
    MusedeepError
        The FILTER_LIST cannot be read, or a curve lacks a column.
    """
    found: dict[str, Filter] = {"white": WHITE}
    if path is not None:
        wanted = {name.lower(): name for name in names}
        with open_hdus(Path(path), "FILTER_LIST") as hdus:
            for hdu in hdus:
                name = wanted.get(hdu.name.lower())
                if name and isinstance(hdu, fits.BinTableHDU):
                    found[name] = _filter(name, hdu, path)
    return [found[n] for n in names if n in found], [n for n in names if n not in found]


def filter_names(path: Path) -> list[str]:
    """The filters of a FILTER_LIST; raises as `read_filters`."""
    with open_hdus(path, "FILTER_LIST") as hdus:
        return [str(hdu.header["EXTNAME"]) for hdu in hdus if hdu.name and isinstance(hdu, fits.BinTableHDU)]


def _filter(name: str, hdu: fits.BinTableHDU, path: str | Path) -> Filter:
    columns = {n.lower(): n for n in hdu.columns.names}
    if not {"lambda", "throughput"} <= set(columns):
        raise MusedeepError(f"{path}: filter {name} has columns {', '.join(columns)}, expected lambda and throughput")
    wavelength, throughput = numbers(hdu, columns["lambda"]), numbers(hdu, columns["throughput"])
    ascending = wavelength.size >= 2 and bool((np.diff(wavelength) > 0).all())
    if not ascending or not np.isfinite(throughput).all():
        raise MusedeepError(
            f"{path}: filter {name}: lambda does not ascend, or throughput is not finite; sort and clean the rows"
        )
    points = tuple(number_of(hdu.header, k, path) if k in hdu.header else None for k in ZERO_POINTS)
    return Filter(name, wavelength, throughput, (points[0], points[1]))
