"""The wavelength solution of one slice: lines found, identified, measured, fitted."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from musedeep.instrument import DISPERSION
from musedeep.kernels.lines.arc_lines import COMPONENTS, REACH, WINDOW, central_spectrum, detect, fit_found, follow_line
from musedeep.kernels.lines.dispersion import Solution, clip_line, fit_dispersion
from musedeep.kernels.lines.line_patterns import identify
from musedeep.storage.calibrations.line_catalog import LineCatalog

REFERENCE_QUALITY: Final = 5
"""Quality of the lines that the width of lines is taken from (manual A.2.1)."""

CENTRAL: Final = (-2, 2)
"""Columns around the middle of a slice that lines are found in: from, to (not included), found on the reference."""

START_SIGMA: Final = 1.0
"""Width that fits begin with, pixels."""

SEARCH: Final = 2.0
"""Rows that the fit of a detected line may move it; further is another line."""

NEIGHBOUR_SHARE: Final = 0.005
"""Neighbours with less of the flux of a line do not disturb it."""

BRIGHT_SHARE: Final = 3.0
"""A line with a neighbour that is so much brighter is left out."""

BLEND: Final = 1.2
"""Lines nearer to each other cannot be told apart, rows."""

BLEND_SHARE: Final = 0.02
"""A line with such a neighbour, relative to its flux, is left out."""

SMALLEST_SHARE: Final = 0.25
"""A line has to be seen in this part of the columns."""

SIGMA_TO_FWHM: Final = float(np.sqrt(8.0 * np.log(2.0)))


@dataclass(frozen=True)
class ArcImage:
    """The combined exposures of one lamp, or of all.

    Attributes
    ----------
    number : of the lamp (ESO INS LAMPn); 0: all
    name : Ne, Xe, HgCd
    data, stat : float32 (rows, columns), count and count**2
    dq : int32 (rows, columns)
    lines : int64 (n,), its lines in the catalogue
    """

    number: int
    name: str
    data: NDArray[np.float32]
    dq: NDArray[np.int32]
    stat: NDArray[np.float32]
    lines: NDArray[np.int64]


@dataclass(frozen=True)
class Settings:
    """Parameters of muse_wavecal that the fits use, and a choice that they do not offer.

    Attributes
    ----------
    limits : wavelengths of the lines that the solution rests on, Angstrom
    fixed_width : of lines that are not of quality 5 (sigma, pixels); 0: fitted. The reference has about 0.887,
        which moves lines where the line-spread function is skew and has another width.
    """

    sigma: float
    resolution: float
    tolerance: float
    x_order: int
    y_order: int
    line_sigma: float
    fit_sigma: float
    weighting: str
    limits: tuple[float, float]
    fixed_width: float = 0.0


@dataclass
class Measured:
    """Positions of lines of a slice; all (n,).

    Attributes
    ----------
    line : int64, place in the catalogue
    x, y : float64, trimmed pixels from 1
    errors, scatters : float64, of the centre and of the line, pixels
    sigma : float64, widths of the Gaussians, pixels
    """

    line: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    errors: NDArray[np.float64]
    scatters: NDArray[np.float64]
    sigma: NDArray[np.float64]

    def chosen(self, which: NDArray[np.bool_]) -> "Measured":
        """Some of the positions."""
        return Measured(
            self.line[which], self.x[which], self.y[which], self.errors[which], self.scatters[which], self.sigma[which]
        )


@dataclass
class SliceResult:
    """What was found in a slice.

    Attributes
    ----------
    number : 1 to 48
    detected : lines found
    identified : int64 (n,), places in the catalogue of those that were identified
    peaks : float64 (n,), heights of the identified lines, count
    lamps : int64 (n,), numbers of their lamps
    reference_lines : int64 (k,), places in the catalogue of the lines that the width of lines is taken from
    widths : float64 (k,), their full widths at half maximum, Angstrom
    solution : None where there is none; `why` says what was missing
    measured : the positions that were fitted
    """

    number: int
    detected: int = 0
    identified: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    peaks: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    lamps: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    reference_lines: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    widths: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    solution: Solution | None = None
    measured: Measured | None = None
    why: str = ""


@dataclass(frozen=True)
class _Found:
    """Lines found in the middle of a slice, rising; all (n,)."""

    places: NDArray[np.float64]
    images: NDArray[np.int64]
    peaks: NDArray[np.float64]


def solve_slice(
    number: int, images: list[ArcImage], catalog: LineCatalog, trace: NDArray[np.float64], settings: Settings
) -> SliceResult:
    """Find the wavelength solution of a slice.

    Parameters
    ----------
    number : 1 to 48
    images : one a lamp, or one of all lamps
    trace : float64 (3, order + 1), centre, left and right edge; powers of the row, pixels from 1
    """
    result = SliceResult(number)
    if not np.isfinite(trace).all():
        result.why = "its trace failed"
        return result
    centre, left, right = (Polynomial(c) for c in trace)
    n_rows, n_columns = images[0].data.shape
    middle = round(float(centre(0.5 * (n_rows + 1)))) - 1
    if not -CENTRAL[0] <= middle < n_columns - CENTRAL[1]:
        result.why = "its trace lies outside the image"
        return result
    found = _find(images, middle, settings)
    result.detected = found.places.size
    which = np.full(catalog.wavelengths.size, -2)
    for i, image in enumerate(images):
        which[image.lines] = i
    listed = np.flatnonzero((catalog.qualities > 0) & (which >= 0))
    answer = identify(
        found.places, found.images, catalog.wavelengths[listed], which[listed], DISPERSION, settings.resolution,
        settings.tolerance, settings.y_order,
    )  # fmt: skip
    if answer is None:
        result.why = f"{result.detected} lines were found, no pattern of the catalogue among them"
        return result
    matched, place_of = answer
    seen = matched >= 0
    result.identified, result.peaks = listed[matched[seen]], found.peaks[seen]
    result.lamps = np.array([images[i].number for i in found.images[seen]])
    every = _measure(images, catalog, place_of, middle, (left, right), settings)
    if every is None:
        result.why = "no line could be followed along the slice"
        return result
    waves = catalog.wavelengths[every.line]
    # a polynomial bends down at the ends, where there are no lines
    step = 1.0 / np.maximum(place_of.deriv()(waves), 0.1)
    bright = catalog.qualities[every.line] == REFERENCE_QUALITY
    result.reference_lines = np.unique(every.line[bright])
    result.widths = np.array(
        [np.median((SIGMA_TO_FWHM * every.sigma * step)[every.line == line]) for line in result.reference_lines]
    )
    inside = (waves >= settings.limits[0]) & (waves <= settings.limits[1])
    measured, step, waves = every.chosen(inside), step[inside], waves[inside]
    names, lines = np.unique(measured.line, return_inverse=True)
    result.measured = measured
    if names.size > settings.y_order + 1:
        result.solution = fit_dispersion(
            measured.x, measured.y, waves, lines, measured.errors * step, measured.scatters * step,
            settings.weighting, settings.x_order, settings.y_order, settings.fit_sigma, n_rows,
        )  # fmt: skip
    if result.solution is None:
        result.why = f"{names.size} lines are too few for the polynomial"
    return result


def _find(images: list[ArcImage], middle: int, settings: Settings) -> _Found:
    """Lines in the middle columns, of all lamps."""
    columns = slice(middle + CENTRAL[0], middle + CENTRAL[1])
    places, number, peaks = [], [], []
    for i, image in enumerate(images):
        signal, ratio = central_spectrum(image.data, image.dq, image.stat, columns)
        found = detect(signal, ratio, settings.sigma)
        fitted = np.empty((found.shape[0], 4))
        fit_found(image.data, image.dq, image.stat, middle, found[:, 1], START_SIGMA, WINDOW, fitted)
        good = np.isfinite(fitted[:, 0]) & (np.abs(fitted[:, 0] - found[:, 1]) < SEARCH) & (fitted[:, 2] < SEARCH)
        places.append(fitted[good, 0])
        number.append(np.full(int(good.sum()), i))
        peaks.append(found[good, 2])
    joined = np.concatenate(places)
    order = np.argsort(joined, kind="stable")
    return _Found(joined[order], np.concatenate(number)[order], np.concatenate(peaks)[order])


def _neighbours(place: float, flux: float, places: NDArray, fluxes: NDArray) -> NDArray[np.float64] | None:
    """Distances of the lines that are fitted with one; None if one of them is too near or too bright.

    Parameters
    ----------
    place, flux : of the line
    places, fluxes : float64 (n,), of all others of the lamp
    """
    near = (np.abs(places - place) < REACH) & (fluxes > NEIGHBOUR_SHARE * flux)
    offsets, shares = places[near] - place, fluxes[near]
    if (shares[np.abs(offsets) < BLEND] > BLEND_SHARE * flux).any() or (shares > BRIGHT_SHARE * flux).any():
        return None
    offsets, shares = offsets[np.abs(offsets) >= BLEND], shares[np.abs(offsets) >= BLEND]
    joined: list[tuple[float, float]] = []
    for offset, share in zip(offsets, shares, strict=True):
        # neighbours that cannot be told apart from each other count as one
        if joined and offset - joined[-1][0] < BLEND:
            before, weight = joined.pop()
            joined.append(((before * weight + offset * share) / (weight + share), weight + share))
        else:
            joined.append((float(offset), float(share)))
    nearest = sorted(joined, key=lambda one: abs(one[0]))[: COMPONENTS - 1]
    return np.array([offset for offset, _ in nearest])


def _measure(
    images: list[ArcImage],
    catalog: LineCatalog,
    place_of: Polynomial,
    middle: int,
    edges: tuple[Polynomial, Polynomial],
    settings: Settings,
) -> Measured | None:
    """Positions of all lines of the catalogue along a slice."""
    n_rows, n_columns = images[0].data.shape
    parts: list[tuple[NDArray, ...]] = []
    for image in images:
        places, fluxes = place_of(catalog.wavelengths[image.lines]), catalog.fluxes[image.lines]
        for k, line in enumerate(image.lines):
            place = float(places[k])
            if catalog.qualities[line] < 2 or not WINDOW < place <= n_rows - WINDOW:
                continue
            others = _neighbours(place, fluxes[k], np.delete(places, k), np.delete(fluxes, k))
            if others is None:
                continue
            first = max(int(np.ceil(edges[0](place))), 1)
            last = min(int(np.floor(edges[1](place))), n_columns)
            if not first <= middle + 1 <= last:
                continue
            out = np.empty((last - first + 1, 4))
            free = settings.fixed_width == 0.0 or catalog.qualities[line] == REFERENCE_QUALITY
            seen = follow_line(
                image.data, image.dq, image.stat, middle, place, others, others.size,
                START_SIGMA if free else settings.fixed_width, free, (first - 1, last - 1), WINDOW, out,
            )  # fmt: skip
            if seen < SMALLEST_SHARE * out.shape[0]:
                continue
            good = np.empty(out.shape[0], bool)
            scatter = clip_line(np.ascontiguousarray(out[:, 0]), settings.x_order, settings.line_sigma, good)
            if not good.sum() >= SMALLEST_SHARE * out.shape[0]:
                continue
            n = int(good.sum())
            x = np.arange(first, last + 1, dtype=np.float64)[good]
            parts.append((np.full(n, line), x, out[good, 0], out[good, 1], np.full(n, scatter), out[good, 2]))
    if not parts:
        return None
    return Measured(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
