"""What a simulated campaign shall hold: its file (YAML), with targets that are listed, or drawn by the seed."""

import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS
from musedeep.storage.models import validated
from musedeep.storage.yaml_file import read_mapping

Mode = Literal["WFM-NOAO-N", "WFM-NOAO-E", "WFM-AO-N", "WFM-AO-E", "NFM-AO-N"]
Defect = Literal[
    "bad seeing", "mild seeing", "violated constraint", "grade D", "derotator", "rising background", "guiding",
    "clouds", "satellite", "shifted pointing", "aborted", "unmatched sky", "wavelength drift", "sky fit",
]  # fmt: skip
"""What may be wrong with an OB; see `defects`."""
Calibration = Literal["BIAS", "FLAT", "ARC", "SKYFLAT", "STD", "ASTROMETRY"]


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
    nights : evenings of the OBs, one after the other; none: a night of the year in which the target culminates
    seeing : requested [arcsec]; None: drawn for each OB
    position_angles : of the exposures of an OB, one after the other [deg]
    pointing_error : standard deviation of the telescope's pointing, in each direction [arcsec]
    scene : what pixels show: deep-field, nebula, cluster, empty, or the path of a FITS cube
    scene_seed : of the scene
    stars : number of stars of a cluster
    bright_star : magnitude of a star beside the centre, which saturates at about 12; None: there is none
    crowded : a careful person subtracts no sky
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
    nights: list[datetime.date] = []
    seeing: Annotated[float | None, Field(gt=0)] = None
    position_angles: Annotated[list[float], Field(min_length=1)] = [0.0, 90.0, 180.0, 270.0]
    pointing_error: Annotated[float, Field(ge=0)] = 0.03
    scene: str = "deep-field"
    scene_seed: Annotated[int, Field(ge=0)] = 1
    stars: Annotated[int, Field(ge=1)] = 600
    bright_star: float | None = None
    crowded: bool = False


class NightRequest(Strict):
    """What is special about a night.

    Attributes
    ----------
    date : of the evening
    missing : calibrations that were not taken
    standard_light : part of the light of the standard star that arrived; with 0.1 fluxes come out ten times too bright
    moon : brightness of the sky of science exposures over that of a dark night
    transparency : of all science exposures
    """

    date: datetime.date
    missing: list[Calibration] = []
    standard_light: Annotated[float, Field(gt=0, le=1)] = 1.0
    moon: Annotated[float, Field(gt=0)] = 1.0
    transparency: Annotated[float, Field(gt=0, le=1)] = 1.0


class DrawnRequest(Strict):
    """Targets that are drawn by the seed: how many, and how many exposures they have in all."""

    targets: Annotated[int, Field(ge=1)] = 200
    exposures: Annotated[int, Field(ge=1)] = 10_000


class CampaignRequest(Strict):
    """A campaign.

    Attributes
    ----------
    seed : of everything that is drawn
    year : of the first night
    targets : that are listed
    drawn : targets that are drawn
    ifus : that there are
    small : with the fewest calibrations that reduce
    compress : raw frames as .fits.fz
    nights : those that are special
    """

    seed: Annotated[int, Field(ge=0)] = 1
    year: Annotated[int, Field(ge=2014, le=2100)] = 2016
    targets: list[TargetRequest] = []
    drawn: DrawnRequest | None = None
    ifus: Annotated[list[Annotated[int, Field(ge=1, le=N_IFUS)]], Field(min_length=1)] = list(range(1, N_IFUS + 1))
    small: bool = False
    compress: bool = False
    nights: list[NightRequest] = []

    def night(self, date: datetime.date) -> NightRequest:
        """What is special about a night, by the date of its evening."""
        return next((one for one in self.nights if one.date == date), NightRequest(date=date))


def read_campaign(path: Path) -> CampaignRequest:
    """Read the file of a campaign; MusedeepError for no such file, no YAML, unknown keys or wrong values, no target."""
    content = read_mapping(path, "simulated campaign", list(CampaignRequest.model_fields))
    request = validated(CampaignRequest, content, path)
    if not request.targets and request.drawn is None:
        raise MusedeepError(f"{path}: no targets; list some under 'targets', or give 'drawn'")
    names = [one.name for one in request.targets]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise MusedeepError(f"{path}: two targets {twice}; give them names that differ")
    dates = [one.date for one in request.nights]
    if again := next((date for date in dates if dates.count(date) > 1), None):
        raise MusedeepError(f"{path}: two nights {again}; join them")
    used = {date for target in request.targets for date in target.nights}
    if idle := next((date for date in dates if date not in used), None):
        raise MusedeepError(f"{path}: no target is observed in the night {idle}; name it under 'nights' of a target")
    return request
