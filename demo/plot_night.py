"""Draw the steps of a simulated night: a raw science frame, or a pixel table.

python demo/plot_night.py raw NIGHT PICTURE
python demo/plot_night.py table PIXTABLE.zarr PICTURE
"""

import sys
from pathlib import Path

import numpy as np
import zarr
from astropy.io import fits
from matplotlib.figure import Figure
from plot import DIM, dark_figure

STRIPS = (
    ("[O III] 5007", 5006.8, "#59c2ff"),
    ("H\N{GREEK SMALL LETTER ALPHA} 6563", 6562.8, "#ff6c8a"),
    ("[S II] 6716", 6716.4, "#ffb454"),
    ("continuum 6800", 6800.0, "#c8ccd2"),
)
"""Name, wavelength in air [Angstrom] and colour of the images drawn."""


def draw_raw(night: Path) -> Figure:
    """The first science frame: the whole CCD, and some slices around H alpha."""
    frames = sorted((night / "raw").glob("*.fits"))
    science = next(path for path in frames if fits.getval(path, "HIERARCH ESO DPR TYPE") == "OBJECT")
    with fits.open(science) as hdus:
        name, ccd = hdus[1].name, np.asarray(hdus[1].data, np.float32)
    figure = dark_figure(9.6, 4.9)
    views = (
        (f"{science.stem}, {name}", (0, ccd.shape[1], 0, ccd.shape[0]), 4),
        ("slices around H\N{GREEK SMALL LETTER ALPHA}", (1500, 2000, 1450, 1950), 1),
    )
    for k, (title, (left, right, low, high), step) in enumerate(views):
        axes = figure.add_subplot(1, 2, k + 1)
        part = ccd[low:high:step, left:right:step]
        axes.imshow(part, origin="lower", extent=(left, right, low, high), cmap="magma", interpolation="nearest",
                    vmin=np.percentile(ccd, 2), vmax=np.percentile(part, 99.3))  # fmt: skip
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("column")
        axes.set_ylabel("row (wavelength)")
    return figure


def draw_table(path: Path) -> Figure:
    """Quick-look images of a pixel table at some wavelengths, and its spectrum."""
    columns = zarr.open_group(path, mode="r")
    x, y, wavelength, data, flags = (np.asarray(columns[n][:]) for n in ("xpos", "ypos", "lambda", "data", "dq"))
    good = flags == 0
    x, y, wavelength, data = x[good], y[good], wavelength[good], data[good]
    across = np.arange(np.floor(x.min()), np.ceil(x.max()) + 1)
    along = np.arange(np.floor(y.min()), np.ceil(y.max()) + 1)
    figure = dark_figure(10.0, 5.4)
    grid = figure.add_gridspec(len(STRIPS) + 1, 1, height_ratios=[1] * len(STRIPS) + [4.2])
    for k, (name, centre, colour) in enumerate(STRIPS):
        near = np.abs(wavelength - centre) < 4.0
        total, _, _ = np.histogram2d(y[near], x[near], (along, across), weights=data[near])
        count, _, _ = np.histogram2d(y[near], x[near], (along, across))
        with np.errstate(invalid="ignore"):
            image = total / count
        axes = figure.add_subplot(grid[k])
        low, high = np.nanpercentile(image, (1, 99))
        axes.imshow(
            image, origin="lower", cmap="cubehelix", vmin=low, vmax=high, aspect="auto", interpolation="nearest"
        )
        axes.set_axis_off()
        axes.set_title(name, fontsize=9, color=colour, loc="left", pad=2)
    axes = figure.add_subplot(grid[-1])
    bins = np.arange(4750.0, 9351.0, 1.25)
    total, _ = np.histogram(wavelength, bins, weights=data)
    count, _ = np.histogram(wavelength, bins)
    axes.plot(bins[:-1] + 0.6, total / np.maximum(count, 1), color="#e8e6e3", lw=0.6)
    for _, centre, colour in STRIPS:
        axes.axvline(centre, color=colour, lw=0.8, ls=":", zorder=0)
    axes.set_yscale("log")
    axes.set_xlim(bins[0], bins[-1])
    axes.set_xlabel("wavelength in air [Å]")
    axes.set_ylabel("mean of the rows [counts]")
    axes.grid(color=DIM, lw=0.3)
    return figure


def main() -> None:
    """Draw the picture that is asked for."""
    if len(sys.argv) != 4 or sys.argv[1] not in ("raw", "table"):
        sys.exit(__doc__)
    figure = (draw_raw if sys.argv[1] == "raw" else draw_table)(Path(sys.argv[2]))
    figure.savefig(sys.argv[3], dpi=110)
    print(sys.argv[3])


if __name__ == "__main__":
    main()
