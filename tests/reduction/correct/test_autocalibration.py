"""Factors of slices bring a sky of known errors to one level, whatever objects, cosmic rays and sky lines there are."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.instrument import FLUX_UNIT
from musedeep.reduction.correct.autocalibration import (
    ColumnSums,
    calibrate_slices,
    factors_of,
    measure_factors,
    range_limits,
    sky_pixels,
    slice_sky,
)
from musedeep.reduction.cube.field_cube import white_image
from musedeep.reduction.cube.field_grid import field_grid
from musedeep.reduction.cube.row_survey import survey_rows
from musedeep.reduction.rows.source import corrected
from musedeep.storage.calibrations.autocal_factors import AutocalFactors
from tests.makers.field_tables import observation
from tests.makers.row_sources import RowsInMemory

IFUS = (3, 4)
UNITS = {"xpos": "pix", "ypos": "pix", "lambda": "Angstrom", "data": FLUX_UNIT, "stat": f"({FLUX_UNIT})**2"}
MASK, START = np.ones((24, 301), bool), (-150.0, -120.0)


def sky_rows(ifu, errors, noise=2.0, step=3.0, object_at=None):
    """Rows of an IFU with a sky of 50, a strong line in one range, and slices whose flux is wrong."""
    rng = np.random.default_rng(ifu)
    wave = np.arange(4750.0, 9350.0, step)
    number, along, k = (
        a.ravel() for a in np.meshgrid(np.arange(1, 49), np.arange(40), np.arange(wave.size), indexing="ij")
    )
    data = np.full(number.size, 50.0)
    data += 900.0 * np.exp(-0.5 * ((wave[k] - 7794.0) / 3.0) ** 2)
    data *= 1.0 + errors[number - 1]
    x = -112.5 + 75.0 * ((number - 1) // 12) - 37.0 + 1.85 * along
    y = 12.0 * (ifu - 12.5) + (number - 1) % 12 - 5.5
    if object_at is not None:
        data += 300.0 * np.exp(-0.5 * ((x - object_at[0]) ** 2 + (y - object_at[1]) ** 2) / 4.0)
    data += noise * rng.standard_normal(data.size)
    hit = rng.choice(data.size, data.size // 20000, replace=False)
    data[hit] += 3000.0
    rows = {
        "xpos": x, "ypos": y, "lambda": wave[k], "data": data, "stat": np.full(data.size, noise**2),
        "dq": np.zeros(data.size), "origin": (along + 1) << 24 | (k % 4000 + 1) << 11 | ifu << 6 | number,
    }  # fmt: skip
    return {n: np.asarray(v, np.int32 if n in ("dq", "origin") else np.float32) for n, v in rows.items()}


@pytest.fixture(scope="module")
def errors():
    return {ifu: 0.01 * np.random.default_rng(10 + ifu).standard_normal(48) for ifu in IFUS}


@pytest.fixture(scope="module")
def sources(errors):
    return [RowsInMemory(sky_rows(ifu, errors[ifu], object_at=(20.0, -110.0)), UNITS) for ifu in IFUS]


def deepfield(sources, workers=None):
    """Mask, its place, and factors of an exposure."""
    survey = survey_rows(sources, 0.0)
    grid = field_grid(survey, (53.0, -27.0))
    pixels = sky_pixels(white_image(survey, grid, workers=workers))
    return pixels, grid.start[:2], measure_factors(sources, pixels.mask, grid.start[:2], "WFM-NOAO-N", workers)


def test_ranges_of_the_modes():
    plain, ao = range_limits("WFM-NOAO-E"), range_limits("WFM-AO-N")
    assert plain.size == 21 and ao.size == 20
    assert set(plain) - set(ao) == {5850.0}
    assert ao[0] == 0.0 and ao[-1] == 10000.0 and 7668.0 in ao


def test_factors_are_those_of_the_errors(sources, errors):
    pixels, _, found = deepfield(sources, workers=2)
    wrong = np.concatenate([errors[ifu] for ifu in IFUS])
    wanted = (1.0 + wrong).mean() / (1.0 + np.array([errors[ifu] for ifu in IFUS]))
    factors = found.factors[[2, 3]]
    left = factors / wanted[:, :, None] - 1.0
    assert left.std() < 0.001 and np.abs(left).max() < 0.01
    others = np.delete(found.factors, [2, 3], axis=0)
    assert (others == 1.0).all() and not found.points[0].any()
    assert 0.7 < pixels.mask.mean() < 1.0


def test_slices_are_at_one_level_afterwards(sources, errors):
    pixels, start, found = deepfield(sources, workers=1)
    again = [corrected(one, calibrate_slices(observation(), found)) for one in sources]
    second = measure_factors(again, pixels.mask, start, "WFM-NOAO-N")
    assert np.abs(second.factors - 1.0).max() < 1e-4
    rows = again[0].read(np.array([[0, 1000]]), ("data", "stat"))
    factor = rows["data"] / sources[0].rows["data"][:1000]
    np.testing.assert_allclose(rows["stat"], sources[0].rows["stat"][:1000] * factor**2, rtol=1e-5)


def test_threads_and_blocks_make_no_difference(sources):
    one, other = (measure_factors(sources, MASK, START, "WFM-AO-N", workers=n) for n in (1, 3))
    np.testing.assert_array_equal(one.factors, other.factors)
    sums = ColumnSums(MASK, START, range_limits("WFM-AO-N"))
    for source in sources:
        own = sums.fresh()
        for first in range(0, source.n_rows, 777_777):
            own.add({name: values[first : first + 777_777] for name, values in source.rows.items()})
        sums.merge(own)
    np.testing.assert_array_equal(factors_of(sums).factors, one.factors)


def changed_sums(change):
    """Sums of 10 slices with 200 rows in 60 columns each and a sky of 50, changed."""
    limits = range_limits("WFM-NOAO-N")
    sums = ColumnSums(MASK, START, limits)
    sums.number[1], sums.total[1] = np.zeros((48, 20, 128), np.int64), np.zeros((48, 20, 128))
    sums.number[1][:10, :, :60] = 200
    level = 50.0 + 0.2 * np.random.default_rng(5).standard_normal((10, 20, 60))
    change(level)
    sums.total[1][:10, :, :60] = 200.0 * level
    return sums


def test_a_slice_that_an_emission_line_fills_gets_the_factor_of_its_neighbours():
    def fill(level):
        level[4] *= 0.98
        level[4, 7] *= 1.5

    found = factors_of(changed_sums(fill))
    assert found.factors[0, 4, 7] == pytest.approx(0.5 * (found.factors[0, 4, 6] + found.factors[0, 4, 8]), rel=1e-12)
    assert found.factors[0, 4, 7] == pytest.approx(1.02, abs=0.004)


def test_a_step_between_ranges_is_replaced_and_kept():
    def step(level):
        level *= 1.0 + 0.02 * np.random.default_rng(6).standard_normal((10, 1, 1))
        level[4, 7] *= 1.05

    found = factors_of(changed_sums(step))
    measured = found.originals[0, 4, 7]
    assert np.isfinite(measured) and np.isfinite(found.originals).sum() == 1
    assert found.factors[0, 4, 7] == pytest.approx(0.5 * (found.factors[0, 4, 6] + found.factors[0, 4, 8]), rel=1e-12)
    assert measured / found.factors[0, 4, 7] == pytest.approx(1.0 / 1.05, abs=0.005)


def test_outlying_columns_do_not_count():
    number, total = np.full(128, 100), np.full(128, 5000.0)
    total[:20] *= 3.0
    total += np.linspace(-10.0, 10.0, 128)
    number[100:], total[100:] = 49, 1e9
    assert slice_sky(number, total) == pytest.approx(50.0, abs=0.1)
    assert np.isnan(slice_sky(np.full(128, 49), total))


def test_the_mask_leaves_objects_out():
    rng = np.random.default_rng(4)
    image = (50.0 + rng.standard_normal((30, 40))).astype(np.float32)
    image[10:14, 10:14], image[20, 20], image[0, 30] = 90.0, np.nan, 90.0
    found = sky_pixels(image)
    # two pixels around an object; a single one is none, but at the edge
    assert not found.mask[8:16, 8:16].any() and found.mask[7:17, 7].all() and found.mask[20, 20]
    assert not found.mask[0, 30] and found.mask[0, 31]
    assert found.mask.mean() > 0.9
    with pytest.raises(MusedeepError, match="has no data"):
        sky_pixels(np.full((3, 3), np.nan, np.float32))


def test_a_sky_that_is_subtracted_and_a_mask_beside_the_field(sources):
    below = [RowsInMemory(one.rows | {"data": one.rows["data"] - np.float32(60.0)}, UNITS) for one in sources]
    with pytest.raises(MusedeepError, match="not positive"):
        measure_factors(below, MASK, START, "WFM-NOAO-N")
    with pytest.raises(MusedeepError, match="no pixel of the sky mask"):
        measure_factors(sources, ~MASK, START, "WFM-NOAO-N")


def test_factors_of_the_user():
    shape = (24, 48, 2)
    factors = AutocalFactors(
        np.array([0.0, 6000.0, 10000.0]), np.ones(shape, np.int32), np.ones(shape), np.full(shape, np.nan)
    )
    factors.factors[6, 4] = 2.0, 3.0
    rows = {
        "lambda": np.array([5000, 5999, 6000, 5000], np.float32), "data": np.ones(4, np.float32),
        "stat": np.ones(4, np.float32), "origin": np.array([7 << 6 | 5] * 3 + [7 << 6 | 6], np.int32),
    }  # fmt: skip
    (correction,) = calibrate_slices(observation(), factors, user=True)
    correction.apply(rows)
    np.testing.assert_array_equal(rows["data"], [2.0, 2.0, 3.0, 1.0])
    np.testing.assert_array_equal(rows["stat"], [4.0, 4.0, 9.0, 1.0])
    assert correction.cards()[0][1] == "user"
    with pytest.raises(MusedeepError, match="calibrated already"):
        calibrate_slices(observation(ESO_DRS_MUSE_PIXTABLE_AUTOCAL="user"), factors)
