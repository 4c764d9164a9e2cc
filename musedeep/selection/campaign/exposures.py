"""What a campaign knows of an exposure: the catalogue's row, with night log and programme beside it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from musedeep.selection.catalogue.exposure import Exposure
from musedeep.selection.catalogue.night_log import written_number

if TYPE_CHECKING:
    from musedeep.selection.catalogue.database import Catalogue

SCIENCE = ("OBJECT", "SKY")
SERVICE = "SM"


@dataclass(frozen=True)
class Candidate:
    """An exposure of the sky, and what is said of it elsewhere.

    Attributes
    ----------
    exposure : of the catalogue; OB, run and target of the night log where headers have none
    grade : of the OB's execution; empty if none was given
    comments : on the execution
    container : of the OB; empty for none
    constraints : name to (fulfilled, requested), as the night log says them
    dimm : seeing of the site monitor in the table of the log [arcsec]
    programme : row of the programme table; empty if there is none
    """

    exposure: Exposure
    grade: str = ""
    comments: str = ""
    container: str = ""
    constraints: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    dimm: float = math.nan
    programme: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the exposure, in the archive."""
        return self.exposure.name

    @property
    def target(self) -> str:
        """Name of the target, else of what was looked at."""
        return self.exposure.target or self.exposure.object

    @cached_property
    def requested_seeing(self) -> float:
        """What the OB asks [arcsec]; NaN if it is not known."""
        return written_number(self.constraints.get("Seeing", ("", ""))[1])

    @property
    def measured_seeing(self) -> float:
        """Of the telescope's image analysis, else of the site monitor [arcsec]; NaN if neither is known."""
        one = self.exposure
        return next((v for v in (one.image_quality, one.seeing, self.dimm) if v == v and v > 0), math.nan)

    @property
    def observing_mode(self) -> str:
        """SM or VM, of the programme table; else SM if a grade and a request of seeing tell of it; else empty."""
        given = self.programme.get("observing_mode", "")
        if given:
            return given
        return SERVICE if self.grade in ("A", "B", "C", "D") and math.isfinite(self.requested_seeing) else ""


def candidates(catalogue: "Catalogue", exposures: Sequence[Exposure] | None = None) -> list[Candidate]:
    """Exposures with what the catalogue says of them; if none are given, all of targets and of the blank sky."""
    executions = {(row["ob_id"], row["ob_start"]): row for row in catalogue.rows("executions")}
    constraints: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
    for row in catalogue.rows("constraints"):
        key = row["ob_id"], row["ob_start"]
        constraints.setdefault(key, {})[row["constraint_name"]] = (row["fulfilled"] or "", row["requested"] or "")
    logged = {row["name"]: row for row in catalogue.rows("logged_files")}
    programmes = {row["run"]: row for row in catalogue.rows("programmes")}
    found = []
    for exposure in catalogue.exposures(tag=SCIENCE) if exposures is None else exposures:
        line = logged.get(exposure.name)
        key = (line["ob_id"], line["ob_start"]) if line else (exposure.ob_id, exposure.ob_start)
        log = executions.get(key, {})
        exposure = _with(exposure, log, key)
        found.append(
            Candidate(
                exposure=exposure,
                grade=log.get("grade") or "",
                comments=log.get("comments") or "",
                container=log.get("container") or "",
                constraints=constraints.get(key, {}),
                dimm=math.nan if line is None or line["seeing"] is None else line["seeing"],
                programme=programmes.get(exposure.run) or programmes.get(exposure.program) or {},
            )
        )
    return found


def _with(exposure: Exposure, log: Mapping[str, Any], key: tuple[str, str]) -> Exposure:
    if not log:
        return exposure
    return replace(
        exposure,
        target=exposure.target or log.get("target") or "",
        run=exposure.run or log.get("run") or "",
        ob_id=exposure.ob_id or key[0],
        ob_name=exposure.ob_name or log.get("ob_name") or "",
        ob_start=exposure.ob_start or key[1],
    )
