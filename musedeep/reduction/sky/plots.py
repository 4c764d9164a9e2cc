"""Pictures of the sky of an exposure: the mask on the image, and the spectrum with its model."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from musedeep.reduction.pictures import FAINT, INK, colour_bar, draw, grid, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from musedeep.reduction.sky.exposure import MeasuredSky
    from musedeep.reduction.sky.line_fit import LineFit
    from musedeep.reduction.sky.model import SkyModel

MODEL, SKY = "#dd5f14", "#0b7d3b"
UNIT: Final = "1e-20 erg/s/cm2/Angstrom"
DETAIL: Final = 60.0
"""Half width of the piece of the spectrum around its brightest line [Angstrom]."""


def draw_sky(
    directory: Path, suffix: str, measured: "MeasuredSky", model: "SkyModel", fit: "LineFit", overwrite: bool
) -> list[Path]:
    """Draw SKY_MASK and SKY_SPECTRUM, each with `suffix` and .png after its name; returns the files.

    Raises
    ------
    MusedeepError
        There is no matplotlib, or a file exists and may not be replaced.
    """
    paths = directory / f"SKY_MASK{suffix}.png", directory / f"SKY_SPECTRUM{suffix}.png"
    ny, nx = measured.image.shape
    size = 11.0, min(2.0 + 9.0 * ny / nx, 10.5)
    draw(lambda figure: _draw_mask(figure, measured), paths[0], overwrite, size)
    draw(lambda figure: _draw_spectrum(figure, measured, model, fit), paths[1], overwrite, (11.0, 9.0))
    return list(paths)


def _draw_mask(figure: "Figure", measured: "MeasuredSky") -> None:
    image, region, start = measured.image, measured.region, measured.grid.start
    ny, nx = image.shape
    extent = (start[0] - 0.5, start[0] + nx - 0.5, start[1] - 0.5, start[1] + ny - 0.5)
    values = image[np.isfinite(image)]
    low, high = np.quantile(values, [0.01, 0.98])
    axes = figure.subplots()
    drawn = axes.imshow(image, origin="lower", extent=extent, cmap="gray", vmin=low, vmax=high, aspect="equal")
    green = np.zeros((ny, nx, 4))
    green[region.mask] = (0.04, 0.75, 0.3, 0.35)
    axes.imshow(green, origin="lower", extent=extent, aspect="equal")
    axes.set_xlabel("x [pixel]")
    axes.set_ylabel("y [pixel]")
    share = region.mask.sum() / max(values.size, 1)
    title(
        axes, "Sky mask",
        f"green: sky, {share:.1%} of the field, between {region.low:.4g} and {region.high:.4g} in white light",
    )  # fmt: skip
    colour_bar(drawn, axes, f"white light [{UNIT}]")


def _draw_spectrum(figure: "Figure", measured: "MeasuredSky", model: "SkyModel", fit: "LineFit") -> None:
    spectrum = measured.spectrum
    wavelength, good = spectrum.wavelength, spectrum.good
    continuum = np.interp(wavelength, model.continuum.wavelength, model.continuum.flux)
    whole, rest, detail = figure.subplots(3, 1, height_ratios=[2, 1.4, 1.6])
    data = np.where(good, spectrum.data, np.nan)
    _curves(whole, wavelength, data, fit.spectrum + continuum)
    whole.set_yscale("symlog", linthresh=max(2.0 * float(np.nanmedian(data)), 1e-3))
    (first, move), (last, other) = fit.ends
    title(
        whole, "Spectrum of the sky",
        f"{len(fit.lines)} lines, moved by {move:+.3f} ({first:.0f}) to {other:+.3f} Angstrom ({last:.0f})",
    )  # fmt: skip
    whole.legend(loc="upper left")
    rest.plot(wavelength, np.where(good, spectrum.data - fit.spectrum, np.nan), color=FAINT, linewidth=0.6)
    rest.plot(wavelength, _running(continuum, 161), color=MODEL, linewidth=1.2)
    middle = np.nanquantile(np.where(good, spectrum.data - fit.spectrum, np.nan), [0.01, 0.5, 0.99])
    rest.set_ylim(min(0.0, middle[0]), 1.6 * middle[2] - 0.6 * middle[1])
    rest.set_ylabel("without lines")
    brightest = wavelength[int(np.argmax(np.where(good, fit.spectrum, 0.0)))]
    near = np.abs(wavelength - brightest) < DETAIL
    _curves(detail, wavelength[near], data[near], (fit.spectrum + _running(continuum, 161))[near])
    detail.set_xlabel("wavelength [Angstrom]")
    for axes in (whole, rest, detail):
        grid(axes)
        axes.margins(x=0)
    whole.set_ylabel(UNIT)
    detail.set_ylabel(UNIT)


def _curves(axes: "Axes", wavelength: NDArray[np.float64], data: NDArray, model: NDArray) -> None:
    axes.plot(wavelength, data, color=INK, linewidth=0.8, label="sky")
    axes.plot(wavelength, model, color=MODEL, linewidth=0.7, label="lines and continuum")


def _running(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Running mean of so many values; shorter at the ends."""
    window = np.ones(width)
    return np.asarray(np.convolve(values, window, "same") / np.convolve(np.ones(values.size), window, "same"))
