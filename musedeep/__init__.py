"""musedeep: raw MUSE frames to deep datacubes, one band of wavelengths at a time.

The names in `__all__` are the public interface. They are loaded when they are first used: importing the package is
cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from musedeep.compiled import keep_compiled

if TYPE_CHECKING:
    from musedeep.api.cubes import Cube as Cube
    from musedeep.api.cubes import cutout as cutout
    from musedeep.api.cubes import open_cube as open_cube
    from musedeep.api.runs import combine as combine
    from musedeep.api.runs import run_recipe as run_recipe
    from musedeep.errors import MusedeepError as MusedeepError
    from musedeep.storage.pixel_tables.open import open_pixel_table as open_pixel_table

__version__ = "0.1.0"

_PLACES: Final = {
    "Cube": "musedeep.api.cubes",
    "MusedeepError": "musedeep.errors",
    "combine": "musedeep.api.runs",
    "cutout": "musedeep.api.cubes",
    "open_cube": "musedeep.api.cubes",
    "open_pixel_table": "musedeep.storage.pixel_tables.open",
    "run_recipe": "musedeep.api.runs",
}

__all__ = ["Cube", "MusedeepError", "combine", "cutout", "open_cube", "open_pixel_table", "run_recipe"]

keep_compiled()


def __getattr__(name: str) -> Any:
    """Load a public name."""
    if name not in _PLACES:
        raise AttributeError(f"module 'musedeep' has no attribute '{name}'")
    found = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
