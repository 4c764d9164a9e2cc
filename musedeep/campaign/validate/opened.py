"""A file as the rules see it: its headers, and where its data are."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from astropy.io import fits

from musedeep.campaign.validate.problem import Level, Problem
from musedeep.storage.fits.headers import HeaderUnit, number_or_none, scan_file, value_of


@dataclass(frozen=True)
class OpenedFile:
    """A FITS file to be checked.

    Attributes
    ----------
    path : as it was given
    units : its headers, in order
    """

    path: Path
    units: tuple[HeaderUnit, ...] = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> "OpenedFile":
        """Read all headers; MusedeepError as `scan_file` raises it."""
        return cls(path, tuple(scan_file(path)))

    @property
    def primary(self) -> fits.Header:
        """The primary header."""
        return self.units[0].header

    @cached_property
    def category(self) -> str:
        """PRODCATG; empty if there is none."""
        return str(value_of(self.primary, "PRODCATG") or "").strip()

    @cached_property
    def headers(self) -> list[fits.Header]:
        """All headers; that of a compressed image (.fz) as it would be without compression."""
        return [uncompressed(unit.header) for unit in self.units]

    def extensions(self) -> Iterator[tuple[int, fits.Header]]:
        """Numbers and headers of the extensions."""
        yield from enumerate(self.headers[1:], 1)

    @cached_property
    def science(self) -> tuple[int, fits.Header] | None:
        """Number and header of the data: that of HDUCLAS2 = DATA, else the first with axes; None if there is none."""
        with_data = [(k, header) for k, header in enumerate(self.headers) if header.get("NAXIS", 0)]
        named = [one for one in with_data if value_of(one[1], "HDUCLAS2") == "DATA"]
        return next(iter(named or with_data), None)

    def text(self, keyword: str) -> str:
        """A keyword of the primary header as text; empty if it is missing."""
        value = value_of(self.primary, keyword)
        return "" if value is None else str(value).strip()

    def number(self, keyword: str) -> float | None:
        """A keyword of the primary header that is a number; None if it is missing or none."""
        return number_or_none(self.primary, keyword)

    def problem(self, hdu: int | None, keyword: str, value: Any, expected: str, level: Level = "error") -> Problem:
        """A problem of this file."""
        return Problem(str(self.path), hdu, keyword, value, expected, level)


def uncompressed(header: fits.Header) -> fits.Header:
    """The header of an image that is compressed in a table, with the axes of the image; others as they are."""
    if header.get("ZIMAGE") is not True:
        return header
    found = header.copy()
    for key in ("BITPIX", "NAXIS", *(f"NAXIS{axis}" for axis in range(1, 1 + int(header.get("ZNAXIS", 0))))):
        if f"Z{key}" in header:
            found[key] = header[f"Z{key}"]
    return found
