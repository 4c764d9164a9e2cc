"""A SKY_MASK on the sky follows the place of an exposure in its field of view."""

from pathlib import Path

import numpy as np
import pytest
from astropy.wcs import WCS

from musedeep.errors import MusedeepError
from musedeep.recipes.run_exposures import exposures_of
from musedeep.recipes.scipost.mask import mask_on_field
from musedeep.reduction.correct.placing import place, position
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
    for k in range(200):
        y, x = rng.integers(ny), rng.integers(nx)
        rows = {"xpos": np.array([x0 + x], np.float32), "ypos": np.array([y0 + y], np.float32)}
        for correction in (*place(observation, None), *position(observation, offset)):
            correction.apply(rows)
        ra, dec = observation.ra + float(rows["xpos"][0]), observation.dec + float(rows["ypos"][0])
        column, line = (round(float(v)) for v in wcs.world_to_pixel_values(ra, dec))
        assert found.mask[y, x] == given.mask[line, column], k


def test_a_mask_of_another_field_is_refused(exposure):
    observation = exposure.observation
    header = celestial(observation.ra, observation.dec + 0.5).to_header()
    with pytest.raises(MusedeepError, match=r"mask\.fits: the mask does not meet"):
        mask_on_field(SkyMask(Path("mask.fits"), np.ones((500, 500), bool), header), exposure, None, None)
