"""A screen without a screen (Debian's xvfb), and ds9 on it, which is asked by XPA (xpa-tools)."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PACKAGES = {"Xvfb": "xvfb", "ds9": "saods9", "xpaget": "xpa-tools", "xpaset": "xpa-tools", "xpaaccess": "xpa-tools"}
PATIENCE = 60.0
"""Seconds."""


@contextmanager
def screen(size: str = "1100x800x24") -> Iterator[str]:
    """A new display; its name, as in :3."""
    missing = sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})
    assert not missing, f"install {' '.join(missing)} (Debian), as .ci/run does"
    read, write = os.pipe()
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", size, "-nolisten", "tcp"], pass_fds=[write],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    try:
        with os.fdopen(read) as stream:
            yield f":{stream.readline().strip()}"
    finally:
        process.terminate()
        process.wait(PATIENCE)


class Ds9:
    """ds9 with a file, in a home directory of its own."""

    def __init__(self, display: str, home: Path, arguments: Sequence[str]) -> None:
        self._title = f"musedeep-{os.getpid()}"
        self._environment = os.environ | {
            "DISPLAY": display, "HOME": str(home), "XPA_METHOD": "local", "XPA_TMPDIR": str(home), "LC_ALL": "C",
        }  # fmt: skip
        self.log = home / "ds9.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["ds9", "-title", self._title, *arguments], env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )

    def wait(self) -> None:
        """Until it answers."""
        until = time.monotonic() + PATIENCE
        while self._call("xpaaccess", []).strip() != "yes":
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, "ds9 does not answer"
            time.sleep(0.1)

    def _call(self, program: str, words: Sequence[str]) -> str:
        done = subprocess.run(
            [program, *(["-p"] if program == "xpaset" else []), self._title, *words], env=self._environment,
            capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert program == "xpaaccess" or (not done.stderr and not done.returncode), (words, done.stderr)
        return done.stdout

    def ask(self, words: str) -> str:
        """What it answers."""
        return self._call("xpaget", words.split()).strip()

    def tell(self, words: str) -> None:
        """Have it do something."""
        self._call("xpaset", words.split())

    def quit(self) -> int:
        """End it; its exit status."""
        self.tell("exit")
        return self.process.wait(PATIENCE)


@contextmanager
def ds9(home: Path, *arguments: str) -> Iterator[Ds9]:
    """ds9 that has opened files."""
    with screen() as display:
        program = Ds9(display, home, arguments)
        try:
            program.wait()
            yield program
        finally:
            if program.process.poll() is None:
                program.process.kill()
            program.process.wait(PATIENCE)
