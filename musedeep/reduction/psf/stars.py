"""Which sources of a cube are stars that its PSF can be measured with.

1. Point sources are searched in the image of the mean over wavelength (DAOFIND), and elliptical Moffat profiles are
   fitted to those of enough signal to noise.
2. A star has data around it up to 1.2 of its widths and no gap in its middle, and is not saturated: its highest pixels
   are not all alike, and its middle is no darker than the ring around it.
3. It is isolated: the light of its neighbours, where its own profile has its half maximum, is below 1 % of its peak.
4. It is round: its larger width exceeds the smaller one by 15 % at most.
5. Stars are the narrowest sources and as wide as each other; galaxies are wider. The sources whose widths are within
   12 % of the narrowest one are taken, and of all sources those within 8 % (and three errors) of the median of these.
   In a mosaic each field has its own.

Each source that is left out has the reason in `Candidates.why`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from musedeep.kernels.field.point_sources import find_candidates
from musedeep.kernels.field.star_profile import fit_stars, widths

Array = NDArray[np.float64]

USUAL: Final = 4.0
"""Width with which sources are searched [pixel]: 0.8 arcsec in the wide field, 0.1 in the narrow one."""
DETECTED: Final = 5.0
"""Signal to noise of neighbours."""
MOST: Final = 300
"""Sources that are looked at, the brightest ones."""
BOX: Final = 8
"""Pixels on either side of a source to which its first profile is fitted."""
FREE: Final = 1.2
"""Distance of a star from spaxels without data, over its width."""
NEIGHBOURS: Final = 0.01
"""Light of neighbours over the peak of a star, at most."""
ROUND: Final = 1.15
"""Larger width of a star over the smaller one, at most."""
ALIKE, SPREAD = 1.12, 0.08
"""Width of a star over that of the narrowest; and how far it is from the median of stars."""
FLAT, FLAT_PIXELS = 0.985, 5
"""Pixels of at least this share of the highest one: more than four are a plateau (a star in the corner of four
spaxels has four)."""
THINNEST: Final = 1.3
"""Width of a star [pixel]: cosmic rays and hot pixels are narrower."""

USED: Final = "used"


@dataclass(frozen=True)
class Candidates:
    """Sources of an image, the brightest first.

    Attributes
    ----------
    x, y : float64 (n,), place [pixel from 0]
    height : float64 (n,), of their peak
    snr : float64 (n,), signal to noise of the height
    width : float64 (n,), full width at half maximum, mean of both axes [pixel]; NaN without a fit
    why : str (n,), "used", or why the source is no star for the PSF
    others : float64 (m, 2), x and y of all sources whose light is to be masked around stars
    usual : width of stars [pixel], NaN without any
    """

    x: Array
    y: Array
    height: Array
    snr: Array
    width: Array
    why: NDArray[np.str_]
    others: Array
    usual: float

    @property
    def used(self) -> NDArray[np.bool_]:
        """Which are taken."""
        return np.asarray(self.why == USED)


def find_stars(image: Array, least_snr: float, fields: NDArray[np.integer] | None = None) -> Candidates:
    """The sources of an image, and which of them are stars; see the module.

    Parameters
    ----------
    image : float64 (ny, nx), NaN without data
    least_snr : signal to noise of a star
    fields : int (ny, nx), spaxels of a mosaic that belong to the same fields have the same number: stars in them are as
        wide as each other; None: all of the image
    """
    found, noise = find_candidates(image, USUAL)
    if not noise > 0:
        noise = 1e-9 * float(found.height.max()) if found.height.size else 1.0
    found = found.chosen((found.height > DETECTED * noise) & (found.sharpness < 1.0))
    found = found.chosen(np.argsort(-found.height)[:MOST])
    places = np.column_stack([found.x, found.y])
    groups = np.zeros(len(places), np.int64)
    if fields is not None:
        groups = fields[np.rint(found.y).astype(int), np.rint(found.x).astype(int)].astype(np.int64)
    return _judged(image, places, found.height, noise, least_snr, places, groups)


def given_stars(image: Array, places: Array) -> Candidates:
    """The stars of a table, at places [pixel from 0] (n, 2): all that have data and can be fitted.

    Neighbours that are found in the image are masked; whether a source is isolated, round or narrow is not asked.
    """
    found, noise = find_candidates(image, USUAL)
    others = found.chosen(found.height > DETECTED * noise)
    inside = np.asarray(((places > -0.5) & (places < np.array(image.shape[::-1]) - 0.5)).all(axis=1))
    pixel = np.clip(np.rint(places), 0, np.array(image.shape[::-1]) - 1).astype(int)
    height = np.nan_to_num(image[pixel[:, 1], pixel[:, 0]] - np.nanmedian(image))
    order = np.argsort(-height, kind="stable")
    around = np.column_stack([others.x, others.y])
    judged = _judged(image, places[order], height[order], max(noise, 1e-30), -np.inf, around)
    return Candidates(
        judged.x, judged.y, judged.height, judged.snr, judged.width,
        np.where(inside[order], judged.why, "outside the field"), judged.others, judged.usual,
    )  # fmt: skip


def _judged(
    image: Array,
    places: Array,
    height: Array,
    noise: float,
    least: float,
    others: Array,
    groups: NDArray[np.int64] | None = None,
) -> Candidates:
    """Judge sources; without `groups`, neither by neighbours nor by form."""
    n = len(places)
    why = np.full(n, USED, "U32")
    variance = np.full(image.shape, noise**2, np.float32)
    # profiles of sources that are no stars matter little: those without a fit only lack a width
    fits, _, good = fit_stars(image.astype(np.float32), variance, places, BOX, True)
    moved = np.hypot(*(fits[:, 2:4] - places).T)
    good &= moved < USUAL
    both = np.sort(widths(fits), axis=1)
    width = np.where(good, both.mean(axis=1), np.nan)
    centre = np.where(good[:, None], fits[:, 2:4], places)
    snr = height / noise

    def refuse(which: NDArray[np.bool_], reason: str) -> None:
        why[which & (why == USED)] = reason

    refuse(snr < least, "faint")
    refuse(_saturated(image, places, np.where(good, width, USUAL)), "saturated")
    refuse(~good | ~(width > THINNEST), "no profile")
    free = ndimage.distance_transform_edt(np.pad(np.isfinite(image), 1))[1:-1, 1:-1]
    pixel = np.clip(np.rint(places), 0, np.array(image.shape[::-1]) - 1).astype(int)
    refuse(free[pixel[:, 1], pixel[:, 0]] <= FREE * np.nan_to_num(width, nan=USUAL), "at the edge")
    if groups is not None:
        usual = _usual(width[why == USED])
        refuse(_neighbours(centre, height, usual if np.isfinite(usual) else USUAL) > NEIGHBOURS, "neighbour")
        refuse(both[:, 1] > ROUND * both[:, 0], "elongated")
        for group in np.unique(groups):
            mine = groups == group
            usual = _usual(width[mine & (why == USED)])
            alike = np.abs(width / usual - 1.0) <= SPREAD + 3.0 / np.maximum(snr, 1e-9)
            refuse(mine & ~alike, "extended")
    chosen = width[why == USED]
    return Candidates(
        centre[:, 0], centre[:, 1], height, snr, width, why, others,
        float(np.median(chosen)) if chosen.size else float("nan"),
    )  # fmt: skip


def _usual(width: Array) -> float:
    """Width of stars among those of sources; NaN if there are none."""
    if not width.size:
        return float("nan")
    return float(np.median(width[width <= ALIKE * width.min()]))


def _neighbours(places: Array, height: Array, usual: float) -> Array:
    """Light of all other sources where a star has half of its maximum, over its peak; profiles of exponent 2.5."""
    apart = np.hypot(*(places[:, None] - places).T)
    near = np.maximum(apart - 0.5 * usual, 0.0) / (0.5 * usual / np.sqrt(2.0**0.4 - 1.0))
    light = height[:, None] * (1.0 + near**2) ** -2.5
    np.fill_diagonal(light, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(light.sum(axis=0) / height, np.float64)


def _saturated(image: Array, places: Array, width: Array) -> NDArray[np.bool_]:
    """Whether the middle of each source has a gap, a plateau or a hole."""
    out = np.zeros(len(places), np.bool_)
    ny, nx = image.shape
    for k, (x, y) in enumerate(places):
        reach = max(2, int(np.ceil(width[k])))
        rows = slice(max(0, round(y) - reach), min(ny, round(y) + reach + 1))
        columns = slice(max(0, round(x) - reach), min(nx, round(x) + reach + 1))
        cut = image[rows, columns]
        if not cut.size:
            continue
        v, u = np.mgrid[rows, columns]
        away = np.hypot(v - y, u - x)
        core, ring = away <= max(1.0, 0.4 * width[k]), (away > 0.5 * width[k]) & (away <= width[k])
        values = cut[core]
        if not np.isfinite(values).all():
            # a gap in the middle, not beyond the edge of the field
            out[k] = bool(np.isfinite(cut[ring]).all() and ring.any())
            continue
        level = float(np.nanmedian(cut))
        plateau = int((cut - level >= FLAT * (np.nanmax(cut) - level)).sum())
        ringed = cut[ring & np.isfinite(cut)]
        out[k] = plateau >= FLAT_PIXELS or bool(ringed.size and np.mean(values) < np.mean(ringed))
    return out
