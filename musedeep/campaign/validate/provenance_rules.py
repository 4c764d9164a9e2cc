"""Rules for the raw frames that a cube names as its origin (PROVi).

The names of raw frames of MUSE hold their time, which has to be that of the cube. Where the raw frames
themselves are at hand, their headers have to agree as well.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from astropy.io import fits

from musedeep.campaign.validate.cube_rules import MULTI, SECOND, TOLERANCE
from musedeep.campaign.validate.opened import OpenedFile
from musedeep.campaign.validate.problem import Problem
from musedeep.campaign.validate.table import numbered_keywords
from musedeep.selection.catalogue.exposure import archive_name
from musedeep.selection.dates import mjd_of
from musedeep.storage.fits.headers import number_or_none, primary_header, text_of, value_of

_FILE: Final = re.compile(r"[^/\[\]]+")


def provenance_rules(file: OpenedFile) -> Iterator[Problem]:
    """PROVi are names of files, as many as NCOMBINE, of the time of the cube; the first of them begins it."""
    header = file.primary
    keys = numbered_keywords(header, "PROV")
    names = {key: str(value_of(header, key) or "").strip() for key in keys}
    for key, name in names.items():
        if name and not _FILE.fullmatch(name):
            yield file.problem(0, key, name, "the name of a file, without a path or an extension")
    for number, unit in enumerate(file.units[1:], 1):
        for key in numbered_keywords(unit.header, "PROV"):
            yield file.problem(number, key, value_of(unit.header, key), "PROVi in the primary header only")
    tables = any(unit.name == "PHASE3PROVENANCE" for unit in file.units)
    if tables != (value_of(header, "PROVXTN") is True):
        yield file.problem(
            0, "PROVXTN", value_of(header, "PROVXTN"), "T if, and only if, there is an extension PHASE3PROVENANCE"
        )
    raws = {key: raw for key, name in names.items() if (raw := archive_name(name))}
    if not raws or len(raws) < len(names):
        return
    count = value_of(header, "NCOMBINE")
    if isinstance(count, int) and count != len(raws):
        yield file.problem(0, "NCOMBINE", count, f"{len(raws)}, the number of PROVi")
    begin, end = file.number("MJD-OBS"), file.number("MJD-END")
    if begin is None or end is None:
        return
    starts = {key: mjd_of(raw.partition(".")[2]) for key, raw in raws.items()}
    for key, start in starts.items():
        if not begin - SECOND <= start <= end + SECOND:
            yield file.problem(0, key, names[key], "a frame of the time from MJD-OBS to MJD-END")
    first = min(starts.values())
    if abs(first - begin) > SECOND and first >= begin:
        yield file.problem(0, "MJD-OBS", begin, f"{first:.8f}, the time of the first PROVi")


def find_raws(directories: Sequence[Path]) -> dict[str, Path]:
    """Raw frames in directories and those below, by their names in the archive."""
    found: dict[str, Path] = {}
    for directory in directories:
        for path in sorted(directory.rglob("MUSE.*")):
            if path.name.endswith((".fits", ".fits.fz", ".fits.gz")) and (name := archive_name(path.name)):
                found.setdefault(name, path)
    return found


def raw_rules(file: OpenedFile, raws: Mapping[str, Path]) -> Iterator[Problem]:
    """Keywords agree with the headers of the raw frames, those that are at hand; sums, if all of them are.

    Raises MusedeepError if a raw frame cannot be read.
    """
    header = file.primary
    headers: list[fits.Header] = []
    keys = numbered_keywords(header, "PROV")
    runs = [str(value_of(header, key)) for key in numbered_keywords(header, "PROGID")] or [file.text("PROG_ID")]
    obs = [str(value_of(header, key)) for key in numbered_keywords(header, "OBID")]
    for key in keys:
        path = raws.get(archive_name(str(value_of(header, key) or "")))
        if path is None:
            continue
        raw = primary_header(path)
        headers.append(raw)
        for keyword in ("TELESCOP", "INSTRUME"):
            wanted = text_of(raw, keyword, path, "")
            if wanted and file.text(keyword) not in (wanted, MULTI):
                yield file.problem(0, keyword, file.text(keyword) or None, f"{wanted}, as {path.name} has it")
        run, ob = text_of(raw, "ESO OBS PROG ID", path, ""), text_of(raw, "ESO OBS ID", path, "")
        if run and run not in runs:
            yield file.problem(
                0, "PROG_ID", file.text("PROG_ID") or None, f"{run} among the runs, as {path.name} has it"
            )
        if ob and ob not in obs:
            yield file.problem(0, "OBID1", value_of(header, "OBID1"), f"{ob} among the OBs, as {path.name} has it")
    if headers and len(headers) == len(keys):
        yield from _sums(file, headers)


def _sums(file: OpenedFile, headers: Sequence[fits.Header]) -> Iterator[Problem]:
    times = [(number_or_none(raw, "MJD-OBS"), number_or_none(raw, "EXPTIME")) for raw in headers]
    known = [(begin, seconds) for begin, seconds in times if begin is not None and seconds is not None]
    if len(known) < len(times):
        return
    for keyword, wanted, tolerance in (
        ("MJD-OBS", min(begin for begin, _ in known), SECOND),
        ("MJD-END", max(begin + seconds / 86400.0 for begin, seconds in known), SECOND),
        ("TEXPTIME", sum(seconds for _, seconds in known), TOLERANCE * len(known)),
    ):
        value = file.number(keyword)
        if value is not None and abs(value - wanted) > tolerance:
            yield file.problem(0, keyword, value, f"{wanted!r}, as the raw frames have it")
