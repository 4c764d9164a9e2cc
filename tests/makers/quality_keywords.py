"""Quality-control keywords that recipes declare, and those that products have."""

import re
from collections.abc import Iterable
from itertools import product
from pathlib import Path

from astropy.io import fits


def single(keyword: str) -> list[str]:
    """The keywords of a declared group, each a regular expression: "A SLICEj X, Y" are "A SLICE\\d+ X" and with Y."""
    places = re.sub(", +", ",", keyword).split()
    words = [[re.sub(r"(?<=[A-Z])[a-z]$", r"\\d+", word) for word in place.split(",")] for place in places]
    return [" ".join(chosen) for chosen in product(*words)]


def keywords(paths: Iterable[Path]) -> dict[str, set[str]]:
    """Keywords after ESO QC of FITS files, by the recipe that made them, the last on record."""
    found: dict[str, set[str]] = {}
    for path in paths:
        with fits.open(path) as hdus:
            records = [key for key in hdus[0].header if re.fullmatch(r"ESO PRO REC\d+ ID", key)]
            if records:
                recipe = hdus[0].header[max(records, key=lambda key: int(key.split()[2][3:]))]
                for hdu in hdus:
                    found.setdefault(recipe, set()).update(key[7:] for key in hdu.header if key.startswith("ESO QC "))
    return found


def differences(recipe, written: set[str], elsewhere: Iterable[str] = ()) -> list[str]:
    """Keywords written but not declared once, and declared but not written, unless they begin with `elsewhere`."""
    expected = [one for group in recipe.quality for one in single(group.keyword)]
    wrong = [f"{k} is written" for k in written if sum(bool(re.fullmatch(one, k)) for one in expected) != 1]
    for one in expected:
        if not one.startswith(tuple(elsewhere)) and not any(re.fullmatch(one, keyword) for keyword in written):
            wrong.append(f"{one} is declared")
    return wrong
