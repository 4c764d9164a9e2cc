"""A user's cube as scene: a FITS cube in the format of MUSE."""

import re
import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.utils import proj_plane_pixel_area
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import COLLECTING_AREA
from musedeep.kernels.field.tangent import sky_position
from musedeep.simulate.spectrum import FINE, STEP
from musedeep.simulate.templates import photons, vacuum_of_air
from musedeep.storage.fits.hdus import open_hdus
from musedeep.storage.fits.headers import scan_units

Array = NDArray[np.float64]

FLUX = units.erg / units.s / units.cm**2 / units.AA


@dataclass(frozen=True, eq=False)
class SceneCube:
    """A cube of flux densities that is read where it is needed.

    Attributes
    ----------
    path : file
    extension : number of the HDU
    shape : wavelengths, rows, columns
    ra, dec : middle of the cube, degrees
    to_column, to_row : float64 (6,), pixel (from 0) as c0 + c1 xi + c2 eta + c3 xi2 + c4 xi eta + c5 eta2 of offsets
        from the middle, arcsec
    first_wavelength, wavelength_step : Angstrom, in air or vacuum
    vacuum : wavelengths are those of vacuum
    scale : erg/s/cm2/Angstrom/arcsec2 of a value 1
    radius : of the circle about the middle that holds the cube, arcsec
    """

    path: Path
    extension: int
    shape: tuple[int, int, int]
    ra: float
    dec: float
    to_column: Array
    to_row: Array
    first_wavelength: float
    wavelength_step: float
    vacuum: bool
    scale: float
    radius: float
    _opened: dict[str, Any] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: all but the opened file."""
        return self.__dict__ | {"_opened": {}}

    def values(self) -> NDArray[Any]:
        """The data, mapped from the file where its format allows."""
        if "data" not in self._opened:
            with _open(self.path) as file:
                self._opened["data"] = file[self.extension].data
        return self._opened["data"]

    def flux(self, xi: Array, eta: Array, wavelength: Array) -> Array:
        """Trilinear interpolation, float64, erg/s/cm2/Angstrom/arcsec2; 0 outside the cube.

        Offsets east and north of the middle (arcsec) and wavelengths (Angstrom, air) broadcast together. NaN is left
        out of the mean, which is 0 where all eight are NaN.
        """
        xi, eta, wavelength = (np.asarray(value, np.float64) for value in (xi, eta, wavelength))
        terms = np.stack(np.broadcast_arrays(np.ones_like(xi), xi, eta, xi * xi, xi * eta, eta * eta))
        column, row = np.tensordot(self.to_column, terms, 1), np.tensordot(self.to_row, terms, 1)
        in_cube = vacuum_of_air(wavelength) if self.vacuum else wavelength
        plane = (in_cube - self.first_wavelength) / self.wavelength_step
        plane, row, column = np.broadcast_arrays(plane, row, column)
        result = np.zeros(plane.shape)
        inside = np.ones(plane.shape, bool)
        for place, length in zip((plane, row, column), self.shape, strict=True):
            inside &= (place >= -0.5) & (place <= length - 0.5)
        if inside.any():
            result[inside] = self._interpolate([place[inside] for place in (plane, row, column)])
        return result * self.scale

    def _interpolate(self, places: list[Array]) -> Array:
        lower, part = [], []
        for place, length in zip(places, self.shape, strict=True):
            place = np.clip(place, 0.0, length - 1.0)
            floor = np.minimum(place.astype(np.int64), max(length - 2, 0))
            lower.append(floor)
            part.append(place - floor)
        data = self.values()
        total, weight = np.zeros(places[0].shape), np.zeros(places[0].shape)
        for corner in np.ndindex(2, 2, 2):
            index = tuple(
                np.minimum(floor + step, length - 1)
                for floor, step, length in zip(lower, corner, self.shape, strict=True)
            )
            share = np.ones(places[0].shape)
            for step, rest in zip(corner, part, strict=True):
                share *= rest if step else 1.0 - rest
            value = np.asarray(data[index], np.float64)
            good = np.isfinite(value)
            total += np.where(good, share * value, 0.0)
            weight += np.where(good, share, 0.0)
        return np.divide(total, weight, out=np.zeros_like(total), where=weight > 1e-9)


@dataclass
class CubeLight:
    """A cube as light at the entrance of the instrument.

    Attributes
    ----------
    name : of the scene
    cube : flux densities above the atmosphere
    transmission : float64, of the atmosphere, on the grid `FINE`
    stretch : wavelength in the cube over that at the telescope
    """

    name: str
    cube: SceneCube
    transmission: Array
    stretch: float = 1.0

    def __post_init__(self) -> None:
        # positions of a pixel of 1.25 Angstrom miss the telluric lines between them: their mean over a pixel is taken
        width = round(1.25 / STEP)
        padded = np.pad(self.transmission, (width // 2, width - 1 - width // 2), mode="edge")
        sums = np.cumsum(np.concatenate([[0.0], padded]))
        self.transmission = (sums[width:] - sums[:-width]) / width

    def sample(self, xi: Array, eta: Array, wavelength: Array) -> Array:
        """Photons a second, Angstrom and arcsec2 at offsets (arcsec) and wavelengths (Angstrom); 0 outside the cube.

        Noise of the cube is kept, so that values below 0 occur.
        """
        wavelength = np.asarray(wavelength, np.float64)
        flux = self.cube.flux(xi, eta, wavelength * self.stretch) * self.stretch
        return photons(flux, wavelength, COLLECTING_AREA) * np.interp(wavelength, FINE, self.transmission)

    def bounds(self) -> tuple[float, float, float]:
        """Centre and radius of the circle that holds the cube, arcsec."""
        return 0.0, 0.0, self.cube.radius


def read_scene_cube(path: Path, fill_nan: bool = False) -> SceneCube:
    """A FITS cube as scene.

    Parameters
    ----------
    path : file with a cube in the extension DATA, or else in the first HDU of three axes: celestial WCS, wavelengths
        AWAV (air) or WAVE (vacuum), BUNIT a flux density per spaxel
    fill_nan : values that are NaN are filled from their neighbours instead of being refused

    Raises
    ------
    MusedeepError
        No readable cube; without WCS or unit; with NaN.
    """
    with _open(path) as file:
        number = _find_cube(file, path)
        header, data = file[number].header, file[number].data
        wave, scale = _wavelengths(header, path), _flux_scale(header, path)
        celestial, area = _celestial(header, file, path)
        if not fill_nan:
            _refuse_nan(data, path)
        planes, rows, columns = (int(length) for length in data.shape)
        place = _place(celestial, rows, columns)
    radius = 0.5 * float(np.sqrt(area) * np.hypot(rows, columns))
    return SceneCube(path, number, (planes, rows, columns), *place, *wave, scale / area, radius)


def _open(path: Path) -> AbstractContextManager[fits.HDUList]:
    """The file, to be read inside `with`; mapped, unless its values are scaled."""
    if not path.is_file():
        raise MusedeepError(f"{path}: there is no such file; give a FITS cube as scene")
    cards = (card for unit in scan_units(path, unpack=True) for card in unit.cards)
    scaled = any(card.startswith(("BSCALE  =", "BZERO   =", "BLANK   =")) for card in cards)
    return open_hdus(path, "FITS cube", memmap=not scaled)


def _find_cube(file: fits.HDUList, path: Path) -> int:
    cubes = [number for number, hdu in enumerate(file) if hdu.is_image and hdu.header.get("NAXIS") == 3]
    named = [number for number in cubes if file[number].name.upper() == "DATA"]
    if not cubes:
        raise MusedeepError(f"{path}: has no cube; an image HDU of three axes is expected, as MUSE's extension DATA")
    return (named or cubes)[0]


def _wavelengths(header: fits.Header, path: Path) -> tuple[float, float, bool]:
    """First wavelength and step, Angstrom, and whether they are those of vacuum."""
    text = str(header.get("CTYPE3", ""))
    kind = text.strip().upper()[:4]
    step = header.get("CD3_3", header.get("CDELT3"))
    if kind not in ("AWAV", "WAVE") or step is None or "CRVAL3" not in header:
        raise MusedeepError(
            f"{path}: has no wavelengths (CTYPE3 is '{text}'); CTYPE3 AWAV or WAVE, CRVAL3 and CD3_3 are expected"
        )
    try:
        unit = units.Unit(str(header.get("CUNIT3", "m"))).to(units.AA)
    except (ValueError, units.UnitConversionError):
        raise MusedeepError(f"{path}: CUNIT3 '{header['CUNIT3']}' is no unit of wavelength") from None
    step = float(step) * unit
    if step <= 0.0:
        raise MusedeepError(f"{path}: wavelengths must rise, the step of axis 3 is {step} Angstrom")
    return float(header["CRVAL3"]) * unit + (1.0 - float(header.get("CRPIX3", 1.0))) * step, step, kind == "WAVE"


def _flux_scale(header: fits.Header, path: Path) -> float:
    """erg/s/cm2/Angstrom of a value 1."""
    text = str(header.get("BUNIT", "")).strip()
    match = re.fullmatch(r"(?:10\*\*\(?([+-]?\d+)\)?\s*\*?\s*)?(.*)", text)
    exponent, name = match.groups() if match else (None, text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", units.UnitsWarning)
            factor = float(units.Unit(name).to(FLUX))
    except (ValueError, TypeError, units.UnitConversionError):
        raise MusedeepError(
            f"{path}: BUNIT '{text}' is no flux density; '10**(-20)*erg/s/cm**2/Angstrom' a spaxel is expected"
        ) from None
    return factor * 10.0 ** float(exponent or 0)


def _celestial(header: fits.Header, file: fits.HDUList, path: Path) -> tuple[WCS, float]:
    """Celestial coordinates, and the area of a spaxel, arcsec2."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = WCS(header, fobj=file)
        if not wcs.has_celestial:
            kind = header.get("CTYPE1", "")
            raise MusedeepError(f"{path}: has no WCS (CTYPE1 is '{kind}'); RA---TAN and DEC--TAN are expected")
        celestial = wcs.celestial
        area = float(proj_plane_pixel_area(celestial)) * 3600.0**2
    if not np.isfinite(area) or area <= 0.0:
        raise MusedeepError(f"{path}: WCS gives spaxels of {area} arcsec2; CDi_j are expected")
    return celestial, area


