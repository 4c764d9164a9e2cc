"""The flux of each star at each wavelength.

1. The stars' windows are read from the cube, one star at a time.
2. `gaussian` and `moffat` fit the profile and a background to each plane (`kernels.flux.star_profile`), with weights
   from the variances, averaged over neighbouring planes: a pixel that is high by chance would else count less.
3. `smoffat` fits Moffat functions to means of 16 planes. Each parameter of the shape becomes a polynomial of second
   degree in wavelength; with these shapes flux and background follow for each plane.
4. `circle` and `square` add up the pixels within four, and three, full widths, less the median of the pixels around.
5. `auto` is `smoffat`, and `circle` in the narrow-field mode, where a star has a core and a halo.

A Moffat function is averaged over pixel and voxel, so that its integral is the flux of the star. The flux of the
wings outside the window is in it, that outside an aperture is not.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import DQ
from musedeep.kernels.flux.curve import fit_clipped
from musedeep.kernels.flux.star_profile import (
    BACKGROUND,
    BETA,
    DRIZZLE_NODE,
    FLUX,
    GAUSS,
    MOFFAT,
    PARAMETERS,
    WIDTH_X,
    WIDTH_Y,
    X,
    Y,
    fit_fluxes,
    fit_planes,
)
from musedeep.recipes.standard.stars import Star, Stars
from musedeep.reduction.cube.field_cube import FieldCube

Profile = Literal["gaussian", "moffat", "smoffat", "circle", "square", "auto"]
PROFILES: Final = get_args(Profile)

HALF_SIZES: Final = {"circle": 4.0}
"""Half size of the window, radius of the aperture: full widths at half maximum; else 3."""
EDGE: Final = 5
"""Pixels that an aperture, or the window of a Gaussian, keeps from the edge of the field."""
BORDERS: Final = {"circle": 10, "square": 5}
"""Pixels around an aperture whose median is the background."""
SMALLEST: Final = 1.0
"""Half size of a window that is cut by the edge of the field, at least, in full widths."""

STACKED: Final = 16
"""Planes of a mean to which shapes are fitted."""
DEGREE: Final = 2
"""Of the polynomials of the parameters."""
WEIGHTED: Final = 64
"""Planes over which variances are averaged for the weights."""
FIRST_BETA: Final = 2.8

ALPHA: Final = 0.5 / np.sqrt(2.0 ** (1.0 / FIRST_BETA) - 1.0)
"""Scale of a Moffat function of exponent FIRST_BETA over its full width at half maximum."""
SIGMA: Final = 1.0 / (2.0 * np.sqrt(2.0 * np.log(2.0)))
"""Standard deviation of a Gaussian over its full width at half maximum."""

Floats = NDArray[np.float64]
Cube = NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """The planes around a star.

    Attributes
    ----------
    data, stat : float32 (planes, lines, columns), NaN where there are no data
    x, y : place of the star in the window, from 0 [pixel]
    half : half size of the window, or radius of the aperture [pixel]
    origin : column and line of the cube of its first pixel
    """

    data: Cube
    stat: Cube
    x: float
    y: float
    half: float
    origin: tuple[int, int]


@dataclass(frozen=True)
class StarFluxes:
    """Fluxes of a star.

    Attributes
    ----------
    flux, variance : float64 (planes,), NaN where they could not be measured [count, count^2]
    quality : int32 (planes,), DQ flags
    shapes : float64 (planes, 8), parameters of the profile (`star_profile`) in pixels of the cube; NaN of apertures
    half : half size of the window [pixel]
    """

    flux: Floats
    variance: Floats
    quality: NDArray[np.int32]
    shapes: Floats
    half: float


def profile_of(profile: Profile, narrow_field: bool) -> Profile:
    """What auto stands for; any other itself."""
    return ("circle" if narrow_field else "smoffat") if profile == "auto" else profile


def window_of(cube: FieldCube, star: Star, width: float, profile: Profile, name: str) -> Window:
    """The planes around a star.

    The window of a Moffat function ends where the field ends. Those of others have the same size on all sides of the
    star, with a border for the background.

    Parameters
    ----------
    width : full width at half maximum [pixel]
    name : of the exposure, for messages

    Raises
    ------
    MusedeepError
        The star is cut by the edge of the field.
    """
    planes, lines, columns = cube.grid.shape
    edge = min(star.x, star.y, columns - 1 - star.x, lines - 1 - star.y)
    half = HALF_SIZES.get(profile, 3.0) * width
    free = edge if profile in ("moffat", "smoffat") else edge - EDGE
    if free < SMALLEST * width:
        raise MusedeepError(
            f"{name}: the star at x {star.x + 1:.1f}, y {star.y + 1:.1f} of a field of {columns} x {lines} pixels, "
            f"{width:.1f} wide, is cut by the edge; give the pixel tables of the neighbouring IFUs"
            + ("" if free == edge else ", or profile=smoffat, which needs less room")
        )
    half = half if free == edge else min(half, free)
    reach = half + BORDERS.get(profile, 0)
    x0, x1 = max(int(np.ceil(star.x - reach)), 0), min(int(np.floor(star.x + reach)) + 1, columns)
    y0, y1 = max(int(np.ceil(star.y - reach)), 0), min(int(np.floor(star.y + reach)) + 1, lines)
    data, stat = (np.empty((planes, y1 - y0, x1 - x0), np.float32) for _ in range(2))
    for first in range(0, planes, 64):
        last = min(first + 64, planes)
        for array, part in zip((data, stat), cube.lines((first, last), (y0, y1)), strict=True):
            array[first:last] = part[:, :, x0:x1]
    return Window(data, stat, star.x - x0, star.y - y0, half, (x0, y0))


def measure(window: Window, width: float, profile: Profile, wavelength: Floats) -> StarFluxes:
    """Fluxes of the star in a window; `profile` is not auto, `wavelength` float64 (planes,) [Angstrom]."""
    if profile in ("circle", "square"):
        flux, variance, shapes = _aperture(window, profile)
    else:
        flux, variance, shapes = _profile(window, width, profile, wavelength)
    good = np.isfinite(flux) & np.isfinite(variance)
    shapes[:, X] += window.origin[0]
    shapes[:, Y] += window.origin[1]
    quality = np.where(good, 0, int(DQ.MISSING)).astype(np.int32)
    return StarFluxes(np.where(good, flux, np.nan), np.where(good, variance, np.nan), quality, shapes, window.half)


def _distances(window: Window) -> tuple[Floats, Floats]:
    """Distances of the pixels of a window from the star in x and y, absolute."""
    lines, columns = window.data.shape[1:]
    return np.abs(np.arange(columns) - window.x), np.abs(np.arange(lines) - window.y)[:, None]


def _aperture(window: Window, profile: Profile) -> tuple[Floats, Floats, Floats]:
    """Flux and variance within an aperture less the background around it, and no shapes."""
    x, y = _distances(window)
    distance = np.hypot(x, y) if profile == "circle" else np.maximum(x, y)
    inside, around = distance <= window.half, (distance > window.half) & (distance <= window.half + BORDERS[profile])
    # single missing pixels would make the flux of a plane too low: they take their share of the mean of the others
    data, stat = window.data[:, inside].astype(np.float64), window.stat[:, inside].astype(np.float64)
    share = np.isfinite(data).mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        total, variance = np.nansum(data, axis=1) / share, np.nansum(stat, axis=1) / share**2
    level = _medians(window.data[:, around])
    total = np.where(share > 0.9, total - level * inside.sum(), np.nan)
    return total, variance, np.full((total.size, PARAMETERS), np.nan)


def _medians(values: Cube) -> Floats:
    """Median of each row, NaN of a row without values."""
    rows = [row[np.isfinite(row)] for row in values]
    return np.array([np.median(row) if row.size else np.nan for row in rows], np.float64)


def _weights(data: Cube, stat: Cube) -> Cube:
    """Inverse variances, averaged over neighbouring planes; 0 where there are no data."""
    good = np.isfinite(data) & np.isfinite(stat) & (stat > 0)
    weights = np.zeros(data.shape, np.float32)
    for first in range(0, data.shape[0], WEIGHTED):
        here = slice(first, first + WEIGHTED)
        number = good[here].sum(axis=0)
        total = np.where(good[here], stat[here], 0.0).sum(axis=0, dtype=np.float64)
        inverse = np.divide(number, total, out=np.zeros(total.shape), where=number > 0)
        weights[here] = np.where(good[here], inverse, 0.0)
    return weights


def _profile(window: Window, width: float, profile: Profile, wavelength: Floats) -> tuple[Floats, Floats, Floats]:
    """Flux, its variance and the shapes, of a fitted profile."""
    x, y = _distances(window)
    near = np.maximum(x, y) <= window.half
    kind, node = (GAUSS, 0.0) if profile == "gaussian" else (MOFFAT, DRIZZLE_NODE)
    data, stat = np.where(near, window.data, np.nan), window.stat
    free = np.ones(PARAMETERS, bool)
    free[BETA] = kind == MOFFAT
    guess = _guess(window, width, kind)
    smooth = profile == "smoffat"
    if smooth:
        parameters = _smooth_shapes(data, stat, free, node, guess, wavelength)
        if parameters is None:
            empty = np.full(wavelength.size, np.nan)
            return empty, empty, np.full((wavelength.size, PARAMETERS), np.nan)
    else:
        parameters = np.empty((wavelength.size, PARAMETERS))
    errors, good = np.empty(wavelength.size), np.empty(wavelength.size, bool)
    values, weights = np.where(np.isfinite(data), data, 0.0).astype(np.float32), _weights(data, stat)
    if smooth:
        fit_fluxes(kind, values, weights, free, node, parameters, errors, good)
    else:
        fit_planes(kind, values, weights, free, node, guess, parameters, errors, good)
    parameters[~good] = np.nan
    return parameters[:, FLUX].copy(), errors**2, parameters


def _guess(window: Window, width: float, kind: int) -> Floats:
    """First guess of the parameters of a profile."""
    guess = np.zeros(PARAMETERS)
    guess[X], guess[Y] = window.x, window.y
    guess[WIDTH_X] = guess[WIDTH_Y] = width * (SIGMA if kind == GAUSS else ALPHA)
    guess[BACKGROUND], guess[FLUX], guess[BETA] = 0.0, 1.0, FIRST_BETA
    return guess


def _smooth_shapes(
    data: Cube, stat: Cube, free: NDArray[np.bool_], node: float, guess: Floats, wavelength: Floats
) -> Floats | None:
    """Shapes that are polynomials in wavelength, float64 (planes, 8); None if too few means of planes can be fitted."""
    starts = np.arange(0, wavelength.size, STACKED)
    shape = (starts.size, *data.shape[1:])
    means, weights = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for k, first in enumerate(starts):
        part, variance = data[first : first + STACKED], stat[first : first + STACKED]
        good = np.isfinite(part) & np.isfinite(variance)
        number = good.sum(axis=0)
        # a pixel that lacks planes is of other wavelengths than the rest
        full = number > 0.75 * max(int(number.max()), 1)
        means[k] = np.where(full, np.where(good, part, 0.0).sum(axis=0) / np.maximum(number, 1), 0.0)
        total = np.where(good, variance, 0.0).sum(axis=0, dtype=np.float64)
        weights[k] = np.where(full & (total > 0), number**2 / np.where(total > 0, total, 1.0), 0.0)
    stacked = np.empty((starts.size, PARAMETERS))
    errors, good = np.empty(starts.size), np.empty(starts.size, bool)
    fit_planes(MOFFAT, means, weights, free, node, guess, stacked, errors, good)
    with np.errstate(invalid="ignore"):
        # where there is no light, as in the notch of the adaptive optics, a fit says nothing
        good &= stacked[:, FLUX] > 10.0 * errors
    if good.sum() < DEGREE + 2:
        return None
    middles = np.array([wavelength[first : first + STACKED].mean() for first in starts])
    centre, scale = 0.5 * (wavelength[0] + wavelength[-1]), max(0.5 * (wavelength[-1] - wavelength[0]), 1.0)
    shapes = np.empty((wavelength.size, PARAMETERS))
    for number in range(PARAMETERS):
        used, coefficients = np.ones(int(good.sum()), bool), np.empty(DEGREE + 1)
        fit_clipped((middles[good] - centre) / scale, stacked[good, number].copy(), used, DEGREE, coefficients)
        shapes[:, number] = np.polynomial.polynomial.polyval((wavelength - centre) / scale, coefficients)
    return shapes


def measure_all(cube: FieldCube, stars: Stars, profile: Profile, wavelength: Floats, name: str) -> list[StarFluxes]:
    """Fluxes of all stars; of those that are cut by the edge of the field NaN, unless all are.

    Raises
    ------
    MusedeepError
        All stars are cut by the edge.
    """
    found: list[StarFluxes] = []
    cut: list[MusedeepError] = []
    for star in stars.stars:
        try:
            window = window_of(cube, star, stars.width, profile, name)
        except MusedeepError as error:
            cut.append(error)
            empty = np.full(wavelength.size, np.nan)
            missing = np.full(wavelength.size, int(DQ.MISSING), np.int32)
            found.append(StarFluxes(empty, empty, missing, np.full((wavelength.size, PARAMETERS), np.nan), 0.0))
        else:
            found.append(measure(window, stars.width, profile, wavelength))
    if len(cut) == len(found):
        raise cut[0]
    return found
