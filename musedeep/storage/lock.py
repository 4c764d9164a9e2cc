"""One run at a time on an output directory: a lock file that says who is at work there.

The lock is that of the operating system (flock) on an open file, which ends with its process, however that
ends; so the file that a killed run leaves is taken over at once. Network file systems pass such locks on to
other hosts (NFS: as locks of byte ranges). Where a file system has none, the file itself is the lock: then
the run that it names counts as alive if it is on another host, or if its process is there.
"""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from musedeep.errors import MusedeepError
from musedeep.storage.outputs import write_error

LOCK = ".musedeep-lock"

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


@contextmanager
def output_lock(directory: Path) -> Iterator[None]:
    """Hold the lock of an output directory; the directory is made, and removed if it is left empty.

    Raises MusedeepError if another run holds the lock, and which; if the directory cannot be written.
    """
    made = not directory.exists()
    path = directory / LOCK
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = _take(path)
    except OSError as error:
        if made:
            _remove_if_empty(directory)
        raise write_error(directory, error, 0) from error
    try:
        yield
    finally:
        # removed before it is let go: whoever waits for it at `_take` sees that it holds a file without a name
        path.unlink(missing_ok=True)
        os.close(descriptor)
        if made:
            _remove_if_empty(directory)


def _take(path: Path) -> int:
    """Open and lock the file, and write our name into it; returns the descriptor that holds the lock."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            locks = True
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _TAKEN:
                    raise _refusal(path, _read(descriptor)) from error
                if error.errno not in _NO_LOCKS:
                    raise
                locks = False
            if not _is_named(descriptor, path):
                os.close(descriptor)
                continue
            holder = _read(descriptor)
            if not locks and _alive(holder):
                raise _refusal(path, holder)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(_ourselves()).encode() + b"\n", 0)
            os.fsync(descriptor)
            return descriptor
        except BaseException:
            os.close(descriptor)
            raise


def _is_named(descriptor: int, path: Path) -> bool:
    """Whether the open file still has its name: its last holder removes it."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    own = os.fstat(descriptor)
    return (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)


def _ourselves() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        "process_start": psutil.Process().create_time(),
    }


def _read(descriptor: int) -> dict[str, Any]:
    """What the file says about its holder; nothing if it is not (yet) written."""
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _alive(holder: dict[str, Any]) -> bool:
    """Whether the run that a lock file names may still be there: on another host it may."""
    if not holder:
        return False
    if holder.get("host") != socket.gethostname():
        return True
    try:
        # a process of the same number may be another one
        return abs(psutil.Process(int(holder["pid"])).create_time() - float(holder["process_start"])) < 2.0
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False


def _refusal(path: Path, holder: dict[str, Any]) -> MusedeepError:
    who = "another run"
    if holder:
        who = f"process {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')}"
    return MusedeepError(
        f"{path.parent}: another run is at work there ({who}); wait until it has ended or choose another output "
        f"directory (if it is gone for certain, remove {path})"
    )


def _remove_if_empty(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:
        pass
