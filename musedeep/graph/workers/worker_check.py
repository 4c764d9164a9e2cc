"""Whether a worker on another machine may take part: the same versions of what computes, and the same files.

The first look asks for versions without needing anything of ours there. Then a plugin goes to every worker, also to
those that come later; what it finds wrong, each task of that worker raises.
"""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin

from musedeep.errors import MusedeepError
from musedeep.provenance_key import code_state

PACKAGES = ("musedeep", "numpy", "numba", "scipy", "astropy")
"""Of which another version may compute other bits."""

VERSIONS = (
    "{'Python': '%d.%d' % __import__('sys').version_info[:2], **{name: __import__(name).__version__ "
    f"if __import__('importlib.util').util.find_spec(name) else 'none' for name in {PACKAGES}}}}}"
)
"""An expression for the versions here: text means the same to any Python, with and without this package."""

PATIENCE = 10.0
"""A network file system may show a new file so late [s]."""

_refusals: dict[str, str] = {}
_first: dict[str, tuple[Any, ...]] = {}
_first_lock = threading.Lock()


def own_versions() -> dict[str, str]:
    """Versions of Python and of the packages that compute, by name."""
    found: dict[str, str] = eval(VERSIONS)
    return found


def differing(here: Mapping[str, str], there: Mapping[str, str], host: str) -> str:
    """What differs, as a line for the user; empty if nothing does."""
    for name, version in here.items():
        if there.get(name, "none") != version:
            other = there.get(name, "none")
            has = f"{name} {other}" if other != "none" else f"no {name}"
            return f"the worker on {host} has {has}, here is {name} {version}; install the same on both"
    return ""


class Needs(WorkerPlugin):
    """What a run, of some name, needs of its workers: versions of Python and packages, paths that have to be there.

    Parameters
    ----------
    mark : a file that this run has made, and its content: who finds another one looks at another directory
    first : function and arguments, to be called once before the first task
    """

    def __init__(
        self,
        name: str,
        versions: Mapping[str, str],
        paths: Sequence[str],
        mark: tuple[str, bytes] | None,
        first: tuple[Any, ...] | None = None,
    ) -> None:
        self.name, self.versions, self.paths, self.mark, self.first = name, dict(versions), tuple(paths), mark, first
        self.code = code_state()

    async def setup(self, worker: Any) -> None:
        """Look, and remember what is wrong."""
        problem = await asyncio.to_thread(self.problem)
        if problem:
            _refusals[self.name] = problem
        elif self.first is not None:
            _first[self.name] = self.first

    def teardown(self, worker: Any) -> None:
        """Forget."""
        _refusals.pop(self.name, None)
        _first.pop(self.name, None)

    def problem(self) -> str:
        """What is wrong on this machine, as a line for the user; empty if nothing is."""
        host = socket.gethostname()
        different = differing(self.versions, own_versions(), host)
        if different:
            return different
        if self.code != code_state():
            return f"the worker on {host} has other sources of musedeep than are here; install the same on both"
        deadline = time.monotonic() + PATIENCE
        while True:
            unseen = self._unseen()
            if not unseen or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        if not unseen:
            return ""
        return f"{unseen}: the worker on {host} does not see it; give paths on a file system that all machines share"

    def _unseen(self) -> str:
        if self.mark is not None:
            path, content = self.mark
            try:
                same = Path(path).read_bytes() == content
            except OSError:
                same = False
            if not same:
                return os.path.dirname(path)
        return next((path for path in self.paths if not os.path.exists(path)), "")


def refusal(name: str) -> str:
    """What is wrong on this machine for a run; empty if nothing is."""
    return _refusals.get(name, "")


def prepared(name: str) -> None:
    """What this worker has to do for a run before its first task is done when this returns."""
    with _first_lock:
        if name in _first:
            function, *arguments = _first.pop(name)
            function(*arguments)


def checked(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; MusedeepError if this worker may not take part in the run, and why."""
    if name in _refusals:
        raise MusedeepError(_refusals[name])
    prepared(name)
    return function(*arguments)
