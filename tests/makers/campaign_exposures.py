"""Exposures of made-up targets for the selection of campaigns, without any file."""

import itertools
import math
from typing import Any

from musedeep.selection.campaign.exposures import Candidate
from musedeep.selection.catalogue.exposure import Exposure
from musedeep.selection.dates import date_of

_clock = itertools.count()


def candidate(target: str = "UDF-10", east: float = 0.0, north: float = 0.0, **facts: Any) -> Candidate:
    """An exposure of a target, so many arcseconds from a place; facts of `Exposure` or of `Candidate`.

    Each one is taken an hour after the one that was made before it, by an OB of its own. Seeing of 0.8 arcsec is
    requested, 0.7 measured.
    """
    number = next(_clock)
    mjd = facts.pop("mjd", 57000.1 + number / 24.0)
    ra, dec = facts.pop("ra", 53.16), facts.pop("dec", -27.78)
    given = {
        "tag": "OBJECT", "mode": "WFM-NOAO-N", "exposure_time": 1500.0, "ob_id": str(1000 + number),
        "run": "094.A-0205(B)", "image_quality": 0.7, "position_angle": 0.0,
    }  # fmt: skip
    own = {key: facts.pop(key) for key in list(facts) if key in Candidate.__dataclass_fields__}
    own.setdefault("constraints", {"Seeing": ("0.7", "0.8")})
    exposure = Exposure(
        **{
            "name": f"MUSE.{date_of(mjd)}", "mjd": mjd, "date_obs": date_of(mjd), "target": target,
            "ra": (ra + east / 3600.0 / math.cos(math.radians(dec))) % 360.0, "dec": dec + north / 3600.0,
            **given, **facts,
        }
    )  # fmt: skip
    return Candidate(exposure, **own)


def udf() -> list[Candidate]:
    """The pointings of the Hubble Ultra Deep Field as the release description sketches them (its figure 13).

    Nine fields of 25 exposures in a grid that is turned by 42 degrees, and one of 50, not turned, across four of them.
    """
    turn, found = math.radians(-42.0), []
    places = {f"UDF-{k + 1:02d}": ((1 - k % 3) * 56.0, (1 - k // 3) * 56.0, -42.0, 25) for k in range(9)}
    places["UDF-10"] = (24.0, 24.0, 0.0, 50)
    for name, (x, y, angle, number) in places.items():
        east, north = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
        found += [candidate(name, east, north, position_angle=angle + 90.0 * k) for k in range(number)]
    return found
