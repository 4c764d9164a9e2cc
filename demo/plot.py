"""Draw the products of the demonstration.

python demo/plot.py [OUTPUT [PICTURE]]
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from astropy.io import fits
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm, BoundaryNorm
from matplotlib.image import AxesImage

HERE = Path(__file__).resolve().parent
INK, PAPER = "#e8e6e3", "#101318"
APERTURES = (
    ("#ffb454", "nebula, rim", 8.6, 3.4),
    ("#59c2ff", "nebula, inside", 3.4, 5.0),
    ("#ff6c8a", "galaxy", -20.5, 17.0),
)
"""Colour, name, and offsets east and north of the centre [arcsec] of the spectra drawn."""

APERTURE_RADIUS = 1.4  # arcsec


def show(axes: Axes, image: np.ndarray, extent: tuple[float, ...], title: str, **options: object) -> AxesImage:
    """One image of the sky, east left, with a colour bar."""
    drawn = axes.imshow(image, origin="lower", extent=extent, interpolation="nearest", **options)
    axes.set_title(title, fontsize=11, pad=8)
    axes.set_xlabel("east [arcsec]")
    axes.set_ylabel("north [arcsec]")
    axes.tick_params(length=3)
    return drawn


def bar(drawn: AxesImage, label: str, **options: object) -> None:
    """A colour bar beside an image."""
    colour_bar = drawn.figure.colorbar(drawn, ax=drawn.axes, fraction=0.04, pad=0.015, aspect=25, shrink=0.9, **options)
    colour_bar.set_label(label)
    colour_bar.outline.set_visible(False)


def main() -> None:
    """Read cube, field image and exposure map; draw them and three spectra."""
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "output"
    picture = Path(sys.argv[2]) if len(sys.argv) > 2 else output / "demo.png"
    with fits.open(output / "DATACUBE_FINAL.fits") as hdus:
        cube, header = hdus["DATA"].data.astype(np.float32), hdus["DATA"].header
    with fits.open(output / "IMAGE_FOV_0001.fits") as hdus:
        white = hdus["DATA"].data.astype(np.float32)
    with fits.open(output / "EXPOSURE_MAP.fits") as hdus:
        seconds = hdus["EXPTIME_IMAGE"].data.astype(np.float32)

    nz, ny, nx = cube.shape
    wavelength = header["CRVAL3"] + (np.arange(nz) + 1 - header["CRPIX3"]) * header["CD3_3"]
    # the first and last plane are where only some slices have data
    whole = np.isfinite(cube).mean(axis=(1, 2)) > 0.98 * np.isfinite(white).mean()
    # offsets from the middle of the field
    east = -(np.arange(nx) - (nx - 1) / 2) * 0.2
    north = (np.arange(ny) - (ny - 1) / 2) * 0.2
    extent = (east[0] + 0.1, east[-1] - 0.1, north[0] - 0.1, north[-1] + 0.1)
    plane = int(np.argmin(np.abs(wavelength - 6562.8)))

    plt.rcParams.update(
        {"text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": "#555b66", "xtick.color": INK,
         "ytick.color": INK, "axes.facecolor": PAPER, "figure.facecolor": PAPER, "font.size": 9}
    )  # fmt: skip
    figure = plt.figure(figsize=(14.5, 8.0), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=(1.9, 1))

    axes = figure.add_subplot(grid[0, 0])
    low, high = np.nanpercentile(white, (2, 99.7))
    drawn = show(axes, white, extent, "white light", cmap="magma", norm=AsinhNorm(high / 15, low, high))
    bar(drawn, r"flux [$10^{-20}$ erg/s/cm$^2$/Å]")

    axes = figure.add_subplot(grid[0, 1])
    low, high = np.nanpercentile(cube[plane], (1, 99.7))
    title = f"plane {plane + 1}: {wavelength[plane]:.1f} Å"
    drawn = show(axes, cube[plane], extent, title, cmap="cubehelix", norm=AsinhNorm(high / 8, low, high))
    bar(drawn, r"flux [$10^{-20}$ erg/s/cm$^2$/Å]")
    for colour, _, x, y in APERTURES:
        axes.add_patch(plt.Circle((x, y), APERTURE_RADIUS, fill=False, color=colour, lw=1.4))

    axes = figure.add_subplot(grid[0, 2])
    steps = np.arange(0, 7) * 900.0 + 450.0
    colours = plt.get_cmap("viridis", 6)
    seconds = np.where(np.isfinite(white), seconds, np.nan)
    drawn = show(axes, seconds, extent, "exposure map", cmap=colours, norm=BoundaryNorm(steps, 6))
    bar(drawn, "exposure time [s]", ticks=steps[:-1] + 450.0)

    axes = figure.add_subplot(grid[1, :])
    xx, yy = np.meshgrid(east, north)
    for colour, name, x, y in APERTURES:
        inside = (xx - x) ** 2 + (yy - y) ** 2 < APERTURE_RADIUS**2
        spectrum = np.nanmean(cube[whole][:, inside], axis=1)
        axes.step(wavelength[whole], spectrum, where="mid", color=colour, lw=1.6, label=name)
    for rest, name in ((6548.0, "[N II] 6548"), (6562.8, "H\N{GREEK SMALL LETTER ALPHA}"), (6583.5, "[N II] 6583")):
        axes.axvline(rest, color="#555b66", lw=0.8, ls=":", zorder=0)
        axes.annotate(name, (rest, 0.96), xycoords=("data", "axes fraction"), xytext=(4, 0), textcoords="offset points",
                      fontsize=8, color="#9aa2ad", va="top")  # fmt: skip
    axes.set_xlim(wavelength[whole][0], wavelength[whole][-1])
    axes.set_ylim(0, axes.get_ylim()[1] * 1.1)
    axes.set_xlabel("wavelength in air [Å]")
    axes.set_ylabel(r"mean flux [$10^{-20}$ erg/s/cm$^2$/Å]")
    axes.legend(frameon=False, loc="upper right")
    figure.suptitle("musedeep: six dithered, rotated exposures combined", fontsize=13)
    figure.savefig(picture, dpi=110)
    print(picture)


if __name__ == "__main__":
    main()
