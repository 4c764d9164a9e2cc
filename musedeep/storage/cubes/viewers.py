"""Headers as programs want them that show or analyse cubes: CARTA, ds9, QFitsView, Cubeviz, specutils, spectral-cube.

1. CDELTi and PCi_j take the place of CDi_j; the coordinates are the same. Both are exact where the axes of the cube are
   along north and east.
2. WCSAXES comes before the other coordinates, as the FITS standard wants it (8.2).
3. The reference system of positions (RADESYS, EQUINOX) and of wavelengths (SPECSYS), which cubes of MUSE have in the
   primary header alone, is in each extension; so are names and dates, which few programs look for elsewhere.
4. Units are written as the FITS standard has them. Wavelengths stay in air where they are (AWAV).
"""

import math
from typing import Final

from astropy.io import fits

from musedeep.storage.fits.headers import number_or_none, value_of
from musedeep.storage.fits.units import fits_unit, readable_unit

_FROM_PRIMARY: Final = (
    "RADESYS", "EQUINOX", "SPECSYS", "TELESCOP", "INSTRUME", "DATE-OBS", "MJD-OBS", "EXPTIME", "OBSERVER",
)  # fmt: skip


def readable_header(header: fits.Header) -> fits.Header:
    """The header with a BUNIT that astropy parses: that of variances is not so in cubes of MUSE."""
    unit = value_of(header, "BUNIT")
    if not isinstance(unit, str) or readable_unit(unit) == unit:
        return header
    changed = header.copy()
    changed["BUNIT"] = readable_unit(unit)
    return changed


def viewer_header(header: fits.Header, primary: fits.Header) -> fits.Header:
    """The header of an array or image for viewers; see the steps of this module.

    Parameters
    ----------
    header : of the extension; one without coordinates keeps its cards
    primary : of the file
    """
    changed = header.copy()
    unit = value_of(changed, "BUNIT")
    if isinstance(unit, str):
        changed["BUNIT"] = fits_unit(unit)
    axes = [i for i in (1, 2, 3) if value_of(changed, f"CTYPE{i}")]
    if not axes:
        return changed
    if f"CD{axes[0]}_{axes[0]}" in changed:
        _split_matrix(changed, axes)
    for i in axes:
        # as the standard spells it
        if str(value_of(changed, f"CUNIT{i}")).lower() == "angstrom":
            changed[f"CUNIT{i}"] = "Angstrom"
    for key in _FROM_PRIMARY:
        value = value_of(primary, key)
        if value is not None and key not in changed and not (key == "SPECSYS" and 3 not in axes):
            changed.append(fits.Card(key, value, primary.comments[key]), end=True)
    changed.remove("WCSAXES", ignore_missing=True)
    first = next(card.keyword for card in changed.cards if card.keyword[:5] in ("CRPIX", "CRVAL", "CDELT", "CTYPE"))
    changed.insert(first, ("WCSAXES", len(axes), "number of coordinate axes"))
    return changed


def _split_matrix(header: fits.Header, axes: list[int]) -> None:
    """Replace CDi_j by CDELTi, the lengths of its lines with the signs of its diagonal, and PCi_j."""
    matrix = {(i, j): number_or_none(header, f"CD{i}_{j}") or 0.0 for i in axes for j in axes}
    cards: list[tuple[str, float, str]] = []
    for i in axes:
        line = [matrix[i, j] for j in axes]
        own = matrix[i, i]
        step = math.copysign(abs(own) if math.fsum(map(abs, line)) == abs(own) else math.hypot(*line), own)
        cards.append((f"CDELT{i}", step, "Coordinate increment"))
        spatial = [j for j in axes if (i < 3) == (j < 3) or matrix[i, j]]
        cards += [
            (f"PC{i}_{j}", (matrix[i, j] / step if step else float(i == j)) + 0.0, "Matrix element") for j in spatial
        ]
    place = next(k for k, card in enumerate(header.cards) if card.keyword.startswith("CD"))
    for i, j in matrix:
        header.remove(f"CD{i}_{j}", ignore_missing=True)
    for number, one in enumerate(cards):
        header.insert(place + number, one)
