"""Patterns of stars are found whatever turn, scale and offset, with spurious and missing stars."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.field.star_patterns import match_quadruples, match_triangles

QUADRUPLES, TRIANGLES = "quadruples", "triangles"


def scattered(rng: np.random.Generator, number: int, size: float, apart: float = 6.0) -> np.ndarray:
    """Places in a square, none nearer to another than a limit."""
    places: list[np.ndarray] = []
    while len(places) < number:
        place = rng.uniform(0, size, 2)
        if all(np.hypot(*(place - other)) > apart for other in places):
            places.append(place)
    return np.array(places)


def matched(method, observed, catalogue, magnitude, radius=3.0, accuracy=0.1):
    if method == QUADRUPLES:
        return match_quadruples(observed, catalogue, magnitude, radius)
    return match_triangles(observed, catalogue, magnitude, radius, accuracy)


@pytest.mark.parametrize("method", [QUADRUPLES, TRIANGLES])
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6), angle=st.floats(-180.0, 180.0), scale=st.floats(0.96, 1.04),
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)), number=st.integers(14, 40),
    missing=st.integers(0, 3), spurious=st.integers(0, 2),
)  # fmt: skip
def test_the_right_stars_are_found(method, seed, angle, scale, shift, number, missing, spurious):
    rng = np.random.default_rng(seed)
    catalogue = scattered(rng, number, 250.0)
    magnitude = rng.uniform(14, 18, number)
    right = rng.permutation(number)[missing:]
    turn = np.radians(angle)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    observed = catalogue[right] @ matrix.T + shift + rng.normal(0, 0.03, (right.size, 2))
    wrong = np.array([observed.mean(axis=0)]) + rng.uniform(-120, 120, (spurious, 2))
    observed = np.concatenate([observed, wrong])
    found = matched(method, observed, catalogue, magnitude)
    assert found is not None
    real = found.detection < right.size
    np.testing.assert_array_equal(found.star[real], right[found.detection[real]])
    assert real.sum() >= right.size - 1
    assert len(set(found.star)) == len(found.star) and len(set(found.detection)) == len(found.detection)


@pytest.mark.parametrize("method", [QUADRUPLES, TRIANGLES])
@pytest.mark.parametrize("known", [True, False])
def test_a_strip_of_a_wide_catalogue_is_found(method, known):
    rng = np.random.default_rng(5)
    catalogue = scattered(rng, 150, 400.0)
    inside = np.flatnonzero(np.abs(catalogue[:, 1] - 200.0) < 22.0)
    observed = (catalogue[inside] + rng.normal(0, 0.02, (inside.size, 2)) - (150.0, 187.0)) * (1.002, 0.997)
    magnitude = rng.uniform(14, 18, 150) if known else np.full(150, np.nan)
    found = matched(method, observed, catalogue, magnitude)
    assert found is not None
    np.testing.assert_array_equal(found.star, inside[found.detection])
    assert found.star.size == inside.size


@pytest.mark.parametrize("method", [QUADRUPLES, TRIANGLES])
def test_a_catalogue_much_deeper_than_the_image_is_cut(method):
    rng = np.random.default_rng(6)
    catalogue = scattered(rng, 1500, 600.0, apart=3.0)
    magnitude = rng.uniform(14, 22, 1500)
    bright = np.argsort(magnitude)[:120]
    seen = bright[np.all(np.abs(catalogue[bright] - 300.0) < 150.0, axis=1)]
    observed = catalogue[seen] + rng.normal(0, 0.03, (seen.size, 2)) + (7.0, -4.0)
    found = matched(method, observed, catalogue, magnitude)
    assert found is not None
    assert (found.star == seen[found.detection]).mean() > 0.95
    assert found.star.size > 0.95 * seen.size


@pytest.mark.parametrize("method", [QUADRUPLES, TRIANGLES])
def test_other_stars_do_not_match(method):
    rng = np.random.default_rng(7)
    for _ in range(5):
        observed, catalogue = scattered(rng, 20, 250.0), scattered(rng, 60, 400.0)
        assert matched(method, observed, catalogue, rng.uniform(14, 18, 60)) is None


@pytest.mark.parametrize("method", [QUADRUPLES, TRIANGLES])
@pytest.mark.parametrize(("observed", "stars"), [(0, 10), (3, 10), (10, 3)])
def test_too_few_stars_do_not_match(method, observed, stars):
    places = scattered(np.random.default_rng(8), 10, 200.0)
    assert matched(method, places[:observed], places[:stars], np.arange(float(stars))) is None


def test_a_mirrored_field_does_not_match():
    places = scattered(np.random.default_rng(9), 15, 200.0)
    for method in (QUADRUPLES, TRIANGLES):
        assert matched(method, places * (-1.0, 1.0), places, np.arange(15.0)) is None


def test_triangles_shrink_the_radius_until_no_star_is_twice():
    places = scattered(np.random.default_rng(10), 20, 300.0, apart=12.0)
    close = np.concatenate([places, [places[4] + (3.0, 0.0)]])
    found = match_triangles(places, close, np.full(21, np.nan), 8.0, 0.1)
    assert found is not None and found.radius < 3.0
    np.testing.assert_array_equal(found.star, found.detection)
