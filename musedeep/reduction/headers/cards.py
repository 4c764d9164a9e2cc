"""Cards of the headers of products: the recipe, its inputs and parameters; the order of cards."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep import __version__
from musedeep.declaration import P, Recipe
from musedeep.storage.fits.header_cards import Card, checksum_cards

_COMMENTARY = ("COMMENT", "HISTORY", "")

_GROUPS = {"OBS": 1, "TPL": 2, "GEN": 3, "TEL": 4, "INS": 5, "DET": 6, "PRO": 7, "QC": 9, "DRS": 10}


_FIGURES: Final[dict[str, Callable[[NDArray], float]]] = {
    "MEDIAN": np.median,
    "MEAN": np.mean,
    "STDEV": lambda values: values.std(ddof=1) if values.size > 1 else 0.0,
    "MIN": np.min,
    "MAX": np.max,
}


def figure_cards(key: str, values: NDArray, words: Mapping[str, str], text: str) -> list[Card]:
    """Figures of values (n,), 0 of none: MEDIAN, MEAN, STDEV, MIN or MAX; the comment is `text` with their words."""
    figures = {name: np.float32(_FIGURES[name](values) if values.size else 0.0) for name in words}
    return [(f"{key} {name}", figures[name], text.format(word)) for name, word in words.items()]


def statistics_cards(
    key: str, values: Sequence[float], what: str, spread: str = "Standard deviation value"
) -> list[Card]:
    """Median, mean, standard deviation, minimum and maximum of an image, which the comments name `what`."""
    words = "Median value", "Mean value", spread, "Minimum value", "Maximum value"
    named = zip(_FIGURES, words, values, strict=True)
    return [(f"{key} {name}", np.float32(value), f"{word} of {what}") for name, word, value in named]


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
