"""Picture of the factors of an autocalibration: one line of the picture per slice, one column per range."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from musedeep.instrument import N_SLICES
from musedeep.reduction.pictures import FAINT, INK, colour_bar, draw, grid, title
from musedeep.storage.calibrations.autocal_factors import AutocalFactors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REPLACED: Final = "#dd5f14"
SHOWN: Final = 99.0
"""Share of the factors that the colours cover [percent]."""


def draw_factors(factors: AutocalFactors, directory: Path, suffix: str, overwrite: bool) -> list[Path]:
    """Draw AUTOCAL_FACTORS, with `suffix` and .png after its name; returns the file.

    Raises
    ------
    MusedeepError
        There is no matplotlib, or the file exists and may not be replaced.
    """
    path = directory / f"AUTOCAL_FACTORS{suffix}.png"
    ifus = int((factors.points > 0).any((1, 2)).sum())
    draw(lambda figure: _draw(figure, factors), path, overwrite, (11.0, min(5.0 + 0.5 * ifus, 12.0)))
    return [path]


def _draw(figure: "Figure", factors: AutocalFactors) -> None:
    """Factors of the slices of all IFUs with data over wavelength, and their spread in each range."""
    held = np.flatnonzero((factors.points > 0).any((1, 2)))
    values = 100.0 * (np.where(factors.points > 0, factors.factors, np.nan)[held] - 1.0).reshape(
        -1, factors.limits.size - 1
    )
    known = values[np.isfinite(values)]
    most = float(np.percentile(np.abs(known), SHOWN)) if known.size else 1.0
    edges = factors.limits.copy()
    # the first and the last range are as wide as their data may be
    edges[0], edges[-1] = max(edges[0], edges[1] - 400.0), min(edges[-1], edges[-2] + 100.0)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    mesh = above.pcolormesh(
        edges, np.arange(values.shape[0] + 1), values, cmap="RdBu_r", vmin=-max(most, 0.1), vmax=max(most, 0.1)
    )
    colour_bar(mesh, above, "factor - 1 [%]")
    replaced = np.argwhere(np.isfinite(factors.originals[held]).reshape(values.shape))
    middles = 0.5 * (edges[1:] + edges[:-1])
    if replaced.size:
        above.plot(middles[replaced[:, 1]], replaced[:, 0] + 0.5, ".", ms=3, color=REPLACED, label="mean of neighbours")
        above.legend(loc="upper right", bbox_to_anchor=(1.0, 1.1))
    above.set_yticks(N_SLICES * (np.arange(held.size) + 0.5), [f"IFU {ifu + 1}" for ifu in held])
    for k in range(1, held.size):
        above.axhline(N_SLICES * k, color=INK, linewidth=0.8)
    title(above, "Autocalibration of slices", f"{values.shape[0]} slices, {values.shape[1]} ranges of wavelengths")
    spread = [
        float(np.std(column[np.isfinite(column)])) if np.isfinite(column).any() else np.nan for column in values.T
    ]
    below.step(edges, [*spread, spread[-1]], where="post", color=FAINT)
    below.set(xlabel="wavelength [Angstrom]", ylabel="std [%]", ylim=(0.0, None), xlim=(edges[0], edges[-1]))
    grid(below)
