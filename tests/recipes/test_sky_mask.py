"""A SKY_MASK on the sky follows the place of an exposure in its field of view."""

from pathlib import Path

import numpy as np
import pytest
from astropy.wcs import WCS

from musedeep.errors import MusedeepError
from musedeep.recipes.run_exposures import exposures_of
from musedeep.recipes.sky_mask import mask_on_field
from musedeep.reduction.correct.placing import field_middle
from musedeep.storage.calibrations.sky_mask import SkyMask
from musedeep.storage.offset_list import OffsetList, OffsetRow
from tests.makers.field_tables import write_field_table

ARCSEC = 1.0 / 3600.0


def celestial(ra, dec, size=500, step=0.2 * ARCSEC):
    """World coordinates of a mask, north up, with RA and DEC in its middle."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [ra, dec], [size / 2 + 0.5] * 2
    wcs.wcs.cdelt = [-step, step]
    return wcs


@pytest.fixture(scope="module")
def exposure(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "t.fits"
    write_field_table(path, 20_000, 12)
    return exposures_of([path])[0]


@pytest.mark.parametrize("offset", [(0.0, 0.0), (3.0 * ARCSEC, -2.0 * ARCSEC)])
def test_a_pixel_is_sky_where_the_mask_is_at_its_place(exposure, offset):
    observation = exposure.observation
    wcs = celestial(observation.ra, observation.dec)
    lines, columns = np.indices((500, 500))
    header = wcs.to_header()
    given = SkyMask(Path("mask.fits"), (lines // 20 + columns // 20) % 2 == 0, header)
    row = OffsetRow(observation.date_obs, *offset)
    found = mask_on_field(given, exposure, None, OffsetList(Path("offsets.fits"), (row,)) if any(offset) else None)
    assert found.in_pixels
    x0, y0 = found.start
    ny, nx = found.mask.shape
    rng = np.random.default_rng(3)
    # the field on the sky, by astropy: turned by the position angle about its middle, moved by the offset
    own, angle = WCS(naxis=2), np.radians(observation.position_angle)
    own.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    own.wcs.crval = [observation.ra - offset[0], observation.dec - offset[1]]
    own.wcs.crpix = field_middle(observation) - (x0, y0) + 1.0
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    own.wcs.cd = turn @ np.diag([-0.2 * ARCSEC, 0.2 * ARCSEC])
    y, x = rng.integers(ny, size=300), rng.integers(nx, size=300)
    column, line = wcs.world_to_pixel_values(*own.pixel_to_world_values(x, y))
    # where no edge of a pixel of the mask is near
    far = (np.abs(column - np.round(column)) < 0.45) & (np.abs(line - np.round(line)) < 0.45)
    there = given.mask[np.round(line[far]).astype(int), np.round(column[far]).astype(int)]
    assert np.array_equal(found.mask[y[far], x[far]], there) and 0.3 < there.mean() < 0.7


def test_a_mask_of_another_field_is_refused(exposure):
    observation = exposure.observation
    header = celestial(observation.ra, observation.dec + 0.5).to_header()
    with pytest.raises(MusedeepError, match=r"mask\.fits: the mask does not meet"):
        mask_on_field(SkyMask(Path("mask.fits"), np.ones((500, 500), bool), header), exposure, None, None)
