"""The products on the sky of an exposure: SKY_IMAGE, SKY_MASK, SKY_SPECTRUM, SKY_LINES, SKY_CONTINUUM."""

import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from astropy.io import fits

from musedeep.instrument import DQ
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.sky.exposure import MeasuredSky
from musedeep.reduction.sky.model import SkyModel
from musedeep.storage.calibrations.filters import WHITE
from musedeep.storage.calibrations.sky_continuum import sky_continuum_hdu
from musedeep.storage.calibrations.sky_lines import sky_lines_hdu
from musedeep.storage.calibrations.sky_mask import mask_hdu
from musedeep.storage.calibrations.sky_spectrum import sky_spectrum_hdu
from musedeep.storage.fits.header_cards import extension_cards, header_of

WITH_PIXEL_TABLE = ("SKY_SPECTRUM",)
"""Products whose headers keep what describes the pixel table."""


_PIXEL_TABLE = re.compile(r"EXTNAME|ESO DRS MUSE PIXTABLE .*")


def without_pixel_table(header: fits.Header) -> fits.Header:
    """A header without what describes the pixel table."""
    return fits.Header([card for card in header.cards if not _PIXEL_TABLE.fullmatch(card.keyword)])


class HeaderOf(Protocol):
    """Makes the primary header of a product."""

    def __call__(self, category: str, cards: Sequence[Card]) -> fits.Header: ...


def sky_products(
    measured: MeasuredSky, model: SkyModel | None, quality: str, unit: str, header_of_product: HeaderOf
) -> dict[str, fits.HDUList]:
    """The products, by category, ready to be written.

    Parameters
    ----------
    model : None, as with skymethod=simple: without SKY_LINES and SKY_CONTINUUM
    quality : keyword group of the quality control: SKY of muse_create_sky, SCIPOST of muse_scipost
    unit : of the data
    header_of_product : makes the primary header of a product of a category, with further cards
    """
    made = {
        "SKY_IMAGE": _image(measured, unit, header_of_product),
        "SKY_MASK": fits.HDUList(
            [
                mask_hdu(
                    measured.region.mask,
                    measured.grid.start,
                    header_of_product("SKY_MASK", mask_cards(measured, quality)),
                )
            ]
        ),
    }
    spectrum = measured.spectrum.table("SKY_SPECTRUM")
    tables: dict[str, tuple[fits.BinTableHDU, list[Card]]] = {"SKY_SPECTRUM": (sky_spectrum_hdu(spectrum, unit), [])}
    if model is not None:
        tables["SKY_LINES"] = sky_lines_hdu(model.lines), line_cards(model, quality)
        continuum = model.continuum
        tables["SKY_CONTINUUM"] = (
            sky_continuum_hdu(continuum.wavelength, continuum.flux), continuum_cards(model, quality),
        )  # fmt: skip
    for category, (table, cards) in tables.items():
        made[category] = fits.HDUList([fits.PrimaryHDU(header=header_of_product(category, cards)), table])
    return made


def _image(measured: MeasuredSky, unit: str, header_of_product: HeaderOf) -> fits.HDUList:
    grid = measured.grid
    low, step = grid.start[2], grid.grid.step
    cards = WHITE.cards(low, low + step * grid.shape[0])
    hdus = [fits.PrimaryHDU(header=header_of_product("SKY_IMAGE", cards))]
    bad = ~np.isfinite(measured.image)
    for name, values, companions in (
        ("DATA", measured.image, {"DQ": "DQ"}),
        ("DQ", np.where(bad, int(DQ.MISSING), 0).astype(np.int32), {"DATA": "DATA"}),
    ):
        head: list[Card] = [*grid.cards(2), ("INHERIT", True, ""), *extension_cards(name, name, companions)]
        if name == "DATA":
            head.append(("BUNIT", unit, ""))
        hdus.append(fits.ImageHDU(values, header_of(head)))
    return fits.HDUList(hdus)


def mask_cards(measured: MeasuredSky, quality: str) -> list[Card]:
    """ESO QC SKY LOWLIMIT and THRESHOLD (or ESO QC SCIPOST ...)."""
    key, region = f"ESO QC {quality} ", measured.region
    return [
        (f"{key}LOWLIMIT", region.low, "Low limit in the white light image"),
        (f"{key}THRESHOLD", region.high, "Threshold in the white light considered as sky"),
    ]


def line_cards(model: SkyModel, quality: str) -> list[Card]:
    """ESO QC SKY LINEk NAME, AWAV, FLUX of the brightest line of each group."""
    lines, cards = model.lines, list[Card]()
    for k, group in enumerate(np.unique(lines.group), 1):
        members = np.flatnonzero(lines.group == group)
        best = members[int(lines.flux[members].argmax())]
        key = f"ESO QC {quality} LINE{k} "
        cards += [
            (f"{key}NAME", str(lines.name[best]), "Name of the strongest line in group"),
            (f"{key}AWAV", float(lines.wavelength[best]), "[Angstrom] Wavelength (air)"),
            (f"{key}FLUX", float(lines.flux[best]), "[erg/(s cm2 arcsec2)] Flux of the line"),
        ]
    return cards


def continuum_cards(model: SkyModel, quality: str) -> list[Card]:
    """ESO QC SKY CONT FLUX, the sum over all rows of the table, and MAXDEV, the steepest slope."""
    continuum, key = model.continuum, f"ESO QC {quality} CONT "
    slope = np.abs(np.diff(continuum.flux) / np.diff(continuum.wavelength))
    return [
        (f"{key}FLUX", float(continuum.flux.sum()), "[erg/(s cm2 arcsec2)] Total flux of the continuum"),
        (f"{key}MAXDEV", float(slope.max()), "[erg/(s cm2 arcsec2 Angstrom)] Maximum slope of the continuum"),
    ]
