"""Set-of-frames files: one path and tag a line (manual 6.1)."""

import os
from pathlib import Path

from musedeep.errors import MusedeepError


def read_set_of_frames(path: str | Path) -> list[tuple[str, str]]:
    """Paths and tags of a set-of-frames file.

    Environment variables in paths are replaced, lines that start with # are comments, relative paths are
    relative to the working directory (as esorex takes them) or, where nothing is there, to the file.

    Raises
    ------
    MusedeepError
        The file or a frame does not exist; a line without a tag.
    """
    path = Path(path)
    if not path.is_file():
        raise MusedeepError(f"{path}: no such set-of-frames file")
    frames = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 2:
            raise MusedeepError(f"{path}, line {number}: '{words[0]}' has no tag; write the path, a space, and the tag")
        frame = os.path.expandvars(words[0])
        if not os.path.exists(frame):
            beside = path.parent / frame
            if not beside.exists():
                raise MusedeepError(f"{path}, line {number}: {frame} does not exist; correct the path")
            frame = str(beside)
        frames.append((frame, words[1]))
    return frames
