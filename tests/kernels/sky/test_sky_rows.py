"""Sums over the rows of the sky: those without doubt, those in doubt, those that are none."""

import numpy as np
import pytest

from musedeep.kernels.rows.row_spectrum import add_rows
from musedeep.kernels.sky.sky_rows import SkyField, add_sky_rows, add_undoubted, own_share

FIELD = SkyField(
    np.array([[0.0, np.nan, 5.0]], np.float32),
    10.0,
    20.0,
    np.array([100.0, 200.0]),
    np.array([50.0, 50.0]),
    5000.0,
    10.0,
)


def rows_of(x, wavelength, data, dq=0, y=20.0):
    n = len(x)
    kinds = [np.float32] * 5 + [np.int32] * 2
    columns = [x, np.full(n, y), wavelength, data, np.full(n, 4.0), np.full(n, dq), np.full(n, 1 << 11 | 3 << 6 | 9)]
    return [np.asarray(column, kind) for column, kind in zip(columns, kinds, strict=True)]


def add(rows):
    sums, slices, halves, share = np.zeros((6, 11)), np.zeros((25, 64), np.int64), np.zeros((2, 2, 1, 3)), np.zeros(2)
    doubtful = np.empty((rows[0].size, 4), np.float32)
    found = add_sky_rows(*rows, FIELD, 5000.0, 1.0, sums, slices, halves, share, doubtful)
    return sums, slices, halves, doubtful[:found]


def test_rows_of_the_mask_are_added_as_other_spectra_are():
    rng = np.random.default_rng(1)
    x, wavelength = rng.uniform(9, 13.5, 400), rng.uniform(4999, 5011, 400)
    data = 100.0 + 10.0 * (np.clip(wavelength, 5000, 5010) - 5000.0) + rng.uniform(-40, 40, 400)
    rows = rows_of(x, wavelength, data)
    sums, slices, halves, doubtful = add(rows)
    pixel = np.floor(rows[0] - 10.0 + 0.5)
    use = (pixel == 0) | (pixel == 2)
    expected = np.zeros((4, 11))
    add_rows(rows[2], rows[3], rows[4], use, 5000.0, 1.0, expected)
    np.testing.assert_allclose(sums[:4], expected)
    assert not doubtful.size
    assert slices[3, 9] == use.sum() == slices.sum()
    assert halves[1, 0].sum() == use.sum() and not halves[0].any()


@pytest.mark.parametrize(
    ("x", "value", "is_doubtful"), [(10, 149, False), (10, 151, True), (12, 160, False), (10, 49, True)]
)
def test_rows_far_from_what_is_usual_are_kept_apart(x, value, is_doubtful):
    sums, _, _, doubtful = add(rows_of([x], [5000.0], [value]))
    assert (len(doubtful) == 1) == is_doubtful == (not sums.any())


def test_flagged_rows_and_those_beyond_the_field_do_not_count():
    assert not add(rows_of([10], [5000.0], [100.0], dq=256))[1].any()
    assert not add(rows_of([10], [5000.0], [100.0], y=25.0))[1].any()


def test_rows_in_doubt_are_added_unless_they_are_cosmic_rays():
    doubtful = np.array([[5001.0, 130.0, 4.0, 0.0], [5001.0, 170.0, 4.0, 0.0], [5001.0, 170.0, 4.0, 10.0]], np.float32)
    sums = np.zeros((6, 3))
    kept = add_undoubted(doubtful, np.full(3, 100.0), np.full(3, 16.0), 15.0, 5000.0, 1.0, sums)
    assert kept == 2
    assert sums[:, 1].tolist() == [2.0, 300.0, 8.0, 8.0, 130.0**2 + 170.0**2, 0.0]


def test_the_share_of_a_row_in_its_own_pixel():
    """It is spread evenly over 0.6 pixels."""
    inside = lambda d: np.mean(np.abs(d + np.linspace(-0.3, 0.3, 60001)) <= 0.5)  # noqa: E731
    for distance in (0.0, 0.1, 0.2, 0.35, -0.5):
        assert own_share(distance) == pytest.approx(inside(distance), abs=1e-4)
