"""Products of muse_twilight: headers and files of DATACUBE_SKYFLAT and TWILIGHT_CUBE."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.reduction.headers.cards import Card
from musedeep.storage.fits.header_cards import card, checksum_cards

_CLASS: Final[tuple[Card, ...]] = (
    ("HDUCLASS", "ESO", "class name (ESO format)"),
    ("HDUDOC", "DICD", "document with class description"),
    ("HDUVERS", "DICD version 6", "version number (according to spec v2.5.1)"),
    ("HDUCLAS1", "IMAGE", "Image data format"),
)
_DATA: Final[Card] = ("HDUCLAS2", "DATA", "this extension contains the data itself")


@dataclass(frozen=True)
class Extension:
    """An extension of a product.

    Attributes
    ----------
    name : EXTNAME
    text : OBJECT, without the name
    data : image or cube
    unit : BUNIT
    bad : bool (lines, columns) or None
        Pixels without meaning: they become an extension of flags, NAME_DQ.
    placed : has coordinates
    """

    name: str
    text: str
    data: NDArray
    unit: str
    bad: NDArray[np.bool_] | None = None
    placed: bool = True


def units(extensions: Sequence[Extension], start: Sequence[float], step: float) -> list[fits.ImageHDU]:
    """The extensions of a product.

    Parameters
    ----------
    extensions : sequence of Extension
    start : x, y [pixel] and wavelength [Angstrom] of the first voxel
    step : of the planes [Angstrom]
    """
    names = {one.name for one in extensions}
    made = []
    for one in extensions:
        cards = _named(one.name, one.text)
        if one.placed:
            cards += _grid(start, step, one.data.ndim)
        cards += _described(one, "STAT" in names)
        made.append(fits.ImageHDU(one.data, fits.Header([card(*c) for c in cards] + checksum_cards())))
        if one.bad is not None:
            name = f"{one.name}_DQ"
            text = "reconstructed image (bad pixel status values)"
            cards = [*_named(f"{one.name}, DQ", one.text), ("EXTNAME", name, text), *_CLASS]
            cards += [("HDUCLAS2", "QUALITY", "this extension contains bad pixel mask")]
            cards += [("HDUCLAS3", "FLAG32BIT", "extension contains 32bit Euro3D bad pixel information")]
            cards += [("QUALMASK", 4294967295, "all non-zero values are bad")]
            cards += [("SCIDATA", one.name, "pointer to the data extension")]
            flags = one.bad.astype(np.int32)
            made.append(fits.ImageHDU(flags, fits.Header([card(*c) for c in cards] + checksum_cards())))
    return made


def _named(name: str, text: str) -> list[Card]:
    return [("OBJECT", f"{text} ({name})"[:68], "")]


def _grid(start: Sequence[float], step: float, n_axes: int) -> list[Card]:
    cards: list[Card] = []
    for k in (1, 2):
        cards += [(f"CRPIX{k}", 1.0, ""), (f"CRVAL{k}", float(start[k - 1]), ""), (f"CTYPE{k}", "PIXEL", "")]
        cards += [(f"CUNIT{k}", "pixel", ""), (f"CD{k}_{k}", 1.0, "")]
    cards += [("CD1_2", 0.0, ""), ("CD2_1", 0.0, "")]
    if n_axes == 3:
        cards += [("CTYPE3", "AWAV", ""), ("CUNIT3", "Angstrom", ""), ("CD3_3", float(step), ""), ("CRPIX3", 1.0, "")]
        cards += [("CRVAL3", float(start[2]), "")]
        cards += [(f"CD{a}_{b}", 0.0, "") for a, b in ((1, 3), (2, 3), (3, 1), (3, 2))]
    return cards


def _described(one: Extension, has_variance: bool) -> list[Card]:
    if one.name == "STAT":
        return [
            ("EXTNAME", "STAT", "This extension contains data variance"),
            *_CLASS,
            ("HDUCLAS2", "ERROR", "this extension contains variance"),
            ("HDUCLAS3", "MSE", "the extension contains variances (sigma**2)"),
            ("SCIDATA", "DATA", "pointer to the data extension"),
            ("BUNIT", one.unit, ""),
        ]
    text = "This extension contains data values" if one.name == "DATA" else "reconstructed image (data values)"
    cards: list[Card] = [("EXTNAME", one.name, text), *_CLASS, _DATA]
    if one.name == "DATA" and has_variance:
        cards.append(("ERRDATA", "STAT", "pointer to the variance extension"))
    if one.bad is not None:
        cards.append(("QUALDATA", f"{one.name}_DQ", "pointer to the bad pixel mask extension"))
    return [*cards, ("BUNIT", one.unit, "")]
