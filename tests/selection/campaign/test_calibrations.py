"""Sets of frames and their calibrations from catalogue rows: the real frames of seven nights, and made-up ones."""

import math
import re
from dataclasses import replace

import pytest

from musedeep.selection.campaign.calibrations import Calibrations, Preferences, needed, required, sets_of
from musedeep.selection.catalogue.exposure import Exposure
from musedeep.selection.dates import date_of

MADE_FROM = {
    "MASTER_BIAS": "BIAS", "MASTER_FLAT": "FLAT", "TRACE_TABLE": "FLAT", "TRACE_SAMPLES": "FLAT",
    "WAVECAL_TABLE": "ARC", "ARC_RED_LAMP": "ARC", "LSF_PROFILE": "ARC", "DATACUBE_SKYFLAT": "SKYFLAT",
    "TWILIGHT_CUBE": "SKYFLAT", "PIXTABLE_STD": "STD", "DATACUBE_STD": "STD", "STD_FLUXES": "STD",
    "STD_RESPONSE": "STD", "STD_TELLURIC": "STD",
}  # fmt: skip
"""Raw tag of products; others are of OBJECT."""


def test_the_real_sets_are_those_of_their_products(real):
    exposures, ask = real
    sets = {(one.tag, one.name): one for one in sets_of(exposures)}
    products = ask("SELECT name, DPR_TYPE, INS_MODE, night FROM reduced_0_1 WHERE DATE_OBS IS NOT NULL")
    made = set()
    for row in products:
        key = MADE_FROM.get(row["DPR_TYPE"], "OBJECT"), row["name"]
        assert sets[key].mode == row["INS_MODE"] and sets[key].night == row["night"]
        made.add(key)
    assert len(made) == 18
    # nothing was made of darks and of lamps that go with exposures
    assert {tag for tag, _ in sets.keys() - made} == {"DARK", "ILLUM"}
    assert sum(len(one.frames) for one in sets.values()) == len(exposures) == 143


@pytest.mark.parametrize(
    ("table", "tag", "number"),
    [
        ("qc_MASTER_BIAS", "BIAS", 4),
        ("qc_MASTER_FLAT", "FLAT", 3),
        ("qc_DATACUBE_SKYFLAT", "SKYFLAT", 1),
        ("qc_ARC_RED_LAMP", "ARC", 3),
    ],
)
def test_the_real_products_show_how_many_inputs_they_have(real, table, tag, number):
    exposures, ask = real
    sets = {one.name: one for one in sets_of(exposures) if one.tag == tag}
    found = {}
    for row in ask(f"SELECT * FROM {table}"):
        shown = {int(m[1]) for key, value in row.items() if value is not None and (m := re.search(r"INPUT(\d+)_", key))}
        # of each IFU; arcs have a product for each lamp
        found.setdefault((row["name"], row["hdu"]), []).append(len(shown))
    counts = {(name, sum(inputs)) for (name, _), inputs in found.items()}
    assert counts == {(name, len(one.frames)) for name, one in sets.items()} and len(sets) == number


def test_the_real_calibrations_of_all_nights(real):
    exposures, _ = real
    calibrations = Calibrations(exposures)
    objects = [one for one in calibrations.sets if one.tag == "OBJECT"]
    assert len(objects) == 6
    for one in objects:
        best = calibrations.chosen(one)
        assert {tag: found.calibration.name for tag, found in best.items() if tag != "ILLUM"} == {
            "BIAS": "2017-06-16T10:40:27", "FLAT": "2017-06-16T12:15:46", "ARC": "2017-06-16T12:32:03",
            "SKYFLAT": "2017-06-18T22:04:55", "STD": "2017-06-19T09:32:26.112",
        }  # fmt: skip
        assert calibrations.missing(one) == []
        assert 0.45 < best["ARC"].days < 0.47 and -1.5 < best["ARC"].warmer < -1.4
        assert 3.3 < best["STD"].days < 3.4 and abs(best["ILLUM"].days) < 0.012
    # lamps were taken without adaptive optics, before and after
    lamps = [calibrations.chosen(one)["ILLUM"].calibration.name for one in objects]
    assert lamps == ["2017-06-16T01:25:02.867"] * 3 + ["2017-06-16T01:57:38.868"] * 3


# made-up frames


def frame(tag, mjd, start="", mode="WFM-NOAO-N", **facts):
    return Exposure(
        name=f"MUSE.{date_of(mjd)}", tag=tag, mjd=mjd, mode=mode, read_out=facts.pop("read_out", "SCI1.0 1x1"),
        template_start=start, **facts,
    )  # fmt: skip


def series(tag, mjd, n=5, **facts):
    return [frame(tag, mjd + k / 1000, **facts) for k in range(n)]


def night(day, temperature=10.0, **facts):
    """Calibrations of a day, after the night, and a standard star in it."""
    facts |= {"temperature": temperature}
    return [
        *series("BIAS", day + 0.45, **facts), *series("FLAT", day + 0.5, **facts), *series("ARC", day + 0.52, **facts),
        *series("SKYFLAT", day - 0.01, 3, **facts), frame("STD", day + 0.1, **facts),
    ]  # fmt: skip


def target(mjd=57000.2, **facts):
    return frame("OBJECT", mjd, **{"ob_id": "7", "temperature": 10.0} | facts)


def set_of(calibrations, name):
    """The set that has a frame."""
    return next(one for one in calibrations.sets if name in one.frames)


def chosen(frames, of=None, **words):
    one = of or target()
    calibrations = Calibrations([*frames, one], **words)
    return calibrations.chosen(set_of(calibrations, one.name))


