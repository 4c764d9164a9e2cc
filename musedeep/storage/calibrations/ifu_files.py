"""Files of one IFU each, or of several: which of them holds an IFU."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from musedeep.errors import MusedeepError
from musedeep.storage.raw.file import extension_name

T = TypeVar("T")


class OtherIfu(MusedeepError):
    """The file is good, but of other IFUs: `held`, as CHANnn, ..."""

    def __init__(self, message: str, held: str = "") -> None:
        super().__init__(message)
        self.held = held


def read_of_ifu(read: Callable[[str | Path, int], T], paths: Sequence[str | Path], ifu: int, kind: str) -> T:
    """What a reader finds in the first of several files that holds an IFU.

    Parameters
    ----------
    read : takes a path and an IFU; raises OtherIfu for a good file of another IFU, which leads on to the next file
    paths : sequence of str or Path
    kind : what the files are, for the message: TRACE_TABLE ...

    Raises
    ------
    MusedeepError
        No file holds the IFU, or a file cannot be read or is wrong: that file is named.
    """
    held = []
    for path in paths:
        try:
            return read(path, ifu)
        except OtherIfu as error:
            held.append(error.held)
    where = f"{', '.join(map(str, paths))}: " if paths else ""
    others = f", only of {', '.join(held)}" if any(held) else ""
    raise MusedeepError(f"{where}no {kind} of IFU {ifu} ({extension_name(ifu)}){others}; give one")
