"""Offsets of images from positions alone: groups, weights, search radii, a field across RA 0 and near the pole."""

import numpy as np
import pytest

from musedeep.kernels.field.point_sources import PointSources
from musedeep.recipes.exp_align.offsets import find_offsets, moved
from musedeep.recipes.exp_align.recipe import RECIPE
from musedeep.recipes.exp_align.sources import Sources
from tests.makers.field_views import plane_at

PARAMETERS = RECIPE.parse({})


def sources_of(x: np.ndarray, y: np.ndarray, height: np.ndarray | None = None) -> Sources:
    unknown = np.full(len(x), np.nan)
    heights = unknown if height is None else height
    return Sources(PointSources(x, y, heights, unknown, unknown), noise=0.0 if height is None else 1.0)


def world(n, errors, centre=(53.16, -27.78), seed=0, scatter=0.0, size=300, scale=0.2):
    """Planes and sources of images of one field; errors are measured minus true, east and north [arcsec]."""
    rng = np.random.default_rng(seed)
    cosine = np.cos(np.radians(centre[1]))
    middle = plane_at(*centre, size=size, scale=scale)
    x, y = rng.uniform(20, size - 20, (2, n))
    ra, dec = middle.to_sky(x, y)
    planes, sources = [], []
    for east, north in errors:
        true = plane_at(centre[0] - east / 3600 / cosine, centre[1] - north / 3600, size=size, scale=scale)
        a, b = true.to_pixels(ra, dec)
        planes.append(middle)
        sources.append(sources_of(a + rng.normal(0, scatter, n), b + rng.normal(0, scatter, n)))
    return planes, sources


def arcsec(found, dec=-27.78):
    return found.values * 3600 * (np.cos(np.radians(dec)), 1.0)


@pytest.mark.parametrize("centre", [(53.16, -27.78), (0.0005, 10.0), (359.999, -60.0), (120.0, 88.0)])
def test_offsets_are_those_of_the_fields(centre):
    errors = [(0.0, 0.0), (3.0, -2.0), (-6.0, 4.5), (12.0, 9.0)]
    planes, sources = world(15, errors, centre)
    found = find_offsets(planes, sources, PARAMETERS)
    np.testing.assert_allclose(arcsec(found, centre[1]), errors, atol=2e-3 if centre[1] < 80 else 0.02)
    # after the offsets are taken off, sources are at one place of the sky
    skies = [moved(p, v).to_sky(s.found.x, s.found.y) for p, v, s in zip(planes, found.values, sources, strict=True)]
    for ra, dec in skies[1:]:
        apart = (ra - skies[0][0] + 180) % 360 - 180
        assert np.abs(np.median(apart)) * 3600 * np.cos(np.radians(centre[1])) < 1e-3
        assert np.abs(np.median(dec - skies[0][1])) * 3600 < 1e-3
    assert (found.matches[~np.eye(4, dtype=bool)] == 15).all()


def test_offsets_are_against_the_first_image():
    planes, sources = world(12, [(5.0, 5.0), (5.5, 4.0), (5.0, 6.0)])
    np.testing.assert_allclose(
        arcsec(find_offsets(planes, sources, PARAMETERS)), [(0, 0), (0.5, -1), (0, 1)], atol=1e-3
    )


def test_fields_apart_are_groups_of_their_own():
    near, sources = world(12, [(0.0, 0.0), (1.0, 2.0)])
    far, others = world(12, [(0.0, 0.0), (-3.0, 1.0)], (54.0, -27.78), seed=5)
    lonely, other = world(12, [(2.0, 2.0)], (50.0, -27.78), seed=6)
    found = find_offsets([*near, *far, *lonely], [*sources, *others, *other], PARAMETERS)
    assert found.group == [0, 0, 2, 2, 4]
    assert [found.alone(k) for k in range(5)] == [False] * 4 + [True]
    np.testing.assert_allclose(arcsec(found), [(0, 0), (1, 2), (0, 0), (-3, 1), (0, 0)], atol=1e-3)


def test_an_image_with_other_sources_keeps_the_offset_zero():
    planes, sources = world(20, [(0.0, 0.0), (1.0, 2.0)])
    more, others = world(20, [(0.0, 0.0)], seed=9)
    found = find_offsets([*planes, *more], [*sources, *others], PARAMETERS)
    assert found.alone(2) and not found.values[2].any()
    assert not found.matches[2].any()
    np.testing.assert_allclose(arcsec(found)[1], (1, 2), atol=1e-3)


def test_a_single_source_in_both_is_trusted_only_if_that_is_allowed():
    planes, sources = world(1, [(0.0, 0.0), (1.0, 2.0)])
    assert find_offsets(planes, sources, PARAMETERS).alone(1)
    np.testing.assert_allclose(
        arcsec(find_offsets(planes, sources, RECIPE.parse({"srcmin": 1})))[1], (1, 2), atol=1e-3
    )  # fmt: skip


@pytest.mark.parametrize("weight", [True, False])
def test_pairs_that_contradict_each_other_are_balanced(weight):
    """Three images, of which each pair shares other sources, and the third pair says something else."""
    rng = np.random.default_rng(2)
    grid = np.array([(a, b) for a in range(20, 290, 18) for b in range(20, 290, 18)]) + rng.uniform(-3, 3, (225, 2))
    grid = grid[rng.permutation(225)]
    n = (40, 10, 10)
    a, b, c = grid[: n[0]], grid[n[0] : n[0] + n[1]], grid[n[0] + n[1] : sum(n)]
    positions = [np.r_[a, b], np.r_[a, c], np.r_[b, c + (1.0, 0.0)]]  # the third pair is a pixel off
    positions = [p + rng.normal(0, 0.02, p.shape) for p in positions]
    planes = [plane_at(53.16, -27.78, size=300)] * 3
    found = find_offsets(planes, [sources_of(*p.T) for p in positions], RECIPE.parse({"weight": weight}))
    east = -arcsec(found)[:, 0] / 0.2
    if weight:  # the first pair, of four times as many sources, gives way least
        assert abs(east[1]) < 0.2 and 0.3 < east[2] < 0.6
    else:
        np.testing.assert_allclose(east, (0, -1 / 3, 1 / 3), atol=0.02)


def test_one_radius_is_enough_if_pairs_are_near():
    planes, sources = world(12, [(0.0, 0.0), (0.3, -0.2)])
    found = find_offsets(planes, sources, RECIPE.parse({"rsearch": "0.8"}))
    np.testing.assert_allclose(arcsec(found)[1], (0.3, -0.2), atol=1e-3)
    planes, sources = world(12, [(0.0, 0.0), (5.0, -0.2)])
    assert find_offsets(planes, sources, RECIPE.parse({"rsearch": "0.8"})).alone(1)


def test_many_exposures():
    rng = np.random.default_rng(1)
    errors = [(0.0, 0.0), *map(tuple, rng.normal(0, 2, (19, 2)))]
    planes, sources = world(25, errors, scatter=0.05)
    found = find_offsets(planes, sources, PARAMETERS)
    assert np.abs(arcsec(found) - errors).max() < 0.01
