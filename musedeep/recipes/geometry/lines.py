"""Arc lines of a LINE_CATALOG that muse_geometry looks for."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.line_catalog import read_line_catalog

BRIGHT: Final = 10000.0
"""Relative flux from which a line is used (found by experiments on the reference)."""
BRIGHT_RED: Final = 5000.0
"""Relative flux that does for one line more, the reddest (found by experiments on the reference)."""
LEAST_LINES: Final = 6
"""The reference refuses fewer (found by experiments on it)."""


def read_lines(path: str) -> NDArray[np.float64]:
    """Wavelengths of the lines to look for.

    Those of neon, mercury and cadmium, which light the mask, of quality above 0 and a relative flux of at least 10000,
    and the reddest one of at least 5000.

    Parameters
    ----------
    path : LINE_CATALOG (manual A.2.1)

    Returns
    -------
    float64 (lines,), Angstrom, ascending

    Raises
    ------
    MusedeepError
        No such table, or fewer than six lines.
    """
    catalog = read_line_catalog(path)
    good = np.zeros(catalog.wavelengths.size, bool)
    for lamp in ("Ne", "HgCd"):
        good[catalog.of_lamp(lamp)] = True
    good &= catalog.qualities > 0
    chosen = good & (catalog.fluxes >= BRIGHT)
    red = np.flatnonzero(good & (catalog.fluxes >= BRIGHT_RED))
    chosen[red[-1:]] = True
    if chosen.sum() < LEAST_LINES:
        raise MusedeepError(
            f"{path}: {chosen.sum()} good lines of neon, mercury and cadmium with a flux of at least {BRIGHT:.0f}, "
            f"muse_geometry needs {LEAST_LINES}; give a full LINE_CATALOG"
        )
    return np.asarray(catalog.wavelengths[chosen])
