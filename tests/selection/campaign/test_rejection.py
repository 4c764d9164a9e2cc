"""Rules of the release description, one by one."""

import math

import pytest

from musedeep.selection.campaign.rejection import Rules, decide
from tests.makers.campaign_exposures import candidate


def said(*candidates, **rules):
    return [(one.what, one.rule) for one in decide(candidates, Rules(**rules))]


@pytest.mark.parametrize(
    ("facts", "what", "rule"),
    [
        ({}, "keep", ""),
        ({"mode": "NFM-AO-N"}, "reject", "mode"),
        ({"mode": ""}, "reject", "mode"),
        ({"mode": "WFM-AO-E"}, "keep", ""),
        ({"image_quality": 1.7}, "reject", "seeing"),
        ({"image_quality": 1.5}, "keep", ""),
        ({"image_quality": math.nan, "seeing": 1.7}, "reject", "seeing"),
        ({"image_quality": math.nan, "dimm": 1.7}, "reject", "seeing"),
        ({"image_quality": math.nan}, "keep", ""),
        ({"comments": "OB aborted because of derotator issue."}, "reject", "comment"),
        ({"comments": "Fine. Aborted due to increasing background; repeat."}, "reject", "comment"),
        ({"comments": "Guiding problems in the middle."}, "hold", "comment"),
        ({"comments": "High background, thick clouds."}, "keep", ""),
        ({"grade": "B"}, "keep", ""),
        ({"grade": "X"}, "keep", ""),
        ({"grade": "D"}, "hold", "grade"),
        ({"grade": "C", "image_quality": 1.0}, "keep", ""),
        ({"grade": "C", "constraints": {"Seeing": ("0.7", "0.8"), "FLI": ("NO", "0.5")}}, "hold", "grade"),
        ({"grade": "C", "constraints": {"Seeing": ("0.7", "0.8"), "Airmass": ("1.9", "1.5")}}, "hold", "grade"),
        ({"grade": "C", "constraints": {}}, "hold", "grade"),
    ],
)
def test_one_exposure(facts, what, rule):
    assert said(candidate(**facts)) == [(what, rule)]


def test_numbers_and_words_are_quoted():
    (one,) = decide([candidate(image_quality=1.7)], Rules())
    assert one.text == "1.70 arcsec measured, 0.80 requested: 2.1 times" and one.by == "rule"
    (one,) = decide([candidate(comments="All well. Derotator failed twice. Stopped.")], Rules())
    assert one.text == '"Derotator failed twice."'
    (one,) = decide(
        [candidate(grade="C", comments="Moon too near.", constraints={"Moon distance": ("NO", "30")})], Rules()
    )
    assert one.text == 'grade C, violated: Moon distance; "Moon too near."'


def test_without_request_the_group_tells():
    group = [candidate(image_quality=q, constraints={}) for q in (0.6, 0.7, 0.7, 0.8, 1.5)]
    assert [what for what, _ in said(*group)] == ["keep"] * 4 + ["reject"]
    assert "no request known" in decide(group, Rules())[-1].text


def test_lists_and_own_numbers():
    one = candidate()
    assert said(one, bad={one.name: "guiding error"}) == [("reject", "list")]
    assert decide([one], Rules(bad={one.name: "guiding error"}))[0].text == "guiding error"
    assert said(candidate(image_quality=1.3), seeing_factor=1.5) == [("reject", "seeing")]
    group = [candidate(), candidate(), candidate(exposure_time=30.0)]
    assert [what for what, _ in said(*group, shortest=0.5)] == ["keep", "keep", "hold"]
    assert [what for what, _ in said(*group)] == ["keep"] * 3
