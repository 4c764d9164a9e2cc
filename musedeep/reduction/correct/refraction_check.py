"""How well the refraction is corrected: the places of bright sources, wavelength by wavelength (darcheck).

1. Nine images of the whole field, one per range of wavelengths, are summed from the rows. Their median has no cosmic
   rays; the brightest compact sources in it are taken.
2. In windows around them the rows are summed again, in planes of 25 Angstrom, with the mean place of the rows of each
   cell. Of four planes the median is taken.
3. A Gaussian is fitted to each source in each hundred Angstrom, to the values at the mean places.
4. All places are fitted together: each source has its own, and a parabola in the wavelength, which is zero at the
   reference wavelength, is common to all. Places further off than four deviations are left out.

The largest value of the parabola over the wavelengths of the data is what is left of the refraction: PIXTABLE DAR CHECK
in the header. With `correct` the parabola is subtracted, too (PIXTABLE DAR CORRECT RESIDUAL).

How it is called, with positions in pixel, after `correct_refraction`:
`left = measure_refraction(exposure.sources, wavelengths, lambdaref)`, and
`exposure.corrected(residual_refraction(left, correct=True))` unless `left` is None: no source is bright enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import SPAXEL_WFM
from musedeep.kernels.field.source_windows import SUMS, add_to_windows
from musedeep.kernels.field.sources import background, find_sources
from musedeep.kernels.field.star_profile import N_PARAMETERS, fit_profile
from musedeep.progress import Progress
from musedeep.reduction.correct.never_twice import DAR_CORRECT, PIXTABLE, Recorded
from musedeep.reduction.correct.refraction import Unrefracted, grid_wavelengths
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.rows.source import Correction
from musedeep.reduction.rows.sums import RowLimits, add_up
from musedeep.storage.pixel_tables.table import Rows, RowSource

DAR_CHECK: Final = f"{PIXTABLE}DAR CHECK"
DAR_RESIDUAL: Final = f"{DAR_CORRECT} RESIDUAL"

IMAGES: Final = 9
PLANE: Final = 25.0
"""Width of a plane [Angstrom]."""

TOGETHER: Final = 4
"""Planes of which the median is taken."""

HALF: Final = 9
"""Half a window [pixel]."""

SOURCES: Final = 8
"""Sources that are used, at most."""

PRECISION: Final = 0.1
"""Error of a place up to which it counts [pixel]."""

REJECTION: Final = 4.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ResidualRefraction:
    """What is left of the refraction.

    Attributes
    ----------
    lambdaref : reference wavelength [Angstrom]
    coefficients : float64 (2, 2), of (w - lambdaref) / 1000 and its square, in x and in y [pixel]
    deviation : largest value over the wavelengths of the data [arcsec]
    wavelength : float64 (bins,), middle of the bins [Angstrom]
    places : float64 (sources, bins, 2), x and y minus those at the reference wavelength [pixel]; NaN: not measured
    """

    lambdaref: float
    coefficients: Floats
    deviation: float
    wavelength: Floats
    places: Floats

    def at(self, wavelength: Floats) -> Floats:
        """How far light is from its place, float64 (n, 2) [pixel], at wavelengths (n,) [Angstrom]."""
        u = (wavelength - self.lambdaref) / 1000.0
        return np.stack([u, u * u], axis=1) @ self.coefficients.T


class WindowSums:
    """Sums of rows in the cells of windows; see `add_to_windows`."""

    columns = ("xpos", "ypos", "lambda", "data", "dq", "stat")

    def __init__(self, cells: NDArray[np.int32], corner: Floats, planes: Floats, n_planes: int) -> None:
        self.cells, self.corner, self.planes = cells, corner, planes
        self.sums = np.zeros((n_planes, int(cells.max()) + 1, SUMS))

    def fresh(self) -> Self:
        """See `RowSums.fresh`."""
        return type(self)(self.cells, self.corner, self.planes, self.sums.shape[0])

    def add(self, rows: Rows) -> None:
        """See `RowSums.add`."""
        add_to_windows(*(rows[name] for name in self.columns), self.cells, self.corner, self.planes, self.sums)

    def merge(self, other: Self) -> None:
        """See `RowSums.merge`."""
        self.sums += other.sums


def measure_refraction(
    sources: Sequence[RowSource],
    wavelengths: tuple[float, float],
    lambdaref: float,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ResidualRefraction | None:
    """Measure what is left of the refraction; None where no source is bright enough. The rows are read three times.

    Parameters
    ----------
    sources : of an exposure, positions in the field of view [pixel]
    wavelengths : (low, high), of the data [Angstrom]
    lambdaref : float, reference wavelength [Angstrom]
    """
    limits = RowLimits()
    add_up(sources, [limits], workers, progress)
    if not np.isfinite(limits.values).all():
        return None
    corner = np.floor(limits.values[:2, 0])
    n_x, n_y = (int(n) for n in np.ceil(limits.values[:2, 1]) - corner + 1)
    low, high = wavelengths
    whole = np.arange(n_x * n_y, dtype=np.int32).reshape(n_y, n_x)
    images = WindowSums(whole, corner, np.array([low, (high - low) / IMAGES]), IMAGES)
    add_up(sources, [images], workers, progress)
    with np.errstate(invalid="ignore", divide="ignore"):
        image = np.median(images.sums[..., 1] / images.sums[..., 0], axis=0).reshape(n_y, n_x)
    places = brightest(image)
    if not places:
        return None
    cells = np.full((n_y, n_x), -1, np.int32)
    windows = [_window(x, y, n_x, n_y) for x, y in places]
    n = 0
    for rows, columns in windows:
        free = cells[rows, columns] < 0
        cells[rows, columns][free] = np.arange(n, n + np.count_nonzero(free))
        n += int(np.count_nonzero(free))
    n_planes = int(np.ceil((high - low) / PLANE / TOGETHER)) * TOGETHER
    sums = WindowSums(cells, corner, np.array([low, PLANE]), n_planes)
    add_up(sources, [sums], workers, progress)
    bins = np.asarray(low + PLANE * TOGETHER * (np.arange(n_planes // TOGETHER) + 0.5), np.float64)
    found = [_follow(sums.sums[:, cells[window][cells[window] >= 0]], place) for window, place in
             zip(windows, places, strict=True)]  # fmt: skip
    return fit_places(bins, np.array([f[0] for f in found]), np.array([f[1] for f in found]), lambdaref, wavelengths)


def brightest(image: Floats) -> list[tuple[int, int]]:
    """x and y of the brightest sources of an image, float64 (ny, nx), that are apart from each other and the edges."""
    _, deviation = background(image)
    n_y, n_x = image.shape
    inside = [s for s in find_sources(image, 5.0) if s.valid and 2 < s.x < n_x - 3 and 2 < s.y < n_y - 3]
    inside.sort(key=lambda s: -image[s.y, s.x])
    kept: list[tuple[int, int]] = []
    for source in inside:
        if deviation > 0 and all(max(abs(source.x - x), abs(source.y - y)) > HALF for x, y in kept):
            kept.append((source.x, source.y))
    return kept[:SOURCES]


def _window(x: int, y: int, n_x: int, n_y: int) -> tuple[slice, slice]:
    return slice(max(y - HALF, 0), min(y + HALF + 1, n_y)), slice(max(x - HALF, 0), min(x + HALF + 1, n_x))


def _follow(sums: Floats, place: tuple[int, int]) -> tuple[Floats, Floats]:
    """Place of a source in each bin, and its errors, float64 (bins, 2) [pixel from the corner]; NaN: not measured."""
    together = sums.reshape(-1, TOGETHER, *sums.shape[1:])
    places = np.full((together.shape[0], 2), np.nan)
    errors = np.full_like(places, np.nan)
    guess = np.zeros(N_PARAMETERS)
    for k, planes in enumerate(together):
        with np.errstate(invalid="ignore", divide="ignore"):
            means = planes[..., 1:] / planes[..., :1]
            variance = np.sum(planes[..., 2], 0) / np.sum(planes[..., 0], 0) ** 2
        filled = np.isfinite(means[..., 0]).all(0) & (variance > 0)
        if not filled.any():
            continue
        values = np.median(means[:, filled, 0], axis=0)
        xs, ys = (means[:, filled, j].mean(0) for j in (2, 3))
        # the variance of a median is pi/2 times that of a mean
        weights = 1.0 / (0.5 * np.pi * variance[filled])
        middle = float(np.median(values))
        guess[:] = middle, values.max() - middle, place[0], place[1], 2.0, 2.0, 0.0, 0.0
        error = np.zeros(2)
        if fit_profile(xs, ys, values, weights, guess, error) and error.max() < PRECISION:
            places[k], errors[k] = guess[2:4], error
    return places, errors


def fit_places(
    bins: Floats, places: Floats, errors: Floats, lambdaref: float, wavelengths: tuple[float, float]
) -> ResidualRefraction | None:
    """Fit what sources have in common; None for fewer than four places.

    Parameters
    ----------
    bins : float64 (bins,) [Angstrom]
    places, errors : float64 (sources, bins, 2) [pixel]; NaN: not measured
    """
    u = np.broadcast_to((bins - lambdaref) / 1000.0, places.shape[:2])
    number = np.broadcast_to(np.arange(places.shape[0])[:, None], u.shape)
    used = np.isfinite(places).all(2)
    parabola = np.zeros((2, 2))
    own = np.full((places.shape[0], 2), np.nan)
    for _ in range(5):
        members = np.unique(number[used])
        if np.count_nonzero(used) < members.size + 3:
            return None
        design = np.concatenate(
            [np.stack([u[used], u[used] ** 2], 1), (number[used][:, None] == members).astype(np.float64)], axis=1
        )
        off = np.zeros((*u.shape, 2))
        for axis in range(2):
            # an error floor of a hundredth of a pixel: that of the model
            weight = 1.0 / np.hypot(errors[used][:, axis], 0.01)
            found = np.linalg.lstsq(design * weight[:, None], places[used][:, axis] * weight, rcond=None)[0]
            parabola[axis] = found[:2]
            own[members, axis] = found[2:]
            off[used, axis] = (places[used][:, axis] - design @ found) * weight
        spread = np.sqrt(np.mean(off[used] ** 2))
        good = used & (np.abs(off).max(2) <= REJECTION * max(float(spread), 1e-6))
        if (good == used).all():
            break
        used = good
    left = ResidualRefraction(lambdaref, parabola, 0.0, bins, places - own[:, None])
    ends = left.at(np.linspace(*wavelengths, 101))
    return ResidualRefraction(lambdaref, parabola, float(np.hypot(*ends.T).max()) * SPAXEL_WFM, bins, left.places)


def residual_refraction(left: ResidualRefraction, correct: bool) -> list[Correction]:
    """What darcheck does with an exposure: it records the deviation, and with `correct` subtracts it."""
    text = "[arcsec] maximum deviation of sources after DAR correction"
    cards: list[Card] = [(DAR_CHECK, left.deviation, text)]
    if not correct:
        return [Recorded(*cards)]
    cards.append((DAR_RESIDUAL, left.lambdaref, "[Angstrom] ref. lambda for residual DAR correction"))
    return [Unrefracted(-left.at(grid_wavelengths()), cards)]
