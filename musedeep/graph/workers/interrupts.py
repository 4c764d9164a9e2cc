"""Signals that end a run: as Ctrl-C, and not while it gives back what it holds."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from musedeep.progress import LOG

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def as_interrupts(signals: Sequence[int] = (signal.SIGTERM, signal.SIGHUP)) -> Iterator[list[int]]:
    """Take SIGTERM, by which a batch system ends a job, and SIGHUP, of a closed terminal, as Ctrl-C.

    Gives the numbers of the signals that came, which grow.
    """
    caught: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        caught.append(number)
        raise KeyboardInterrupt

    former = {}
    for one in signals:
        # nohup, which means it
        if signal.getsignal(one) is not signal.SIG_IGN:
            former[one] = signal.signal(one, interrupt)
    try:
        yield caught
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
