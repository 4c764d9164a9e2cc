"""Outputs appear under their names when they are whole, and replace nothing unless told to."""

import errno
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musedeep.errors import MusedeepError


def partial_name(path: Path) -> Path:
    """Where an output is made, in the directory where it will be."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def leftovers(path: Path) -> list[Path]:
    """What killed runs have left of an output that they were making."""
    return sorted(path.parent.glob(f".{glob.escape(path.name)}.*.part"))


@contextmanager
def appearing_whole(path: Path, need: int = 0) -> Iterator[Path]:
    """Where to make an output of about `need` bytes, that gets its name at the end, or is not there at all.

    Raises MusedeepError if it cannot be written.
    """
    partial = partial_name(path)
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise write_error(path, error, need) from error
    finally:
        partial.unlink(missing_ok=True)


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise MusedeepError if the output exists and may not be replaced, or its directory does not exist."""
    if not path.parent.is_dir():
        raise MusedeepError(f"{path}: the directory {path.parent} does not exist; create it first")
    if path.exists() and not overwrite:
        raise MusedeepError(f"{path}: exists already; give another name, or --overwrite to replace it")


def make_directory(directory: Path) -> None:
    """Make the directory of an output, and those above it, where they are not there; MusedeepError if it cannot be."""
    if directory.exists() and not directory.is_dir():
        raise MusedeepError(f"{directory}: is no directory; give another name")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(directory, error, 0) from error


def check_space(path: Path, need: int) -> None:
    """Raise MusedeepError if fewer than `need` bytes are free where the output will be."""
    free = shutil.disk_usage(path.parent).free
    if free < need:
        raise MusedeepError(
            f"{path.parent}: {free / 2**20:.0f} MiB free, {path.name} needs about {need / 2**20:.0f} MiB; "
            "free some space"
        )


def write_error(path: Path, error: OSError, need: int) -> MusedeepError:
    """The error to raise for one that came up while an output of about `need` bytes was written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return MusedeepError(
            f"{path.parent}: disk full while writing {path.name}, which needs about {need} bytes; "
            "free some space and start again"
        )
    return MusedeepError(f"{path}: cannot be written ({error.strerror or error}); check the directory and its rights")


def replace_directory(source: Path, target: Path) -> None:
    """Give a finished directory its name; a former one goes only when the new one is in place."""
    if not target.exists():
        os.rename(source, target)
        return
    former = target.with_name(f".{target.name}.{os.getpid()}.old")
    os.rename(target, former)
    try:
        os.rename(source, target)
    except OSError:
        os.rename(former, target)
        raise
    if former.is_dir():
        shutil.rmtree(former)
    else:
        former.unlink()


def write_at(descriptor: int, offset: int, raw: bytes | memoryview) -> None:
    """Write all bytes at an offset of a file."""
    view = memoryview(raw)
    while view:
        n = os.pwrite(descriptor, view, offset)
        view, offset = view[n:], offset + n
