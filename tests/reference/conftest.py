"""The reference pipeline as an oracle: run where esorex and the MUSE plugin are installed, skipped elsewhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reference.night.night_files import Night
from tests.reference.night.reduce import reduce_night

RECIPE = "muse_exp_combine"


def _missing() -> str:
    if shutil.which("esorex") is None:
        return "esorex is not installed (apt-get install esorex cpl-plugin-muse)"
    listed = subprocess.run(["esorex", "--recipes"], capture_output=True, text=True, check=False).stdout
    return "" if RECIPE in listed else "esorex has no MUSE recipes (apt-get install cpl-plugin-muse)"


@pytest.fixture(scope="session")
def reference_installed():
    """Skips where the reference pipeline is missing."""
    reason = _missing()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def esorex(reference_installed):
    """Runs muse_exp_combine of the reference in a directory, and returns the directory."""

    def run(directory: Path, frames: list[tuple[Path, str]], parameters: dict[str, object]) -> Path:
        directory.mkdir(parents=True)
        sof = directory / "in.sof"
        sof.write_text("".join(f"{Path(path).resolve()} {tag}\n" for path, tag in frames))
        options = [f"--{name}={value}" for name, value in parameters.items()]
        command = ["esorex", "--log-level=off", "--msg-level=error", RECIPE, *options, sof.name]
        done = subprocess.run(
            command,
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return directory

    return run


@pytest.fixture(scope="session")
def esorex_recipe():
    """Runs any recipe of the reference in a new directory, and returns the directory."""
    reason = _missing()
    if reason:
        pytest.skip(reason)

    def run(directory: Path, recipe: str, frames: list[tuple[Path, str]], parameters: dict[str, object]) -> Path:
        directory.mkdir(parents=True)
        sof = directory / "in.sof"
        sof.write_text("".join(f"{Path(path).resolve()} {tag}\n" for path, tag in frames))
        options = [f"--{name}={value}" for name, value in parameters.items()]
        done = subprocess.run(
            ["esorex", "--log-level=off", "--msg-level=error", recipe, *options, sof.name],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return directory

    return run


@pytest.fixture(scope="session")
def night(tmp_path_factory, reference_installed):
    """A small simulated night of IFUs 1 and 2 (with one the astrometric field is too narrow), reduced to the end.

    MUSEDEEP_TEST_NIGHT names a directory to keep it in: made if it is not there, used as it is if it is.
    """
    kept = os.environ.get("MUSEDEEP_TEST_NIGHT")
    directory = Path(kept) if kept else tmp_path_factory.mktemp("proof") / "night"
    if not directory.exists():
        command = [sys.executable, "-m", "musedeep", "simulate", "night", str(directory), "--ifus", "1-2", "--small"]
        subprocess.run(command, check=True)
    reduce_night(directory, together=2)
    yield Night(directory)
    if not kept:
        shutil.rmtree(directory)
