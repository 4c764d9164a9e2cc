"""Loading astropy.io.fits without what it loads beside: a tenth of a second at the start of a small command."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Final

UNITS: Final = "astropy.units"
"""Loaded with all units and constants by `astropy.utils.data`, for two names in annotations of its functions."""

CODECS: Final = "numcodecs"
"""Loaded for the base class of the codecs of compressed images, where it is installed: for other packages to use."""


def load_fits() -> None:
    """Load astropy.io.fits without units and numcodecs, which are loaded as ever when something else asks for them.

    To be called before there are threads. Where this version of astropy needs more of them, it gets them.
    """
    if "astropy.io.fits" in sys.modules:
        return
    stand_in = ModuleType(UNITS)
    for name in ("Quantity", "UnitBase"):
        setattr(stand_in, name, type(name, (), {"__module__": UNITS}))
    before = set(sys.modules)
    try:
        with _instead({UNITS: stand_in, CODECS: None}):
            importlib.import_module("astropy.io.fits")
    except (ImportError, AttributeError, TypeError):
        for name in [name for name in sys.modules if name.startswith("astropy") and name not in before]:
            del sys.modules[name]
        importlib.import_module("astropy.io.fits")


def load_without(module: str, hidden: str) -> None:
    """Load a module as if another, which it can do without, were not installed."""
    with _instead({hidden: None}):
        importlib.import_module(module)


@contextmanager
def _instead(modules: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """Have imports find these in place of modules that are not loaded; None: as if they were not installed."""
    free = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(free)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in free:
            del sys.modules[name]
