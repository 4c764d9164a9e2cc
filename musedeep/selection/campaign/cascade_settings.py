"""Settings of the cascade in a plan, under `settings: cascade:`.

Where the release description of MUSE-DEEP gives a value, the default is that value; the others are musedeep's own.
"""

import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Positive = Annotated[float, Field(gt=0)]
Given = dict[str, str | float | int | bool]

PLACEHOLDERS: Final = ("cube", "image", "map", "folder", "product", "target")
"""Of `after_cube`: paths of the cube, its first image, its exposure map, the folder to write into; names."""
_NAMED: Final = re.compile(r"\{(\w*)\}")


def texts(given: Given) -> dict[str, str]:
    """Parameters as recipes take them."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}


class CascadeSettings(BaseModel):
    """How exposures of a campaign become cubes.

    Attributes
    ----------
    ifus : to reduce; empty: all that the raw frames hold
    calibrations : directories of static calibrations and masters, beside those in the catalogue; relative to the plan
    degrees_a_day, farthest, only_certified : which raw calibrations are better than others, see
        `selection.campaign.calibrations.Preferences`
    certified, failed : sets of raw calibrations (as `musedeep catalogue sets` names them) that go first, or are not
        taken
    recipes : parameters of recipes of a night, by recipe, as muse_flat: {samples: true}
    skymodel_fraction : of muse_scipost without a SKY exposure (release, 1.3)
    crowded_skymethod : of muse_scipost for crowded fields without a SKY exposure (release, 1.3)
    sky_skymethod : of muse_scipost where there is a SKY exposure (release, 1.3)
    rvcorr : of muse_scipost (release)
    flux_limit : ratio of fluxes of stars, above it or below its inverse, that tells of a wrong standard star
    flux_stars : fewest stars in common from which a ratio is taken
    flux_radius : of the apertures in which these are measured [arcsec]
    other_standards : how many others are tried, the nearest in time first
    thresholds : of muse_exp_align, tried one after the other (release, 2.1: 10, and lower where it fails)
    align : other parameters of muse_exp_align
    crowded_srcmax : of muse_exp_align for crowded fields
    max_offset : largest offset that is believed [arcsec]
    max_residual : largest median distance of the same source in two images after the offsets [arcsec]
    least_matches : fewest sources that an image shares with others
    least_sharpness : of the sum of the images after the offsets, over that with the offsets of headers
    max_disagreement : largest difference to the offset by cross-correlation of images [arcsec]
    combine : parameters of muse_exp_combine (release: its defaults, and the format of science data products)
    keep_single : keep the cubes of single exposures
    discard : kinds of products of nights to remove when they are needed no more: pixel-tables, masters
    after_cube : command to run on each finished cube, without a shell; empty: none. `PLACEHOLDERS` stand for paths
    """

    model_config = ConfigDict(extra="forbid")

    ifus: list[Annotated[int, Field(ge=1, le=24)]] = []
    calibrations: list[str] = []
    degrees_a_day: Positive = 2.0
    farthest: dict[str, Positive] = {}
    only_certified: bool = False
    certified: list[str] = []
    failed: list[str] = []
    recipes: dict[str, Given] = {}
    skymodel_fraction: Annotated[float, Field(gt=0, le=1)] = 0.2
    crowded_skymethod: Literal["none", "model", "simple"] = "none"
    sky_skymethod: Literal["subtract-model", "model"] = "subtract-model"
    rvcorr: Literal["bary", "helio", "geo", "none"] = "bary"
    flux_limit: Annotated[float, Field(gt=1)] = 2.0
    flux_stars: Annotated[int, Field(ge=1)] = 3
    flux_radius: Positive = 2.0
    other_standards: Annotated[int, Field(ge=0)] = 3
    thresholds: list[float] = [10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    align: Given = {}
    crowded_srcmax: Annotated[int, Field(ge=1)] = 400
    max_offset: Positive = 3.0
    max_residual: Positive = 0.2
    least_matches: Annotated[int, Field(ge=1)] = 3
    least_sharpness: Annotated[float, Field(ge=0)] = 0.98
    max_disagreement: Positive = 0.3
    combine: Given = {"format": "sdpCube", "save": "cube,exposures"}
    keep_single: bool = False
    discard: list[Literal["pixel-tables", "masters"]] = []
    after_cube: str = ""

    @field_validator("thresholds")
    @classmethod
    def _some(cls, given: list[Any]) -> list[Any]:
        if not given:
            raise ValueError("give at least one threshold of muse_exp_align")
        return given

    @field_validator("after_cube")
    @classmethod
    def _command(cls, given: str) -> str:
        if given and not command_words(given, dict.fromkeys(PLACEHOLDERS, "")):
            raise ValueError("a command, or nothing at all")
        return given


def command_words(command: str, values: Mapping[str, str]) -> list[str]:
    """The words of a command, as a shell divides it, with values in the place of {name}, which stay one word each.

    Raises ValueError for a quote that does not end, or a name in braces that has no value.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        raise ValueError("a command whose quotes end") from None
    for name in _NAMED.findall(command):
        if name not in values:
            raise ValueError(f"no {{{name}}} there; there are {', '.join(f'{{{one}}}' for one in values)}")
    return [_NAMED.sub(lambda found: values[found[1]], word) for word in words]
