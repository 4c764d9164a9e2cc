"""A simulated night of one IFU, and the files that a simulated night is made with."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musedeep.cli.main import run
from musedeep.recipes import registry
from tests.makers.kept_products import kept, key_of, sources

IFU = 5
OPTIONS = (f"--ifus={IFU}", "--small", "--scene=empty")


def simulation_sources() -> set[Path]:
    """The files of the simulation, and the declarations of the recipes.

    Sets of frames follow from the declarations, which are loaded by name: `sources` does not see that.
    """
    modules = {"musedeep.cli.simulate", "musedeep.kernel_cache", *registry.modules().values()}
    return {path for module in modules for path in sources(module, ("musedeep.cli", "musedeep.graph"))}


@contextmanager
def one_ifu_night() -> Iterator[Path]:
    """A night as small as it can be, without the scene's own sources; kept. Nothing may be written into it."""

    def make(directory: Path) -> None:
        directory.mkdir()
        assert run(["simulate", "night", str(directory / "night"), *OPTIONS]) == 0

    with kept("one-ifu", key_of(sorted({*simulation_sources(), Path(__file__)})), make) as directory:
        yield directory / "night"
