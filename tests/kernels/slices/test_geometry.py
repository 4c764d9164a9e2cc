"""Places of slices from peaks and spots: what is put in comes out, whatever is missing."""

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.slices.geometry import (
    HOLE_DISTANCE,
    SKY_OF_SLICE,
    STACK_COLUMN,
    MaskScale,
    central_gaps,
    find_peaks,
    hole_distance,
    slice_places,
    smooth_stack,
    stack_rows,
    weighted_mean,
)
from tests.makers.mask_frames import PER_MM, draw_geometry
from tests.makers.places import ROOT

REFERENCE = ROOT / "tests" / "recipes" / "geometry" / "geometry_reference.ecsv"
SCALE = MaskScale.of(1.705, 0.2, HOLE_DISTANCE[1])


def scan(peak, step=0.024, n=60, width=0.06, noise=0.0, height=1000.0):
    """Heights of the mask and the flux of a spot that is brightest at `peak` and every hole distance from it."""
    position = 12.2 + step * np.arange(n)
    phase = (position - peak + 0.5 * HOLE_DISTANCE[1]) % HOLE_DISTANCE[1] - 0.5 * HOLE_DISTANCE[1]
    flux = height * np.exp(-0.5 * (phase / width) ** 2)
    return position, flux + np.random.default_rng(1).normal(0, noise, n)


@settings(max_examples=80, deadline=None)
@given(st.floats(12.2, 12.8), st.floats(0.05, 0.075))
def test_every_whole_peak_is_found(peak, width):
    position, flux = scan(peak, width=width)
    peaks, heights = np.empty(8), np.empty(8)
    find_peaks(position, flux, HOLE_DISTANCE[1], peaks, heights)
    found = peaks[np.isfinite(peaks)]
    phase = (found - peak) / HOLE_DISTANCE[1]
    # neighbouring peaks overlap by little
    assert np.abs(phase - np.round(phase)).max() * HOLE_DISTANCE[1] < 1e-3
    assert (np.diff(found) > 0.6).all()
    all_peaks = peak + HOLE_DISTANCE[1] * np.arange(-1, 4)
    inside = np.minimum(all_peaks - position[0], position[-1] - all_peaks) / width
    assert (inside > 1.6).sum() <= found.size <= (inside > 1.4).sum()
    assert heights[: found.size] == pytest.approx(1000.0, rel=0.02)


def test_no_peak_where_there_is_none():
    peaks, heights = np.empty(4), np.empty(4)
    position, flux = scan(12.3)
    for values in (np.zeros(60), np.full(60, np.nan), np.arange(60.0)):
        find_peaks(position, values, HOLE_DISTANCE[1], peaks, heights)
        assert np.isnan(peaks).all()
    # a scan that is too short to see both flanks
    find_peaks(position[:4], flux[2:6], HOLE_DISTANCE[1], peaks, heights)
    assert np.isnan(peaks).all()


def test_distance_of_holes():
    starts = np.random.default_rng(2).uniform(12.2, 12.8, 40)
    peaks = starts[:, None] + 0.6140 * np.arange(3) + np.random.default_rng(3).normal(0, 2e-4, (40, 3))
    peaks[::3, 2] = np.nan
    peaks[4, 1] += 0.05
    middle, spread, number = hole_distance(peaks)
    assert middle == pytest.approx(0.6140, abs=1e-4) and 1e-4 < spread < 5e-4 and number < 66
    assert hole_distance(np.full((4, 3), np.nan))[2] == 0
    assert MaskScale.of(1.705, 0.2, 0.6140).row == pytest.approx(HOLE_DISTANCE[1] * PER_MM)


def measurements(geometry, lines=3, seed=0, noise=0.0):
    """What a geometry (48, 4) makes spots do: peaks (lines, 48, 3, 2), offset (lines, 48, 3)."""
    rng = np.random.default_rng(seed)
    holes = SCALE.column * (np.repeat(STACK_COLUMN, 12)[:, None] + np.array([1.0, 0.0, -1.0]))
    angle = np.radians(geometry[:, 2:3])
    offset = (geometry[:, :1] - holes) / (geometry[:, 3:4] * np.cos(angle))
    y = geometry[:, 1:2] - offset * geometry[:, 3:4] * np.sin(angle)
    first = 12.3 + (-y / SCALE.per_mm - 12.3) % HOLE_DISTANCE[1]
    peaks = first[..., None] + HOLE_DISTANCE[1] * np.arange(2)
    peaks = peaks + rng.normal(0, noise, (lines, 48, 3, 2)) / SCALE.per_mm
    return peaks, offset + rng.normal(0, noise, (lines, 48, 3)) / 75.0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_places_without_noise_are_exact(seed):
    ifus = [5, 6, 9]
    truth = np.stack([draw_geometry(ifu, seed) for ifu in ifus])
    found = [slice_places(*_with_light(measurements(one)), SCALE) for one in truth]
    for one, true in zip(found, truth, strict=True):
        for values, k in ((one.x, 0), (one.angle, 2), (one.width, 3)):
            assert np.abs(values - true[:, k]).max() < 1e-9
    heights, measured = stack_rows(np.stack([one.y for one in found]), ifus, 1, SCALE.row)
    assert measured.all() and heights[1, SKY_OF_SLICE == 18] == 0
    assert np.ptp(heights - truth[..., 1]) < 1e-8


