"""The light of an exposure on the CCD of one IFU, without noise."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import N_COLUMNS, N_ROWS, N_SLICES
from musedeep.kernels.field.forward import FINE_PER_TABLE, add_lines, add_slice, blur_continuum
from musedeep.simulate.component import Component, CubeComponent
from musedeep.simulate.efficiency import efficiency
from musedeep.simulate.line_spread import NODES, OVERSAMPLING
from musedeep.simulate.optics import EDGE_SOFTNESS, IfuOptics
from musedeep.simulate.pointing import Pointing
from musedeep.simulate.slice_flux import flux_factor
from musedeep.simulate.spectrum import FINE, STEP

Array = NDArray[np.float64]
Weight = Callable[[Array, Array], Array]
"""Relative transmission at field positions, arcsec."""

PER_PIXEL: Final = 4
"""Samples of a pattern along a slice per pixel."""
MARGIN: Final = 6
"""Pixels beyond the ends of a slice for which patterns are made."""
ACROSS: Final = ((-np.sqrt(0.15), 5.0 / 18.0), (0.0, 8.0 / 18.0), (np.sqrt(0.15), 5.0 / 18.0))
"""Where a pattern is sampled across a slice, in slice heights, and the weights (Gauss and Legendre's)."""
BLUEST, REDDEST, N_COLOURS = 4400.0, 9800.0, 24
"""Wavelengths between which patterns are interpolated, in equal steps of 1/wavelength**2, that of refraction."""


class Field:
    """Where the pixels of an IFU's slices look, and how much of the light gets there.

    `pointing` serves components in the sky frame; `weight` is what the telescope's field lets pass (vignetting).
    """

    def __init__(self, optics: IfuOptics, pointing: Pointing | None, weight: Weight | None = None) -> None:
        self.optics, self.pointing, self.weight = optics, pointing, weight

    def along(self, index: int, r: Array) -> tuple[Array, Array]:
        """Field position (arcsec) at places along a slice, r = -0.5 (left edge) to 0.5: the field's x falls with r."""
        row = self.optics.geometry[index]
        angle = np.radians(row["angle"])
        x = row["x"] - r * row["width"] * np.cos(angle)
        y = row["y"] - r * row["width"] * np.sin(angle)
        return self.optics.scale * x, self.optics.scale * y

    def pattern(self, index: int, component: Component) -> tuple[Array, float, float, float, float] | None:
        """Mean density in the spaxels of a slice over colour and place, and the axes; None where there is no light."""
        r = _places(self.optics, index)
        x, y = self.along(index, r)
        everywhere = component.pattern.bounds() is None
        if not everywhere:
            near = np.flatnonzero(self.near(component, x, y))
            if near.size == 0:
                return None
            reached = slice(max(near[0] - 2 * PER_PIXEL, 0), near[-1] + 2 * PER_PIXEL + 1)
            r, x, y = r[reached], x[reached], y[reached]
        q = _colours(2 if everywhere and component.frame == "field" else N_COLOURS)
        wavelength = 1.0 / np.sqrt(q)[:, None]
        total = np.zeros((q.size, r.size))
        for place, share in ((0.0, 1.0),) if everywhere else ACROSS:
            px, py = x[None, :], (y + place * self.optics.scale)[None, :]
            if component.frame == "sky":
                assert self.pointing is not None
                px, py = self.pointing.sky(px, py, wavelength)
            total += share * component.pattern.density(px, py, wavelength)
        if self.weight is not None:
            total *= self.weight(x, y)[None, :]
        if not everywhere:
            total = _over_pixel(total)
        return total, float(r[0]), float(r[1] - r[0]), float(q[0]), float(q[1] - q[0])

    def near(self, component: Component | CubeComponent, x: Array, y: Array) -> NDArray[np.bool_]:
        """Which of the field positions (arcsec) a component with bounds reaches."""
        bounds = component.pattern.bounds() if isinstance(component, Component) else component.bounds()
        if bounds is None:
            return np.ones(x.shape, bool)
        if isinstance(component, Component) and component.frame == "field":
            return np.asarray(np.hypot(x - bounds[0], y - bounds[1]) < bounds[2])
        assert self.pointing is not None
        xi, eta = self.pointing.sky(x[None, :], y[None, :], np.array([BLUEST, REDDEST])[:, None])
        return np.asarray(np.any(np.hypot(xi - bounds[0], eta - bounds[1]) < bounds[2], axis=0))


def render(
    field: Field,
    components: Sequence[Component | CubeComponent],
    seconds: float,
    temperature: float,
    response: Array,
    slice_errors: Array | None = None,
    shift: float = 0.0,
) -> Array:
    """Expected electrons of all components on a CCD, float64 (n_rows, n_columns).

    Parameters
    ----------
    seconds : exposure time, s
    temperature : of the instrument, degrees Celsius: moves wavelengths and changes illuminations
    response : float64 (n_rows, n_columns), of the pixels
    slice_errors : float64 (48, 3), of the flux of the slices, as `slice_flux.slice_flux` gives them
    shift : of wavelengths, beside their drift with temperature, Angstrom
    """
    optics = field.optics
    image = np.zeros((N_ROWS, N_COLUMNS))
    factors = optics.slice_factors(temperature)
    total = efficiency(FINE, optics.mode)
    seen = [(c, c.spectrum.times(total)) if isinstance(c, Component) else (c, None) for c in components]
    coarse_grid = FINE[::FINE_PER_TABLE]
    for index in range(N_SLICES):
        errors = None if slice_errors is None else slice_errors[index]
        left, right = optics.edges(index)
        wave = optics.wavelength_rows(index, temperature, shift)
        profiles = optics.line_spread.profiles(index)
        for component, spectrum in seen:
            if not isinstance(component, Component):
                _add_cube(image, field, component, index, left, right, wave, seconds * factors[index], errors)
                continue
            assert spectrum is not None
            pattern = field.pattern(index, component)
            if pattern is None:
                continue
            coarse = np.ascontiguousarray(profiles[:, (profiles.shape[1] // 2) % OVERSAMPLING :: OVERSAMPLING])
            grid = (float(NODES[0]), float(NODES[1] - NODES[0]), float(FINE[0]), STEP)
            if spectrum.continuum.any():
                table = blur_continuum(spectrum.continuum, coarse, *grid)
            else:
                table = np.zeros((FINE.size + FINE_PER_TABLE - 1) // FINE_PER_TABLE)
            if spectrum.line_flux.size:
                add_lines(table, spectrum.line_wavelength, spectrum.line_flux, profiles, OVERSAMPLING, *grid)
            if errors is not None:
                table *= flux_factor(errors, coarse_grid)
            density, r_start, r_step, q_start, q_step = pattern
            area = optics.scale**2 * float(optics.geometry["width"][index])
            add_slice(
                image, left, right, wave, optics.origin[index], EDGE_SOFTNESS, area,
                table * (seconds * factors[index]), float(FINE[0]), FINE_PER_TABLE * STEP,
                np.ascontiguousarray(density), r_start, r_step, q_start, q_step,
            )  # fmt: skip
    image *= response
    return image


def _add_cube(
    image: Array,
    field: Field,
    cube: CubeComponent,
    index: int,
    left: Array,
    right: Array,
    wave: Array,
    factor: float,
    errors: Array | None,
) -> None:
    """Add a cube's light in one slice; the cube has been blurred by an instrument already and is taken as it is."""
    optics = field.optics
    if not field.near(cube, *field.along(index, _places(optics, index))).any():
        return
    first, last = int(np.floor(left.min())) - 2, int(np.ceil(right.max())) + 2
    columns = np.arange(max(first, 1), min(last, N_COLUMNS) + 1)
    width, centre = right - left, 0.5 * (left + right)
    d = columns[None, :] - optics.origin[index]
    wavelength = wave[0][:, None] + d * (wave[1][:, None] + d * wave[2][:, None])
    dispersion = wave[3][:, None] + d * (wave[4][:, None] + d * wave[5][:, None])
    r = (columns[None, :] - centre[:, None]) / width[:, None]
    x, y = field.along(index, r)
    assert field.pointing is not None
    light = cube.sample(*field.pointing.sky(x, y, wavelength), wavelength)
    if field.weight is not None:
        light = light * field.weight(x, y)
    area = optics.scale**2 * float(optics.geometry["width"][index]) / width[:, None]
    light = light * efficiency(wavelength, optics.mode) * dispersion * area * factor * (np.abs(r) < 0.5)
    if errors is not None:
        light = light * flux_factor(errors, wavelength)
    image[:, columns - 1] += light


def _places(optics: IfuOptics, index: int) -> Array:
    """Places along a slice at which patterns are made, a little beyond its ends."""
    left, right = optics.edges(index)
    step = 1.0 / (float(np.mean(right - left)) * PER_PIXEL)
    half = int(np.ceil(0.5 / step)) + MARGIN * PER_PIXEL
    return step * np.arange(-half, half + 1.0)


def _colours(n: int) -> Array:
    """Nodes in 1 / wavelength**2, from red to blue."""
    return np.linspace(1.0 / REDDEST**2, 1.0 / BLUEST**2, n)


def _over_pixel(density: Array) -> Array:
    """Mean over the width of a pixel, along the last axis."""
    n = PER_PIXEL
    padded = np.pad(density, ((0, 0), (n // 2, n // 2)), mode="edge")
    total = np.cumsum(np.pad(padded, ((0, 0), (1, 0))), axis=1)
    # trapezoids: half a sample at either end
    inner = total[:, n:-1] - total[:, 1:-n]
    ends = 0.5 * (padded[:, :-n] + padded[:, n:])
    return np.asarray((inner + ends) / n)
