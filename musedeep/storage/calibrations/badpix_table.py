"""BADPIX_TABLE (manual A.2.5): known bad pixels of the CCDs, one extension CHANnn an IFU."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import BORDER, N_COLUMNS, N_IFUS, N_ROWS
from musedeep.storage.fits.hdus import numbers, open_hdus, whole_numbers
from musedeep.storage.fits.header_cards import free_cards
from musedeep.storage.fits.table import Column, table_hdu
from musedeep.storage.outputs import appearing_whole, refuse_existing
from musedeep.storage.raw.file import extension_name

RAW_SHAPE = (N_ROWS + 4 * BORDER, N_COLUMNS + 4 * BORDER)
"""Rows and columns of a raw image."""

BAD_PIXEL = np.dtype([("xpos", "i4"), ("ypos", "i4"), ("status", "u4"), ("value", "f4")])
"""Position on the raw image from 1, Euro3D flags, and an extra value [count]."""

COLUMNS = (Column("xpos", "J", "pix"), Column("ypos", "J", "pix"), Column("status", "J"), Column("value", "E", "count"))


@dataclass
class BadPixelTable:
    """Bad pixels of some IFUs.

    Attributes
    ----------
    pixels : BAD_PIXEL array of each IFU, one row a pixel, sorted by y and x
    primary : cards of the primary header, without the structural ones
    headers : the same of each IFU's extension
    """

    pixels: dict[int, NDArray[Any]] = field(default_factory=dict)
    primary: fits.Header = field(default_factory=fits.Header)
    headers: dict[int, fits.Header] = field(default_factory=dict)

    def add(self, ifu: int, pixels: NDArray[Any], header: fits.Header | None = None) -> int:
        """Add bad pixels of an IFU; flags of a pixel that is listed already are joined, its value stays.

        Parameters
        ----------
        ifu : 1 to 24
        pixels : BAD_PIXEL (n,)
        header : cards for the extension, if it is a new one

        Returns
        -------
        int, pixels that were not listed before

        Raises
        ------
        MusedeepError
            A pixel that is not on the raw image.
        """
        ny, nx = RAW_SHAPE
        outside = (pixels["xpos"] < 1) | (pixels["xpos"] > nx) | (pixels["ypos"] < 1) | (pixels["ypos"] > ny)
        if outside.any():
            x, y = pixels[outside][0][["xpos", "ypos"]].item()
            raise MusedeepError(
                f"pixel {x}, {y} is not on the raw image, 1 to {nx} in x and 1 to {ny} in y; correct it"
            )
        former = self.pixels.get(ifu, np.empty(0, BAD_PIXEL))
        self.pixels[ifu] = _joined(np.concatenate([former, pixels]))
        self.headers.setdefault(ifu, header or fits.Header())
        return self.pixels[ifu].size - former.size


def _joined(pixels: NDArray[Any]) -> NDArray[Any]:
    """One row a pixel: flags of all joined, value of the first."""
    place = pixels["ypos"].astype(np.int64) * (RAW_SHAPE[1] + 1) + pixels["xpos"]
    _, first, number = np.unique(place, return_index=True, return_inverse=True)
    out = pixels[first]
    status = np.zeros(first.size, np.uint32)
    np.bitwise_or.at(status, number, pixels["status"])
    out["status"] = status
    return out


def read_badpix_table(path: str | Path) -> BadPixelTable:
    """Read a BADPIX_TABLE.

    Raises
    ------
    MusedeepError
        No FITS file, an extension that is no CHANnn, or a column that is missing.
    """
    path = Path(path)
    table = BadPixelTable()
    with open_hdus(path, "BADPIX_TABLE") as hdus:
        table.primary = free_cards(hdus[0].header)
        for number, hdu in enumerate(hdus[1:], 1):
            name = str(hdu.header.get("EXTNAME", ""))
            match = re.match(r"CHAN(\d\d)$", name.strip())
            if not match or not isinstance(hdu, fits.BinTableHDU) or not 1 <= int(match[1]) <= N_IFUS:
                raise MusedeepError(f"{path}: extension {number} ('{name}') is no table CHANnn; give a BADPIX_TABLE")
            missing = [column for column in ("xpos", "ypos", "status") if column not in hdu.columns.names]
            if missing:
                raise MusedeepError(f"{path}, {name}: no column {missing[0]}; give a BADPIX_TABLE (manual A.2.5)")
            pixels = np.zeros(len(hdu.data), BAD_PIXEL)
            for column in ("xpos", "ypos"):
                pixels[column] = whole_numbers(hdu, column)
            # as unsigned numbers, or as the same 32 bits with a sign
            pixels["status"] = (whole_numbers(hdu, "status") & 0xFFFFFFFF).astype(np.uint32)
            if "value" in hdu.columns.names:
                pixels["value"] = numbers(hdu, "value")
            try:
                table.add(int(match[1]), pixels, free_cards(hdu.header))
            except MusedeepError as error:
                raise MusedeepError(f"{path}, {name}: {error}") from error
    if not table.pixels:
        raise MusedeepError(f"{path}: no extension CHANnn; give a BADPIX_TABLE (manual A.2.5)")
    return table


def write_badpix_table(path: str | Path, table: BadPixelTable, overwrite: bool = False) -> None:
    """Write a BADPIX_TABLE; raises MusedeepError if it exists and may not be replaced, or cannot be written."""
    path = Path(path)
    refuse_existing(path, overwrite)
    primary = fits.PrimaryHDU()
    primary.header.extend(table.primary, unique=True)
    primary.header["PIPEFILE"] = (path.name, "Filename of data product")
    primary.header["HIERARCH ESO PRO CATG"] = ("BADPIX_TABLE", "Category of pipeline product frame")
    hdus = [primary, *(badpix_hdu(ifu, pixels) for ifu, pixels in sorted(table.pixels.items()))]
    for ifu, hdu in zip(sorted(table.pixels), hdus[1:], strict=True):
        hdu.header.extend(table.headers[ifu], unique=True)
    need = sum(pixels.nbytes for pixels in table.pixels.values())
    with appearing_whole(path, need) as partial, partial.open("wb") as stream:
        fits.HDUList(hdus).writeto(stream, checksum=True)


def badpix_hdu(ifu: int, pixels: Mapping[str, NDArray[Any]] | NDArray[Any]) -> fits.BinTableHDU:
    """The extension of an IFU; values of each column, (n,), flags in 32 bits."""
    values = {name: pixels[name] for name, _, _ in COLUMNS}
    values["status"] = values["status"].view(np.int32)
    return table_hdu(COLUMNS, values, extension_name(ifu))