def _refuse_nan(data: NDArray[Any], path: Path) -> None:
    """Planes are looked at in turn: a full cube is larger than what a process may hold."""
    bad = sum(int(np.count_nonzero(~np.isfinite(plane))) for plane in data)
    if bad:
        raise MusedeepError(
            f"{path}: {bad} of {data.size} values are NaN; a scene must be complete: fill them, or give --fill-nan to "
            "have them filled from their neighbours (empty borders with 0)"
        )


def _place(celestial: WCS, rows: int, columns: int) -> tuple[float, float, Array, Array]:
    """Middle of a cube, and the polynomials that lead from offsets to pixels."""
    middle = (0.5 * (columns - 1), 0.5 * (rows - 1))
    ra, dec = (float(value) for value in celestial.pixel_to_world_values(*middle))
    reach = 0.6 * 3600.0 * float(np.sqrt(proj_plane_pixel_area(celestial))) * max(rows, columns)
    steps = np.linspace(-reach, reach, 7)
    xi, eta = (value.ravel() for value in np.meshgrid(steps, steps))
    pixels = celestial.world_to_pixel_values(*sky_position(xi, eta, ra, dec))
    terms = np.stack([np.ones(xi.size), xi, eta, xi * xi, xi * eta, eta * eta], axis=1)
    to_column, to_row = (np.linalg.lstsq(terms, value, rcond=None)[0] for value in pixels)
    return ra, dec, to_column, to_row
