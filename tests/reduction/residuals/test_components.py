"""Segments, and the number of components of covariances whose truth is known."""

import numpy as np
import pytest

from musedeep.reduction.residuals.components import EDGES, divided, groups_of, number_of_components


def eigenvalues(spectra, planes, strengths, seed=1):
    """Of the covariance of noise with so many components of given standard deviations, largest first."""
    rng = np.random.default_rng(seed)
    vectors = np.linalg.qr(rng.normal(size=(planes, max(len(strengths), 1))))[0]
    data = rng.normal(size=(spectra, planes))
    if strengths:
        data += (rng.normal(size=(spectra, len(strengths))) * strengths) @ vectors.T
    return np.linalg.eigvalsh(data.T @ data / spectra)[::-1]


@pytest.mark.parametrize("strengths", [(), (3.0,), (8.0, 5.0, 3.0, 2.0), tuple(np.linspace(9, 2, 12))])
@pytest.mark.parametrize(("spectra", "planes"), [(2000, 300), (500, 300), (4000, 200)])
def test_number_of_components(spectra, planes, strengths):
    found = number_of_components(eigenvalues(spectra, planes, strengths), min(spectra, planes))
    assert len(strengths) <= found <= len(strengths) + 2


def test_a_short_segment():
    assert number_of_components(np.array([4.0, 1.1, 1.0, 0.9]), 4) == 0


def test_segments_hold_every_used_plane_once():
    waves = 4750 + 1.25 * np.arange(3681)
    used = np.random.default_rng(1).random(3681) < 0.9
    parts = divided(waves, used, EDGES)
    assert len(parts) == 11
    np.testing.assert_array_equal(np.concatenate(parts), np.flatnonzero(used))
    assert all(((waves[one] >= edge).all()) for one, edge in zip(parts[1:], EDGES, strict=True))
    assert len(divided(waves[:100], used[:100], EDGES)) == 1


def test_groups_depend_on_the_width_alone():
    assert groups_of((10, 20, 300))[:2] == [(0, 6), (6, 12)]
    assert groups_of((10, 3, 5000)) == [(0, 1), (1, 2), (2, 3)]
