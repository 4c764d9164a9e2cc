"""Lists of exposures that a person has found bad: guiding, derotator, or whatever no header says."""

from pathlib import Path

from musedeep.errors import MusedeepError
from musedeep.selection.catalogue.exposure import archive_name


def read_bad_exposures(path: Path) -> dict[str, str]:
    """Names of exposures and the reason, one per line; MusedeepError for no such file, or a line without a name."""

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MusedeepError(f"{path}: cannot be read as text ({error}); give a list of exposures") from None
    found = {}
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split(None, 1)
        if not words:
            continue
        name = archive_name(words[0])
        if not name:
            raise MusedeepError(f"{path}: line {number}: {words[0]} is no name as MUSE.2016-10-02T03:04:05.678")
        found[name] = words[1].strip() if len(words) > 1 else ""
    return found
