"""Units of columns, compared by what they mean: the same unit is written in many ways.

astropy.units is loaded where a text has to be parsed: that takes a tenth of a second.
"""

import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from musedeep.instrument import FLUX_UNIT

if TYPE_CHECKING:
    from astropy import units

_SQUARE = re.compile(r"\((.*)\) *(?:\*\*|\^) *\(?2\)?\Z")

_PINT_NAMES: Final = {"Angstrom": "angstrom", "ct": "count", "deg": "degree", "electron": "elementary_charge"}
"""Units that pint knows by other names than astropy."""

_FLUX: Final = "aerg/s/dm**2/angstrom"
"""10**(-20)*erg/s/cm**2/Angstrom without a number in front of it, which neither pint nor CF's UDUNITS take in a name of
a unit: 1 dm**2 is 100 cm**2, and 1 aerg 10**(-18) erg."""

_DIFFERENT: Final = frozenset(("pix", "rad", "deg", "Angstrom", "count"))
"""Names of units of which no two are the same."""


@lru_cache
def same_unit(one: str, other: str) -> bool:
    """Whether two texts mean the same unit, scale included: 10**-20 erg Angstrom-1 s-1 cm-2 and
    10**(-20)*erg/s/cm**2/Angstrom do, nm and Angstrom do not."""
    if one.replace(" ", "") == other.replace(" ", ""):
        return True
    if {one, other} <= _DIFFERENT:
        return False
    first, second = parsed_unit(one), parsed_unit(other)
    return first is not None and second is not None and bool(first == second)


@lru_cache
def conversion(text: str, unit: str) -> float | None:
    """What a number in the unit that a text means is to be multiplied by to be in `unit`; None if it cannot be."""
    from astropy import units

    found = parsed_unit(text)
    try:
        return None if found is None else float(found.to(unit))
    except units.UnitConversionError:
        return None


@lru_cache
def parsed_unit(text: str) -> "units.UnitBase | None":
    """The unit that a text means; None if it means none (an empty one means that the unit is not known)."""
    text = text.strip()
    if not text:
        return None
    if square := _SQUARE.match(text):
        root = parsed_unit(square[1])
        return None if root is None else root**2
    from astropy import units

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return units.Unit(text)
    except (ValueError, TypeError, OverflowError):
        return None


def fits_unit(text: str) -> str:
    """The same unit as the FITS standard writes it (4.3), which astropy parses; the text itself if it means none."""
    unit = parsed_unit(text)
    return text if unit is None else str(unit.to_string("fits"))


def readable_unit(text: str) -> str:
    """The text where astropy parses it, else the same unit as `fits_unit` writes it."""
    from astropy import units

    try:
        units.Unit(text)
    except (ValueError, TypeError):
        return fits_unit(text)
    return text


def pint_unit(text: str) -> str:
    """The same unit as pint, UDUNITS (CF) and astropy know it; the text itself if it cannot be written so.

    Both take no number in a name of a unit. The unit of fluxes becomes aerg/s/dm**2/angstrom, which is equal to it.
    """
    unit, flux = parsed_unit(text), parsed_unit(FLUX_UNIT)
    assert flux is not None
    if unit is None:
        return text
    if unit == flux:
        return _FLUX
    if unit == flux**2:
        return "aerg**2/s**2/dm**4/angstrom**2"
    if unit.scale != 1.0:
        return text
    parts = [
        (_PINT_NAMES.get(base.name, base.name), power) for base, power in zip(unit.bases, unit.powers, strict=True)
    ]
    above, below = ([_power(name, abs(n)) for name, n in parts if (n > 0) == sign] for sign in (True, False))
    return "/".join(["*".join(above) or "1", *below])


def _power(name: str, power: float) -> str:
    return name if power == 1 else f"{name}**{power}"
