"""Files as the archive hands them out: ADP.<date>.fits, with a README that says which name each has had.

A line of such a README is `- ADP.2016-09-15T12:34:56.789.fits`, the ORIGFILE, the category and the size, between tabs.
"""

import re
from pathlib import Path
from typing import Final

_LINE: Final = re.compile(r"-?\s*(ADP\.[^\t]+?)\s*\t\s*([^\t]+?)\s*(?:\t.*)?")


def original_names(folder: Path) -> dict[str, str]:
    """Names that files of a folder have had before they went into the archive, by their names in the folder."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*README*")):
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                if said := _LINE.fullmatch(line.strip()):
                    found[said[1]] = said[2]
    return found
