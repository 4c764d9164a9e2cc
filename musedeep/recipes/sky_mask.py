"""A SKY_MASK on the sky, brought to the field of view of an exposure.

1. The field of the exposure has one pixel per pixel of the detector, from the lowest position of its rows on.
2. Each pixel is placed on the sky as the rows are: by the astrometric solution, and the OFFSET_LIST if there is one.
   Recipes without these inputs take the nominal scale and no offset, as the reference does.
3. It is sky if the pixel of the mask is that is nearest to its place.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.recipes.run_exposures import ExposureRows
from musedeep.reduction.correct.placing import place, position
from musedeep.reduction.rows.sums import RowLimits
from musedeep.storage.calibrations.astrometry_wcs import AstrometryWcs
from musedeep.storage.calibrations.sky_mask import SkyMask
from musedeep.storage.cubes.field_grid import grid_cards
from musedeep.storage.fits.header_cards import add
from musedeep.storage.offset_list import OffsetList
from musedeep.storage.pixel_tables.table import Rows

Floats = NDArray[np.float64]


def mask_on_field(
    mask: SkyMask, rows: ExposureRows, wcs: AstrometryWcs | None = None, offsets: OffsetList | None = None
) -> SkyMask:
    """The mask in pixels of the field of an exposure.

    Parameters
    ----------
    mask : as it is if it is in pixels of the field already
    rows : of the exposure, with positions in pixels of the field; those of all rows are read for celestial coordinates
    wcs : astrometric solution; None: the nominal one

    Raises
    ------
    MusedeepError
        The coordinates of the mask are of no use, or it meets no pixel of the field.
    """
    if mask.in_pixels:
        return mask
    from astropy.wcs import WCS  # loads tables and units, which masks in pixels do without

    limits = RowLimits()
    rows.add_up([limits])
    (x_low, x_high), (y_low, y_high), _ = limits.values
    x, y = (low + np.arange(int(np.floor(high - low + 0.5)) + 1) for low, high in ((x_low, x_high), (y_low, y_high)))
    ra, dec = _on_sky(rows, np.meshgrid(x, y), wcs, offsets)
    try:
        celestial = WCS(mask.header, naxis=2).celestial
        column, line = celestial.world_to_pixel_values(ra, dec)
    except Exception as error:
        text = str(error).strip().splitlines()
        raise MusedeepError(
            f"{mask.path}: its coordinates are of no use ({text[0] if text else type(error).__name__}); correct them"
        ) from None
    ny, nx = mask.mask.shape
    column, line = (np.where(np.isfinite(v), np.floor(v + 0.5), -1).astype(np.int64) for v in (column, line))
    known = (column >= 0) & (column < nx) & (line >= 0) & (line < ny)
    if not known.any():
        raise MusedeepError(
            f"{mask.path}: the mask does not meet {rows.observation.name} (RA {rows.observation.ra:.5f}, DEC "
            f"{rows.observation.dec:.5f}); give a SKY_MASK of this field"
        )
    found = known & mask.mask[np.clip(line, 0, ny - 1), np.clip(column, 0, nx - 1)]
    header = mask.header.copy()
    for key in list(header):
        if key.startswith(("CD", "PC", "CR", "CTYPE", "CUNIT", "CDELT")):
            del header[key]
    add(header, *grid_cards((float(x[0]), float(y[0])), 0.0, 2))
    return SkyMask(mask.path, found, header)


def _on_sky(
    rows: ExposureRows, places: Sequence[Floats], wcs: AstrometryWcs | None, offsets: OffsetList | None
) -> tuple[Floats, Floats]:
    """Right ascension and declination of places in the field [deg]."""
    observation = rows.observation
    offset = (0.0, 0.0)
    if offsets is not None:
        row = offsets.for_date(observation.date_obs)
        offset = row.ra_offset, row.dec_offset
    some: Rows = {
        name: np.ascontiguousarray(v.ravel(), np.float32) for name, v in zip(("xpos", "ypos"), places, strict=True)
    }
    for correction in (*place(observation, wcs), *position(observation, offset)):
        correction.apply(some)
    # positions are relative to the pointing less the offset
    shape = places[0].shape
    return (
        (observation.ra - offset[0] + some["xpos"].astype(np.float64)).reshape(shape),
        (observation.dec - offset[1] + some["ypos"].astype(np.float64)).reshape(shape),
    )
