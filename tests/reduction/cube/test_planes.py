"""The cube of one exposure comes in bands: what is in them does not depend on how it is divided."""

import numpy as np
import pytest

from musedeep.reduction.cube.field_cube import white_image
from musedeep.reduction.cube.field_grid import field_grid
from musedeep.reduction.cube.planes import planes_around, planes_of, resampling
from musedeep.reduction.cube.row_survey import survey_rows
from musedeep.storage.pixel_tables import table
from tests.makers.field_rows import field_sources
from tests.makers.pixel_tables import UNITS, exposure_rows
from tests.makers.row_sources import RowsInMemory

MIB = 2**20


@pytest.fixture(scope="module")
def survey():
    return survey_rows(field_sources(cosmics=2e-3), 0.0)


@pytest.fixture(scope="module")
def grid(survey):
    return field_grid(survey, (0.0, 0.0))


def cube(survey, grid, how, **options):
    bands = list(planes_of(survey, grid, how, **options))
    assert [band.first for band in bands] == np.cumsum([0, *(len(b.data) for b in bands[:-1])]).tolist()
    return np.concatenate([band.data for band in bands]), np.concatenate([band.stat for band in bands]), len(bands)


@pytest.mark.parametrize("how", [resampling(), resampling(pixfrac=(1.0, 1.0, 1.0)), resampling("renka", crsigma=0.0)])
def test_same_bits_whatever_bands_and_threads(survey, grid, how, monkeypatch):
    data, stat, number = cube(survey, grid, how, memory=1000 * MIB, workers=1)
    assert number == 1 and data.shape == grid.shape
    monkeypatch.setattr(table, "ROWS_AT_ONCE", 3000)
    for memory, workers in ((6 * MIB, 2), (1, 1)):
        other, variance, bands = cube(survey, grid, how, memory=memory, workers=workers)
        assert bands > 3
        np.testing.assert_array_equal(other, data)
        np.testing.assert_array_equal(variance, stat)


@pytest.mark.parametrize("native", [False, True])
def test_a_part_of_the_field_has_the_same_bits_and_reads_less(survey, grid, native):
    if native:
        truth = exposure_rows(wavelength=(7000.0, 7030.0), cosmics=1e-3)
        survey = survey_rows([RowsInMemory(truth.rows, dict(UNITS))], np.radians(2.2))
        grid = field_grid(survey, (150.1, 2.2))
    how, lines, columns = resampling(), (3, 8), (100, 118)
    whole = cube(survey, grid, how)[0]
    parts = list(planes_around(survey, grid, how, lines, columns, memory=20 * MIB))
    np.testing.assert_array_equal(np.concatenate([p.data for p in parts]), whole[:, slice(*lines), slice(*columns)])


def test_light_is_kept_and_cosmic_rays_are_not(survey, grid):
    data, stat, _ = cube(survey, grid, resampling())
    x, y, _ = grid.start
    columns, lines = np.arange(grid.shape[2]) + x, np.arange(grid.shape[1]) + y
    truth = 10.0 + 100.0 * np.exp(-((columns[None] - 0.0) ** 2 + (lines[:, None] + 6.0) ** 2) / 8.0)
    inner = np.s_[5:-5, 2:-2, 2:-2]
    pull = ((data - truth) / np.sqrt(stat + 1e-3 * truth**2))[inner]
    assert abs(np.nanmean(pull)) < 0.05 and np.nanstd(pull) < 1.1 and np.nanmax(data) < 200
    assert np.nanmax(cube(survey, grid, resampling(crsigma=0.0))[0]) > 500
    image = white_image(survey, grid)
    np.testing.assert_allclose(image[2:-2, 2:-2], truth[2:-2, 2:-2], rtol=0.12, atol=0.4)


def test_white_image_of_some_wavelengths(survey, grid):
    whole = cube(survey, grid, resampling(pixfrac=(0.6, 0.6, 0.6)))[0].astype(np.float64)
    waves = grid.grid.wavelengths()
    inside = (waves >= 7010.0) & (waves <= 7030.0)
    image = white_image(survey, grid, (7010.0, 7030.0))
    np.testing.assert_allclose(image, np.nanmean(whole[inside], axis=0), rtol=1e-6)
    assert np.isnan(white_image(survey, grid, (5000.0, 5100.0))).all()
