"""An exposure as the catalogue knows it: one row, whatever the files and tables that tell of it."""

import math
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, Final

from musedeep.selection.dates import date_of, mjd_of, night_of

NAME: Final = re.compile(r"MUSE\.(\d{4}-\d\d-\d\dT\d\d[:_]\d\d[:_]\d\d\.\d{3})")
"""Name of a raw frame in the archive; a colon may have become an underscore on its way."""


def text(*keywords: str, about: str) -> Any:
    """A field of text, empty if unknown."""
    return field(default="", metadata={"keywords": keywords, "about": about, "unit": ""})


def number(*keywords: str, about: str, unit: str = "") -> Any:
    """A field of float, NaN if unknown."""
    return field(default=math.nan, metadata={"keywords": keywords, "about": about, "unit": unit})


@dataclass(frozen=True)
class Exposure:
    """A raw exposure of MUSE.

    Each field names the keywords of a raw frame that give it (the first that is there), its meaning and its unit. The
    columns of the database, the names in a mapping of a table, and the pages of the documentation follow from them.
    """

    name: str = text("ARCFILE", about="name in the archive without .fits, as MUSE.2017-06-16T01:34:56.867")
    tag: str = text(about="raw tag of the manual's table 6.1, as OBJECT")
    mode: str = text("ESO INS MODE", about="instrument mode, as WFM-AO-N")
    date_obs: str = text("DATE-OBS", about="start")
    mjd: float = number("MJD-OBS", about="start", unit="d")
    exposure_time: float = number("EXPTIME", about="exposure time", unit="s")
    object: str = text("OBJECT", about="name of what was looked at")
    target: str = text("ESO OBS TARG NAME", about="target of the OB")
    ra: float = number("RA", about="right ascension of the pointing", unit="deg")
    dec: float = number("DEC", about="declination of the pointing", unit="deg")
    position_angle: float = number("ESO INS DROT POSANG", about="position angle of the derotator", unit="deg")
    ob_id: str = text("ESO OBS ID", about="number of the OB")
    ob_name: str = text("ESO OBS NAME", about="name of the OB")
    ob_start: str = text("ESO OBS START", about="start of the OB")
    run: str = text("ESO OBS PROG ID", about="observing run, as 094.A-0115(A)")
    pi: str = text("ESO OBS PI-COI NAME", "PI-COI", about="principal investigator")
    template: str = text("ESO TPL ID", about="template")
    template_start: str = text("ESO TPL START", about="start of the template")
    template_number: float = number("ESO TPL EXPNO", about="number within the template")
    template_total: float = number("ESO TPL NEXP", about="exposures of the template")
    airmass: float = number("ESO TEL AIRM START", about="airmass at the start")
    seeing: float = number("ESO TEL AMBI FWHM START", about="seeing of the site monitor at the start", unit="arcsec")
    image_quality: float = number(
        "ESO TEL IA FWHMLIN", "ESO TEL IA FWHM", about="seeing of the telescope's image analysis", unit="arcsec"
    )
    guide_fwhm: float = number("ESO OCS SGS AG FWHMX MED", about="FWHM of the guide star", unit="arcsec")
    temperature: float = number("ESO INS TEMP7 VAL", "ESO INS TEMP4 VAL", about="of the instrument", unit="degC")
    read_out: str = text(about="read-out mode and binning, as SCI1.0 1x1")
    release_date: str = text(about="first day on which everybody may have it")

    @property
    def night(self) -> str:
        """Date of its evening (see `night_of`)."""
        return night_of(self.mjd)

    @property
    def program(self) -> str:
        """The run without its letter: 094.A-0115."""
        return self.run.partition("(")[0].strip()


FIELDS: Final[dict[str, "Field[Any]"]] = {one.name: one for one in fields(Exposure)}


def is_number(name: str) -> bool:
    """Whether a field holds a number."""
    return FIELDS[name].type is float


def keywords_of(name: str) -> tuple[str, ...]:
    """Keywords of a raw frame that give a field, the first that is there."""
    found: tuple[str, ...] = FIELDS[name].metadata["keywords"]
    return found


def archive_name(word: str) -> str:
    """The name of a raw frame in the archive that a name, path or keyword holds; empty if there is none."""
    found = NAME.search(word)
    return f"MUSE.{found[1].replace('_', ':')}" if found else ""


def completed(facts: Mapping[str, Any]) -> Exposure | str:
    """An exposure from what is known of it; or why it is none, for a message."""
    known = {key: value for key, value in facts.items() if not unknown(value)}
    mjd, date = known.get("mjd", math.nan), known.get("date_obs", "")
    if math.isnan(mjd):
        mjd = mjd_of(date)
    if math.isnan(mjd) and (named := archive_name(known.get("name", ""))):
        mjd = mjd_of(named.partition(".")[2])
    if math.isnan(mjd):
        return "no time: neither MJD-OBS nor DATE-OBS"
    known |= {"mjd": mjd, "date_obs": date or date_of(mjd)}
    known["name"] = archive_name(known.get("name", "")) or f"MUSE.{date_of(mjd)}"
    return Exposure(**known)


def unknown(value: Any) -> bool:
    """Whether a value says nothing."""
    return value is None or value == "" or value != value
