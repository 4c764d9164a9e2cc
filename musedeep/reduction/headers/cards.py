"""Cards of the headers of products: the recipe, its inputs and parameters; the order of cards."""

from collections.abc import Mapping, Sequence
from typing import Any

from astropy.io import fits

from musedeep import __version__
from musedeep.declaration import P, Recipe
from musedeep.storage.fits.header_cards import Card, checksum_cards

_COMMENTARY = ("COMMENT", "HISTORY", "")

_GROUPS = {"OBS": 1, "TPL": 2, "GEN": 3, "TEL": 4, "INS": 5, "DET": 6, "PRO": 7, "QC": 9, "DRS": 10}


def recipe_cards(
    recipe: Recipe[P],
    number: int,
    files: Sequence[tuple[str, str]],
    calibrations: Sequence[tuple[str, str]],
    parameters: P | Mapping[str, Any],
) -> list[Card]:
    """ESO PRO RECn of this step.

    All parameters of the recipe are recorded, in the order of its declaration. Those that the ESO pipeline does not
    have follow, where they make a difference.

    Parameters
    ----------
    recipe : the recipe that made the product
    number : n
    files, calibrations : sequence of (file name, category)
    parameters : of the recipe, or those that were given by name; the others have their defaults

    Raises
    ------
    MusedeepError
        A parameter that the recipe does not have.
    """
    record = f"ESO PRO REC{number} "
    cards: list[Card] = [
        (record + "ID", recipe.name, "Pipeline recipe (unique) identifier"),
        (record + "DRS ID", f"musedeep-{__version__}", "Data Reduction System identifier"),
        (record + "PIPE ID", f"musedeep/{__version__}", "Pipeline (unique) identifier"),
    ]
    for kind, word, frames in (("RAW", "raw", files), ("CAL", "calibration", calibrations)):
        for i, (name, category) in enumerate(frames, 1):
            cards.append((f"{record}{kind}{i} NAME", name, f"File name of {word} frame"))
            cards.append((f"{record}{kind}{i} CATG", category, f"Category of {word} frame"))
    values = recipe.recorded(parameters)
    shared = [p for p in recipe.parameters if p.neutral is None]
    own = [p for p in recipe.parameters if p.neutral is not None and values[p.name] != p.neutral]
    for i, parameter in enumerate([*shared, *own], 1):
        default = _text(parameter.default)
        quote = "'" if isinstance(parameter.default, str) else ""
        cards.append((f"{record}PARAM{i} NAME", parameter.name, parameter.help))
        cards.append((f"{record}PARAM{i} VALUE", _text(values[parameter.name]), f"Default: {quote}{default}{quote}"))
    return cards


def _text(value: str | float | int | bool) -> str:
    """The value of a parameter as the reference writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def ordered(cards: Sequence[fits.Card]) -> fits.Header:
    """One card a keyword (the last one), in the order of the groups."""
    unique: dict[tuple[str, int], fits.Card] = {}
    for number, one in enumerate(cards):
        # commentary cards may repeat
        unique[(one.keyword, number if one.keyword in _COMMENTARY else -1)] = one
    return fits.Header([*sorted(unique.values(), key=_group), *checksum_cards()])


def _group(one: fits.Card) -> int:
    if one.keyword in _COMMENTARY:
        return 11
    parts = one.keyword.split()
    return 0 if parts[0] != "ESO" or len(parts) < 2 else _GROUPS.get(parts[1], 8)
