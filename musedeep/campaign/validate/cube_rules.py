"""Rules between keywords of the primary header of a cube.

The limits of WAVELMIN, WAVELMAX and SPEC_RES of MUSE are musedeep's own: those of ESO's validator are not public.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from musedeep.campaign.validate.opened import OpenedFile
from musedeep.campaign.validate.problem import Problem
from musedeep.campaign.validate.table import numbered_keywords
from musedeep.selection.dates import MJD_ZERO, mjd_of
from musedeep.storage.fits.headers import value_of

TOLERANCE: Final = 0.01
"""Of exposure times [s]."""
SECOND: Final = 1.0 / 86400.0
WAVELENGTHS: Final = (455.0, 950.0)
"""Of a cube of MUSE [nm]."""
RESOLVING_POWERS: Final = (1500.0, 4000.0)
NOISIEST: Final = 4.99e-20
"""PIXNOISE that a cube of MUSE has whose typical variance is beyond the range of its histogram."""
MULTI: Final = "MULTI"


def times(file: OpenedFile) -> Iterator[Problem]:
    """The order of begin, end and now; DATE-OBS is MJD-OBS; exposure times fit into the time between."""
    begin, end = file.number("MJD-OBS"), file.number("MJD-END")
    exptime, total = file.number("EXPTIME"), file.number("TEXPTIME")
    if begin is not None and (date := mjd_of(file.text("DATE-OBS"))) == date and abs(date - begin) > SECOND:
        yield file.problem(0, "DATE-OBS", file.text("DATE-OBS"), f"the time of MJD-OBS, {begin!r}")
    if end is not None and end > (datetime.now(UTC) - MJD_ZERO).total_seconds() / 86400.0:
        yield file.problem(0, "MJD-END", end, "a time that is over")
    if begin is not None and end is not None:
        if end < begin:
            yield file.problem(0, "MJD-END", end, f"a time after MJD-OBS, {begin!r}")
        elif total is not None and total > (end - begin) * 86400.0 + TOLERANCE:
            span = (end - begin) * 86400.0
            yield file.problem(0, "TEXPTIME", total, f"at most {span:.3f} s, the time from MJD-OBS to MJD-END")
    if exptime is not None and total is not None and exptime >= total + TOLERANCE:
        yield file.problem(0, "EXPTIME", exptime, f"at most TEXPTIME, {total:g}")


def equinox(file: OpenedFile) -> Iterator[Problem]:
    """FK5 has an equinox."""
    if file.text("RADESYS") == "FK5" and "EQUINOX" not in file.primary:
        yield file.problem(0, "EQUINOX", None, "2000 with RADESYS FK5")


def several(file: OpenedFile) -> Iterator[Problem]:
    """MULTI if and only if there are numbered keywords, at least two of them, none of them twice."""
    for keyword, stem in (("PROG_ID", "PROGID"), ("TELESCOP", "TELESC"), ("INSTRUME", "INSTR")):
        # INSTRUME itself is no numbered keyword of the stem INSTR
        keys = numbered_keywords(file.primary, stem)
        multi = file.text(keyword) == MULTI
        if keys and not multi:
            yield file.problem(0, keyword, file.text(keyword) or None, f"{MULTI}, as there is {keys[0]}")
        if multi and len(keys) < 2:
            yield file.problem(0, f"{stem}{len(keys) + 1}", None, f"two or more of them, as {keyword} is {MULTI}")
    for stem in ("PROGID", "OBID", "PROV", "ASSON"):
        seen: dict[object, str] = {}
        for key in numbered_keywords(file.primary, stem):
            value = value_of(file.primary, key)
            if value in seen:
                yield file.problem(0, key, value, f"a value that {seen[value]} does not have")
            seen.setdefault(value, key)


def numbers(file: OpenedFile) -> Iterator[Problem]:
    """Numbered keywords count 1, 2, ... without zeros in front."""
    for stem in ("PROV", "OBID", "PROGID", "ASSON"):
        place = 0
        for key in numbered_keywords(file.primary, stem):
            digits = key[len(stem) :]
            if digits.startswith("0"):
                yield file.problem(
                    0, key, value_of(file.primary, key), f"{stem} with numbers from 1, without zeros in front"
                )
                continue
            place += 1
            if int(digits) != place:
                yield file.problem(0, f"{stem}{place}", None, f"no gap before {key}")
                place = int(digits)


def wavelengths(file: OpenedFile) -> Iterator[Problem]:
    """WAVELMIN, WAVELMAX and SPEC_RES are possible for the instrument, and agree with the third axis."""
    low, high, power = (file.number(key) for key in ("WAVELMIN", "WAVELMAX", "SPEC_RES"))
    if low is not None and high is not None and low > high:
        yield file.problem(0, "WAVELMAX", high, f"more than WAVELMIN, {low:g}")
    if file.text("INSTRUME") == "MUSE":
        for key, value, limits in (
            ("WAVELMIN", low, WAVELENGTHS), ("WAVELMAX", high, WAVELENGTHS), ("SPEC_RES", power, RESOLVING_POWERS),
        ):  # fmt: skip
            if value is not None and not limits[0] <= value <= limits[1]:
                yield file.problem(0, key, value, f"{limits[0]:g} to {limits[1]:g} for MUSE")
    if file.science is None:
        return
    _, header = file.science
    values = [value_of(header, key) for key in ("CRVAL3", "CRPIX3", "CD3_3", "NAXIS3")]
    unit = str(value_of(header, "CUNIT3") or "").strip().lower()
    scale = {"angstrom": 0.1, "nm": 1.0, "m": 1e9, "um": 1e3}.get(unit)
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if scale is None or len(numbers) != len(values):
        return
    at, pixel, step, planes = numbers
    ends = [scale * (at + (plane - pixel) * step) for plane in (1, planes)]
    for key, value, end in (("WAVELMIN", low, ends[0]), ("WAVELMAX", high, ends[1])):
        if value is not None and abs(value - end) > scale * abs(step):
            yield file.problem(0, key, value, f"{end:.4f} nm, as the third axis has it")


def origin(file: OpenedFile) -> Iterator[Problem]:
    """Data of another observatory say so; adaptive optics has a Strehl ratio."""
    found = file.text("ORIGIN")
    if found and not found.startswith(("ESO", "APEX", "ALMA")) and value_of(file.primary, "NOESODAT") is not True:
        yield file.problem(0, "NOESODAT", value_of(file.primary, "NOESODAT"), f"T with ORIGIN {found}")
    if re.search(r"-AO-", file.text("ESO INS MODE")) and "STREHL" not in file.primary:
        yield file.problem(
            0, "STREHL", None, "a number > 0 and <= 1, where it is known, with adaptive optics", "warning"
        )


def noise(file: OpenedFile) -> Iterator[Problem]:
    """PIXNOISE of a cube of MUSE at the end of its range says nothing: see docs, science data products."""
    value = file.number("PIXNOISE")
    if value is not None and value > NOISIEST and file.text("INSTRUME") == "MUSE":
        yield file.problem(0, "PIXNOISE", value, f"at most {NOISIEST:g}: noisier cubes have this, too", "warning")


def axes(file: OpenedFile) -> Iterator[Problem]:
    """No data in the primary HDU, three axes in all extensions, all of one size."""
    if file.primary.get("NAXIS"):
        yield file.problem(0, "NAXIS", file.primary["NAXIS"], "0 in the primary header of a cube")
    shape = None
    for number, header in file.extensions():
        if header.get("NAXIS") != 3:
            yield file.problem(number, "NAXIS", header.get("NAXIS"), "3 in every extension of a cube")
            continue
        found = tuple(header[f"NAXIS{k}"] for k in (1, 2, 3))
        shape = shape or found
        if found != shape:
            text = " x ".join(map(str, found))
            yield file.problem(number, "", f"axes of {text}", f"{' x '.join(map(str, shape))}, as the first extension")


CUBE_RULES: Final = (times, equinox, several, numbers, wavelengths, origin, noise, axes)
