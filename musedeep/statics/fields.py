"""Astrometric fields: synthetic star clusters, the same from the same seed."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.field.tangent import sky_position
from musedeep.statics.load import read_table

Floats = NDArray[np.float64]

RADIUS: Final = 40.0
"""Stars lie within this radius of the centre, arcsec: nearly the field of view at any angle."""

GAP: Final = (1.3, 3.4)
"""No star lies this far north or south of the centre, arcsec: two IFUs across the middle cut none of them."""

CORE: Final = 35.0
"""Core radius of the cluster's profile, arcsec."""

BRIGHTEST, FAINTEST = 14.0, 18.0
"""Limits of the magnitudes (Johnson V, Vega)."""

SLOPE: Final = 0.15
"""Logarithmic increase of star counts a magnitude, as of a globular cluster's giants and main sequence."""

SEPARATION: Final = 2.0
"""No star lies closer to a brighter one, arcsec: a blend is of no use as reference."""


@dataclass(frozen=True)
class AstrometricField:
    """A field of stars with known places.

    Attributes
    ----------
    name : str
    ra, dec : degrees, centre
    source : n names of stars
    star_ra, star_dec : float64 (n,), degrees
    filter : name of the band of `magnitude`
    magnitude : float64 (n,), Vega
    scale : distances in it over those of a field for the wide-field mode
    """

    name: str
    ra: float
    dec: float
    source: tuple[str, ...]
    star_ra: Floats
    star_dec: Floats
    filter: str
    magnitude: Floats
    scale: float = 1.0


def field_names(narrow: bool | None = None) -> tuple[str, ...]:
    """The fields there are: all of them, those for the narrow-field mode, or those for the wide-field mode."""
    table = read_table("astrometric_fields")
    return tuple(
        str(name)
        for name, scale in zip(table["name"], table["scale"], strict=True)
        if narrow is None or narrow == (scale < 1.0)
    )


@cache
def load_astrometric_field(name: str) -> AstrometricField:
    """A field by its name; MusedeepError for another name."""
    for row in read_table("astrometric_fields"):
        if str(row["name"]).lower() == name.lower():
            place = float(row["ra"]), float(row["dec"])
            return synthetic_field(str(row["name"]), *place, int(row["seed"]), scale=float(row["scale"]))
    raise MusedeepError(f"astrometric field '{name}' is unknown; the fields are {', '.join(field_names())}")


def synthetic_field(
    name: str, ra: float, dec: float, seed: int, n_stars: int = 280, scale: float = 1.0
) -> AstrometricField:
    """A star cluster that is not in the sky, sorted by magnitude; the seed makes its stars.

    Surface density 1 / (1 + (r / CORE)^2), as of King's profile (1962, AJ 67, 471) far inside the tidal radius;
    magnitudes from counts that grow as 10^(SLOPE m). Stars that would be blended are drawn again, so that fewer than
    `n_stars` come back only where there is no room.
    """
    # uniform numbers alone: their stream is the same in all versions of numpy, that of other distributions need not be
    uniform = np.random.Generator(np.random.PCG64(seed)).random
    magnitude = np.sort(_magnitudes(uniform(n_stars)))
    xi, eta, kept = np.empty(n_stars), np.empty(n_stars), 0
    rank = np.empty(n_stars, np.int64)
    for i in range(n_stars):
        for _ in range(100):
            # the enclosed fraction of the profile is log(1 + r^2) / log(1 + R^2), with r in core radii
            r = CORE * np.sqrt((1.0 + (RADIUS / CORE) ** 2) ** uniform() - 1.0)
            angle = 2.0 * np.pi * uniform()
            x, y = r * np.cos(angle), r * np.sin(angle)
            if GAP[0] < abs(y) < GAP[1]:
                continue
            if not kept or np.hypot(xi[:kept] - x, eta[:kept] - y).min() >= SEPARATION:
                xi[kept], eta[kept], rank[kept] = x, y, i
                kept += 1
                break
    star_ra, star_dec = sky_position(scale * xi[:kept], scale * eta[:kept], ra, dec)
    source = tuple(f"{name}-{i + 1:03d}" for i in range(kept))
    return AstrometricField(name, ra, dec, source, star_ra, star_dec, "Johnson_V", magnitude[rank[:kept]], scale)


def strip_of(field: AstrometricField, half_height: float) -> AstrometricField:
    """The stars of a field that lie within this declination difference (arcsec, times its scale) of its centre.

    The reference pipeline matches patterns of stars: a few IFUs see too few of them to be found in the whole field.
    """
    near = np.abs(field.star_dec - field.dec) * 3600.0 < half_height * field.scale
    source = tuple(name for name, kept in zip(field.source, near, strict=True) if kept)
    places = {name: getattr(field, name)[near] for name in ("star_ra", "star_dec", "magnitude")}
    return replace(field, source=source, **places)


def _magnitudes(uniform: Floats) -> Floats:
    """Magnitudes at these places of the cumulative counts (0 to 1)."""
    growth = 10.0 ** (SLOPE * (FAINTEST - BRIGHTEST))
    return BRIGHTEST + np.log10(1.0 + uniform * (growth - 1.0)) / SLOPE
