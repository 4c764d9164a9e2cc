"""Signals that end a run: as Ctrl-C, and not while it gives back what it holds."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from musedeep.progress import LOG

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Take SIGTERM, by which a batch system ends a job, and SIGHUP, of a closed terminal, as Ctrl-C."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    former = {}
    for one in (signal.SIGTERM, signal.SIGHUP):
        # nohup, which means it
        if signal.getsignal(one) is not signal.SIG_IGN:
            former[one] = signal.signal(one, interrupt)
    try:
        yield
    finally:
        for one, handler in former.items():
            signal.signal(one, handler)


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Give signals back the handlers they had: importing dask-jobqueue makes them end the process silently."""
    former = {one: signal.getsignal(one) for one in SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for one, handler in former.items():
                signal.signal(one, handler)


@contextmanager
def uninterrupted(why: str) -> Iterator[None]:
    """Go on when signals come, and tell the user why, as in "ending the jobs"; for what takes seconds."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    told = False

    def wait(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            LOG.warning(f"musedeep: {why} first; a moment")

    former = {one: signal.signal(one, wait) for one in SIGNALS if signal.getsignal(one) is not signal.SIG_IGN}
    try:
        yield
    finally:
        for one, handler in former.items():
            signal.signal(one, handler)
