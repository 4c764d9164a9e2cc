"""The order and the times of a night."""

import itertools
from collections import Counter
from dataclasses import replace

import pytest

from musedeep.errors import MusedeepError
from musedeep.simulate.pointing import airmass, local_sidereal_time
from musedeep.simulate.scene import make_scene
from musedeep.simulate.schedule import KINDS, SMALL, Counts, night_schedule, single_frames
from musedeep.simulate.sun import sun_altitude
from musedeep.sky_angles import ra_difference

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


@pytest.mark.parametrize("ra", [0.0, 1e-5, 359.99995])
def test_dithers_across_right_ascension_zero(ra):
    pointings = [e.ra for e in single_frames("OBJECT", MODE, 8, 1, None, make_scene("deep-field", ra, -40.0))]
    assert all(0.0 <= pointing < 360.0 for pointing in pointings)
    assert {pointing > 180.0 for pointing in pointings} == {True, False}
    assert all(abs(ra_difference(pointing, ra)) < 2e-3 for pointing in pointings)


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
    for kind in KINDS:
        taken = single_frames(kind, MODE, 3, 1, None, scene)
        assert {e.kind for e in taken} == {kind}
        assert len(taken) == len({e.index for e in taken}) == len({e.date_obs for e in taken})
        # arcs are of three lamps, lamp exposures of detector monitoring come in pairs
        assert len(taken) == {"ARC": 9, "ARC_LSF": 9, "LINGAIN_LAMP_ON": 6}.get(kind, 3)
    assert [e.lamp for e in single_frames("ARC", MODE, 2, 1, "Xe", scene)] == ["Xe", "Xe"]
    assert [e.mask_step for e in single_frames("MASK", MODE, 3, 1, None, scene)] == [0, 1, 2]


def test_an_unknown_type_is_refused():
    with pytest.raises(MusedeepError, match="SKYFLAT"):
        single_frames("FLATFIELD", MODE, 1, 1, None, make_scene("empty"))


def test_small_nights_keep_what_the_recipes_need():
    kinds = Counter(e.kind for e in night_schedule(MODE, make_scene("empty"), 1, replace(SMALL, masks=50)))
    assert kinds["MASK"] == 50 and kinds["SKYFLAT"] == 3 and kinds["ARC"] == 9


@pytest.mark.parametrize("kind", ["DARK", "SKY", "OBJECT"])
def test_single_frames_as_long_as_wanted(kind):
    taken = single_frames(kind, MODE, 1, 1, None, make_scene("deep-field"), 900.0)
    assert [e.exposure_time for e in taken] == [900.0]


def test_many_calibrations_begin_earlier_in_the_day():
    taken = night_schedule(MODE, make_scene("empty"), 1, replace(SMALL, masks=400, lsf_arcs=15))
    assert len({e.index for e in taken}) == len(taken)
    for one, two in itertools.pairwise(taken):
        assert two.mjd > one.mjd + one.exposure_time / 86400.0


def test_twilight_flats_at_dusk_and_science_in_the_dark():
    for scene in ("deep-field", "nebula", "cluster"):
        for exposure in night_schedule(MODE, make_scene(scene), 1, Counts()):
            if exposure.kind == "SKYFLAT":
                assert -6.0 < sun_altitude(exposure.mjd) < -3.0
                assert airmass(exposure.ra, exposure.dec, exposure.mjd) == pytest.approx(1.0, abs=1e-3)
            elif exposure.scene is not None:
                assert sun_altitude(exposure.mjd + exposure.exposure_time / 86400.0) < -14.9


def test_exposures_that_one_night_does_not_hold_follow_in_the_next():
    taken = night_schedule(MODE, make_scene("deep-field"), 1, Counts(objects=40, exposure_time=1200.0))
    objects = [e for e in taken if e.kind == "OBJECT"]
    assert len(objects) == 40 and objects[-1].mjd - objects[0].mjd > 0.8
    illuminations = [e.mjd for e in taken if e.kind == "ILLUM"]
    for exposure in objects:
        assert airmass(exposure.ra, exposure.dec, exposure.mjd) < 2.1
        assert sun_altitude(exposure.mjd + 1200.0 / 86400.0) < -14.9
        before = max(mjd for mjd in illuminations if mjd < exposure.mjd)
        assert exposure.mjd - before < 1.1 / 24.0


@pytest.mark.parametrize(("dec", "seconds"), [(60.0, 600.0), (44.0, 600.0), (30.0, 20000.0)])
def test_what_does_not_rise_is_refused(dec, seconds):
    with pytest.raises(MusedeepError, match="another --dec"):
        night_schedule(MODE, make_scene("empty", 100.0, dec), 1, Counts(exposure_time=seconds))


def test_the_sun_stands_where_the_almanac_says():
    # 2017-06-21 00:00 UT and 2014-12-22 16:40 UT, from astropy (ERFA)
    assert local_sidereal_time(57925.0) == pytest.approx(198.981, abs=0.005)
    assert sun_altitude(57925.0) == pytest.approx(-26.080, abs=0.02)
    assert sun_altitude(57013.6944) == pytest.approx(88.803, abs=0.02)