def test_what_declarations_ask():
    assert needed("FLAT") == {"BIAS": ("read_out",)} and needed("BIAS") == {}
    assert "DARK" in needed("FLAT", darks=True)
    assert required("OBJECT") == ("BIAS", "FLAT", "ARC", "STD")
    assert required("SKYFLAT") == ("BIAS", "FLAT", "ARC")


def test_the_nearest_of_all_nights():
    best = chosen([*night(56990), *night(56999), *night(57003)])
    assert best["ARC"].days == pytest.approx(-0.678) and best["STD"].days == pytest.approx(-1.1)
    assert [tag for tag in best] == ["BIAS", "FLAT", "ARC", "SKYFLAT", "STD"]


def test_temperature_counts_for_lamps_alone():
    frames = [*night(56999, temperature=16.0), *night(57001, temperature=10.5)]
    best = chosen(frames)
    assert best["FLAT"].days > 1 and best["FLAT"].warmer == pytest.approx(0.5)
    assert best["BIAS"].days < 0  # nearer, and six degrees do not matter
    indifferent = chosen(frames, preferences=Preferences(degrees_a_day=1000.0))
    assert indifferent["FLAT"].days < 0
    unknown = chosen([*night(56999, temperature=math.nan), *night(57001, temperature=10.5)])
    assert unknown["FLAT"].days < 0 and math.isnan(unknown["FLAT"].warmer)


def test_mode_and_read_out_have_to_match():
    other = [*night(57000, mode="WFM-AO-N"), *night(57000, read_out="SCI2.0 1x1")]
    best = chosen(other)
    # the bias of another mode will do; so will a star in another read-out
    assert set(best) == {"BIAS", "SKYFLAT", "STD"}
    calibrations = Calibrations([*other, target()])
    assert calibrations.missing(set_of(calibrations, target().name)) == ["FLAT", "ARC"]
    assert set(chosen([*other, *night(56950)])) == {"BIAS", "FLAT", "ARC", "SKYFLAT", "STD"}


def test_a_series_that_was_cut_short():
    short = series("BIAS", 57000.3, 2)
    best = chosen([*short, *night(57002)])
    assert best["BIAS"].days > 2
    assert "BIAS" not in chosen(short)  # muse_bias needs three
    arcs = series("ARC", 57000.3, 2)
    assert chosen([*arcs, *night(57002)])["ARC"].days > 2
    assert chosen(arcs)["ARC"].days < 0.2


def test_templates_and_gaps():
    frames = [*series("BIAS", 57000.4, start="a"), *series("BIAS", 57000.41, start="b"), *series("BIAS", 57001.4)]
    frames += [replace(one, template_start="c") for one in series("FLAT", 57000.5, 3)]
    assert [(one.tag, one.name, len(one.frames)) for one in sets_of(frames)] == [
        ("BIAS", "a", 5), ("BIAS", "b", 5), ("FLAT", "c", 3), ("BIAS", date_of(57001.4), 5),
    ]  # fmt: skip
    # an unknown tag is no set
    assert sets_of([frame("", 57000.1)]) == []


def test_certified_first_and_failed_never():
    frames = [*night(56990), *night(56999), *night(57000)]
    names = [one.key for one in Calibrations(frames).sets if one.tag == "STD"]
    far, near, same = names
    assert chosen(frames)["STD"].calibration.key == same
    best = chosen(frames, status={near: "certified", same: "failed"})["STD"]
    assert (best.calibration.key, best.status) == (near, "certified")
    assert chosen(frames, status={far: "certified"})["STD"].calibration.key == far
    limited = Preferences(farthest={"STD": 5.0})
    assert chosen(frames, status={far: "certified"}, preferences=limited)["STD"].calibration.key == same
    only = chosen(frames, preferences=Preferences(only_certified=True), status={far: "certified"})
    assert set(only) == {"STD"}


def test_another_standard_star_is_tried():
    frames = [*night(56990), *night(56999), *night(57000), target()]
    calibrations = Calibrations(frames)
    one = set_of(calibrations, target().name)
    days = [best.days for best in calibrations.choices(one, "STD")]
    assert days == pytest.approx([-0.1, -1.1, -10.1])
    wrong = calibrations.choices(one, "STD")[0].calibration.key
    assert calibrations.chosen(one, without={wrong})["STD"].days == pytest.approx(-1.1)


def test_blank_sky_of_the_same_ob():
    skies = [frame("SKY", 57000.21, ob_id="8"), frame("SKY", 57000.3, ob_id="7"), frame("SKY", 57000.15, ob_id="7")]
    assert chosen(skies)["SKY"].days == pytest.approx(-0.05)
    assert "SKY" not in chosen(skies[:1])
    assert "SKY" not in chosen([frame("SKY", 57000.3, ob_id="7", mode="WFM-AO-N")])
    # without numbers of OBs it is that of the night
    lost = [replace(one, ob_id="") for one in skies]
    assert chosen(lost, of=target(ob_id=""))["SKY"].days == pytest.approx(0.01)


def test_an_illum_of_the_same_night_in_either_mode():
    lamps = [frame("ILLUM", mjd, temperature=10.0) for mjd in (56999.2, 57000.12, 57000.25)]
    assert chosen(lamps, of=target(mode="WFM-AO-N"))["ILLUM"].days == pytest.approx(0.05)
    assert "ILLUM" not in chosen(lamps[:1])
    assert "ILLUM" not in chosen(lamps, of=target(mode="NFM-AO-N"))
