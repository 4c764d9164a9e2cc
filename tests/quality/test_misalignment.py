"""Misaligned exposures: found and named, and none where there are none."""

import numpy as np
import pytest

from musedeep.quality.misalignment import findings, shifts
from musedeep.quality.stars import find_sources
from tests.makers.single_images import made_up_singles


def judged(**how):
    singles, truth = made_up_singles(**how)
    return shifts(singles, *find_sources(singles)), truth


@pytest.mark.parametrize("size", [0.4, 0.7, 1.0])
def test_one_of_eight_is_found_and_named(size):
    for seed in range(2):
        found, truth = judged(shifted={seed: size}, seed=seed, errors=0.03)
        assert [one.name for one in found if one.misaligned] == [f"E{seed}"]
        measured = np.array([(one.east, one.north) for one in found])
        assert np.abs(measured - truth.shifts + np.median(truth.shifts, axis=0)).max() < 0.06
        (finding,) = findings(found)
        assert finding.exposure == f"E{seed}" and finding.value == pytest.approx(size, abs=0.08)
        assert "arcsec from its place" in finding.text


def test_none_is_found_where_all_are_right():
    false = [one for seed in range(6) for one in judged(seed=seed, errors=0.03)[0] if one.misaligned]
    assert not false


def test_faint_sources_tell_it_too():
    found, _ = judged(shifted={6: 0.5}, stars=3, faint=0.03, seed=4)
    assert [one.name for one in found if one.misaligned] == ["E6"]


def test_of_three_the_odd_one_is_named_and_of_two_both():
    found, _ = judged(exposures=3, shifted={1: 0.6}, seed=3)
    assert [one.misaligned for one in found] == [False, True, False]
    found, _ = judged(exposures=2, shifted={1: 0.6}, seed=3)
    assert [one.misaligned for one in found] == [True, True]
    assert all(one.size == pytest.approx(0.6, abs=0.03) for one in found)
    assert all("or the only other one is" in one.text for one in findings(found))


def test_where_no_source_is_bright_enough_nothing_is_claimed():
    found, _ = judged(stars=0, shifted={1: 1.0}, faint=0.0)
    assert not any(one.misaligned for one in found) and all(np.isnan(one.size) for one in found)
    (finding,) = findings(found)
    assert finding.kind == "alignment unknown" and "8 of 8" in finding.text


def test_the_limit_can_be_chosen():
    singles, _ = made_up_singles(shifted={2: 0.5})
    sources = find_sources(singles)
    assert shifts(singles, *sources, limit=0.4)[2].misaligned
    assert not shifts(singles, *sources, limit=0.6)[2].misaligned
