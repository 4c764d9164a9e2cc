"""STD_RESPONSE and STD_TELLURIC (manual A.3.13, A.3.14): what a standard star says of the instrument and of the air."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.hdus import numbers, open_hdus
from musedeep.storage.fits.header_cards import Card
from musedeep.storage.fits.headers import WATER, mean_of_ends, text_of
from musedeep.storage.fits.table import Column, table_hdu, tables_with

Floats = NDArray[np.float64]

RESPONSE_UNIT: Final = "2.5*log10((count/s/Angstrom)/(erg/s/cm**2/Angstrom))"

RESPONSE_COLUMNS: Final = (
    Column("lambda", "1D", "Angstrom"), Column("response", "1D", RESPONSE_UNIT), Column("resperr", "1D", RESPONSE_UNIT),
    Column("response_unsmoothed", "1D", RESPONSE_UNIT), Column("resperr_unsmoothed", "1D", RESPONSE_UNIT),
    Column("throughput", "1D"),
)  # fmt: skip
TELLURIC_COLUMNS: Final = (Column("lambda", "1D", "Angstrom"), Column("ftelluric", "1D"), Column("ftellerr", "1D"))

FLAT_CORRECTED: Final = "ESO DRS MUSE FLUX FFCORR"
"""Keyword: the fluxes were divided by the smoothed spectrum of the flat."""

AIRMASS: Final = "ESO TEL AIRM"
"""Keyword of the airmass, with START and END."""


@dataclass(frozen=True)
class Response:
    """Response of the instrument with the telescope, above the atmosphere.

    Attributes
    ----------
    wavelength : float64 (n,), ascending [Angstrom]
    response, error : float64 (n,), 2.5 log10 of (count/s/Angstrom) per (erg/s/cm2/Angstrom)
    unsmoothed, unsmoothed_error : float64 (n,), the same before it was smoothed; None in products before version 2.8
    throughput : float64 (n,), electrons per photon; None in products before version 2.8
    flat_corrected : the star was divided by the smoothed spectrum of the flat, and so must be what it is applied to
    mode : instrument mode; empty if the file does not say it
    """

    wavelength: Floats
    response: Floats
    error: Floats
    unsmoothed: Floats | None = None
    unsmoothed_error: Floats | None = None
    throughput: Floats | None = None
    flat_corrected: bool = False
    mode: str = ""


@dataclass(frozen=True)
class Telluric:
    """Transmission of the telluric bands for one airmass: 1 between them.

    Attributes
    ----------
    wavelength : float64 (n,), ascending [Angstrom]
    transmission, error : float64 (n,)
    flat_corrected, mode : as of `Response`
    airmass, water : of the exposure of the star, and precipitable water at the zenith then [mm]; None if the file does
        not say it
    """

    wavelength: Floats
    transmission: Floats
    error: Floats
    flat_corrected: bool = False
    mode: str = ""
    airmass: float | None = None
    water: float | None = None


def response_hdu(response: Response) -> fits.BinTableHDU:
    """The table of an STD_RESPONSE of all six columns; what is None is left out."""
    values = (
        response.wavelength, response.response, response.error, response.unsmoothed, response.unsmoothed_error,
        response.throughput,
    )  # fmt: skip
    given = {one.name: value for one, value in zip(RESPONSE_COLUMNS, values, strict=True) if value is not None}
    return table_hdu([one for one in RESPONSE_COLUMNS if one.name in given], given)


def telluric_hdu(telluric: Telluric) -> fits.BinTableHDU:
    """The table of an STD_TELLURIC."""
    values = telluric.wavelength, telluric.transmission, telluric.error
    return table_hdu(TELLURIC_COLUMNS, dict(zip((one.name for one in TELLURIC_COLUMNS), values, strict=True)))


def flat_corrected_card(flat_corrected: bool) -> Card:
    """Card of the primary header: whether the smoothed spectrum of the flat was divided out."""
    return FLAT_CORRECTED, flat_corrected, "Data was flat-field spectrum corrected"


def read_response(path: str | Path) -> Response:
    """Read an STD_RESPONSE of either pipeline.

    Raises
    ------
    MusedeepError
        No FITS file, no such table; fewer than two rows; wavelengths that do not ascend; a response that is not
        finite, or 0 or less.
    """
    path, kind = Path(path), "STD_RESPONSE"
    with open_hdus(path, kind) as hdus:
        wavelength, response, error, table = _curve(hdus, path, kind, RESPONSE_COLUMNS[:3])
        others = [numbers(table, one.name) if one.name in table.columns.names else None for one in RESPONSE_COLUMNS[3:]]
        corrected, mode = _facts(hdus, path)
    if not (response > 0).all():
        k = int(np.argmin(response > 0))
        raise MusedeepError(
            f"{path}: response is {response[k]:g} at {wavelength[k]:g} Angstrom, expected a positive number (2.5 log10 "
            "of count per flux, about 40); make the STD_RESPONSE again"
        )
    unsmoothed, unsmoothed_error, throughput = others
    return Response(wavelength, response, error, unsmoothed, unsmoothed_error, throughput, corrected, mode)


def read_telluric(path: str | Path) -> Telluric:
    """Read an STD_TELLURIC of either pipeline.

    Raises
    ------
    MusedeepError
        No FITS file, no such table; fewer than two rows; wavelengths that do not ascend; a factor that is not finite,
        or 0 or less.
    """
    path, kind = Path(path), "STD_TELLURIC"
    with open_hdus(path, kind) as hdus:
        wavelength, factor, error, _ = _curve(hdus, path, kind, TELLURIC_COLUMNS)
        corrected, mode = _facts(hdus, path)
        airmass, water = (mean_of_ends(hdus[0].header, key) for key in (AIRMASS, WATER))
    if not (factor > 0).all():
        k = int(np.argmin(factor > 0))
        raise MusedeepError(
            f"{path}: ftelluric is {factor[k]:g} at {wavelength[k]:g} Angstrom, expected a number above 0 and at most "
            "about 1; make the STD_TELLURIC again"
        )
    return Telluric(wavelength, factor, error, corrected, mode, airmass, water)


def _curve(
    hdus: fits.HDUList, path: Path, kind: str, columns: tuple[Column, ...]
) -> tuple[Floats, Floats, Floats, fits.BinTableHDU]:
    """Wavelength, value and error of a curve, and its table."""
    names = [one.name for one in columns]
    tables = tables_with(hdus, names)
    if not tables:
        raise MusedeepError(f"{path}: no table with the columns {', '.join(names)}; give an {kind}")
    wavelength, values, errors = (numbers(tables[0], name) for name in names)
    if wavelength.size < 2:
        raise MusedeepError(f"{path}: the {kind} has {wavelength.size} rows, expected at least 2; make it again")
    if not (np.diff(wavelength) > 0).all():
        raise MusedeepError(f"{path}: wavelengths do not ascend; sort the {kind} by lambda")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise MusedeepError(
            f"{path}: {names[1]} is {values[bad[0]]} at {wavelength[bad[0]]:g} Angstrom and {bad.size} rows in all, "
            f"expected finite numbers; make the {kind} again"
        )
    return wavelength, values, np.where(np.isfinite(errors), errors, 0.0), tables[0]


def _facts(hdus: fits.HDUList, path: Path) -> tuple[bool, str]:
    """Whether the spectrum of the flat was divided out, and the instrument mode."""
    header = hdus[0].header
    return bool(header.get(FLAT_CORRECTED, False)), text_of(header, "ESO INS MODE", path, "")
