"""What a MUSE file is: its tag from DPR and PRO keywords (manual 6.2.2), and what association needs to know of it."""

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from astropy.io import fits

from musedeep.errors import MusedeepError, nearest
from musedeep.storage.fits.headers import scan_units, value_of
from musedeep.storage.fits.packed import packing_of

RAW_TAGS: Final = {
    ("CALIB", "BIAS"): "BIAS",
    ("CALIB", "DARK"): "DARK",
    ("CALIB", "FLAT,LAMP"): "FLAT",
    ("CALIB", "FLAT,SKY"): "SKYFLAT",
    ("CALIB", "WAVE"): "ARC",
    ("CALIB", "WAVE,LSF"): "ARC_LSF",
    ("CALIB", "WAVE,MASK"): "MASK",
    ("CALIB", "STD"): "STD",
    ("CALIB", "ASTROMETRY"): "ASTROMETRY",
    ("SCIENCE", "SKY"): "SKY",
    ("SCIENCE", "OBJECT"): "OBJECT",
    ("CALIB", "FLAT,LAMP,ILLUM"): "ILLUM",
    ("CALIB", "BIAS,LINGAIN"): "LINGAIN_LAMP_OFF",
    ("CALIB", "FLAT,LAMP,LINGAIN"): "LINGAIN_LAMP_ON",
    ("CALIB", "FLAT,LAMP,AMPL"): "AMPL",
}
"""Raw tag by DPR CATG and DPR TYPE, with DPR TECH = IFU (manual, table 6.1; ARC_LSF: 2.8.7's muse_lsf; the last three
types are those of `musedeep simulate`, as the manual has none)."""

TECHNIQUE: Final = "IFU"
FITS_NAME: Final = re.compile(r"\.(fits?|fts)(\.(fz|gz|z|bz2|xz|zst|zip))?$", re.IGNORECASE)
"""Ending of the name of a FITS file, compressed or packed."""

TEMPERATURES: Final = ("ESO INS TEMP7 VAL", "ESO INS TEMP4 VAL")
"""The first that there is: of the instrument, and the ambient one of the manual's table in 6.2.1 (degrees Celsius)."""

_IFU_NAME: Final = re.compile(r"CHAN(\d\d)(?:\.\w+)?$")


@dataclass(frozen=True)
class Frame:
    """A file and what its headers say.

    Attributes
    ----------
    path : as it was found
    tag : of a set-of-frames; empty if unknown
    kind : raw, product (PRO CATG), or unknown
    reason : why it has no tag
    mode : INS MODE, as WFM-NOAO-N; empty if not given
    field : INS OPTI2 NAME, else the first part of the mode: WFM or NFM; empty if not given
    mjd : start, MJD-OBS; NaN if not given
    date : DATE-OBS
    exposure_time : s; NaN if not given
    temperature : degrees Celsius; NaN if not given
    read_out : DET READ CURNAME (or CURID) and binning, as "SCI1.0 1x1"; empty if not given
    ifus : numbers of the IFUs whose extensions it holds
    """

    path: Path
    tag: str
    kind: str
    reason: str = ""
    mode: str = ""
    field: str = ""
    mjd: float = float("nan")
    date: str = ""
    exposure_time: float = float("nan")
    temperature: float = float("nan")
    read_out: str = ""
    ifus: tuple[int, ...] = ()

    @property
    def stem(self) -> str:
        """Name without .fits, .fits.fz, .FITS.gz or the like."""
        return FITS_NAME.sub("", self.path.name)


def fits_files(directories: Sequence[Path]) -> list[Path]:
    """FITS files in directories and below, each once, by directory and name; hidden ones and stores left out.

    Raises MusedeepError for a directory that is none or cannot be searched, or if none of them holds a FITS file.
    """
    found: dict[str, Path] = {}
    for directory in directories:
        if not directory.is_dir():
            what = "no directory" if directory.exists() else "no such directory"
            raise MusedeepError(f"{directory}: {what}; give one that holds raw MUSE frames")
        for path in files_below(directory):
            if FITS_NAME.search(path.name):
                found.setdefault(os.path.realpath(path), path)
    if not found:
        where = ", ".join(str(d) for d in directories)
        raise MusedeepError(
            f"{where}: no FITS files (.fits, .fits.fz, .fits.gz); give a directory that holds raw MUSE frames"
        )
    return list(found.values())


