"""What the products of muse_standard hold: STD_FLUXES, and the cards of quality control and of the stars."""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.instrument import DISPERSION
from musedeep.recipes.standard.sensitivity import band_throughputs
from musedeep.recipes.standard.star_fluxes import StarFluxes
from musedeep.recipes.standard.stars import Stars
from musedeep.reduction.headers.cards import Card
from musedeep.storage.calibrations.filters import Filter
from musedeep.storage.calibrations.response import Response
from musedeep.storage.calibrations.std_flux_table import Standard
from musedeep.storage.fits.header_cards import extension_cards, header_of

ZERO_POINTS: Final = {"V": "Johnson_V", "R": "Cousins_R", "I": "Cousins_I"}
"""Filters of the zero points."""
NO_ZERO_POINT: Final = -99.0

_FLUX: Final = "ESO DRS MUSE FLUX "
_QC: Final = "ESO QC STANDARD "
_ARRAYS: Final = {"DATA": ("DQ", "STAT"), "DQ": ("DATA", "STAT"), "STAT": ("DATA", "DQ")}


def fluxes_hdus(fluxes: Sequence[StarFluxes], wavelength: NDArray[np.float64]) -> list[fits.ImageHDU]:
    """Fluxes, flags and variances as images of one line per star (manual A.3.15); 0 where there is no flux."""
    stacked = {
        "DATA": np.stack([np.nan_to_num(one.flux) for one in fluxes]).astype(np.float32),
        "DQ": np.stack([one.quality for one in fluxes]),
        "STAT": np.stack([np.nan_to_num(one.variance) for one in fluxes]).astype(np.float32),
    }
    units = {"DATA": "count", "STAT": "(count)**2"}
    axes: list[Card] = [
        ("CRVAL1", float(wavelength[0]), ""), ("CRPIX1", 1.0, ""), ("CD1_1", DISPERSION, ""), ("CTYPE1", "AWAV", ""),
        ("CUNIT1", "Angstrom", ""), ("CRVAL2", 1.0, ""), ("CRPIX2", 1.0, ""), ("CD2_2", 1.0, ""),
        ("CTYPE2", "PIXEL", ""), ("CUNIT2", "pixel", ""), ("CD1_2", 0.0, ""), ("CD2_1", 0.0, ""), ("INHERIT", True, ""),
    ]  # fmt: skip
    hdus = []
    for name, others in _ARRAYS.items():
        unit = [("BUNIT", units[name], "")] if name in units else []
        header = header_of([*axes, *extension_cards(name, name, {other: other for other in others}), *unit])
        hdus.append(fits.ImageHDU(stacked[name], header))
    return hdus


def star_cards(
    stars: Stars, totals: NDArray[np.float64], chosen: int, select: Literal["flux", "distance"]
) -> list[Card]:
    """The stars of STD_FLUXES: places, fluxes added up over wavelength (-1: none), and which is the standard."""
    cards: list[Card] = [(_FLUX + "NOBJ", len(stars.stars), "Number of objects detected in standard star cube")]
    for number, (star, total) in enumerate(zip(stars.stars, totals, strict=True), 1):
        key = f"{_FLUX}OBJ{number} "
        cards += [
            (key + "X", np.float32(star.x + 1.0), "[pix] Object x position in cube"),
            (key + "Y", np.float32(star.y + 1.0), "[pix] Object y position in cube"),
            (key + "RA", star.ra, "[deg] Approximate RA coordinate"),
            (key + "DEC", star.dec, "[deg] Approximate DEC coordinate"),
            (key + "INTFLUX", float(total) if np.isfinite(total) else -1.0, "[count] Flux integrated over wavelength"),
        ]
    how = "nearest" if select == "distance" else "brightest"
    return [*cards, (_FLUX + "NSEL", chosen + 1, f"Object ({how}) selected as standard star")]


def quality_cards(response: Response, name: str, standard: Standard, filters: Sequence[Filter]) -> list[Card]:
    """QC of the response: name of the star, throughputs, zero points."""
    cards: list[Card] = [(_QC + "STARNAME", name, "Name of the standard star used")]
    for middle, value in band_throughputs(response).items():
        cards.append(
            (f"{_QC}THRU{middle:.0f}", np.float32(value), f"Throughput computed at {middle:.0f} +/- 100 Angstrom")
        )
    curves = {curve.name: curve for curve in filters}
    for band, curve_name in ZERO_POINTS.items():
        value = zero_point(response, standard, curves[curve_name]) if curve_name in curves else NO_ZERO_POINT
        system = curve_name.replace("_", " ")
        cards.append((f"{_QC}ZP {band}", np.float32(value), f"[mag] Zeropoint in {system} filter."))
    return cards


def water_cards(water: float | None) -> list[Card]:
    """Precipitable water that the model of the telluric absorption found [mm]; none without a model."""
    return (
        [] if water is None else [("ESO DRS MUSE TELLURIC WATER", np.float32(water), "[mm] Precipitable water fitted")]
    )


def zero_point(response: Response, standard: Standard, curve: Filter) -> float:
    """How much fainter than tabulated the star is behind a filter, for the effective area of the telescope [mag]."""
    assert response.throughput is not None
    weights = np.interp(response.wavelength, standard.wavelength, standard.flux) * curve.at(response.wavelength)
    seen = float((weights * response.throughput).sum())
    return -2.5 * float(np.log10(seen / weights.sum())) if seen > 0 else NO_ZERO_POINT
