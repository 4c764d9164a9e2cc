"""Rules for the extensions of a cube: which is data, which error or quality, and where it is on the sky."""

import warnings
from collections.abc import Iterator
from typing import Final

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from musedeep.campaign.validate.file_rules import CUBE
from musedeep.campaign.validate.opened import OpenedFile
from musedeep.campaign.validate.problem import Problem
from musedeep.storage.fits.headers import value_of

ERRORS: Final = ("MSE", "RMSE", "INVMSE", "INVRMSE")
QUALITIES: Final = ("MASKZERO", "MASKONE", "FLAG32BIT", "FLAG16BIT")
SPECTRAL_UNITS: Final = ("angstrom", "nm", "um", "m")
_POINTERS: Final = {"ERROR": ("ERRDATA", ERRORS), "QUALITY": ("QUALDATA", QUALITIES)}


def contents(file: OpenedFile) -> Iterator[Problem]:
    """There is an extension of data; errors and quality name it, and it names them; HDUCLAS3 says what they are."""
    kinds = {number: str(value_of(header, "HDUCLAS2") or "") for number, header in file.extensions()}
    data = next((number for number, kind in kinds.items() if kind == "DATA"), None)
    if data is None:
        yield file.problem(None, "", "no extension with HDUCLAS2 = DATA", "one")
        return
    main = file.units[data]
    for number, header in file.extensions():
        if kinds[number] not in _POINTERS:
            continue
        pointer, classes = _POINTERS[kinds[number]]
        name = file.units[number].name
        what = value_of(header, "HDUCLAS3")
        if what not in classes:
            yield file.problem(number, "HDUCLAS3", what, f"one of {', '.join(classes)}")
        if value_of(header, "SCIDATA") != main.name:
            yield file.problem(number, "SCIDATA", value_of(header, "SCIDATA"), f"{main.name}, the extension of data")
        if value_of(main.header, pointer) != name:
            found = value_of(main.header, pointer)
            yield file.problem(data, pointer, found, f"{name}, the extension that belongs to it")
    held = set(kinds.values())
    for kind, (pointer, _) in _POINTERS.items():
        if pointer in main.header and kind not in held:
            yield file.problem(data, pointer, value_of(main.header, pointer), f"an extension with HDUCLAS2 = {kind}")


def coordinates(file: OpenedFile) -> Iterator[Problem]:
    """Coordinates that can be computed, with units that are known, and RA, DEC within the field."""
    if file.science is None:
        return
    number, header = file.science
    unit = value_of(header, "CUNIT3")
    if file.category == CUBE and unit is not None and str(unit).strip().lower() not in SPECTRAL_UNITS:
        yield file.problem(number, "CUNIT3", unit, "a unit of wavelength, as Angstrom")
    for axis, name in ((1, "RA"), (2, "DEC")):
        kind = value_of(header, f"CTYPE{axis}")
        if isinstance(kind, str) and not kind.startswith(f"{name}-"):
            yield file.problem(number, f"CTYPE{axis}", kind, f"{name} with a projection, as {name:-<5}TAN")
    wcs = celestial(header)
    if wcs is None:
        yield file.problem(
            number, "", "coordinates that cannot be computed", "a projection with an invertible matrix CDi_j"
        )
        return
    ra, dec = file.number("RA"), file.number("DEC")
    if ra is not None and dec is not None and not within(wcs, header, ra, dec):
        yield file.problem(0, "RA", ra, f"with DEC {dec!r} a place within the field of extension {number}")


def celestial(header: fits.Header) -> WCS | None:
    """The coordinates on the sky; None if there are none that can be computed."""
    keys = [f"C{word}{axis}" for word in ("TYPE", "RVAL", "RPIX", "UNIT") for axis in (1, 2)]
    keys += [f"CD{i}_{j}" for i in (1, 2) for j in (1, 2)]
    flat = fits.Header([(key, value) for key in keys if (value := value_of(header, key)) is not None])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wcs = WCS(flat, naxis=2)
            wcs.all_world2pix([[value_of(flat, "CRVAL1"), value_of(flat, "CRVAL2")]], 1)
    except Exception:
        return None
    return wcs if wcs.has_celestial else None


def within(wcs: WCS, header: fits.Header, ra: float, dec: float) -> bool:
    """Whether a place is on the pixels of an image."""
    try:
        place: NDArray[np.float64] = wcs.all_world2pix([[ra, dec]], 1)[0]
    except Exception:
        return False
    size = [header.get("NAXIS1", 0), header.get("NAXIS2", 0)]
    return all(0.5 <= p <= n + 0.5 for p, n in zip(place, size, strict=True))


EXTENSION_RULES: Final = (contents, coordinates)
