"""FILTER_LIST: filter curves for field-of-view images (manual 7.3.5), and the built-in `white`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError

WHITE_RANGE = (4650.0, 9300.0)
"""Range of the built-in filter `white`, constant throughput [Angstrom] (seen in the reference's FRACTION)."""


@dataclass(frozen=True)
class Filter:
    """A filter curve.

    Attributes
    ----------
    name : str
    wavelength : float64 (n,)
        Ascending [Angstrom].
    throughput : float64 (n,)
    zero_points : (float or None, float or None)
        Vega and AB magnitudes.
    """

    name: str
    wavelength: NDArray[np.float64]
    throughput: NDArray[np.float64]
    zero_points: tuple[float | None, float | None] = (None, None)

    def at(self, wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
        """Throughput at wavelengths [Angstrom]; 0 outside the curve. `white` passes everything."""
        if self.name == "white":
            return np.ones_like(wavelength)
        return np.interp(wavelength, self.wavelength, self.throughput, left=0.0, right=0.0)

    def fraction(self, low: float, high: float) -> float:
        """Percentage of the filter's area between two wavelengths, sampled every Angstrom as the reference does."""
        first, last = self.wavelength[0], self.wavelength[-1]
        samples = np.arange(first, last + 0.5)
        throughput = np.interp(samples, self.wavelength, self.throughput)
        total = throughput[samples < last].sum()
        covered = throughput[(samples >= low) & (samples <= high)].sum()
        return float(min(100.0, 100.0 * covered / total)) if total > 0 else 0.0


WHITE = Filter("white", np.array(WHITE_RANGE), np.ones(2))


def read_filters(path: str | Path | None, names: tuple[str, ...]) -> tuple[list[Filter], list[str]]:
    """The named filters, and the names that are not to be had (their images are left out, manual 9.14.3).

    Raises
    ------
    MusedeepError
        The FILTER_LIST cannot be read, or a curve lacks a column.
    """
    found: dict[str, Filter] = {"white": WHITE}
    if path is not None:
        try:
            with fits.open(path) as hdus:
                for hdu in hdus:
                    if hdu.name and isinstance(hdu, fits.BinTableHDU) and hdu.name.lower() in {n.lower() for n in names}:
                        name = next(n for n in names if n.lower() == hdu.name.lower())
                        found[name] = _filter(name, hdu, path)
        except OSError as error:
            raise MusedeepError(f"{path}: not a readable FILTER_LIST ({str(error).splitlines()[0]})") from error
    return [found[n] for n in names if n in found], [n for n in names if n not in found]


def _filter(name: str, hdu: fits.BinTableHDU, path: str | Path) -> Filter:
    columns = {n.lower(): n for n in hdu.data.names}
    if not {"lambda", "throughput"} <= set(columns):
        raise MusedeepError(f"{path}: filter {name} has columns {', '.join(columns)}, expected lambda and throughput")
    wavelength = np.asarray(hdu.data[columns["lambda"]], np.float64)
    throughput = np.asarray(hdu.data[columns["throughput"]], np.float64)
    if wavelength.size < 2 or not (np.diff(wavelength) > 0).all():
        raise MusedeepError(f"{path}: filter {name}: lambda does not ascend; sort the rows")
    points = tuple(float(hdu.header[k]) if k in hdu.header else None for k in ("ZP_VEGA", "ZP_AB"))
    return Filter(name, wavelength, throughput, (points[0], points[1]))
