"""Misaligned exposures, found without an eye: how far the sources of each image lie from those of the others.

One misaligned exposure doubles faint sources of the cube, and leaves craters and rings on bright ones, mountains and
valleys at emission lines (release description of MUSE-DEEP, figure 14). Its own residual against the mean of the others
is a dipole at each source. What is fitted to an exposure d, in a window around each source of the mean image, is

    d = a m(x - s) + b + c Laplacian of m(x - s)

with m the mean of the other exposures, a shift s of all sources, and a flux a, a level b and a width c of each source:
the seeing differs from exposure to exposure, and changes even terms alone.

1. The first guess of the shift is the best of all whole pixels within 1.6 arcsec, over all sources together.
2. Gauss-Newton steps refine it. Pixels are weighted by the noise of the background and a share of the light of the
   source, which the model leaves unexplained (profiles differ by more than the Laplacian).
3. Each source then has a shift of its own. The shift of the exposure is their weighted mean. Sources count less that
   differ from the median by more than 3 errors (variable stars, blends). The error is the larger one of what follows
   from the weights, and from the scatter of the sources.
4. The mean of the others holds what is wrong with one of them. So the shift of one of N exposures is (N - 1) / N of
   what is measured, and counts from the median of all.
5. An exposure is misaligned if its shift is larger than a limit (0.2 arcsec, as that of flag 10) and than 5 errors. All
   are measured once more against the mean of those that are not.

Of two exposures nobody can tell which is wrong: each gets its whole distance from the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from musedeep.quality.record import Finding
from musedeep.quality.singles import Singles

Floats = NDArray[np.float64]

REACH: Final = 1.6
"""Largest shift that is looked for [arcsec]."""
WINDOW: Final = 1.6
"""Half a side of the window around a source [arcsec]."""
SHARE: Final = 0.6
"""Of a window that has to have data, its inner half in any case."""
UNEXPLAINED: Final = 0.03
"""Share of the light of a source that the model does not explain."""
LEAST: Final = 15.0
"""Signal to noise of sources that are used."""
MOST: Final = 40
"""Sources that are used, the brightest ones."""
STEPS: Final = 5
"""Of the fit."""
LIMIT: Final = 0.2
"""Shift of a misaligned exposure [arcsec]."""
SIGNIFICANT: Final = 5.0
"""Shift of a misaligned exposure, over its error."""
FLOOR: Final = 0.1
"""Least error of the shift of a source [pixel]."""
OUTLYING: Final = 3.0
"""Distance from the median beyond which a source counts less, over its error."""


@dataclass(frozen=True)
class Shift:
    """Where an exposure is, against the others.

    Attributes
    ----------
    name : of the exposure
    east, north : float, distance from its place [arcsec]; NaN where no source tells it
    error : float, of each of them [arcsec]
    sources : int, number of sources
    misaligned : bool
    """

    name: str
    east: float
    north: float
    error: float
    sources: int
    misaligned: bool = False

    @property
    def size(self) -> float:
        """Distance from its place [arcsec]."""
        return float(np.hypot(self.east, self.north))


def shifts(singles: Singles, sources: Floats, heights: Floats, limit: float = LIMIT) -> list[Shift]:
    """Where each exposure is, against the others; see the module.

    Parameters
    ----------
    sources : float64 (n, 2), x and y in the grid [pixel from 0]
    heights : float64 (n,), their signal to noise
    limit : shift of a misaligned exposure [arcsec]
    """
    places = sources[heights > LEAST][:MOST]
    found = _judged(singles, places, limit)
    wrong = frozenset(k for k, one in enumerate(found) if one.misaligned)
    if wrong and len(found) - len(wrong) >= 2:
        found = _judged(singles.against(frozenset(range(len(found))) - wrong), places, limit)
    return found


def _judged(singles: Singles, places: Floats, limit: float) -> list[Shift]:
    measured = [_measured(singles, k, places) for k in range(len(singles.images))]
    # along x and y [pixel] to east and north [arcsec]
    values = np.array([one[0] for one in measured]).reshape(-1, 2) @ singles.plane.cd.T * 3600.0
    inside = [k for k in range(len(measured)) if singles.reference is None or k in singles.reference]
    if len(inside) > 2:
        values[inside] *= (len(inside) - 1) / len(inside)
    if len(inside) > 2 and np.isfinite(values[inside]).any():
        values -= np.nanmedian(values[inside], axis=0)
    found = []
    for one, (east, north), (_, error, number) in zip(singles.images, values, measured, strict=True):
        size, error = float(np.hypot(east, north)), error * singles.scale
        wrong = bool(np.isfinite(size) and size > limit and size > SIGNIFICANT * error)
        found.append(Shift(one.name, float(east), float(north), float(error), number, wrong))
    return found


def findings(found: Sequence[Shift]) -> list[Finding]:
    """What an eye should look at: misaligned exposures, and those that no source tells of."""
    out = []
    pair = sum(np.isfinite(one.size) for one in found) == 2
    for one in found:
        if one.misaligned:
            text = (
                f"{one.size:.2f} arcsec from its place (east {one.east:+.2f}, north {one.north:+.2f}, error "
                f"{one.error:.2f}; {one.sources} sources)" + ("; or the only other one is" if pair else "")
            )
            out.append(Finding(kind="misaligned", text=text, exposure=one.name, value=one.size))
    unknown = [one.name for one in found if not np.isfinite(one.size)]
    if unknown:
        text = f"alignment cannot be judged: no source is bright enough in {len(unknown)} of {len(found)} exposures"
        out.append(Finding(kind="alignment unknown", text=text, value=float(len(unknown))))
    return out


def _measured(singles: Singles, number: int, places: Floats) -> tuple[Floats, float, int]:
    """Shift of an exposure along x and y, its error [pixel], and the number of sources."""
    nothing = np.full(2, np.nan), float("nan"), 0
    one, model = singles.images[number], singles.others(number)
    half, reach = round(WINDOW / singles.scale), round(REACH / singles.scale)
    near = np.rint(places - np.array([one.x0, one.y0])).astype(int)
    margin = half + reach + 1
    ny, nx = one.data.shape
    padded = (np.pad(image.astype(np.float64), margin, constant_values=np.nan) for image in (one.data, model))
    data, others = padded
    cuts = []
    for x, y in near:
        if not (0 <= x < nx and 0 <= y < ny):
            continue
        middle = (slice(y + margin - half, y + margin + half + 1), slice(x + margin - half, x + margin + half + 1))
        around = (slice(y, y + 2 * margin + 1), slice(x, x + 2 * margin + 1))
        both = np.isfinite(data[middle]) & np.isfinite(others[middle])
        core = both[half - half // 2 : half + half // 2 + 1, half - half // 2 : half + half // 2 + 1]
        if core.all() and both.mean() > SHARE:
            cuts.append((data[middle], others[around]))
    if not cuts or not one.noise > 0:
        return nothing
    seen, wide = (np.array(part) for part in zip(*cuts, strict=True))
    shift = _first_guess(seen, wide, reach, one.noise)
    for _ in range(STEPS):
        moved, errors = _each(seen, wide, shift, one.noise)
        if not len(moved):
            return nothing
        shift = np.clip(shift + np.clip(_together(moved, errors)[0], -1.5, 1.5), -reach, reach)
    moved, errors = _each(seen, wide, shift, one.noise)
    if not len(moved):
        return nothing
    left, error = _together(moved, errors)
    return shift + left, error, len(moved)


def _weights(seen: Floats, noise: float) -> Floats:
    """Of the pixels of windows; 0 where there are no data."""
    level = np.nanmedian(seen, axis=(1, 2), keepdims=True)
    weight = 1.0 / (noise**2 + (UNEXPLAINED * (seen - level)) ** 2)
    return np.asarray(np.where(np.isfinite(seen), weight, 0.0), np.float64)


def _first_guess(seen: Floats, wide: Floats, reach: int, noise: float) -> Floats:
    """The best of all whole pixels along x and y, float64 (2,), with a flux and a level of each source."""
    size = seen.shape[1]
    all_weights, values = _weights(seen, noise), np.nan_to_num(seen)
    best, found = np.inf, (0, 0)
    middle = (wide.shape[1] - size) // 2
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if dx * dx + dy * dy > reach * reach:
                continue
            # a source that has moved by (dx, dy) is seen where the model is (dx, dy) farther back
            m = wide[:, middle - dy : middle - dy + size, middle - dx : middle - dx + size]
            known = np.isfinite(m)
            m, weight = np.where(known, m, 0.0), np.where(known, all_weights, 0.0)
            w = np.maximum(weight.sum(axis=(1, 2), keepdims=True), 1e-30)
            m = m - (weight * m).sum(axis=(1, 2), keepdims=True) / w
            d = values - (weight * values).sum(axis=(1, 2), keepdims=True) / w
            flux = (weight * m * d).sum(axis=(1, 2), keepdims=True)
            flux /= np.maximum((weight * m**2).sum(axis=(1, 2), keepdims=True), 1e-30)
            rest = (weight * (d - np.maximum(flux, 0.0) * m) ** 2).sum(axis=(1, 2))
            # a window that is not whole counts as if it were
            total = float((rest / np.maximum((weight > 0).mean(axis=(1, 2)), 0.1)).sum())
            if total < best:
                best, found = total, (dx, dy)
    return np.array(found, np.float64)


def _each(seen: Floats, wide: Floats, shift: Floats, noise: float) -> tuple[Floats, Floats]:
    """How far each source still lies from the model after a shift, float64 (n, 2), and errors (n,) [pixel]."""
    n, size, _ = seen.shape
    by = (0.0, shift[1], shift[0])
    model = ndimage.shift(np.nan_to_num(wide), by, order=3, mode="nearest")
    known = ndimage.shift(np.isfinite(wide).astype(np.float64), by, order=1, mode="nearest")
    along_y, along_x = np.gradient(model, axis=(1, 2))
    second = np.gradient(along_y, axis=1) + np.gradient(along_x, axis=2)
    first = (model.shape[1] - size) // 2
    cut = (slice(None), slice(first, first + size), slice(first, first + size))
    terms = np.stack([part[cut].reshape(n, -1) for part in (model, second, along_x, along_y)], axis=2)
    terms = np.concatenate([np.ones((n, size * size, 1)), terms], axis=2)
    weight = np.where(known[cut] > 0.999, _weights(seen, noise), 0.0).reshape(n, -1)
    values = np.nan_to_num(seen).reshape(n, -1)
    normal = np.einsum("npi,np,npj->nij", terms, weight, terms, optimize=True)
    right = np.einsum("npi,np,np->ni", terms, weight, values, optimize=True)
    good = np.linalg.cond(normal) < 1e14
    if not good.any():
        return np.empty((0, 2)), np.empty(0)
    inverse = np.linalg.inv(normal[good])
    fit = np.einsum("nij,nj->ni", inverse, right[good])
    rest = values[good] - np.einsum("npi,ni->np", terms[good], fit)
    # neighbouring pixels of a resampled image are not independent: errors follow from what is left
    degrees = np.maximum((weight[good] > 0).sum(axis=1) - 5, 1)
    scatter = np.maximum((weight[good] * rest**2).sum(axis=1) / degrees, 1.0)
    flux = fit[:, 1]
    variance = 0.5 * (inverse[:, 3, 3] + inverse[:, 4, 4]) * scatter
    bright = flux > 0.1
    moved = -fit[bright, 3:5] / flux[bright, None]
    return moved, np.sqrt(variance[bright]) / flux[bright]


def _together(moved: Floats, errors: Floats) -> tuple[Floats, float]:
    """Weighted mean of the shifts of sources, float64 (2,), and its error."""
    spread = np.hypot(errors, FLOOR)
    away = np.hypot(*(moved - np.median(moved, axis=0)).T) / spread
    weight = np.minimum(1.0, OUTLYING / np.maximum(away, 1e-9)) / spread**2
    mean = (weight[:, None] * moved).sum(axis=0) / weight.sum()
    formal = 1.0 / np.sqrt((1.0 / spread**2).sum())
    if len(moved) < 2:
        return mean, float(formal)
    rest = 0.5 * ((moved - mean) ** 2).sum(axis=1)
    return mean, float(max(formal, np.sqrt((weight * rest).sum() / weight.sum() / (len(moved) - 1))))
