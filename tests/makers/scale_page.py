"""The page on scale: its tables are what its commands print.

    python -m tests.makers.scale_page

runs them and writes the page anew.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.makers.places import ROOT

PAGE = ROOT / "docs" / "validation" / "scale.md"

BLOCK = re.compile(r"^```console\n\$ (.*)\n((?:.*\n)*?)```$", re.MULTILINE)
"""A command, and what it prints."""


def printed(command: str) -> str:
    """What a command prints."""
    words = command.replace("\\\n", " ").split()
    assert words[0] == "python", command
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def renewed(page: str) -> str:
    """A page with what its commands print now."""
    return BLOCK.sub(lambda found: f"```console\n$ {found[1]}\n{printed(found[1])}```", page)


def main() -> None:
    """Write the page."""
    path = Path(PAGE)
    path.write_text(renewed(path.read_text()))


if __name__ == "__main__":
    main()
