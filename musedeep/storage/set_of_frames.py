"""Set-of-frames files: one path and tag a line (manual 6.1)."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from musedeep.errors import MusedeepError
from musedeep.storage.outputs import appearing_whole, refuse_existing


def read_set_of_frames(path: str | Path) -> list[tuple[str, str]]:
    """Paths and tags of a set-of-frames file.

    Environment variables in paths are replaced, lines that start with # are comments, relative paths are
    relative to the working directory (as esorex takes them) or, where nothing is there, to the file. Names may have
    any characters but blanks: what is no text is taken byte for byte, as file systems do. A pixel table may be named as
    a FITS file or as a store, whichever there is; see `existing_form`.

    Raises MusedeepError if the file or a frame does not exist; if it is no text; for a line without a tag, a variable
    that is not set; the same frame twice.
    """
    path = Path(path)
    if not path.is_file():
        raise MusedeepError(f"{path}: no such set-of-frames file; give a text file with a path and a tag a line")
    raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if b"\0" in raw or raw.startswith(b"SIMPLE  ="):
        raise MusedeepError(f"{path}: not a set-of-frames; give a text file with a path and a tag a line")
    frames: list[tuple[str, str]] = []
    for number, line in enumerate(raw.splitlines(), 1):
        words = [os.fsdecode(word) for word in line.split()]
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 2:
            raise MusedeepError(f"{path}, line {number}: '{words[0]}' has no tag; write the path, a space, and the tag")
        frame = (_find(words[0], path, number), words[1])
        if frame in frames:
            raise MusedeepError(f"{path}, line {number}: {frame[0]} is listed twice; remove one of the lines")
        frames.append(frame)
    if not frames:
        raise MusedeepError(f"{path}: no frames; write a path and a tag a line")
    return frames


def _find(word: str, source: Path, number: int) -> str:
    """The path of a frame that exists."""
    frame = os.path.expandvars(word)
    unset = re.search(r"\$\{?(\w+)", frame)
    if unset and not os.path.exists(frame):
        raise MusedeepError(f"{source}, line {number}: variable {unset[1]} in {word} is not set; export it")
    places = (frame, str(source.parent / frame))
    for place in (*places, *map(existing_form, places)):
        if os.path.exists(place):
            return place
    raise MusedeepError(f"{source}, line {number}: {frame} does not exist; correct the path")


def other_form(path: str) -> str:
    """The name of the same pixel table in the other form: X.zarr, a store, for X.fits, and the other way round."""
    stem, suffix = os.path.splitext(path)
    return stem + {".fits": ".zarr", ".zarr": ".fits"}.get(suffix, suffix)


def existing_form(path: str) -> str:
    """The path itself, or its `other_form` where only that exists."""
    return path if os.path.exists(path) or not os.path.exists(other_form(path)) else other_form(path)


def write_set_of_frames(path: Path, frames: Sequence[tuple[str, str]], overwrite: bool = False) -> None:
    """Write paths and tags; the file appears when it is whole.

    Raises MusedeepError if it exists and may not be replaced, a path holds a blank, or the file cannot be written.
    """
    refuse_existing(path, overwrite)
    for name, _ in frames:
        if len(os.fsencode(name).split()) != 1:
            raise MusedeepError(f"{name}: sets-of-frames cannot hold names with blanks; rename it or its directory")
    raw = os.fsencode("".join(f"{name} {tag}\n" for name, tag in frames))
    with appearing_whole(path, len(raw)) as partial:
        partial.write_bytes(raw)
