"""Draw the demonstration: its products, or one of the steps of the tutorial.

    python demo/plot.py [all|exposure|plane|depth|spectra] [PICTURE]

`exposure` draws one of the exposures in demo/data, the others what `musedeep combine` left in demo/output.
"""

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from astropy.io import fits
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm, BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
INK, PAPER, DIM = "#e8e6e3", "#101318", "#555b66"
FLUX = r"flux [$10^{-20}$ erg/s/cm$^2$/Å]"
H_ALPHA = 6562.8
LINES = ((6548.0, "[N II] 6548"), (H_ALPHA, "H\N{GREEK SMALL LETTER ALPHA}"), (6583.5, "[N II] 6583"))
APERTURES = (
    ("#ffb454", "nebula, rim", 8.6, 3.4),
    ("#59c2ff", "nebula, inside", 3.4, 5.0),
    ("#ff6c8a", "galaxy", -20.5, 17.0),
)
"""Colour, name, and offsets east and north of the centre [arcsec] of the spectra drawn."""

APERTURE_RADIUS = 1.4  # arcsec

Image = NDArray[np.float32]


def dark_figure(width: float, height: float) -> Figure:
    """An empty figure in the colours of all pictures."""
    plt.rcParams.update(
        {"text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": DIM, "xtick.color": INK, "ytick.color": INK,
         "axes.facecolor": PAPER, "figure.facecolor": PAPER, "font.size": 9}
    )  # fmt: skip
    return plt.figure(figsize=(width, height), layout="constrained")


def show(axes: Axes, image: Image, extent: tuple[float, ...], title: str, **options: Any) -> AxesImage:
    """One image of the sky, east left."""
    drawn = axes.imshow(image, origin="lower", extent=extent, interpolation="nearest", **options)
    axes.set_title(title, fontsize=11, pad=8)
    axes.set_xlabel("east [arcsec]")
    axes.set_ylabel("north [arcsec]")
    axes.tick_params(length=3)
    return drawn


def bar(drawn: AxesImage, label: str, **options: Any) -> None:
    """A colour bar beside an image."""
    colour_bar = drawn.figure.colorbar(drawn, ax=drawn.axes, fraction=0.04, pad=0.015, aspect=25, shrink=0.9, **options)
    colour_bar.set_label(label)
    colour_bar.outline.set_visible(False)


@dataclass(frozen=True)
class Products:
    """The files that the combination left in a directory."""

    directory: Path

    @cached_property
    def cube(self) -> Image:
        """Flux (planes, lines, columns)."""
        with fits.open(self.directory / "DATACUBE_FINAL.fits") as hdus:
            return np.asarray(hdus["DATA"].data, np.float32)

    @cached_property
    def white(self) -> Image:
        """White-light image (lines, columns)."""
        with fits.open(self.directory / "IMAGE_FOV_0001.fits") as hdus:
            return np.asarray(hdus["DATA"].data, np.float32)

    @cached_property
    def seconds(self) -> Image:
        """Exposure time (lines, columns), mean over the wavelengths."""
        with fits.open(self.directory / "EXPOSURE_MAP.fits") as hdus:
            seconds = np.asarray(hdus["EXPTIME_IMAGE"].data, np.float32)
        return np.where(np.isfinite(self.white), seconds, np.nan)

    @cached_property
    def wavelength(self) -> NDArray[np.float64]:
        """Wavelengths of the planes [Angstrom]."""
        header = fits.getheader(self.directory / "DATACUBE_FINAL.fits", "DATA")
        return header["CRVAL3"] + (np.arange(len(self.cube)) + 1 - header["CRPIX3"]) * header["CD3_3"]

    @cached_property
    def offsets(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Offsets east (columns,) and north (lines,) of the middle of the field [arcsec]."""
        ny, nx = self.white.shape
        return -(np.arange(nx) - (nx - 1) / 2) * 0.2, (np.arange(ny) - (ny - 1) / 2) * 0.2

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Limits of the images [arcsec]."""
        east, north = self.offsets
        return (east[0] + 0.1, east[-1] - 0.1, north[0] - 0.1, north[-1] + 0.1)


def draw_white(axes: Axes, products: Products) -> None:
    """The white-light image."""
    low, high = np.nanpercentile(products.white, (2, 99.7))
    norm = AsinhNorm(high / 15, low, high)
    bar(show(axes, products.white, products.extent, "white light", cmap="magma", norm=norm), FLUX)


def draw_plane(axes: Axes, products: Products) -> None:
    """The plane at H alpha, with the apertures of the spectra."""
    k = int(np.argmin(np.abs(products.wavelength - H_ALPHA)))
    plane = products.cube[k]
    low, high = np.nanpercentile(plane, (1, 99.7))
    title = f"plane {k + 1}: {products.wavelength[k]:.1f} Å"
    norm = AsinhNorm(high / 8, low, high)
    bar(show(axes, plane, products.extent, title, cmap="cubehelix", norm=norm), FLUX)
    for colour, _, x, y in APERTURES:
        axes.add_patch(plt.Circle((x, y), APERTURE_RADIUS, fill=False, color=colour, lw=1.4))


def draw_depth(axes: Axes, products: Products) -> None:
    """The exposure map."""
    steps = np.arange(0, 7) * 900.0 + 450.0
    drawn = show(
        axes, products.seconds, products.extent, "exposure map", cmap=plt.get_cmap("viridis", 6),
        norm=BoundaryNorm(steps, 6),
    )  # fmt: skip
    bar(drawn, "exposure time [s]", ticks=steps[:-1] + 450.0)


def draw_spectra(axes: Axes, products: Products) -> None:
    """The mean spectra of the apertures."""
    # in the first and last plane only some slices have data
    whole = np.isfinite(products.cube).mean(axis=(1, 2)) > 0.98 * np.isfinite(products.white).mean()
    wavelength = products.wavelength[whole]
    xx, yy = np.meshgrid(*products.offsets)
    for colour, name, x, y in APERTURES:
        inside = (xx - x) ** 2 + (yy - y) ** 2 < APERTURE_RADIUS**2
        spectrum = np.nanmean(products.cube[whole][:, inside], axis=1)
        axes.step(wavelength, spectrum, where="mid", color=colour, lw=1.6, label=name)
    for rest, name in LINES:
        axes.axvline(rest, color=DIM, lw=0.8, ls=":", zorder=0)
        axes.annotate(name, (rest, 0.96), xycoords=("data", "axes fraction"), xytext=(4, 0), textcoords="offset points",
                      fontsize=8, color="#9aa2ad", va="top")  # fmt: skip
    axes.set_xlim(wavelength[0], wavelength[-1])
    axes.set_ylim(0, axes.get_ylim()[1] * 1.1)
    axes.set_xlabel("wavelength in air [Å]")
    axes.set_ylabel("mean " + FLUX)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0.2, 1.0))


