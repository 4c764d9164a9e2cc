"""Units of columns, compared by what they mean: the same unit is written in many ways."""

import re
import warnings
from functools import lru_cache

from astropy import units

_SQUARE = re.compile(r"\((.*)\) *(?:\*\*|\^) *\(?2\)?\Z")


@lru_cache
def same_unit(one: str, other: str) -> bool:
    """Whether two texts mean the same unit, scale included: 10**-20 erg Angstrom-1 s-1 cm-2 and
    10**(-20)*erg/s/cm**2/Angstrom do, nm and Angstrom do not."""
    if one.replace(" ", "") == other.replace(" ", ""):
        return True
    first, second = _unit(one), _unit(other)
    return first is not None and second is not None and bool(first == second)


@lru_cache
def conversion(text: str, unit: str) -> float | None:
    """What a number in the unit that a text means is to be multiplied by to be in `unit`; None if it cannot be."""
    found = _unit(text)
    try:
        return None if found is None else float(found.to(unit))
    except units.UnitConversionError:
        return None


def _unit(text: str) -> units.UnitBase | None:
    """The unit that a text means; None if it means none (an empty one means that the unit is not known)."""
    text = text.strip()
    if not text:
        return None
    if square := _SQUARE.match(text):
        root = _unit(square[1])
        return None if root is None else root**2
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return units.Unit(text)
    except (ValueError, TypeError, OverflowError):
        return None
