"""The grid of one exposure: where its voxels are, and what headers say of it."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from musedeep.reduction.cube.field_grid import field_grid
from musedeep.reduction.cube.row_survey import survey_rows
from tests.makers.field_rows import field_sources
from tests.makers.pixel_tables import UNITS, exposure_rows
from tests.makers.row_sources import RowsInMemory


@pytest.mark.parametrize("steps", [(0.0, 0.0, 0.0), (2.0, 0.5, 5.0)])
def test_grid_in_pixels_begins_at_the_lowest_row(steps):
    survey = survey_rows(field_sources(), 0.0)
    grid = field_grid(survey, (0.0, 0.0), steps)
    dx, dy, dz = (step or default for step, default in zip(steps, (1.0, 1.0, 1.25), strict=True))
    spans = survey.limits[:, 1] - survey.limits[:, 0]
    assert grid.shape == (
        int(np.ceil(spans[2] / dz)) + 1, round(spans[1] / dy) + 1, round(spans[0] / dx) + 1
    )  # fmt: skip
    np.testing.assert_allclose(grid.start, survey.limits[:, 0], rtol=1e-12)
    header = fits.Header([fits.Card(*card) for card in grid.cards()])
    assert [header[f"CRVAL{k}"] for k in (1, 2, 3)] == pytest.approx(survey.limits[:, 0].tolist(), rel=1e-12)
    assert (header["CD1_1"], header["CD2_2"], header["CD3_3"], header["CTYPE1"]) == (dx, dy, dz, "PIXEL")
    assert len(grid.cards(2)) == 12


def test_a_part_of_a_grid_is_where_it_was():
    grid = field_grid(survey_rows(field_sources(), 0.0), (0.0, 0.0))
    part = grid.cut(slice(5, 20), slice(2, 9), slice(30, 40))
    assert part.shape == (15, 7, 10)
    np.testing.assert_allclose(part.start, np.array(grid.start) + [30.0, 2.0, 5 * 1.25], rtol=1e-12)
    whole, cut = grid.grid.voxel_positions(2, 9), part.grid.voxel_positions(0, 7)
    np.testing.assert_allclose(cut[0], whole[0][:, 30:40], rtol=1e-9)
    np.testing.assert_allclose(part.grid.wavelengths(), grid.grid.wavelengths()[5:20])


def test_grid_on_the_sky():
    truth = exposure_rows(wavelength=(7000.0, 7010.0))
    survey = survey_rows([RowsInMemory(truth.rows, dict(UNITS))], np.radians(2.2))
    grid = field_grid(survey, (150.1, 2.2))
    assert not grid.in_pixels
    wcs = WCS(fits.Header([fits.Card(*card) for card in grid.cards(2)]))
    ra, dec = wcs.all_pix2world(grid.grid.crpix[0], grid.grid.crpix[1], 1)
    assert (float(ra), float(dec)) == pytest.approx((150.1, 2.2))
