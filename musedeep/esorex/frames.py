"""Sets-of-frames, read as esorex reads them: a path, a tag and perhaps a group on a line.

1. Words are parted by blanks and tabs; there are no quotes. Lines that begin with # are comments, what follows the
   group is ignored.
2. $VAR, ${VAR} and $(VAR) are replaced in paths; a variable that is not set is empty. Paths are relative to the working
   directory.
3. Files that do not exist are all named; that is an error only if files are looked for (--check-sof-exist).
4. A line without a tag, and a file that is listed twice, pass.
"""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final

from musedeep.esorex.errors import NO_FRAMES, EsorexProblem
from musedeep.storage.set_of_frames import existing_form

VARIABLE: Final = re.compile(rb"\$(?:\{(\w+)\}|\((\w+)\)|(\w+))", re.ASCII)


@dataclass(frozen=True)
class Frame:
    """A file of a set-of-frames; tag and group may be empty."""

    path: str
    tag: str = ""
    group: str = ""


def read_frames(sources: Sequence[str], check: bool) -> list[Frame]:
    """The frames of several sets-of-frames, joined.

    Parameters
    ----------
    sources : paths of the files
    check : refuse frames that do not exist

    Raises
    ------
    EsorexProblem
        A set-of-frames cannot be opened; a frame does not exist.
    """
    frames: list[Frame] = []
    complaints: list[str] = []
    for source in sources:
        try:
            found = _read(source)
        except OSError as error:
            found, missing = [], [f"Unable to open SOF file '{source}' ({error.strerror})"]
        else:
            missing = [_missing(*one, source) for one in found if check and not _readable(one[1].path)]
        frames += [frame for _, frame in found]
        if missing:
            complaints += [
                *missing,
                f"The frames of the SOF file '{source}' cannot be loaded; --check-sof-exist=FALSE goes on without "
                "those that are missing",
            ]
    if complaints:
        raise EsorexProblem(NO_FRAMES, *complaints)
    return frames


def _read(source: str) -> list[tuple[int, Frame]]:
    """Numbers of lines, and frames; of what is no text, as directories and FITS files, none."""
    if os.path.isdir(source):
        return []
    raw = Path(source).read_bytes().removeprefix(b"\xef\xbb\xbf")
    if b"\0" in raw or raw.startswith(b"SIMPLE  ="):
        return []
    found = []
    for number, line in enumerate(raw.splitlines(), 1):
        words = [os.fsdecode(word) for word in line.split()[:3]]
        if words and not words[0].startswith("#"):
            path = existing_form(expanded(words[0]))
            # what is behind a # is no tag
            tags = takewhile(lambda word: not word.startswith("#"), words[1:])
            found.append((number, Frame(path, *tags)))
    return found


def expanded(path: str) -> str:
    """A path with its environment variables replaced, by nothing where they are not set."""

    def value(found: re.Match[bytes]) -> bytes:
        return os.environb.get(next(filter(None, found.groups())), b"")

    return os.fsdecode(VARIABLE.sub(value, os.fsencode(path)))


def _readable(path: str) -> bool:
    return os.path.exists(path) and os.access(path, os.R_OK)


def _missing(number: int, frame: Frame, source: str) -> str:
    tag = f"with tag '{frame.tag}'" if frame.tag else "with no tag"
    group = f"and group '{frame.group}'" if frame.group else "and no group"
    return f"Could not open the input file '{frame.path}' {tag} {group} in line {number} of the SOF '{source}'"


def tagged(frames: Sequence[Frame], several: bool) -> tuple[list[tuple[str, str]], list[tuple[int, str]]]:
    """Paths and tags that a recipe is given, and what to say of the others.

    Parameters
    ----------
    several : whether the recipe works on several exposures, which it takes once each

    Returns
    -------
    list of (path, tag), and list of (level, text)
    """
    kept: list[tuple[str, str]] = []
    said: list[tuple[int, str]] = []
    for frame in frames:
        one = (frame.path, frame.tag)
        if not frame.tag:
            said.append((logging.WARNING, f"'{frame.path}' has no tag; it is left out"))
        elif not os.path.exists(frame.path):
            said.append((logging.WARNING, f"'{frame.path}' does not exist; it is left out"))
        elif several and one in kept:
            said.append((logging.WARNING, f"'{frame.path}' is listed twice; it is taken once"))
        else:
            kept.append(one)
    return kept, said
