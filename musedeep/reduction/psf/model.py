"""The PSF as MPDAF's FSF keywords hold it: a circular Moffat profile, width and exponent polynomials of wavelength.

MPDAF calls it field spread function (FSF). Its model 2 is, with l = (lambda - FSFLB1) / (FSFLB2 - FSFLB1) - 0.5,

    FWHM [arcsec] = FSFnnF00 l^(n - 1) + ... + FSFnnF(n - 1),    n = FSFnnFNC
    beta          = FSFnnB00 l^(m - 1) + ... + FSFnnB(m - 1),    m = FSFnnBNC

The field nn is 00 if there is one PSF. In a mosaic the fields are numbered from 01, NFIELDS is their number, and the
extension FIELDMAP has the bit 2^nn in each spaxel that belongs to field nn.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.header_cards import Card
from musedeep.storage.fits.headers import integer_of, number_of

Array = NDArray[np.float64]

MODE: Final = 2
"""FSFMODE of the circular Moffat profile whose width and exponent are polynomials."""
KEYWORDS: Final = re.compile(r"(FSF(MODE|LB[12]|SAMP|[0-9]{2}([FB][0-9]{2}|[FB]NC|BET|FW[AB]))|NFIELDS) *=")
"""How the cards of any such model begin, those of MPDAF's older ones too."""
SAMPLING: Final = {True: "integrated", False: "sampled"}
"""FSFSAMP: whether the profile is to be averaged over each spaxel, or taken at its middle."""


@dataclass(frozen=True)
class PsfModel:
    """Width and exponent of the PSF.

    Attributes
    ----------
    fwhm, beta : float64 (n,), coefficients, the highest power first; arcsec, 1
    range : FSFLB1 and FSFLB2 [Angstrom]
    integrated : the profile is averaged over each spaxel, else it is taken at the middles of spaxels
    """

    fwhm: Array
    beta: Array
    range: tuple[float, float]
    integrated: bool = True

    def fwhm_at(self, wavelengths: Array) -> Array:
        """Full width at half maximum [arcsec] at wavelengths [Angstrom]."""
        return np.asarray(np.polyval(self.fwhm, normalised(wavelengths, self.range)), np.float64)

    def beta_at(self, wavelengths: Array) -> Array:
        """Exponent at wavelengths [Angstrom]."""
        return np.asarray(np.polyval(self.beta, normalised(wavelengths, self.range)), np.float64)

    def cards(self, field: int) -> list[Card]:
        """Cards of the coefficients for a field; 0 if it is the only one."""
        found: list[Card] = []
        for letter, name, values in (("F", "FWHM", self.fwhm), ("B", "BETA", self.beta)):
            found.append((f"FSF{field:02d}{letter}NC", len(values), f"FSF{field:02d} {name} Poly Ncoef"))
            found += [
                (f"FSF{field:02d}{letter}{k:02d}", float(value), f"FSF{field:02d} {name} Poly C{k:02d}")
                for k, value in enumerate(values)
            ]
        return found


def normalised(wavelengths: Array, limits: tuple[float, float]) -> Array:
    """MPDAF's normalised wavelength, -0.5 to 0.5 between the limits."""
    return np.asarray((np.asarray(wavelengths) - limits[0]) / (limits[1] - limits[0]) - 0.5, np.float64)


def keyword_cards(models: list[PsfModel]) -> list[Card]:
    """All cards of the PSF of a cube: of one field, or of the fields of a mosaic, in their order."""
    first = models[0]
    what = "averaged over spaxels" if first.integrated else "at the middles of spaxels"
    cards: list[Card] = [
        ("FSFMODE", MODE, "Circular MOFFAT beta=poly(lbda) fwhm=poly(lbda)"),
        ("FSFLB1", first.range[0], "FSF Blue Ref Wave (A)"),
        ("FSFLB2", first.range[1], "FSF Red Ref Wave (A)"),
        ("FSFSAMP", SAMPLING[first.integrated], f"Moffat profile {what}"),
    ]
    if len(models) == 1:
        return cards + first.cards(0)
    cards.append(("NFIELDS", len(models), "Number of fields, see FIELDMAP"))
    return cards + [card for k, model in enumerate(models, 1) for card in model.cards(k)]


def read_models(header: fits.Header, path: Path) -> list[PsfModel]:
    """The PSF of a cube from its primary header: one, or those of the fields of a mosaic.

    Raises
    ------
    MusedeepError
        There is none, it is of another model, or a keyword is missing.
    """
    if "FSFMODE" not in header:
        raise MusedeepError(f"{path}: no PSF in its header (FSFMODE); `musedeep psf {path}` measures it")
    if header["FSFMODE"] != MODE:
        raise MusedeepError(f"{path}: FSFMODE is {header['FSFMODE']!r}, expected {MODE}; measure the PSF again")
    limits = number_of(header, "FSFLB1", path), number_of(header, "FSFLB2", path)
    if not limits[1] > limits[0]:
        raise MusedeepError(f"{path}: FSFLB2 is {limits[1]:g}, FSFLB1 is {limits[0]:g}; expected a larger FSFLB2")
    number = integer_of(header, "NFIELDS", path, 1, low=1, high=99)
    models = []
    for field in [0] if number == 1 else range(1, number + 1):
        both = []
        for letter in "FB":
            n = integer_of(header, f"FSF{field:02d}{letter}NC", path, low=1, high=99)
            both.append(np.array([number_of(header, f"FSF{field:02d}{letter}{k:02d}", path) for k in range(n)]))
        models.append(PsfModel(both[0], both[1], limits, header.get("FSFSAMP") == SAMPLING[True]))
    return models
