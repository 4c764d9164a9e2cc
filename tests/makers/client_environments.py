"""Environments of programs that drive recipes: their packages by pip, away from ours; kept for the next run."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.makers.places import ROOT

SOURCE = "MUSEDEEP_TEST_CLIENTS"
"""Directory of environments; default build/clients."""


def client_python(name: str, *requirements: str) -> Path:
    """The interpreter of an environment with packages of PyPI; skips the test where pip cannot have them.

    Parameters
    ----------
    name : of the environment
    requirements : as for pip, with versions
    """
    key = hashlib.sha256(repr((sys.version, requirements)).encode()).hexdigest()[:12]
    place = Path(os.environ.get(SOURCE) or ROOT / "build" / "clients").resolve() / f"{name}-{key}"
    place.parent.mkdir(parents=True, exist_ok=True)
    python, done = place / "bin" / "python", place / "installed"
    with open(place.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(place, ignore_errors=True)
            venv.create(place, with_pip=True)
            command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
            environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            pip = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if pip.returncode:
                pytest.skip(f"pip cannot install {', '.join(requirements)}: {pip.stderr.strip().splitlines()[-1]}")
            listed = [str(python), "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"]
            done.write_text(subprocess.run(listed, capture_output=True, text=True, check=True).stdout)
    return python


def installed(python: Path) -> str:
    """Names and versions of the packages of an environment, one a line."""
    return (python.parent.parent / "installed").read_text()
