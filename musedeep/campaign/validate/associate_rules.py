"""Rules for the files that belong to a cube: they are there, as they were, and of the right kind and size."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from musedeep.campaign.validate.cube_rules import TOLERANCE
from musedeep.campaign.validate.downloads import original_names
from musedeep.campaign.validate.extension_rules import celestial
from musedeep.campaign.validate.file_rules import CATEGORIES, plain
from musedeep.campaign.validate.opened import OpenedFile
from musedeep.campaign.validate.problem import Problem
from musedeep.campaign.validate.table import numbered_keywords
from musedeep.errors import MusedeepError, reason
from musedeep.storage.fits.headers import value_of

WHITE: Final = "ANCILLARY.IMAGE.WHITELIGHT"
EXPOSURE_MAP: Final = "ANCILLARY.EXPMAP"
ROUNDING: Final = 1e-6
"""Of sums of 32-bit floats, as a part of them."""
SAME_PLACE: Final = 0.1
"""Spaxels by which the corners of an image may be off those of its cube."""


def associates(file: OpenedFile) -> dict[str, Path | None]:
    """Paths of associated files by keyword ASSONi; None for one that is not there."""
    found: dict[str, Path | None] = {}
    for key in numbered_keywords(file.primary, "ASSON"):
        found[key] = beside(file.path, str(value_of(file.primary, key) or ""))
    return found


def beside(path: Path, name: str) -> Path | None:
    """A file in the folder of another one, by its name or as a download has written it; None if it is not there."""
    if not name or Path(name).name != name:
        return None
    there = path.with_name(name)
    if there.is_file():
        return there
    had = {plain(new): plain(old) for new, old in original_names(path.parent).items()}
    names = ((one, plain(one.name)) for one in sorted(path.parent.iterdir()))
    return next((one for one, new in names if plain(name) in (new, had.get(new))), None)


def is_fits(name: str) -> bool:
    """Whether a name is that of a FITS file."""
    return name.endswith((".fits", ".fits.fz"))


def associate_rules(file: OpenedFile) -> Iterator[Problem]:
    """ASSONi, ASSOCi and ASSOMi of a cube."""
    header = file.primary
    found = associates(file)
    for stem, meaning in (("ASSOC", "the category"), ("ASSOM", "the MD5 sum")):
        for key in numbered_keywords(header, stem):
            if f"ASSON{key[5:]}" not in header:
                yield file.problem(0, f"ASSON{key[5:]}", None, f"the name of the file of which {key} gives {meaning}")
    white, maps = [], []
    for key, path in found.items():
        name, number = str(value_of(header, key) or ""), key[5:]
        if path is None:
            yield file.problem(0, key, name, "a file beside the cube")
            continue
        if not is_fits(name):
            for stem in ("ASSOC", "ASSOM"):
                if f"{stem}{number}" not in header:
                    yield file.problem(0, f"{stem}{number}", None, f"one for {name}, which is no FITS file")
        elif f"ASSOC{number}" in header:
            value = value_of(header, f"ASSOC{number}")
            yield file.problem(0, f"ASSOC{number}", value, f"none for {name}: PRODCATG of a FITS file says it")
        digest = str(value_of(header, f"ASSOM{number}") or "").strip()
        if digest and (actual := md5_of(path)) != digest:
            yield file.problem(0, f"ASSOM{number}", digest, f"{actual}, the MD5 sum of {path.name}")
        if is_fits(name):
            try:
                one = OpenedFile.open(path)
            except MusedeepError as error:
                yield file.problem(0, key, name, f"a FITS file ({error})")
                continue
            if not one.category.startswith("ANCILLARY.") or one.category not in CATEGORIES:
                yield one.problem(0, "PRODCATG", one.category or None, "ANCILLARY. and a category of the archive")
            white += [one] * (one.category == WHITE)
            maps += [one] * (one.category == EXPOSURE_MAP)
    if len(white) != 1:
        yield file.problem(0, "ASSON1", f"{len(white)} files of {WHITE}", "exactly one among the associated files")
    for one in white + maps:
        yield from _same_field(file, one)
    for one in maps:
        yield from _seconds(file, one)


def _same_field(cube: OpenedFile, image: OpenedFile) -> Iterator[Problem]:
    """An image has the spaxels of its cube, at the same places."""
    if cube.science is None or image.science is None:
        return
    _, header = cube.science
    number, other = image.science
    for key in ("NAXIS1", "NAXIS2"):
        if other.get(key) != header.get(key):
            yield image.problem(number, key, other.get(key), f"{header.get(key)}, as the cube has it")
            return
    first, second = celestial(header), celestial(other)
    if first is None or second is None:
        return
    size = header["NAXIS1"], header["NAXIS2"]
    off = _distance(first, second, size)
    if not off <= SAME_PLACE:
        yield image.problem(
            number, "CRVAL1", value_of(other, "CRVAL1"), f"the field of the cube; it is {off:.3g} spaxels off"
        )


def _seconds(cube: OpenedFile, exposure_map: OpenedFile) -> Iterator[Problem]:
    """Exposure times of spaxels are between none and all of the cube's."""
    total = cube.number("TEXPTIME")
    if exposure_map.science is None or total is None:
        return
    number, _ = exposure_map.science
    try:
        values = np.asarray(fits.getdata(exposure_map.path, number), np.float64)
    except Exception as error:
        yield exposure_map.problem(number, "", reason(error), "an image that can be read")
        return
    known = values[np.isfinite(values)]
    for value in (known.min(initial=0.0), known.max(initial=0.0)):
        if not 0.0 <= value <= total * (1.0 + ROUNDING) + TOLERANCE:
            yield exposure_map.problem(number, "", f"{value:g} s in a spaxel", f"0 to TEXPTIME of the cube, {total:g}")


def _distance(first: WCS, second: WCS, size: tuple[int, int]) -> float:
    """Largest distance of the corners of one field in the other [pixel]."""
    corners = np.array([(1.0, 1.0), (size[0], 1.0), (1.0, size[1]), size])
    moved = second.all_world2pix(first.all_pix2world(corners, 1), 1)
    return float(np.abs(moved - corners).max())


def md5_of(path: Path) -> str:
    """The MD5 sum of a file, as md5sum prints it."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
