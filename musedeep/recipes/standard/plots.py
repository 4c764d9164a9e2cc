"""Pictures of muse_standard: response and throughput, telluric absorption, and the profile fitted to the star."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musedeep.kernels.flux.star_profile import BETA, RHO, WIDTH_X, WIDTH_Y, X, Y
from musedeep.recipes.standard.curves import MAGNITUDE
from musedeep.recipes.standard.reduced import Reduced
from musedeep.reduction.pictures import FAINT, INK, draw, grid, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE, BAND = "#b8121f", "#7aa516"


def draw_all(found: Reduced, output: Path, number: int, overwrite: bool) -> list[Path]:
    """Draw the pictures of an exposure as PNG files beside its products, and return their paths."""
    drawings: dict[str, Callable[[Figure, Reduced], None]] = {
        f"STD_RESPONSE_{number:04d}.png": _response, f"STD_TELLURIC_{number:04d}.png": _telluric,
        f"STD_FLUXES_{number:04d}.png": _star,
    }  # fmt: skip
    for name, drawing in drawings.items():
        draw(lambda figure, drawing=drawing: drawing(figure, found), output / name, overwrite)  # type: ignore[misc]
    return [output / name for name in drawings]


def _response(figure: "Figure", found: Reduced) -> None:
    """Sensitivity, response, and throughput over wavelength."""
    response = found.response
    above, middle, below = figure.subplots(3, 1, sharex=True, height_ratios=[3, 1, 2])
    above.plot(found.curve.wavelength, found.curve.values, ".", ms=1.5, color=FAINT, label="sensitivity of the star")
    above.plot(response.wavelength, response.response, color=LINE, label="response")
    above.legend(loc="lower center")
    above.set_ylabel("mag")
    data = response.response[(response.wavelength > 4700) & (response.wavelength < 9400)]
    if data.size:
        above.set_ylim(data.min() - 0.3, data.max() + 0.3)
    title(above, "Response", f"{found.standard.name}, {found.response.mode}")
    assert response.unsmoothed is not None and response.throughput is not None
    left = (response.unsmoothed - response.response) / MAGNITUDE * 100.0
    middle.plot(response.wavelength, left, ".", ms=1.5, color=INK)
    middle.set(ylabel="unsmoothed [%]", ylim=(-3.0, 3.0))
    below.plot(response.wavelength, response.throughput, color=LINE)
    below.set(xlabel="wavelength [Angstrom]", ylabel="throughput", ylim=(0.0, None))
    for axes in (above, middle, below):
        grid(axes)


def _telluric(figure: "Figure", found: Reduced) -> None:
    """Transmission of the telluric bands for one airmass."""
    axes = figure.subplots()
    wave, values = found.telluric.wavelength, found.telluric.transmission
    for part in np.split(np.arange(wave.size), np.flatnonzero(np.diff(wave) > 2.0) + 1):
        axes.plot(wave[part], values[part], color=LINE, lw=0.8)
        if part.size:
            axes.axvspan(wave[part[0]], wave[part[-1]], color=BAND, alpha=0.12, lw=0)
    axes.set(xlabel="wavelength [Angstrom]", ylabel="transmission for one airmass", ylim=(0.0, 1.05))
    title(axes, "Telluric absorption", f"{found.standard.name}")
    grid(axes)


def _star(figure: "Figure", found: Reduced) -> None:
    """The field with its stars, the spectrum of the standard, and the fitted shape."""
    star, fluxes = found.stars.stars[found.chosen], found.fluxes[found.chosen]
    field, spectrum, shape = figure.subplots(3, 1, height_ratios=[2, 2, 2])
    finite = found.image[np.isfinite(found.image)]
    low, high = np.percentile(finite, [5.0, 99.8])
    field.imshow(
        np.arcsinh((found.image - low) / max(float(high - low), 1e-30) * 20.0), origin="lower", cmap="Greys",
        extent=(0.5, found.image.shape[1] + 0.5, 0.5, found.image.shape[0] + 0.5),
    )  # fmt: skip
    for k, one in enumerate(found.stars.stars):
        field.plot(one.x + 1, one.y + 1, "s", mfc="none", ms=12, color=LINE if k == found.chosen else FAINT)
    field.set(xlabel="x [pixel]", ylabel="y [pixel]")
    title(field, "Stars of the field", f"the standard at x {star.x + 1:.1f}, y {star.y + 1:.1f}")
    spectrum.plot(found.wavelength, fluxes.flux, color=INK, lw=0.6)
    spectrum.set(ylabel="flux [count]")
    lines: list[tuple[str, Any]] = [
        ("x - median", fluxes.shapes[:, X] - np.nanmedian(fluxes.shapes[:, X]) if _some(fluxes.shapes) else None),
        ("y - median", fluxes.shapes[:, Y] - np.nanmedian(fluxes.shapes[:, Y]) if _some(fluxes.shapes) else None),
        ("scale in x", fluxes.shapes[:, WIDTH_X]), ("scale in y", fluxes.shapes[:, WIDTH_Y]),
        ("exponent", fluxes.shapes[:, BETA]), ("correlation", fluxes.shapes[:, RHO]),
    ]  # fmt: skip
    for label, values in lines:
        if values is not None and np.isfinite(values).any():
            shape.plot(found.wavelength, values, lw=0.9, label=label)
    shape.set(xlabel="wavelength [Angstrom]", ylabel="shape [pixel]")
    if shape.lines:
        shape.legend(ncols=6, loc="center", fontsize=8)
    for axes in (spectrum, shape):
        grid(axes)


def _some(shapes: np.ndarray) -> bool:
    return bool(np.isfinite(shapes).any())