def _with_light(made):
    peaks, offset = made
    return peaks, np.ones(peaks.shape[:2]), offset


def test_errors_are_those_of_the_noise():
    truth = draw_geometry(3)
    peaks, offset = measurements(truth, lines=25, noise=0.02)
    found = slice_places(peaks, np.ones((25, 48)), offset, SCALE)
    assert np.std(found.x - truth[:, 0]) == pytest.approx(0.02 / np.sqrt(75), rel=0.4)
    assert np.median(found.x_error) == pytest.approx(0.02 / np.sqrt(75), rel=0.4)
    assert np.std(found.width - truth[:, 3]) == pytest.approx(np.median(found.width_error), rel=0.4)
    assert np.std(found.angle - truth[:, 2]) == pytest.approx(np.median(found.angle_error), rel=0.4)


def test_missing_slices_and_ifus():
    ifus = [2, 3, 17, 24]
    truth = np.stack([draw_geometry(ifu) for ifu in ifus])
    height = truth[..., 1] % SCALE.row
    lost = np.zeros(height.shape, bool)
    lost[1, 10:14] = lost[0, 0] = lost[3, 47] = lost[2, SKY_OF_SLICE == 18] = True
    height[lost] = np.nan
    found, measured = stack_rows(height, ifus, 2, SCALE.row)
    assert np.array_equal(measured, ~lost)
    shift = np.median(found - truth[..., 1])
    assert np.abs(found - truth[..., 1] - shift)[~lost].max() < 1e-8
    # those in between are a spaxel apart but for some hundredths
    assert np.abs(found - truth[..., 1] - shift)[lost].max() < 0.35
    assert np.isfinite(found).all()


def test_lines_that_are_off_do_not_count():
    values = np.r_[np.random.default_rng(0).normal(1.0, 0.01, 30), 5.0, np.nan]
    mean, error = weighted_mean(values, np.ones(32))
    assert mean == pytest.approx(1.0, abs=0.01) and error == pytest.approx(0.01 / np.sqrt(30), rel=0.4)
    assert np.isnan(weighted_mean(np.full(3, np.nan), np.ones(3))).all()
    assert weighted_mean(np.array([2.0, np.nan]), np.ones(2))[0] == 2.0
    heavy = weighted_mean(np.array([1.0, 2.0, 1.5]), np.array([0.0, 1.0, 1.0]))
    assert heavy[0] == pytest.approx(1.75)


def test_central_gaps():
    x, width = np.zeros(48), np.full(48, 75.0)
    x[12:24], x[24:36] = -37.5, 37.7
    assert central_gaps(x, width) == pytest.approx(np.full(12, 0.1))


def test_smoothing_is_that_of_the_reference():
    table = Table.read(REFERENCE)
    assert len(table) == 48
    for name in ("x", "y", "angle", "width"):
        for stack in range(4):
            rows = table[(table["SliceSky"] - 1) // 12 == stack]
            rows.sort("SliceSky")
            values, replaced = smooth_stack(np.array(rows[name]), 1.5)
            assert np.array_equal(replaced, np.array(rows[f"{name}_smooth"] != rows[name]))
            assert values == pytest.approx(np.array(rows[f"{name}_smooth"]), abs=2e-7)


def test_smoothing_off_or_without_outliers():
    values = np.arange(12.0) + np.where(np.arange(12) == 4, 0.5, 0.0)
    assert np.array_equal(smooth_stack(values, 0.0)[0], values)
    smooth, replaced = smooth_stack(values, 1.5)
    assert list(np.flatnonzero(replaced)) == [4] and abs(smooth[4] - 4.0) < 0.1
    assert not smooth_stack(np.arange(12.0), 1.5)[1].any()
    values[7] = np.nan
    assert np.isnan(smooth_stack(values, 1.5)[0][7])
