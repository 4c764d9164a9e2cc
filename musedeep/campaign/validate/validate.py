"""Check science data products as the archive does before it takes them (ESO's Phase 3).

1. Each file: its name, the FITS standard (astropy), the table of keywords, checksums.
2. A cube: rules between its keywords, its extensions, the files that belong to it, the raw frames it was made of.
3. An associated file is checked with its cube: whether it is there, unchanged, of the right category, size and place.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from musedeep.campaign.validate.associate_rules import associate_rules
from musedeep.campaign.validate.cube_rules import CUBE_RULES
from musedeep.campaign.validate.extension_rules import EXTENSION_RULES, coordinates
from musedeep.campaign.validate.file_rules import CUBE, FILE_RULES, checksum_rules
from musedeep.campaign.validate.opened import OpenedFile
from musedeep.campaign.validate.problem import Problem
from musedeep.campaign.validate.provenance_rules import provenance_rules, raw_rules
from musedeep.errors import MusedeepError


def validate(paths: Sequence[Path], raws: Mapping[str, Path] | None = None, checksums: bool = True) -> list[Problem]:
    """Check files; the problems, file by file.

    Parameters
    ----------
    paths : FITS files, cubes or what belongs to them; a file that is no FITS file is a problem
    raws : raw frames at hand, by their names in the archive (`find_raws`)
    checksums : whether to read all data for them
    """
    return [problem for path in paths for problem in _checked(path, raws or {}, checksums)]


def _checked(path: Path, raws: Mapping[str, Path], checksums: bool) -> Iterator[Problem]:
    try:
        file = OpenedFile.open(path)
    except MusedeepError as error:
        yield Problem(str(path), None, "", str(error).removeprefix(f"{path}: "), "a FITS file")
        return
    for rule in FILE_RULES:
        yield from rule(file)
    if file.category == CUBE:
        for rule in (*CUBE_RULES, *EXTENSION_RULES, associate_rules, provenance_rules):
            yield from rule(file)
        if raws:
            yield from raw_rules(file, raws)
    elif file.category.startswith("ANCILLARY."):
        yield from coordinates(file)
    if checksums:
        yield from checksum_rules(file)


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Files as given, and the FITS files of directories, in the order of their names.

    Raises MusedeepError for a path that is not there, and a directory without FITS files.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise MusedeepError(f"{path}: no such file or directory; give FITS files of a delivery")
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(one for end in ("fits", "fits.fz") for one in path.rglob(f"*.{end}"))
        if not inside:
            raise MusedeepError(f"{path}: no FITS files in it; give files of a delivery, or its directory")
        found += inside
    return list(dict.fromkeys(found))