def draw_exposure(figure: Figure, path: Path) -> None:
    """The rows of one exposure near H alpha, at their places: the whole field, and a part of it."""
    with fits.open(path) as hdus:
        x, y, wavelength, data = (np.ravel(hdus[name].data) for name in ("xpos", "ypos", "lambda", "data"))
    near = np.abs(wavelength - H_ALPHA) < 0.7
    # angle, and negative distance from the pointing [rad]
    radius = -np.rad2deg(y[near]) * 3600
    east, north = radius * np.sin(x[near]), -radius * np.cos(x[near])
    low, high = np.percentile(data[near], (1, 99.5))
    for k, (half, size, title) in enumerate(((33.0, 0.95, "one exposure"), (6.0, 14.0, "a part of it"))):
        axes = figure.add_subplot(1, 2, k + 1)
        inside = (np.abs(east) < half) & (np.abs(north) < half)
        axes.scatter(east[inside], north[inside], c=data[near][inside], s=size, lw=0, cmap="cubehelix",
                     norm=AsinhNorm(high / 8, low, high), marker="s" if k == 0 else "o")  # fmt: skip
        axes.set_xlim(half, -half)
        axes.set_ylim(-half, half)
        axes.set_aspect("equal")
        axes.set_title(f"{title}: {inside.sum():,} rows near {H_ALPHA:.1f} Å", fontsize=11, pad=8)
        axes.set_xlabel("east [arcsec]")
        axes.set_ylabel("north [arcsec]")


def draw_all(products: Products) -> Figure:
    """White light, a plane, the exposure map and three spectra."""
    figure = dark_figure(14.5, 8.0)
    grid = figure.add_gridspec(2, 3, height_ratios=(1.9, 1))
    for k, draw in enumerate((draw_white, draw_plane, draw_depth)):
        draw(figure.add_subplot(grid[0, k]), products)
    draw_spectra(figure.add_subplot(grid[1, :]), products)
    figure.suptitle("musedeep: six dithered, rotated exposures combined", fontsize=13)
    return figure


def main() -> None:
    """Draw the picture that is asked for."""
    kind = sys.argv[1] if len(sys.argv) > 1 else "all"
    picture = Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / "output" / "demo.png"
    products = Products(HERE / "output")
    if kind == "all":
        figure = draw_all(products)
    elif kind == "exposure":
        figure = dark_figure(10.0, 5.2)
        draw_exposure(figure, HERE / "data" / "PIXTABLE_REDUCED_0001.fits")
    elif kind == "plane":
        figure = dark_figure(11.0, 5.0)
        draw_white(figure.add_subplot(1, 2, 1), products)
        draw_plane(figure.add_subplot(1, 2, 2), products)
    elif kind == "depth":
        figure = dark_figure(6.0, 5.0)
        draw_depth(figure.add_subplot(), products)
    elif kind == "spectra":
        figure = dark_figure(10.0, 3.6)
        draw_spectra(figure.add_subplot(), products)
    else:
        sys.exit(f"{kind}: no such picture; give all, exposure, plane, depth or spectra")
    figure.savefig(picture, dpi=110)
    print(picture)


if __name__ == "__main__":
    main()
