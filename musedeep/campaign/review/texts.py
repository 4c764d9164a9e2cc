"""Numbers and times as pages show them; names of the flags."""

import math
from typing import Final

BITS: Final = (
    ("sky fit", "1: the fit of the master sky has not converged"),
    ("object", "1: not from OBJECT frames"),
    ("sky exposure", "1: no dedicated SKY exposure"),
    ("arc", "1: no arc within 1.5 days"),
    ("twilight", "1: no twilight flat"),
    ("saturation", "1: saturated pixels in a raw frame"),
    ("sources", "1: no source"),
    ("background", "1: too much sky was subtracted"),
    ("wavelengths", "1: large correction by sky lines"),
    ("alignment", "1: not all exposures matched, or large offsets"),
)
"""Characters of QCFLAG, from the left."""

NOTES: Final = (2,)
"""Characters of QCFLAG, from 0, that are no concern of a deep cube."""

VERBS: Final = {
    "accept": "Accepted", "certify": "Certified", "reject": "Rejected", "reopen": "Reopened", "comment": "Comment",
    "exclude": "Excluded", "include": "Taken back", "method": "Method changed",
}  # fmt: skip


def time_parts(seconds: float) -> tuple[str, str]:
    """A time as a number and its unit: s below two minutes, min below an hour, h."""
    if seconds < 120:
        return f"{seconds:.0f}", "s"
    if seconds < 3600:
        return f"{seconds / 60:.0f}", "min"
    return f"{seconds / 3600:.{1 if seconds < 360_000 else 0}f}", "h"


def time_text(seconds: float) -> str:
    """The same as a text."""
    return " ".join(time_parts(seconds))


def number_text(value: float | None, digits: int | None = None) -> str:
    """A number with so many digits after the point, or with four that count; a dash if it is not known."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    if digits is not None:
        return f"{value:.{digits}f}"
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e7 else f"{value:.4g}"
