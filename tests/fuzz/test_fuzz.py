"""Damaged input of every kind, through the command line: it ends right, or in one line that names the file.

`MUSEDEEP_FUZZ` sets the number of cases of each kind, `MUSEDEEP_FUZZ_SEED` which ones; without them 10, always the
same. `make fuzz` runs two thousand.
"""

import contextlib
import io
import os
import shutil
import tomllib
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from musedeep.cli.errors import guarded
from musedeep.cli.main import run
from tests.fuzz.damage import Damage
from tests.fuzz.subjects import SUBJECTS, Subject
from tests.makers.places import ROOT

CASES = int(os.environ.get("MUSEDEEP_FUZZ", "10"))
SEED = os.environ.get("MUSEDEEP_FUZZ_SEED", "1")


def drawn(strategy: st.SearchStrategy[Damage], number: int, name: str) -> list[Damage]:
    """Examples of a strategy, others for each name: the same ones for the same seed."""
    found: list[Damage] = []

    @seed(f"{SEED} {name}")
    @settings(max_examples=number, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(damage: Damage) -> None:
        found.append(damage)

    collect()
    return found


def called(arguments: tuple[str, ...]) -> tuple[int, str]:
    """Run a command; its status and what it says on standard error."""
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if arguments[0] == "scene":
            status = guarded(lambda: scene(arguments[1]))
        else:
            status = tool(arguments) if arguments[0].startswith("muse_") else run(arguments)
    return status, error.getvalue()


def scene(path: str) -> None:
    """Open a scene, as `musedeep simulate --scene` does before it simulates a frame of full size."""
    from musedeep.simulate.scene import make_scene

    make_scene(path)


def tool(arguments: tuple[str, ...]) -> int:
    """Run one of the manual's tools."""
    module, name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"][arguments[0]].split(":")
    return int(getattr(import_module(module), name)(list(arguments[1:])))


def cube() -> list[np.ndarray]:
    """The images of the cube that a command has made, if it makes one."""
    path = Path("out/DATACUBE_FINAL.fits")
    if not path.exists():
        return []
    with fits.open(path, memmap=False) as hdus:
        return [np.asarray(hdu.data) for hdu in hdus[1:]]


def copied(source: Path, target: Path, file: str) -> None:
    """A copy of a directory with links to its files, but for the one that will be damaged."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        elif place.relative_to(target).is_relative_to(file):
            shutil.copyfile(path, place)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path)


def contents(path: Path) -> bytes | None:
    """What is in a file; None for a directory, or if it is gone."""
    return path.read_bytes() if path.is_file() else None


def clean() -> None:
    """Remove what the commands have made."""
    for rest in ("out", "store.zarr"):
        shutil.rmtree(rest, ignore_errors=True)
    Path("out").mkdir()


def mistakes(subject: Subject, damage: Damage, expected: list[list[np.ndarray]]) -> list[str]:
    """What is wrong with the answers to a damaged file, in the working directory."""
    damage.apply(Path(subject.file))
    found = []
    name = subject.named or Path(subject.file).name
    nameless = damage.replaced or (subject.searched and not Path(subject.file).is_file())
    for command, arrays in zip(subject.commands, expected, strict=True):
        clean()
        before = contents(Path(subject.file))
        status, error = called(command)
        last = error.strip().splitlines()[-1] if error.strip() else ""
        said = f"[{subject.name}] {damage} -> {' '.join(command[:2])}: status {status}: {last[:300]}"
        if "Traceback" in error or "--debug shows where" in error:
            found.append(f"nobody thought of it: {said}")
        elif status not in (0, 1):
            found.append(f"another status: {said}")
        elif status == 1 and not last.startswith("musedeep: "):
            found.append(f"no line at the end: {said}")
        elif status == 1 and name not in error and not nameless:
            found.append(f"the file is not named: {said}")
        elif status == 1 and damage.harmless and command[0] != "ingest":  # a store keeps columns as they are
            found.append(f"harmless, but refused: {said}")
        if status and [p for p in Path("out").glob("*.fits") if not p.name.startswith(".")]:
            found.append(f"products in spite of it: {said}")
        if status and contents(Path(subject.file)) != before:
            found.append(f"the file is not as it was: {said}")
        if status == 0 and damage.harmless:
            same = [np.array_equal(a, b, equal_nan=True) for a, b in zip(cube(), arrays, strict=True)]
            if not all(same):
                found.append(f"harmless, but the cube differs: {said}")
    return found


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.name.replace(" ", "-"))
def test_damaged_input_is_told_in_one_line(subject, tmp_path_factory, monkeypatch):
    sound = tmp_path_factory.mktemp("sound")
    subject.make(sound)
    others = sorted(p for p in sound.rglob("*.fits") if p.name != Path(subject.file).name)[:20]
    monkeypatch.chdir(sound)
    expected = []
    for command in subject.commands:
        clean()
        status, error = called(command)
        assert status == 0, error
        expected.append(cube())
    clean()
    damages = drawn(subject.damages(sound / subject.file, others), CASES, subject.name)
    assert damages
    found = []
    for damage in damages:
        place = tmp_path_factory.mktemp("case")
        copied(sound, place, subject.file)
        monkeypatch.chdir(place)
        found += mistakes(subject, damage, expected)
        monkeypatch.chdir(sound)
        shutil.rmtree(place)
    assert not found, f"{len(found)} of {len(damages)} cases:\n" + "\n".join(found)
