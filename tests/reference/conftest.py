"""The reference pipeline as an oracle: run where esorex and the MUSE plugin are installed, skipped elsewhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.makers.cpl_plugin import build, missing_for_build, python_with_cpl
from tests.makers.kept_products import kept, key_of
from tests.makers.one_ifu_night import simulation_sources
from tests.makers.places import ROOT
from tests.reference.night import reduce
from tests.reference.night.night_files import Night
from tests.reference.second_stage import SecondStage

RECIPE = "muse_exp_combine"
NOMINAL = "WFM-NOAO-N"
MODE = os.environ.get("MUSEDEEP_TEST_MODE") or NOMINAL
"""Instrument mode of the night; `make test-reference-all` takes the others, one after the other."""
NIGHT = (
    "--ifus=1-2",
    "--small",
    "--seed=1",
    f"--mode={MODE}",
    "--scene=deep-field",
    "--exposure-time=600",
    "--masks=0",
    "--lsf-arcs=0",
)


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


def reference_versions() -> str:
    """Versions of esorex, its libraries and the MUSE recipes: what they print about themselves."""
    commands = (["esorex", "--version"], ["esorex", "--man", "muse_bias"])
    return "".join(subprocess.run(c, capture_output=True, text=True, check=True).stdout for c in commands)


def night_sources() -> list[Path]:
    """The files that a night is made with: those of the simulation, and the driver; all of ours for other modes."""
    ours = set() if MODE == NOMINAL else set((ROOT / "musedeep").rglob("*.py"))
    return sorted({*simulation_sources(), Path(reduce.__file__), *ours})


def make_night(directory: Path) -> None:
    """Simulate a night and reduce it to the end: ten minutes.

    In other modes than that of CI the first stage is ours, and both go on from the same pixel tables: that is quicker,
    and shows that the reference takes our calibrations.
    """
    command = [sys.executable, "-m", "musedeep"]
    subprocess.run([*command, "simulate", "night", str(directory), *NIGHT], check=True)
    if MODE == NOMINAL:
        reduce.reduce_night(directory, together=2)
        return
    # the vignetted lines of the narrow field are nearly all of two IFUs
    options = ["--set", "muse_twilight.vignnfmmask=5"] if MODE.startswith("NFM") else []
    subprocess.run([*command, "reduce", str(directory), "--save-fits", *options], check=True)
    for store in (directory / "reduced").glob("*.zarr"):
        shutil.rmtree(store)
    # the strips of two exposures share too few stars in the narrow field to be aligned
    reduce.reduce_night(directory, until="scipost" if MODE.startswith("NFM") else None, since="standard")


@pytest.fixture(scope="session")
def night(reference_installed):
    """A small simulated night of IFUs 1 and 2 (with one the astrometric field is too narrow), reduced to the end.

    It is kept for the next run, until a file that it is made with changes. Nothing may be written into it.
    """
    with kept("night", key_of(night_sources(), *NIGHT, reference_versions()), make_night) as directory:
        yield Night(directory)


@pytest.fixture
def figure(record_property):
    """Notes what a test measures, for the tables of docs/validation (`figures.py`); gives the number back."""

    def note(name: str, value: float) -> float:
        record_property(name, f"{float(value):.4g}")
        return value

    return note


@pytest.fixture(scope="session")
def second_stage(night, tmp_path_factory):
    """Our recipes after muse_scibasic on the night of the reference; `ours` runs one."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    place = place / "second-stage"
    place.mkdir(exist_ok=True)
    return SecondStage(night, place)


@pytest.fixture(scope="session")
def compiler(reference_installed):
    """Skips where a compiler or the headers of CPL are missing."""
    reason = missing_for_build()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def cpl_plugin(compiler, tmp_path_factory):
    """Directory of the libraries of the CPL plugin, built here."""
    return build(tmp_path_factory.mktemp("cpl-plugin"))


@pytest.fixture(scope="session")
def python_cpl(compiler, tmp_path_factory):
    """A Python that has python-cpl."""
    return python_with_cpl(tmp_path_factory.mktemp("python-cpl"))
