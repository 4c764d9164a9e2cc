"""The tables of `musedeep/statics/tables` as arrays: read once, never to be changed.

Wavelengths are in Angstrom and in air everywhere. Each table names the source of its figures in its header.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.filters import Filter
from musedeep.storage.calibrations.std_flux_table import Standard
from musedeep.storage.calibrations.telluric_regions import TelluricRegions

if TYPE_CHECKING:
    from astropy.table import Table

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]

LAMPS: Final = {"Ne": ("NeI",), "Xe": ("XeI",), "HgCd": ("HgI", "CdI")}
"""Ions that shine in each arc lamp."""


@dataclass(frozen=True)
class ArcLines:
    """Lines of the arc lamps, by ascending wavelength.

    Attributes
    ----------
    wavelength : float64 (n,), air, Angstrom
    flux : float64 (n,), photons relative to the other lines of the same lamp
    ion : n names of NeI, XeI, HgI, CdI
    quality : int32 (n,), flag of manual A.2.1 (0 not to be used, 1 for pattern matching,
        2 multiplet, 3 good, 5 bright and alone)
    comment : n texts, what the flux is
    """

    wavelength: Floats
    flux: Floats
    ion: tuple[str, ...]
    quality: Integers
    comment: tuple[str, ...]

    def of_lamp(self, lamp: str) -> "ArcLines":
        """The lines of a lamp: "Ne", "Xe" or "HgCd"; MusedeepError for another."""
        if lamp not in LAMPS:
            raise MusedeepError(f"arc lamp '{lamp}' is unknown; the lamps are {', '.join(LAMPS)}")
        wanted = np.flatnonzero([ion in LAMPS[lamp] for ion in self.ion])
        ion, comment = (tuple(texts[i] for i in wanted) for texts in (self.ion, self.comment))
        return ArcLines(self.wavelength[wanted], self.flux[wanted], ion, self.quality[wanted], comment)


@dataclass(frozen=True)
class SkyLines:
    """Emission lines of the night sky at the zenith, by ascending wavelength.

    Attributes
    ----------
    name : n texts, as in "OH 7-3 Q11(1.5)e"
    group : int32 (n,), lines that vary together (one upper vibrational level, one atom)
    wavelength : float64 (n,), air, Angstrom
    flux : float64 (n,), 1e-20 erg/s/cm2/arcsec2, corrected for extinction and telluric absorption
    groups : what each group is, as in {2: "OH v'=7"}
    """

    name: tuple[str, ...]
    group: Integers
    wavelength: Floats
    flux: Floats
    groups: dict[int, str]


@dataclass(frozen=True)
class SkyContinuum:
    """Continuum of the night sky at the zenith of Paranal, without molecular absorption.

    Attributes
    ----------
    wavelength : float64 (n,), air, Angstrom
    flux : float64 (n,), of a dark night, 1e-20 erg/s/cm2/Angstrom/arcsec2
    """

    wavelength: Floats
    flux: Floats


@dataclass(frozen=True)
class Extinction:
    """Extinction of the atmosphere over Paranal.

    Attributes
    ----------
    wavelength : float64 (n,), air, Angstrom
    magnitudes : float64 (n,), mag for one airmass; without telluric bands
    """

    wavelength: Floats
    magnitudes: Floats

    def at(self, wavelength: Floats) -> Floats:
        """Magnitudes for one airmass at wavelengths (Angstrom, any shape), interpolated linearly."""
        return np.interp(wavelength, self.wavelength, self.magnitudes)


@cache
def read_table(name: str) -> "Table":
    """A table of `musedeep/statics/tables` by its name without suffix, with units and sources as `meta`."""
    from astropy.table import Table

    return Table.read(_lines(name), format="ascii.ecsv")


def _lines(name: str) -> list[str]:
    text = resources.files("musedeep.statics").joinpath("tables", f"{name}.ecsv").read_text(encoding="utf-8")
    return text.splitlines()


def _numbers(name: str, columns: Sequence[str]) -> list[Floats]:
    """Some columns of a table, without all that `read_table` loads, which takes most of a second."""
    rows = csv.reader((line for line in _lines(name) if not line.startswith("#")), delimiter=" ")
    names = next(rows)
    places = [names.index(column) for column in columns]
    values = [[row[k] for k in places] for row in rows]
    return [_fixed(column) for column in zip(*values, strict=True)]


def _fixed(column: Any, dtype: type = np.float64) -> NDArray[Any]:
    values: NDArray[Any] = np.array(column, dtype)
    values.setflags(write=False)
    return values


def _texts(column: Any) -> tuple[str, ...]:
    return tuple(str(text) for text in column)


@cache
def load_arc_lines() -> ArcLines:
    """Lines of Ne, Xe, Hg and Cd from 4600 to 9400 Angstrom."""
    table = read_table("arc_lines")
    wavelength, flux = _fixed(table["lambda"]), _fixed(table["flux"])
    quality = _fixed(table["quality"], np.int32)
    return ArcLines(wavelength, flux, _texts(table["ion"]), quality, _texts(table["comment"]))


@cache
def load_sky_lines() -> SkyLines:
    """OH, O2 and atomic lines of the night sky from 4600 to 9500 Angstrom."""
    table = read_table("sky_lines")
    groups = {int(number): str(text) for number, text in table.meta["groups"].items()}
    wavelength, flux = _fixed(table["lambda"]), _fixed(table["flux"])
    return SkyLines(_texts(table["name"]), _fixed(table["group"], np.int32), wavelength, flux, groups)


@cache
def sky_line_fluxes() -> tuple[Floats, Floats]:
    """Wavelengths and fluxes of `load_sky_lines`, alone and quickly."""
    wavelength, flux = _numbers("sky_lines", ("lambda", "flux"))
    return wavelength, flux


@cache
def load_sky_continuum() -> SkyContinuum:
    """Continuum of the night sky from 4480 to 9530 Angstrom in steps of 10."""
    table = read_table("sky_continuum")
    return SkyContinuum(_fixed(table["lambda"]), _fixed(table["flux"]))


@cache
def load_extinction() -> Extinction:
    """Extinction over Paranal from 3325 to 10000 Angstrom."""
    table = read_table("extinction")
    return Extinction(_fixed(table["lambda"]), _fixed(table["extinction"]))


@cache
def load_photodiodes() -> tuple[Floats, Floats, Floats]:
    """Wavelengths from 4600 to 9400 Angstrom, and what the two photodiodes of the calibration unit give there.

    Currents per power density in the focal plane, A / (W/cm2).
    """
    wavelength, one, two = _numbers("photodiodes", ("lambda", "diode1", "diode2"))
    return wavelength, one, two


def standard_names() -> tuple[str, ...]:
    """The standard stars there are, in the order of the manual."""
    return tuple(read_table("standards").colnames[1:])


@cache
def load_standard(name: str) -> Standard:
    """A standard star by its name (capitals, blanks, hyphens, underscores do not matter); MusedeepError for others."""
    table = read_table("standards")
    found = next((star for star in standard_names() if _plain(star) == _plain(name)), None)
    if found is None:
        raise MusedeepError(f"standard star '{name}' is unknown; the stars are {', '.join(standard_names())}")
    facts, flux = table.meta["stars"][found], _fixed(table[found])
    error = _fixed(flux * facts["relative_error"])
    return Standard(found, float(facts["ra"]), float(facts["dec"]), _fixed(table["lambda"]), flux, error)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


@cache
def load_filters() -> tuple[Filter, ...]:
    """Curves of Johnson_V, Cousins_R, Cousins_I, SDSS_g, SDSS_r, SDSS_i and SDSS_z with Vega and AB zero points."""
    table = read_table("filters")
    names = np.array(table["filter"], str)
    filters = []
    for name in dict.fromkeys(names.tolist()):
        points, rows = table.meta["zero_points"][name], names == name
        zero_points = float(points["ZP_VEGA"]), float(points["ZP_AB"])
        filters.append(Filter(name, _fixed(table["lambda"][rows]), _fixed(table["throughput"][rows]), zero_points))
    return tuple(filters)


@cache
def load_telluric_regions() -> TelluricRegions:
    """Telluric bands that matter at the resolution of MUSE, and the continuum around each."""
    table = read_table("telluric_regions")
    return TelluricRegions(*(_fixed(table[name]) for name in ("lmin", "lmax", "bgmin", "bgmax")))
