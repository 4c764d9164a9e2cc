"""The picture of an astrometric solution: the stars on their image, with their residuals as arrows."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from musedeep.recipes.astrometry.solution import Solution
from musedeep.reduction.pictures import FAINT, INK, draw, grid, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

USED, LEFT, OTHER = "#0b7d3b", "#b8121f", "#dd5f14"
"""Colours of stars in the fit, left out of it, and not in the catalogue."""

LONGEST: Final = 0.12
"""Length of the longest arrow, in widths of the picture."""


def draw_solution(path: Path, image: NDArray[np.float32], solution: Solution, overwrite: bool) -> Path:
    """Draw the stars of a solution into a PNG file, and return its path; raises as `pictures.draw`."""

    def drawing(figure: "Figure") -> None:
        lines, columns = image.shape
        above, below = figure.subplots(2, 1, height_ratios=[3, 2])
        finite = image[np.isfinite(image)]
        low, high = np.percentile(finite, [5.0, 99.5]) if finite.size else (0.0, 1.0)
        above.imshow(
            np.arcsinh((image - low) / max(high - low, 1e-30) * 10.0), origin="lower", cmap="Greys", vmin=0.0, vmax=3.0,
            extent=(0.5, columns + 0.5, 0.5, lines + 0.5), aspect="auto" if columns > 4 * lines else "equal",
        )  # fmt: skip
        matches, kept = solution.matches, solution.kept
        places = solution.stars.places + 1.0
        # residuals on the sky, brought back to the field of view
        arrows = np.linalg.solve(solution.image.matrix * 3600.0, solution.residuals.T).T
        scale = np.hypot(*arrows.T).max(initial=1e-9) / LONGEST
        others = np.setdiff1d(np.arange(len(places)), matches.detection)
        above.plot(*places[others].T, "x", color=OTHER, label=f"{others.size} not in the catalogue")
        for chosen, colour, text in ((kept, USED, "in the solution"), (~kept, LEFT, "left out")):
            x, y = places[matches.detection[chosen]].T
            above.plot(x, y, "o", mfc="none", ms=9, color=colour, label=f"{chosen.sum()} {text}")
            above.quiver(x, y, *arrows[chosen].T, scale_units="width", scale=scale, color=colour, width=0.003)
        above.set(xlim=(0.5, columns + 0.5), ylim=(0.5, lines + 0.5), xlabel="x [pixel]", ylabel="y [pixel]")
        above.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        east, north = solution.median_residuals * 1e3
        title(
            above, path.stem,
            f"longest arrow {1e3 * np.hypot(*solution.residuals.T).max(initial=0.0):.1f} mas; scatter {east:.1f} mas "
            f"along right ascension, {north:.1f} mas along declination",
        )  # fmt: skip
        flux = solution.stars.flux[matches.detection]
        for axis, symbol, text in ((0, "o", "right ascension"), (1, "s", "declination")):
            below.semilogx(flux, solution.residuals[:, axis] * 1e3, symbol, ms=5, label=text, color=(INK, FAINT)[axis])
        below.axhline(0.0, color=FAINT, linewidth=0.8)
        below.set(xlabel="flux of the star", ylabel="residual [mas]")
        below.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        grid(below)

    draw(drawing, path, overwrite)
    return path
