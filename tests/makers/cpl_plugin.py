"""The CPL plugin, built with Debian's CPL, and applications that run its recipes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.makers.places import ROOT

THEIRS = "/usr/lib/x86_64-linux-gnu/cpl/plugins"
"""Debian's directory of the ESO pipelines."""

PYTHON_CPL = "python-cpl==0.7.4"


def missing_for_build() -> str:
    """What is missing to build the plugin; empty if nothing is."""
    if not all(map(shutil.which, ("cc", "make"))):
        return "no compiler (apt-get install gcc libc6-dev make)"
    source = "#include <cpl.h>\n"
    tried = subprocess.run(["cc", "-E", "-"], input=source, capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else "CPL is missing (apt-get install libcpl-dev)"


def build(directory: Path, *words: str) -> Path:
    """Build all libraries, without any warning, and install them; the directory that they are in."""
    plugins = directory / "plugins"
    command = ["make", "-s", "-j2", "-C", str(ROOT / "cpl-plugin"), f"PYTHON={sys.executable}"]
    command += [f"BUILD={directory / 'build'}", f"PLUGINS={plugins}", *words, "install"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr, done.stderr
    return plugins


def esorex(
    directory: Path, recipe_directories: str | Path, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run esorex in a directory, with settings of nobody, and the recipes of some directories (A:B)."""
    directory.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        ["esorex", f"--recipe-dir={recipe_directories}", *words],
        cwd=directory,
        env={**os.environ, "HOME": str(directory), "OMP_NUM_THREADS": "2", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def set_of_frames(path: Path, frames: Sequence[tuple[Path, str]]) -> Path:
    """Write a set-of-frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{frame} {tag}\n" for frame, tag in frames))
    return path


def python_with_cpl(directory: Path) -> Path:
    """A Python that has python-cpl beside the packages of this one."""
    base = [sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", str(directory)]
    subprocess.run(base, check=True)
    python = directory / "bin" / "python"
    # packages of the environment that runs the tests, which is not the system's
    places = [path for path in sys.path if path.endswith("-packages")]
    found = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (Path(found.stdout.strip()) / "tests.pth").write_text("".join(f"{one}\n" for one in places))
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", PYTHON_CPL]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return python


def stand_in(path: Path, answers: str) -> Path:
    """An interpreter for MUSEDEEP_PYTHON that writes the request beside itself, and then runs some lines of Python.

    Parameters
    ----------
    answers : the lines; `say(...)` answers with the fields of a line
    """
    path.write_text(f"""#!{sys.executable}
import os, signal, sys, time
with open(__file__ + ".request", "w") as copy:
    for line in sys.stdin:
        copy.write(line)
        if line == "run\\n":
            break
def say(*fields):
    print(*fields, sep="\\t", flush=True)
{answers}
""")
    path.chmod(0o755)
    return path
