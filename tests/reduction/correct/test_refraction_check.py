"""What is left of the refraction is found from the places of sources."""

import numpy as np
import pytest

from musedeep.reduction.correct.refraction import grid_wavelengths
from musedeep.reduction.correct.refraction_check import (
    DAR_CHECK,
    DAR_RESIDUAL,
    fit_places,
    measure_refraction,
    residual_refraction,
)
from tests.makers.row_sources import RowsInMemory

LIMITS = (4750.0, 9350.0)


def drift(wavelength):
    """A known drift in x and in y [pixel]; zero at 7000 Angstrom."""
    u = (wavelength - 7000.0) / 1000.0
    return 0.20 * u + 0.03 * u * u, -0.10 * u


def sources(stars, noise=5.0, cosmics=1e-4):
    """Rows of a field of 60 x 24 pixels with Gaussian stars (x, y, flux), every 5 Angstrom."""
    rng = np.random.default_rng(3)
    x, y, wavelength = (
        a.ravel() for a in np.meshgrid(np.arange(60.0), np.arange(24.0), np.arange(4750.0, 9350.0, 5.0))
    )
    x = x + rng.uniform(-0.5, 0.5, x.size)
    dx, dy = drift(wavelength)
    data = 20.0 + rng.normal(0.0, noise, x.size)
    for star_x, star_y, flux in stars:
        data += flux * np.exp(-0.5 * ((x - star_x - dx) ** 2 + (y - star_y - dy) ** 2) / 1.7**2)
    data[rng.random(x.size) < cosmics] += 5000.0
    columns = {
        "xpos": x - 100.0,
        "ypos": y + 40.0,
        "lambda": wavelength,
        "data": data,
        "stat": np.full(x.size, noise**2),
    }
    rows = {name: values.astype(np.float32) for name, values in columns.items()}
    rows["dq"] = np.zeros(x.size, np.int32)
    half = x.size // 2
    return [RowsInMemory({n: v[part] for n, v in rows.items()}) for part in (slice(half), slice(half, None))]


def test_a_known_drift_is_found_and_corrected():
    rows = sources([(18.3, 12.2, 400.0), (42.7, 9.8, 250.0)])
    left = measure_refraction(rows, LIMITS, 7000.0)
    wavelength = np.linspace(*LIMITS, 50)
    assert np.abs(left.at(wavelength) - np.stack(drift(wavelength), axis=1)).max() < 0.01
    assert left.deviation == pytest.approx(0.2 * np.hypot(*np.array(drift(9350.0))), rel=0.05)
    (correction,) = residual_refraction(left, correct=True)
    assert np.abs(correction.step.shifts + np.stack(drift(grid_wavelengths()), axis=1)).max() < 0.05
    cards = {key: value for key, value, _ in correction.cards()}
    assert cards == {DAR_CHECK: left.deviation, DAR_RESIDUAL: 7000.0}
    (note,) = residual_refraction(left, correct=False)
    assert [key for key, _, _ in note.cards()] == [DAR_CHECK]
    assert note.changes == ()


def test_the_same_with_any_number_of_threads():
    rows = sources([(18.3, 12.2, 400.0)])
    one, two = (measure_refraction(rows, LIMITS, 7000.0, workers=n) for n in (1, 2))
    assert one.deviation == two.deviation


@pytest.mark.parametrize("stars", [[], [(18.3, 12.2, 3.0)]])
def test_no_source_is_bright_enough(stars):
    assert measure_refraction(sources(stars), LIMITS, 7000.0) is None


def test_no_rows():
    assert measure_refraction([RowsInMemory({n: np.empty(0, np.float32) for n in ("xpos", "ypos", "lambda")})],
                              LIMITS, 7000.0) is None  # fmt: skip


def test_places_that_are_off_are_left_out():
    bins = np.linspace(4800.0, 9300.0, 46)
    places = np.stack(drift(bins), axis=1)[None] + np.array([10.0, 20.0])
    places[0, 7] += 3.0
    places[0, 8] = np.nan
    left = fit_places(bins, places, np.full(places.shape, 0.01), 7000.0, LIMITS)
    assert left.coefficients == pytest.approx(np.array([[0.2, 0.03], [-0.1, 0.0]]), abs=1e-9)
