"""`musedeep campaign review` as a process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.makers.places import ROOT


@contextmanager
def review_server(plan: Path, by: str = "A. Reviewer") -> Iterator[str]:
    """Serve a campaign; gives the address that the command prints, and interrupts the command at the end."""
    words = [sys.executable, "-m", "musedeep", "campaign", "review", str(plan), "--port", "0", "--by", by]
    place = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=place) as process:
        try:
            assert process.stdout is not None
            address = next((line.strip() for line in process.stdout if line.startswith("http")), "")
            assert address, "the server has not started"
            yield address
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        finally:
            process.kill()