def files_below(directory: Path) -> Iterator[Path]:
    """Files in a directory and below, by directory and name; hidden ones and stores left out.

    Raises MusedeepError for a directory that cannot be searched.
    """

    def unreadable(error: OSError) -> None:
        raise MusedeepError(f"{error.filename}: cannot be searched ({error.strerror}); check its rights") from error

    seen: set[str] = set()
    for place, below, names in os.walk(directory, onerror=unreadable, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # links in a circle
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not name.startswith(".") and not name.endswith(".zarr"))
        yield from (Path(place) / name for name in sorted(names) if not name.startswith("."))


def classify_files(paths: Sequence[Path]) -> list[Frame]:
    """Classify files, in their order; reads headers only, several files at once."""
    with ThreadPoolExecutor(min(8, max(len(paths), 1))) as pool:
        return list(pool.map(classify, paths))


def classify(path: Path) -> Frame:
    """Classify a file by the keywords of its primary header; what cannot be read is unknown, with the reason.

    The headers of a file packed by gzip are read from its unpacked stream, which takes seconds for a raw frame.
    """
    try:
        scan = scan_units(path, unpack=True)
        first = next(scan)
        header = first.header
        category = text_in(header, "ESO PRO CATG")
        if category and (packing := packing_of(path)):
            # products are read by rows
            raise packing.refusal(path)
        units = [first, *scan]
    except MusedeepError as error:
        return Frame(path, "", "unknown", str(error).removeprefix(f"{path}: "))
    if category:
        tag, kind, reason = category, "product", ""
    else:
        tag, reason = raw_tag(header)
        kind = "raw" if tag else "unknown"
    mode = text_in(header, "ESO INS MODE")
    ifus = {int(found[1]) for unit in units if (found := _IFU_NAME.match(unit.name))}
    if kind == "raw" and not ifus:
        tag, kind, reason = "", "unknown", f"DPR TYPE of {tag}, but no extension CHANnn"
    return Frame(
        path=path,
        tag=tag,
        kind=kind,
        reason=reason,
        mode=mode,
        field=text_in(header, "ESO INS OPTI2 NAME") or mode.partition("-")[0],
        mjd=number_in(header, "MJD-OBS"),
        date=text_in(header, "DATE-OBS"),
        exposure_time=number_in(header, "EXPTIME"),
        temperature=next((v for key in TEMPERATURES if (v := number_in(header, key)) == v), float("nan")),
        read_out=read_out_of(header),
        ifus=tuple(sorted(ifus)),
    )


def raw_tag(header: fits.Header) -> tuple[str, str]:
    """Tag of a raw frame, or why it has none."""
    category, kind, technique = (text_in(header, f"ESO DPR {name}") for name in ("CATG", "TYPE", "TECH"))
    instrument = text_in(header, "INSTRUME")
    if instrument and instrument != "MUSE":
        return "", f"INSTRUME is {instrument}, not MUSE"
    if not kind:
        return "", "neither DPR TYPE nor PRO CATG in its primary header"
    tag = RAW_TAGS.get((category, kind.replace(" ", "")))
    if tag is None:
        known = {types: categories for categories, types in RAW_TAGS}
        if kind in known:
            return "", f"DPR TYPE {kind} with DPR CATG {category or 'missing'}; expected {known[kind]}"
        near = nearest(kind, list(known))
        return "", f"DPR TYPE {kind} is none of MUSE" + (f"; nearest is {near}" if near else "")
    if technique != TECHNIQUE:
        return "", f"DPR TECH is {technique or 'missing'}; expected {TECHNIQUE}"
    return tag, ""


def read_out_of(header: fits.Header) -> str:
    """Read-out mode and binning, as "SCI1.0 1x1"; empty if not given."""
    name = text_in(header, "ESO DET READ CURNAME") or text_in(header, "ESO DET READ CURID")
    binning = f"{text_in(header, 'ESO DET BINX') or 1}x{text_in(header, 'ESO DET BINY') or 1}"
    return f"{name} {binning}" if name else ""


def text_in(header: fits.Header, key: str) -> str:
    """The value of a keyword as text; empty if it has none, or one that is not valid."""
    try:
        value = value_of(header, key)
    except fits.VerifyError:
        return ""
    return "" if value is None else str(value).strip()


def number_in(header: fits.Header, key: str) -> float:
    """The value of a keyword that is a number; NaN if it is none."""
    try:
        value = header.get(key)
    except fits.VerifyError:
        return float("nan")
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if good else float("nan")
