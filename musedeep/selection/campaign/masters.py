"""Which sets of calibrations are certified: by the quality parameters of masters that the catalogue knows.

A set has failed if one parameter of one of its masters is beyond its range (`master_ranges.yaml`). It is certified if
some parameters are known, and all are within. Other sets are unchecked. A master belongs to the set of the raw tag of
its category that has a frame with its DATE-OBS, or whose template began then.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter

from musedeep.recipes.registry import night_recipes
from musedeep.selection.campaign.calibrations import FrameSet, Status
from musedeep.selection.catalogue.exposure import Exposure
from musedeep.storage.yaml_file import read_mapping

RANGES: Final = Path(__file__).with_name("master_ranges.yaml")


class MasterRange(BaseModel):
    """Where a parameter should be; a limit of None is none."""

    model_config = ConfigDict(extra="forbid")

    low: float | None = None
    high: float | None = None

    def hold(self, value: float) -> bool:
        """Whether a value is within."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        return " and ".join(
            f"{word} {limit:g}" for word, limit in (("at least", self.low), ("at most", self.high)) if limit is not None
        )


@dataclass(frozen=True)
class Verdict:
    """On a set: certified or failed, and the first parameter that is beyond its range; empty for none."""

    status: Status
    why: str = ""


@cache
def master_ranges() -> dict[str, dict[str, MasterRange]]:
    """Ranges by PRO CATG and keyword."""
    content = read_mapping(RANGES, "file of reference ranges", [])
    return TypeAdapter(dict[str, dict[str, MasterRange]]).validate_python(content)


def verdicts_of(
    exposures: Iterable[Exposure],
    sets: Iterable[FrameSet],
    products: Iterable[Mapping[str, Any]],
    quality: Iterable[Mapping[str, Any]],
) -> dict[str, Verdict]:
    """Verdicts by key of set; sets without any known parameter have none.

    Parameters
    ----------
    exposures : raw frames of the catalogue
    sets : their sets
    products, quality : rows of these tables of the catalogue
    """
    ranges = master_ranges()
    tags = _tags()
    sets = list(sets)
    of_frame = {frame: one for one in sets for frame in one.frames}
    made_from = {(one.tag, one.name): one for one in sets}
    for exposure in exposures:
        if exposure.name in of_frame:
            made_from[exposure.tag, exposure.date_obs] = of_frame[exposure.name]
    masters: dict[str, tuple[str, FrameSet]] = {}
    for row in products:
        for tag in tags.get(row["category"], ()):
            one = made_from.get((tag, row["date_obs"]))
            if row["category"] in ranges and one is not None:
                masters[row["path"]] = row["category"], one
    found: dict[str, Verdict] = {}
    for row in quality:
        if row["path"] not in masters or row["number"] is None:
            continue
        category, one = masters[row["path"]]
        within = ranges[category].get(_pattern(row["keyword"])) or ranges[category].get(row["keyword"])
        if within is None:
            continue
        if not within.hold(row["number"]):
            if one.key not in found or found[one.key].status != "failed":
                said = f"{Path(row['path']).name}: {row['keyword']} is {row['number']:g}, a good one has {within}"
                found[one.key] = Verdict("failed", said)
        else:
            found.setdefault(one.key, Verdict("certified"))
    return found


@cache
def _pattern(keyword: str) -> str:
    """A keyword with # for the numbers of quadrants, slices and IFUs."""
    return re.sub(r"(?<=[A-Z])\d+", "#", keyword)


@cache
def _tags() -> dict[str, tuple[str, ...]]:
    """Raw tags of the frames that products are made from."""
    return {
        product.category: tuple(one.name.removeprefix("PIXTABLE_") for one in recipe.raws)
        for recipe in reversed(night_recipes())
        for product in recipe.products
    }
