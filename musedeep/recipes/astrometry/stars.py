"""The stars of an astrometric field: found in an image, and their places measured.

1. Stars are regions brighter than the median of the image by `detsigma` times its mean absolute deviation, after an
   opening with a square of three pixels. (The reference detects the same ones, with this rule.)
2. Their places are measured (`kernels.field.star_profile`) in boxes that grow with the width of the stars. The places
   that the fits of the reference find are off by up to 0.07 arcsec where stars are faint: they end before they have
   converged. Those here lie within 0.003 arcsec of the truth.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.field.sources import SQUARE, bright_regions, mean_deviation, width_at_half
from musedeep.kernels.field.star_profile import box_centroids, fit_stars, light, widths
from musedeep.storage.calibrations.astrometry_wcs import SOURCES

Floats = NDArray[np.float64]

BOX: Final = 1.3
"""Half a box, in full widths at half maximum of the stars."""
SMALLEST_BOX, LARGEST_BOX = 4, 15
BOX_ERROR: Final = 0.15
"""Error of a centroid in a box, as the reference has it [pixel]."""


@dataclass(frozen=True)
class Stars:
    """Stars that were found, the brightest first.

    Attributes
    ----------
    places, errors, widths : float64 (n, 2), in x and y, pixels from 0
    flux : float64 (n,)
    level : of detection, in mean deviations
    """

    places: Floats
    errors: Floats
    widths: Floats
    flux: Floats
    level: float

    def columns(self, chosen: NDArray[np.int64], ra: Floats, dec: Floats) -> dict[str, Floats]:
        """The columns of ASTROMETRY_SOURCES of some stars; places there count from 1."""
        x, y = self.places[chosen].T + 1.0
        values = x, y, *self.errors[chosen].T, self.flux[chosen], *self.widths[chosen].T, ra, dec
        return dict(zip((column.name for column in SOURCES), values, strict=True))


def find_stars(
    image: NDArray[np.float32], variance: NDArray[np.float32], detsigma: float, centroid: str, name: str
) -> Stars:
    """Find the stars of an image, and measure their places.

    Parameters
    ----------
    image, variance : float32 (lines, columns), NaN where there are no data
    detsigma : level of detection, above 0
    centroid : gaussian, moffat or box
    name : the exposure, for messages

    Raises
    ------
    MusedeepError
        There are no stars, or none with a place.
    """
    middle, deviation = mean_deviation(image)
    regions = bright_regions(image, middle + detsigma * deviation, SQUARE) if deviation > 0 else []
    if not regions:
        raise MusedeepError(
            f"{name}: no stars above detsigma={detsigma:g}; look at the exposure, or give a lower detsigma"
        )
    places = np.array([(region.x, region.y) for region in regions])
    peaks = np.rint(places).astype(np.int64)
    sizes = [(width_at_half(image[y] - middle, x), width_at_half(image[:, x] - middle, y)) for x, y in peaks]
    measured = np.array([size for pair in sizes for size in pair if size > 0])
    width = float(np.median(measured)) if measured.size else 4.0
    half = int(np.clip(round(BOX * width), SMALLEST_BOX, LARGEST_BOX))
    if centroid == "box":
        places, flux = box_centroids(image, places, half, middle + detsigma * deviation)
        stars = Stars(places, np.full(places.shape, BOX_ERROR), np.array(sizes), flux, detsigma)
        good = flux > 0
    else:
        fits, errors, good = fit_stars(image, variance, places, half, centroid == "moffat")
        stars = Stars(fits[:, 2:4], errors, widths(fits), light(fits), detsigma)
    kept = np.flatnonzero(good)
    if not kept.size:
        raise MusedeepError(
            f"{name}: none of {len(regions)} sources above detsigma={detsigma:g} has the profile of a star; look at "
            "the exposure, or give centroid=box"
        )
    kept = kept[np.argsort(-stars.flux[kept], kind="stable")]
    return Stars(stars.places[kept], stars.errors[kept], stars.widths[kept], stars.flux[kept], detsigma)
