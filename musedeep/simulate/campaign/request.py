"""What a simulated campaign shall hold: its file (YAML), with targets that are listed, or drawn by the seed."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from musedeep.errors import MusedeepError
from musedeep.storage.models import validated
from musedeep.storage.yaml_file import read_mapping

Mode = Literal["WFM-NOAO-N", "WFM-NOAO-E", "WFM-AO-N", "WFM-AO-E", "NFM-AO-N"]
Defect = Literal[
    "bad seeing", "mild seeing", "violated constraint", "grade D", "derotator", "rising background", "guiding", "clouds"
]


class Strict(BaseModel):
    """A mapping without unknown keys."""

    model_config = ConfigDict(extra="forbid")


class TargetRequest(Strict):
    """A target.

    Attributes
    ----------
    name, ra, dec : of the target; coordinates in deg
    spellings : other names that observers give it, one OB after the other; drawn if there are none
    pointings : offsets of fields from the place, east and north [arcsec]
    runs : observing runs, one OB after the other
    obs : OBs of each pointing
    exposures : in each OB
    exposure_times : of the exposures of an OB, one after the other [s]
    modes : of the OBs, one after the other
    visitor : no constraints, and no grades
    sky : each OB has an exposure of the blank sky
    defects : one for each OB from the first one on
    """

    name: str
    ra: Annotated[float, Field(ge=0, lt=360)]
    dec: Annotated[float, Field(ge=-90, le=90)]
    spellings: list[str] = []
    pointings: list[tuple[float, float]] = [(0.0, 0.0)]
    runs: list[str] = ["094.A-0001(A)"]
    obs: Annotated[int, Field(ge=1)] = 2
    exposures: Annotated[int, Field(ge=1)] = 4
    exposure_times: list[Annotated[float, Field(gt=0)]] = [900.0]
    modes: list[Mode] = ["WFM-NOAO-N"]
    visitor: bool = False
    sky: bool = False
    defects: list[Defect | None] = []


class DrawnRequest(Strict):
    """Targets that are drawn by the seed: how many, and how many exposures they have in all."""

    targets: Annotated[int, Field(ge=1)] = 200
    exposures: Annotated[int, Field(ge=1)] = 10_000


class CampaignRequest(Strict):
    """A campaign: its seed, the year of its first night, targets that are listed and that are drawn."""

    seed: Annotated[int, Field(ge=0)] = 1
    year: Annotated[int, Field(ge=2014, le=2100)] = 2016
    targets: list[TargetRequest] = []
    drawn: DrawnRequest | None = None


def read_campaign(path: Path) -> CampaignRequest:
    """Read the file of a campaign; MusedeepError for no such file, no YAML, unknown keys or wrong values, no target."""
    content = read_mapping(path, "simulated campaign", list(CampaignRequest.model_fields))
    request = validated(CampaignRequest, content, path)
    if not request.targets and request.drawn is None:
        raise MusedeepError(f"{path}: no targets; list some under 'targets', or give 'drawn'")
    names = [one.name for one in request.targets]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise MusedeepError(f"{path}: two targets {twice}; give them names that differ")
    return request
