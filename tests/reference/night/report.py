"""Figures of truth and tables of quality of a reduced night, and the pictures of docs/validation/truth.md.

    python -m tests.reference.night.report NIGHT [--pictures DIR]

Writes NIGHT/reduced/truth.ecsv and quality.ecsv and prints both as markdown.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from tests.reference.night.detector_figures import detector_figures
from tests.reference.night.night_files import Figure, Night, as_markdown, as_table
from tests.reference.night.optics_figures import (
    geometry_figures,
    line_spread_figures,
    trace_figures,
    wavelength_figures,
)
from tests.reference.night.quality import quality_table
from tests.reference.night.sky_figures import (
    FinalCube,
    astrometry_figures,
    illumination_figures,
    noise_figures,
    response_figures,
    shift_figures,
    source_figures,
)


def all_figures(night: Night) -> list[Figure]:
    """Every figure of a night that was reduced to the end."""
    figures: list[Figure] = []
    for ifu in night.ifus:
        for part in (detector_figures, trace_figures, wavelength_figures, line_spread_figures):
            figures += part(night, ifu)
        figures += illumination_figures(night, ifu) + shift_figures(night, ifu)
    figures += geometry_figures(night) + response_figures(night) + astrometry_figures(night)
    cube = FinalCube.of(night)
    return figures + source_figures(night, cube) + noise_figures(cube)


def cost_table(night: Night) -> Table:
    """What each step cost, in the order in which they ran."""
    records = [json.loads(path.read_text()) for path in (night.reduced / "log").glob("*.json")]
    order = sorted(records, key=lambda record: (night.reduced / "log" / f"{record['step']}.json").stat().st_mtime)
    rows = [(record["step"], record["seconds"], record["processor"], record["peak"]) for record in order]
    return Table(rows=rows, names=("step", "seconds", "processor seconds", "peak MB"))


def draw(night: Night, directory: Path) -> None:
    """A raw science frame, and the combined white-light image with the true sources."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    row = night.exposures_of("OBJECT")[0]
    with fits.open(night.directory / "raw" / str(row["file"])) as hdus:
        raw = np.asarray(hdus[f"CHAN{night.ifus[0]:02d}"].data, np.float64)
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 4.6), width_ratios=(1, 1), layout="constrained")
    views = ((slice(None, None, 4), slice(None, None, 4)), (slice(2200, 2750), slice(1000, 1550)))
    for axis, view, title in zip(axes, views, ("whole CCD", "seven slices near its middle"), strict=True):
        part = raw[view]
        axis.imshow(part, origin="lower", cmap="magma", vmin=np.percentile(raw, 2), vmax=np.percentile(part, 99.0))
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    figure.savefig(directory / "truth-raw.webp", dpi=110, pil_kwargs={"quality": 90})
    plt.close(figure)
    cube = FinalCube.of(night)
    white = np.nanmean(cube.data[200:3500:4], axis=0)
    figure, axis = plt.subplots(figsize=(9.0, 1.7), layout="constrained")
    low, high = np.nanpercentile(white, [5.0, 97.0])
    axis.imshow(np.arcsinh(3.0 * (white - low) / (high - low)), origin="lower", cmap="gray_r", aspect="equal")
    flux = np.asarray(cube.sources["flux_7000"])
    bright = flux > 3e-19
    sizes = 12.0 + 25.0 * np.log10(flux[bright] / 3e-19)
    axis.scatter(cube.x[bright], cube.y[bright], s=sizes, facecolors="none", edgecolors="tab:red", linewidths=0.9)
    axis.set_xlim(-0.5, white.shape[1] - 0.5)
    axis.set_ylim(-0.5, white.shape[0] - 0.5)
    axis.set_axis_off()
    figure.savefig(directory / "truth-white.webp", dpi=110, pil_kwargs={"quality": 90})
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: 0, or 1 where a figure is beyond its limit."""
    parser = argparse.ArgumentParser(description="Compare a reduced night with its truth.")
    parser.add_argument("night", type=Path, help="directory that `musedeep simulate night` wrote, reduced by reduce.py")
    parser.add_argument("--pictures", type=Path, help="directory for the pictures")
    given = parser.parse_args(arguments)
    night = Night(given.night)
    figures = as_table(all_figures(night))
    quality = quality_table(night)
    figures.write(night.reduced / "truth.ecsv", format="ascii.ecsv", overwrite=True)
    quality.write(night.reduced / "quality.ecsv", format="ascii.ecsv", overwrite=True)
    for table in (figures, quality, cost_table(night)):
        print(as_markdown(table))
    if given.pictures:
        draw(night, given.pictures)
    return 0 if all(figures["passed"]) else 1


if __name__ == "__main__":
    sys.exit(main())
