"""Recipes that musedeep does not have, run by another esorex.

1. The other esorex is $MUSEDEEP_ESOREX, or the next esorex in PATH that is not this program under another name.
2. It is given the same command line and environment, so that it finds its own recipes and options.
3. A call that comes from such a hand-over is not handed over again.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

COMMAND: Final = "MUSEDEEP_ESOREX"
"""Environment variable: the esorex that runs recipes that musedeep does not have; empty: none."""

HANDED: Final = "MUSEDEEP_ESOREX_HANDED_OVER"
_ENTRY: Final = b"musedeep.esorex.main"
"""Stands in every script that starts this program."""


def other_esorex() -> str | None:
    """Path of another esorex; None if there is none, or it may not be used."""
    if os.environ.get(HANDED):
        return None
    if COMMAND in os.environ:
        return shutil.which(os.environ[COMMAND]) if os.environ[COMMAND] else None
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = shutil.which("esorex", path=directory or os.curdir)
        if path and not is_ours(Path(path)):
            return path
    return None


def is_ours(path: Path) -> bool:
    """Whether a program is this one, perhaps by a link or from another installation."""
    if path.resolve() == Path(sys.argv[0]).resolve():
        return True
    try:
        with open(path, "rb") as stream:
            return _ENTRY in stream.read(4096)
    except OSError:
        return True  # it cannot be run, either


def run_other(program: str, words: Sequence[str]) -> int:
    """Run another esorex with the words of our command line; its exit status, 128 + number of a signal that ends it.

    Signals that end this program are passed on.
    """
    with subprocess.Popen([program, *words], env={**os.environ, HANDED: "1"}) as process:

        def pass_on(number: int, frame: FrameType | None) -> None:
            process.send_signal(number)

        # Ctrl-C reaches both; the other one decides
        former = {one: signal.signal(one, pass_on) for one in (signal.SIGTERM, signal.SIGHUP)}
        former[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            status = process.wait()
        finally:
            for one, handler in former.items():
                signal.signal(one, handler)
    return status if status >= 0 else 128 - status
