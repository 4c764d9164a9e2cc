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


def test_exposures_that_were_cut_short():
    template = [candidate(template_start="a", exposure_time=t) for t in (1500.0, 1500.0, 400.0)]
    short = [candidate(template_start="b", exposure_time=10.0), candidate(template_start="b", exposure_time=10.0)]
    alone = candidate(template_start="c", exposure_time=100.0)
    found = decide([*template, *short, alone], Rules(shortest=0.5))
    assert [one.what for one in found] == ["keep", "keep", "hold", "keep", "keep", "hold"]
    assert found[2].text == "400 s, longest of its template is 1500 s" and "median of the group" in found[5].text


def test_twilight_and_first_night():
    # the Sun sets on Paranal at about 22 h UT in June
    noon, dusk, night = (candidate(mjd=57920.0 + hour / 24, exposure_time=600.0) for hour in (16.7, 22.1, 27.0))
    assert [what for what, _ in said(noon, dusk, night)] == ["keep"] * 3
    found = decide([noon, dusk, night], Rules(sun_altitude=-12.0))
    assert [one.what for one in found] == ["hold", "hold", "keep"] and found[0].rule == "twilight"
    assert found[0].text.startswith("Sun at 42.") or found[0].text.startswith("Sun at 41.")
    # before sunrise it is the end of the exposure that counts
    dawn = candidate(mjd=57920.0 + 10.0 / 24, exposure_time=7200.0)
    assert said(dawn, sun_altitude=-12.0) == [("hold", "twilight")]
    assert said(dawn, sun_altitude=60.0) == [("keep", "")]
    assert said(candidate(mjd=56900.1), candidate(mjd=56910.1), first_night="2014-09-05") == [
        ("hold", "first night"), ("keep", ""),
    ]  # fmt: skip


def test_words_of_ones_own():
    one = candidate(comments="Fine. Laser off. Done.")
    assert said(one) == [("keep", "")]
    (found,) = decide([one], Rules(held_comments=("laser",)))
    assert (found.what, found.text) == ("hold", '"Laser off."')
    assert said(candidate(comments="Guiding lost."), held_comments=()) == [("keep", "")]
