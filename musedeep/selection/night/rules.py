"""Rules of association as data, beside those that declarations of recipes give (manual 6.2.2, chapter 9)."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from musedeep.declaration import Input
from musedeep.recipes.registry import declared

SERIES: Final = 3
"""A series of fewer calibrations gives way to a longer one of another day."""

GIVEN_FIRST: Final = ("GEOMETRY_TABLE",)
"""Taken from the directories if they hold one, and only else from the night's own frames (manual 6.3.6)."""


@cache
def input_of(tag: str) -> Input:
    """The input that a tag is, as the first recipe declares it; one with all defaults if no recipe takes it."""
    inputs = (one for recipe in declared().values() for one in recipe.inputs)
    return next((one for one in inputs if one.name == tag), Input(tag, 0, None, ""))


AO_ONLY: Final = ("RAMAN_LINES",)
"""Given in the modes with adaptive optics alone: there the laser shines."""


def is_given(tag: str, mode: str) -> bool:
    """Whether calibrations of a tag are given to recipes in an instrument mode."""
    return tag not in AO_ONLY or "-AO-" in mode


UNDATED_FIRST: Final = ("SKY_LINES", "LINE_CATALOG", "BADPIX_TABLE", "ASTROMETRY_REFERENCE", "FILTER_LIST")
"""Of these the distributed file is meant, not what a reduction of another night has made of it."""


@dataclass(frozen=True)
class Validity:
    """Nights for which static calibrations are valid: from the first to before the last, ISO dates; by file name."""

    tag: str
    pattern: str
    since: str = ""
    until: str = ""


VALIDITIES: Final = (
    Validity("VIGNETTING_MASK", "*", until="2017-03-11"),
    Validity("GEOMETRY_TABLE", "geometry_table_wfm_comm1", until="2014-02-22"),
    Validity("GEOMETRY_TABLE", "geometry_table_wfm_comm2a", "2014-02-22", "2014-07-15"),
    Validity("GEOMETRY_TABLE", "geometry_table_wfm_comm2b", "2014-07-15", "2014-12-01"),
    Validity("GEOMETRY_TABLE", "geometry_table_wfm", "2014-12-01"),
    Validity("ASTROMETRY_WCS", "astrometry_wcs_wfm_comm1", until="2014-02-22"),
    Validity("ASTROMETRY_WCS", "astrometry_wcs_wfm_comm2", "2014-02-22", "2014-07-15"),
    Validity("ASTROMETRY_WCS", "astrometry_wcs_wfm_comm2b", "2014-07-15", "2014-12-01"),
    Validity("ASTROMETRY_WCS", "astrometry_wcs_wfm", "2014-12-01"),
)
"""Manual 5.2 and 6.3.7 (vignetting mask), appendix D (commissioning and science verification)."""

GAP: Final = 3.0 / 24.0
"""Calibrations of one day follow each other within this, days."""

FIRST_LIGHT: Final = 56000.0
END: Final = 88000.0
"""Raw frames of MUSE are from between these [MJD]: March 2012 (first tests), October 2099."""

SAME_TIME: Final = 1.0
"""MJD-OBS and DATE-OBS of a frame, which may be a date alone, agree within this, days."""

HOUR: Final = 1.0 / 24.0
TEMPERATURE_STEP: Final = 0.5
"""An ILLUM that is a day/24 away is as good as one that differs by this, degrees Celsius: one is taken every hour."""

NOON: Final = 0.68
"""Fraction of the MJD at noon on Paranal, where a night's date changes."""
