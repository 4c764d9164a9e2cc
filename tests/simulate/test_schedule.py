"""The order and the times of a night."""

import itertools
from collections import Counter
from dataclasses import replace

import pytest

from musedeep.errors import MusedeepError
from musedeep.simulate.pointing import airmass
from musedeep.simulate.scene import make_scene
from musedeep.simulate.schedule import SMALL, Counts, night_schedule, single_frames

MODE = "WFM-NOAO-N"


def test_a_night_has_what_the_calibration_plan_asks_for():
    taken = night_schedule(MODE, make_scene("deep-field"), 1, Counts())
    kinds = Counter(e.kind for e in taken)
    assert (kinds["BIAS"], kinds["DARK"], kinds["FLAT"], kinds["ARC"]) == (11, 5, 11, 15)
    assert kinds["OBJECT"] == 4 and kinds["ILLUM"] == 4 and "MASK" not in kinds
    assert {e.lamp for e in taken if e.kind == "ARC"} == {"Ne", "Xe", "HgCd"}


def test_exposures_follow_each_other_and_have_numbers_of_their_own():
    taken = night_schedule(MODE, make_scene("nebula"), 3, Counts())
    assert len({e.index for e in taken}) == len({e.date_obs for e in taken}) == len(taken)
    for one, two in itertools.pairwise(taken):
        assert two.mjd > one.mjd + one.exposure_time / 86400.0


@pytest.mark.parametrize("scene", ["deep-field", "nebula", "cluster"])
def test_everything_is_observed_high_in_the_sky(scene):
    for exposure in night_schedule(MODE, make_scene(scene), 1, Counts()):
        if exposure.scene is not None:
            assert airmass(exposure.ra, exposure.dec, exposure.mjd) < 1.8


def test_the_full_field_is_turned_by_90_and_a_strip_by_180_degrees():
    scene = make_scene("deep-field")
    angles = [
        [e.position_angle for e in night_schedule(MODE, scene, 1, Counts(), n) if e.kind == "OBJECT"] for n in (24, 2)
    ]
    assert angles == [[0.0, 90.0, 180.0, 270.0], [0.0, 180.0, 0.0, 180.0]]


def test_weather_and_errors_come_from_the_seed():
    scene = make_scene("deep-field")
    one, two, other = ([replace(e, scene=None) for e in night_schedule(MODE, scene, seed, SMALL)] for seed in (1, 1, 2))
    assert one == two
    assert [e.seeing for e in one] != [e.seeing for e in other]
    objects = [e for e in night_schedule(MODE, scene, 1, Counts()) if e.kind == "OBJECT"]
    assert objects[-1].transparency < 1.0 and sum(e.satellite for e in objects) == 1


def test_single_frames_of_every_type():
    scene = make_scene("deep-field")
    for kind in ("BIAS", "DARK", "FLAT", "ILLUM", "ARC", "MASK", "SKYFLAT", "STD", "SKY", "OBJECT", "ASTROMETRY"):
        taken = single_frames(kind, MODE, 1, 1, None, scene)
        assert {e.kind for e in taken} == {kind}
    assert [e.lamp for e in single_frames("ARC", MODE, 2, 1, "Xe", scene)] == ["Xe", "Xe"]
    assert [e.mask_step for e in single_frames("MASK", MODE, 3, 1, None, scene)] == [0, 1, 2]


def test_an_unknown_type_is_refused():
    with pytest.raises(MusedeepError, match="SKYFLAT"):
        single_frames("FLATFIELD", MODE, 1, 1, None, make_scene("empty"))


def test_small_nights_keep_what_the_recipes_need():
    kinds = Counter(e.kind for e in night_schedule(MODE, make_scene("empty"), 1, replace(SMALL, masks=50)))
    assert kinds["MASK"] == 50 and kinds["SKYFLAT"] == 3 and kinds["ARC"] == 9
