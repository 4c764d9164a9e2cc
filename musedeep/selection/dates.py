"""Times of headers: DATE-OBS, modified Julian dates, and the night of an exposure."""

import math
from datetime import UTC, datetime, timedelta
from typing import Final

from musedeep.selection.night.rules import NOON

MJD_ZERO: Final = datetime(1858, 11, 17, tzinfo=UTC)


def date_of(mjd: float) -> str:
    """A time as DATE-OBS, to the millisecond; empty if there is none."""
    if not 0 < mjd < 1e5:
        return ""
    return (MJD_ZERO + timedelta(days=mjd)).isoformat(timespec="milliseconds").removesuffix("+00:00")


def mjd_of(date: str) -> float:
    """A DATE-OBS as modified Julian date; NaN if it is none."""
    try:
        at = datetime.fromisoformat(date.strip().replace(" ", "T"))
    except ValueError:
        return math.nan
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - MJD_ZERO) / timedelta(days=1)


def night_of(mjd: float) -> str:
    """Date of the evening of the night, noon to noon on Paranal; empty if there is no time."""
    return date_of(math.floor(mjd - NOON) if math.isfinite(mjd) else mjd)[:10]
