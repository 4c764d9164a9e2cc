"""Programs of others that drive recipes through `esorex`: unmodified, on a simulated night of two IFUs."""

import os
import sys
from pathlib import Path

import pytest

from musedeep.cli.main import run
from tests.makers.kept_products import kept, key_of
from tests.makers.one_ifu_night import simulation_sources
from tests.makers.places import ROOT

NIGHT = ("--ifus=1,2", "--seed=1", "--small", "--exposures=3")

ESOREX = f"""#!{sys.executable}
import sys

sys.path.insert(0, {str(ROOT)!r})

from musedeep.esorex.main import run

if __name__ == "__main__":
    sys.exit(run())
"""
"""What pip writes for the console script, for the tree that is tested."""

LIKWID_PIN = """#!/bin/sh
# a stand-in: runs the command and pins nothing
shift 2
exec "$@"
"""
"""pymusepipe calls likwid-pin by default, of a library for performance counters; `likwid-pin -c CPUS COMMAND`."""

ESOREX_RC = """# as pymusepipe's manual asks
esorex.caller.suppress-prefix=TRUE
# it lists pixel tables of 24 IFUs, always
esorex.caller.check-sof-exist=FALSE
"""


@pytest.fixture(scope="session")
def client_night():
    """A simulated night of two IFUs with three exposures; nothing may be written into it."""

    def make(directory: Path) -> None:
        directory.mkdir()
        assert run(["simulate", "night", str(directory / "night"), *NIGHT]) == 0

    with kept("clients", key_of(sorted({*simulation_sources(), Path(__file__)}), *NIGHT), make) as directory:
        yield directory / "night"


@pytest.fixture(scope="session")
def client_environment(tmp_path_factory):
    """Environment variables under which `esorex` is ours, with a home directory that has an esorex.rc."""
    place = tmp_path_factory.mktemp("client")
    programs, home = place / "bin", place / "home"
    programs.mkdir()
    (home / ".esorex").mkdir(parents=True)
    (home / ".esorex" / "esorex.rc").write_text(ESOREX_RC)
    for name, text in (("esorex", ESOREX), ("likwid-pin", LIKWID_PIN)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return environment | {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home)}
