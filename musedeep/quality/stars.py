"""Stars in the images of exposures: width, transparency and background of each exposure.

1. Sources are searched in the mean image (DAOFIND, 10 sigma); those near a gap are left out.
2. Moffat profiles are fitted to them in each image. The width of an exposure is the median width at half maximum of
   its stars: round sources, and of many the narrower half (galaxies are wider).
3. Fluxes are sums within an aperture of 1.5 times the usual width, less the level of the ring around it. They are
   divided by what this leaves of a star of the exposure's own profile.
4. The transparency of an exposure is the median ratio of its fluxes to those of the mean image, over the largest ratio
   of all exposures. It needs three sources of 20 sigma, or all if there are fewer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from musedeep.errors import MusedeepError
from musedeep.kernels.field.point_sources import find_candidates
from musedeep.kernels.field.sources import background
from musedeep.kernels.field.star_profile import fit_stars, widths
from musedeep.quality.record import ExposureRecord
from musedeep.quality.singles import Single, Singles

Floats = NDArray[np.float64]

USUAL: Final = 0.8
"""Width of a star with which sources are searched [arcsec]."""
DETECTED, MEASURED = 10.0, 20.0
"""Signal to noise of sources in the mean image, and of those that transparencies are measured with."""
MOST: Final = 60
"""Sources that are used, the brightest ones."""
APERTURE, RING = 1.5, 2.5
"""Radius of the aperture, and of the ring around it, over the width of a star."""
GAP: Final = 3.0
"""Distance of sources from pixels without data [pixel]."""
ROUND: Final = 1.4
"""Largest ratio of the two widths of a star."""


@dataclass(frozen=True)
class Conditions:
    """What stars tell of exposures; NaN where there are none.

    Attributes
    ----------
    sources : float64 (n, 2), x and y in the grid [pixel from 0], the brightest first
    heights : float64 (n,), their signal to noise in the mean image
    fwhm : float64 (exposures,) [arcsec]
    transparency : float64 (exposures,), 1 for the best
    """

    sources: Floats
    heights: Floats
    fwhm: Floats
    transparency: Floats


def find_sources(singles: Singles) -> tuple[Floats, Floats]:
    """Places in the grid [pixel from 0], float64 (n, 2), of the brightest sources, and their signal to noise (n,)."""
    image = singles.mean.astype(np.float64)
    found, noise = find_candidates(image, USUAL / singles.scale)
    if not noise > 0:
        return np.empty((0, 2)), np.empty(0)
    free = ndimage.distance_transform_edt(np.pad(np.isfinite(image), 1))[1:-1, 1:-1]
    place = np.rint(found.y).astype(int), np.rint(found.x).astype(int)
    good = (found.height > DETECTED * noise) & (free[place] > GAP) & (found.sharpness < 1.0)
    found = found.chosen(good)
    order = np.argsort(-found.height)[:MOST]
    return np.column_stack([found.x, found.y])[order], found.height[order] / noise


def conditions(singles: Singles) -> Conditions:
    """Widths and transparencies of the exposures; see the module."""
    sources, heights = find_sources(singles)
    n = len(singles.images)
    none = np.full(n, np.nan)
    if not len(sources):
        return Conditions(sources, heights, none, none)
    profiles = np.array([_profile(one, sources, singles.scale) for one in singles.images])
    fwhm = profiles[:, 0] * singles.scale
    if not np.isfinite(fwhm).any():
        return Conditions(sources, heights, fwhm, none)
    usual = float(np.nanmedian(profiles[:, 0]))
    whole = Single("", 0, 0, singles.mean, *background(singles.mean))
    reference = _fluxes(whole, sources, usual, _profile(whole, sources, singles.scale))
    use = (heights > MEASURED) & (reference > 0)
    ratios = np.full(n, np.nan)
    for k, one in enumerate(singles.images):
        ratio = (_fluxes(one, sources, usual, profiles[k]) / reference)[use]
        ratio = ratio[np.isfinite(ratio)]
        if ratio.size >= min(3, max(1, use.sum())):
            ratios[k] = np.median(ratio)
    ratios[~(ratios > 0)] = np.nan
    best = np.nanmax(ratios) if np.isfinite(ratios).any() else np.nan
    return Conditions(sources, heights, fwhm, ratios / best)


def _profile(one: Single, sources: Floats, scale: float) -> Floats:
    """Median width of the stars of an image [pixel], exponent of their profiles, and how far they lie from where they
    are in the mean image along x and y [pixel], float64 (4,); NaN and 0 if it has none."""
    unknown = np.array([np.nan, np.nan, 0.0, 0.0])
    places = sources - np.array([one.x0, one.y0])
    places = places[((places > 3) & (places < np.array(one.data.shape[::-1]) - 4)).all(axis=1)]
    if not len(places):
        return unknown
    variance = np.full(one.data.shape, max(one.noise, 1e-6) ** 2, np.float32)
    fits, _, good = fit_stars(one.data, variance, places, max(3, round(2.0 * USUAL / scale)), True)
    both = np.sort(widths(fits), axis=1)
    good &= (both[:, 1] < ROUND * both[:, 0]) & (np.hypot(*(fits[:, 2:4] - places).T) < 2.0 / scale)
    good &= fits[:, 1] > 5.0 * one.noise
    mean = both[good].mean(axis=1)
    if not mean.size:
        return unknown
    narrow = np.argsort(mean)[: max(3, (mean.size + 1) // 2) if mean.size > 5 else mean.size]
    moved = np.median((fits[good, 2:4] - places[good])[narrow], axis=0)
    return np.array([np.median(mean[narrow]), np.median(fits[good][narrow, 7]), *moved])


def _fluxes(one: Single, sources: Floats, usual: float, profile: Floats) -> Floats:
    """Light of stars, float64 (n,); NaN where the aperture is not whole. `usual` is the width of stars [pixel]."""
    radius, reach = APERTURE * usual, int(np.ceil(RING * usual))
    share = _share(radius, RING * usual, *profile[:2])
    out = np.full(len(sources), np.nan)
    for k, (x, y) in enumerate(sources - np.array([one.x0, one.y0]) + profile[2:]):
        rows = slice(max(0, round(y) - reach), max(0, round(y) + reach + 1))
        columns = slice(max(0, round(x) - reach), max(0, round(x) + reach + 1))
        cut = one.data[rows, columns]
        v, u = np.mgrid[rows, columns][:, : cut.shape[0], : cut.shape[1]]
        away = np.hypot(v - y, u - x)
        disc, ring = away <= radius, (away > radius) & (away <= RING * usual) & np.isfinite(cut)
        expected = np.pi * radius**2
        if disc.sum() < 0.93 * expected or not np.isfinite(cut[disc]).all() or ring.sum() < 0.5 * expected:
            continue
        out[k] = float((cut[disc] - np.median(cut[ring])).sum()) / share
    return out


def _share(radius: float, outer: float, fwhm: float, exponent: float) -> float:
    """Share of a Moffat profile that is left within a radius when the level of the ring around is taken off."""
    if not (np.isfinite(fwhm) and exponent > 1.05):
        return 1.0
    core = 0.5 * fwhm / np.sqrt(2.0 ** (1.0 / exponent) - 1.0)
    middle = np.sqrt(0.5 * (radius**2 + outer**2))  # half of the pixels of the ring lie within
    level = (exponent - 1.0) / (np.pi * core**2) * (1.0 + (middle / core) ** 2) ** -exponent
    inside = 1.0 - (1.0 + (radius / core) ** 2) ** (1.0 - exponent)
    return float(inside - level * np.pi * radius**2)


def completed(exposures: Sequence[ExposureRecord], singles: Singles, found: Conditions) -> list[ExposureRecord]:
    """Records of exposures with what their images tell; `found` is of the images of `singles`."""
    out = {one.name: one for one in exposures}
    for k, image in enumerate(singles.images):
        if image.name not in out:
            raise MusedeepError(f"{image.name}: an image of no exposure of the product")
        values = {
            "fwhm": _known(found.fwhm[k]), "transparency": _known(found.transparency[k]),
            "background": _known(image.background),
        }  # fmt: skip
        out[image.name] = out[image.name].model_copy(update=values)
    return [out[one.name] for one in exposures]


def _known(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
