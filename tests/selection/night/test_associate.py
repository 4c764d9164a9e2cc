"""Sets-of-frames of a night: those of the simulator, and the rules one by one on frames that are only described."""

from dataclasses import replace
from pathlib import Path

import pytest
from astropy.time import Time

from musedeep.declaration import Scope
from musedeep.errors import MusedeepError
from musedeep.graph.night.plan import plan_night
from musedeep.recipes.registry import declared, first_stage
from musedeep.selection.night.associate import Wish, associate, night_of
from musedeep.selection.night.classify import Frame, classify_files, fits_files
from musedeep.selection.night.rules import AO_ONLY
from musedeep.storage.set_of_frames import read_set_of_frames, write_set_of_frames
from tests.makers.tiny_nights import make_tiny_night

REDUCED = Path("/night/reduced")
MODE = "WFM-NOAO-N"


@pytest.mark.parametrize(
    ("mode", "counts"),
    [(MODE, {}), (MODE, {"lsf_arcs": 1, "masks": 50}), ("NFM-AO-N", {"objects": 1, "skies": 0}), ("WFM-NOAO-E", {})],
)
def test_a_simulated_night_gets_the_sets_that_the_simulator_wrote(tmp_path, mode, counts):
    night = make_tiny_night(tmp_path / "night", mode=mode, **counts)
    frames = classify_files(fits_files([night / "raw", night / "static"]))
    found = associate(frames, Wish(night / "reduced"))
    darks = [f for f in frames if f.tag == "DARK"]
    written = {p.stem: [tuple(line.split()) for line in p.read_text().splitlines()] for p in night.glob("sof/*.sof")}
    ours = {one.name: list(one.frames) for one in found.sets}
    # what nobody can reduce is not written here
    for name in set(written) - set(ours):
        assert name.startswith("dark-") or name in ("create_sky", "scibasic-SKY-03", "scibasic-SKY-07")
        assert name.startswith("dark-") or counts.get("skies") == 0
    for name, frames_of_set in ours.items():
        wanted = written[name]
        if counts.get("skies") == 0:
            # without a blank sky, the static lines
            wanted = [
                (str(night / "static" / "sky_lines.fits") if tag == "SKY_LINES" else path, tag) for path, tag in wanted
            ]
        assert frames_of_set == wanted, name
    assert found.mode == mode and not found.problems
    assert found.notes == [f"{len(darks)} DARK are not used; --darks makes master darks and subtracts them"]
    # with them, the set of the simulator, and a master dark in all the sets that can have one
    found = associate(frames, Wish(night / "reduced", darks=True))
    with_darks = {one.name: list(one.frames) for one in found.sets}
    assert set(with_darks) - set(ours) == {name for name in written if name.startswith("dark-")} and not found.notes
    for name, frames_of_set in with_darks.items():
        added = [frame for frame in frames_of_set if frame not in written[name] and frame[1] != "SKY_LINES"]
        step, _, ifu = name.rpartition("-")
        if name in ("twilight", "geometry"):
            assert added == [(str(night / f"reduced/MASTER_DARK-{n}.fits"), "MASTER_DARK") for n in ("03", "07")]
        elif step in ("flat", "wavecal", "lsf") or step.startswith("scibasic"):
            assert added == [(str(night / f"reduced/MASTER_DARK-{ifu}.fits"), "MASTER_DARK")]
        else:
            assert not added
    plan_night(found.sets)


# frames that are only described


def frame(tag, mjd=57001.0, mode=MODE, **what):
    date = str(Time(mjd, format="mjd", precision=3).isot) if mjd == mjd else ""
    product = tag not in (
        "BIAS", "DARK", "FLAT", "ARC", "ARC_LSF", "MASK", "SKYFLAT", "STD", "SKY", "OBJECT", "ASTROMETRY", "ILLUM",
    )  # fmt: skip
    path = Path(what.pop("path", f"/raw/{tag}.{date}.{mode}.fits"))
    values = {"mjd": mjd, "date": date, "temperature": 11.0, "read_out": "SCI1.0 1x1", "ifus": (1, 2)}
    values |= {"field": mode.partition("-")[0]} | what
    return Frame(path, tag, "product" if product else "raw", mode=mode, **values)


def series(tag, mjd, n=3, **what):
    return [frame(tag, mjd + k / 1440, **what) for k in range(n)]


def static(tag, name, **what):
    return frame(tag, float("nan"), "", path=f"/static/{name}", read_out="", ifus=(), **what)


def day(mjd=57000.6, **what):
    return [f for k, tag in enumerate(("BIAS", "FLAT", "ARC")) for f in series(tag, mjd + k / 100, **what)]


STATIC = [
    static("LINE_CATALOG", "line_catalog.fits"),
    static("GEOMETRY_TABLE", "geometry_table_wfm.fits"),
    static("EXTINCT_TABLE", "extinct_table.fits"),
    static("STD_RESPONSE", "response.fits"),
]


def sets(frames, **wish):
    found = associate(frames, Wish(REDUCED, **wish))
    return found, {one.name: one for one in found.sets}


def paths(one, tag):
    return [path for path, t in one.frames if t == tag]


# the sets say what the declarations say


def test_a_night_passes_every_declared_tag_on_or_there_is_a_reason():
    """A day of all raw frames and calibrations: each recipe gets each of its tags, but for those marked as left out."""
    raws = {one.name for recipe in first_stage() for one in recipe.raws} - {"ARC_LSF"}
    frames = [*day(), *(frame(tag, 57001.1 + k / 1e3) for k, tag in enumerate(sorted(raws | {"ILLUM"})))]
    for tag, number in (("DARK", 5), ("ARC", 15), ("MASK", 60), ("SKYFLAT", 8)):
        frames += series(tag, 57000.7, number)
    statics = {one.name for recipe in declared().values() for one in recipe.inputs} - raws - {"ILLUM"}
    frames += [static(tag, f"{tag.lower()}_wfm.fits") for tag in sorted(statics)]
    night, found = sets(frames, darks=True)
    assert not night.problems
    passed: dict[str, set[str]] = {}
    for one in found.values():
        passed.setdefault(one.recipe, set()).update(tag for _, tag in one.frames)
    others = {"ARC_LSF", "OFFSET_LIST", *AO_ONLY}
    for recipe in declared().values():
        if not recipe.in_night:
            assert recipe.name not in passed
            continue
        wanted = {one.name for one in recipe.inputs if not one.left_out and one.name not in others}
        asked = {one.name for one in recipe.inputs if one.asked_by}
        if recipe.scope is not Scope.EXPOSURES:
            assert passed[recipe.name] == wanted - asked, recipe.name
        assert all(one.left_out for one in recipe.inputs if one.name not in wanted | others)


@pytest.mark.parametrize(("mode", "given"), [("WFM-AO-N", True), ("NFM-AO-N", True), (MODE, False)])
def test_raman_lines_belong_to_the_modes_of_the_laser(mode, given):
    names = ("STD", "ASTROMETRY", "SKYFLAT", "ILLUM", "OBJECT", "SKY")
    frames = [*day(mode=mode), *(frame(tag, 57001.1 + k / 1e3, mode=mode) for k, tag in enumerate(names))]
    frames += [*series("SKYFLAT", 57000.7, 8, mode=mode), *STATIC, static("RAMAN_LINES", "raman_lines.fits")]
    frames.append(static("GEOMETRY_TABLE", "geometry_table_nfm.fits"))
    statics = ("STD_FLUX_TABLE", "ASTROMETRY_REFERENCE", "SKY_LINES")
    _, found = sets([*frames, *(static(tag, f"{tag.lower()}.fits") for tag in statics)])
    tags = {tag for _, tag in found["scipost-1"].frames}
    assert ("RAMAN_LINES" in tags) == given


def test_bad_pixels_of_each_ifu_come_from_its_own_table():
    both = static("BADPIX_TABLE", "badpix_table.fits")
    assert paths(sets([*day(), both, *STATIC])[1]["lsf-02"], "BADPIX_TABLE") == [str(both.path)]
    apart = [replace(static("BADPIX_TABLE", f"BADPIX_TABLE_{ifu}.fits"), ifus=(ifu,)) for ifu in (1, 2, 3)]
    masks = series("MASK", 57000.7, 50)
    _, found = sets([*day(), *apart, STATIC[0], *masks])
    for step in ("bias", "flat", "wavecal", "lsf"):
        assert paths(found[f"{step}-02"], "BADPIX_TABLE") == ["/static/BADPIX_TABLE_2.fits"]
    assert paths(found["geometry"], "BADPIX_TABLE") == ["/static/BADPIX_TABLE_1.fits", "/static/BADPIX_TABLE_2.fits"]


def test_a_geometry_is_checked_by_the_nearest_twilight():
    masks, skies = series("MASK", 57000.7, 50), series("SKYFLAT", 57000.95, 3)
    frames = [f for f in day() if f.tag != "SKYFLAT"]
    _, found = sets([*frames, *skies, *masks, STATIC[0]])
    assert paths(found["geometry"], "MASK_CHECK") == [str(skies[0].path)]
    _, found = sets([*frames, *masks, STATIC[0]])
    assert found["geometry"].frames and not paths(found["geometry"], "MASK_CHECK")


def test_master_darks_are_used_where_they_are_asked_for():
    masters = [frame("MASTER_DARK", 57000.2, path=f"/cal/MASTER_DARK-{n:02d}.fits", ifus=(n,)) for n in (1, 2)]
    frames = [*day(), *STATIC, *masters, frame("OBJECT", 57001.1)]
    night, found = sets(frames)
    assert not night.notes and not any(paths(one, "MASTER_DARK") for one in found.values())
    # no raw darks: those that the directories hold
    _, found = sets(frames, darks=True)
    users = {name for name, one in found.items() if paths(one, "MASTER_DARK") == ["/cal/MASTER_DARK-02.fits"]}
    assert users == {"flat-02", "wavecal-02", "lsf-02", "scibasic-OBJECT-02"}
    # raw darks go before; too few of them are told
    _, found = sets([*frames, *series("DARK", 57000.55)], darks=True)
    assert paths(found["wavecal-01"], "MASTER_DARK") == [str(REDUCED / "MASTER_DARK-01.fits")]
    night, _ = sets([*frames, *series("DARK", 57000.55, 2)], darks=True)
    assert night.problem_lines() == ["2 DARK with read-out SCI1.0 1x1, muse_dark needs 3; add them; left out: dark"]


def test_sets_of_several_exposures_need_several():
    _, found = sets([*day(), *STATIC, frame("OBJECT", 57001.1)])
    assert "scipost-1" in found and not {"exp_align", "exp_combine"} & set(found)
    _, found = sets([*day(), *STATIC, frame("OBJECT", 57001.1), frame("OBJECT", 57001.2)])
    assert len(paths(found["exp_combine"], "PIXTABLE_REDUCED")) == len(paths(found["exp_align"], "IMAGE_FOV")) == 2


def test_the_sets_of_an_exposure_have_what_its_parameters_ask_for():
    names = {"SKY_CONTINUUM": "sky.fits", "AUTOCAL_FACTORS": "factors.fits", "SKY_LINES": "lines.fits"}
    tables = [static(tag, name) for tag, name in names.items()]
    frames = [*day(), *STATIC, *tables, frame("OBJECT", 57001.1)]
    _, found = sets(frames)
    assert paths(found["scipost-1"], "SKY_LINES") and not paths(found["scipost-1"], "SKY_CONTINUUM")
    assert not paths(found["scipost-1"], "AUTOCAL_FACTORS")
    _, found = sets(frames, parameters={"muse_scipost": {"skymethod": "subtract-model", "autocalib": "user"}})
    assert paths(found["scipost-1"], "SKY_CONTINUUM") == ["/static/sky.fits"]
    assert paths(found["scipost-1"], "AUTOCAL_FACTORS") == ["/static/factors.fits"]
    frames.remove(tables[0])
    night, found = sets(frames, parameters={"muse_scipost": {"skymethod": "subtract-model"}})
    (line,) = night.problem_lines()
    assert line.startswith("no SKY_CONTINUUM; add a directory") and line.endswith("left out: scipost-1")


def test_products_of_the_sky_and_the_standard_go_to_the_exposures():
    sky = [frame("STD", 57001.0), frame("SKY", 57001.05), static("STD_FLUX_TABLE", "stars.fits")]
    frames = [*day(), *STATIC[:-1], *sky, static("SKY_LINES", "lines.fits"), frame("OBJECT", 57001.1)]
    _, found = sets(frames, parameters={"muse_scipost": {"skymethod": "subtract-model"}})
    for tag, name in (
        ("STD_RESPONSE", "STD_RESPONSE_0001"), ("SKY_LINES", "SKY_LINES"), ("SKY_CONTINUUM", "SKY_CONTINUUM")
    ):  # fmt: skip
        assert paths(found["scipost-1"], tag) == [str(REDUCED / f"{name}.fits")]
    assert paths(found["scipost-1"], "PIXTABLE_OBJECT") == [
        str(REDUCED / f"PIXTABLE_OBJECT_0001-{n:02d}.fits") for n in (1, 2)
    ]


def test_a_file_can_be_chosen_for_a_tag():
    grid = Path("/mine/grid.fits")
    frames = [*day(), *STATIC, frame("OBJECT", 57001.1), frame("OBJECT", 57001.2)]
    _, found = sets(frames, files={"OUTPUT_WCS": grid, "STD_RESPONSE": Path("/mine/response.fits")})
    for name in ("scipost-1", "scipost-2", "exp_combine"):
        assert paths(found[name], "OUTPUT_WCS") == [str(grid)]
    assert paths(found["scipost-2"], "STD_RESPONSE") == ["/mine/response.fits"]
    _, found = sets(frames)
    assert not paths(found["exp_combine"], "OUTPUT_WCS")


def test_a_broken_series_of_arcs_gives_way():
    frames = [*day(57000.3), *[f for f in day(57000.95) if f.tag != "ARC"], *series("ARC", 57000.95, 2), *STATIC]
    _, found = sets([*frames, frame("OBJECT", 57001.1)])
    assert len(paths(found["wavecal-01"], "ARC")) == 3
    # a single one is refused by nobody but the recipe, which can average one
    _, found = sets([*[f for f in day() if f.tag != "ARC"], frame("ARC", 57000.7), *STATIC])
    assert len(paths(found["wavecal-01"], "ARC")) == len(paths(found["lsf-01"], "ARC")) == 1
    long = series("ARC_LSF", 57000.8, 2)
    _, found = sets([*day(), *long, *STATIC])
    assert len(paths(found["lsf-01"], "ARC")) == 3 and not paths(found["lsf-01"], "ARC_LSF")


# times


NAN = float("nan")


@pytest.mark.parametrize(
    ("mjd", "date", "note"),
    [
        (NAN, "2014-12-09T14:27:30.250", "MJD-OBS is no number; its DATE-OBS 2014-12-09T14:27:30.250 is used"),
        (-5.0, "2014-12-09T14:25:00", "MJD-OBS is -5; its DATE-OBS 2014-12-09T14:25:00 is used"),
        (1e9, "2014-12-09T14:27", "MJD-OBS is 1e+09; its DATE-OBS 2014-12-09T14:27 is used"),
        (57000.602, "", ""),
        (57000.602, "yesterday", ""),
        (57000.602, "2014-12-09", ""),
        (57000.602, "2014-12-09T14:26:52.8", ""),
    ],
)
def test_a_frame_has_its_time_from_either_keyword(mjd, date, note):
    odd = replace(frame("BIAS", 57000.602, path="/raw/odd.fits"), mjd=mjd, date=date)
    night, found = sets([*day()[1:], odd, *STATIC])
    assert len(paths(found["bias-01"], "BIAS")) == 3 and "/raw/odd.fits" in paths(found["bias-01"], "BIAS")
    assert night.notes == ([f"/raw/odd.fits: {note}"] if note else [])


@pytest.mark.parametrize(
    ("mjd", "date", "note"),
    [
        (NAN, "", "MJD-OBS is no number, DATE-OBS is missing: when it was taken is not known, left out"),
        (1e9, "2014-13-40", "MJD-OBS is 1e+09, DATE-OBS is 2014-13-40: when it was taken is not known, left out"),
        (
            float("inf"),
            "9999-01-01",
            "MJD-OBS is inf, DATE-OBS is 9999-01-01: when it was taken is not known, left out",
        ),
        (57000.602, "2014-12-07T14:26:52.8", "MJD-OBS 57000.60200 and DATE-OBS 2014-12-07T14:26:52.8 are 2 days apart"),
    ],
)
def test_a_frame_without_a_time_is_left_out_by_name(mjd, date, note):
    odd = replace(frame("BIAS", 57000.602, path="/raw/odd.fits"), mjd=mjd, date=date)
    night, found = sets([*series("BIAS", 57000.6, 3), odd, *STATIC])
    assert paths(found["bias-01"], "BIAS") == [str(f.path) for f in series("BIAS", 57000.6, 3)]
    assert len(night.notes) == 1 and night.notes[0].startswith(f"/raw/odd.fits: {note}")
    with pytest.raises(MusedeepError, match=r"/raw/odd\.fits: MJD-OBS"):
        sets([odd])


def test_frames_that_do_not_say_what_they_are_are_taken():
    bare = [replace(f, mode="", field="", read_out="", temperature=NAN, exposure_time=NAN) for f in day()[:3]]
    lamps = [replace(frame("ILLUM", mjd), temperature=NAN) for mjd in (57001.0, 57001.2)]
    night, found = sets([*bare, *day()[3:], *lamps, *STATIC, frame("OBJECT", 57001.19, temperature=NAN)])
    assert len(paths(found["bias-01"], "BIAS")) == 3 and not night.notes
    assert paths(found["scibasic-OBJECT-01"], "ILLUM") == [str(lamps[1].path)]


def test_a_copy_under_another_name_is_told():
    copy = replace(day()[0], path=Path("/raw/BIAS.2014-12-09T14:24:00.000.WFM-NOAO-N (copy).fits"))
    night, found = sets([*day(), copy, *STATIC])
    assert len(paths(found["bias-01"], "BIAS")) == 3
    assert night.notes == [f"{copy.path}: same tag and DATE-OBS as {day()[0].path}: left out"]


def test_exposures_get_the_illumination_nearest_in_time_and_temperature():
    lamps = [frame("ILLUM", 57001.00, temperature=12.0), frame("ILLUM", 57001.06, temperature=10.0)]
    objects = [
        frame("OBJECT", 57001.02, temperature=11.9),
        # nearer in time to the first lamp, but as cold as the second
        frame("OBJECT", 57001.025, temperature=10.0),
        frame("OBJECT", 57001.07, temperature=10.0),
    ]
    _, found = sets([*day(), *STATIC, *lamps, *objects])
    assert paths(found["scibasic-OBJECT-01"], "OBJECT") == [str(objects[0].path)]
    assert paths(found["scibasic-OBJECT-01"], "ILLUM") == [str(lamps[0].path)]
    second = found["scibasic-OBJECT.2-01"]
    assert paths(second, "OBJECT") == [str(f.path) for f in objects[1:]]
    assert paths(second, "ILLUM") == [str(lamps[1].path)]
    # their products have the same names: each set has its directory
    assert second.directory == "scibasic-OBJECT.2"
    assert second.products[1] == str(REDUCED / "scibasic-OBJECT.2" / "PIXTABLE_OBJECT_0002-01.fits")
    assert paths(found["scipost-3"], "PIXTABLE_OBJECT") == [
        str(REDUCED / "scibasic-OBJECT.2" / f"PIXTABLE_OBJECT_0002-{ifu:02d}.fits") for ifu in (1, 2)
    ]
    plan_night(list(found.values()))  # contradicts itself nowhere


def test_calibrations_are_those_of_one_day_the_nearest_with_enough():
    near, far = day(57001.5), day(57000.3)
    few = series("BIAS", 57001.30, 2)
    _, found = sets([*far, *near, *few, *STATIC, frame("OBJECT", 57001.1)])
    assert paths(found["bias-01"], "BIAS") == [str(f.path) for f in near if f.tag == "BIAS"]
    assert paths(found["wavecal-02"], "ARC") == [str(f.path) for f in near if f.tag == "ARC"]
    assert len(paths(found["wavecal-02"], "MASTER_FLAT")) == 1


def test_modes_and_read_outs_must_match():
    others = [f for f in day(57000.9, mode="WFM-AO-E") if f.tag != "BIAS"]
    slow = series("BIAS", 57000.99, read_out="SCI2.0 1x1")
    night, found = sets([*day(), *others, *slow, *STATIC, frame("OBJECT", 57001.1)])
    assert night.mode == MODE and night.read_out == "SCI1.0 1x1"
    for one in found.values():
        for path, tag in one.frames:
            assert tag not in ("FLAT", "ARC") or MODE in path
    assert str(slow[0].path) not in paths(found["bias-01"], "BIAS")
    names = {tag: ", ".join(f.path.name for f in [*others, *slow] if f.tag == tag) for tag in ("ARC", "BIAS", "FLAT")}
    assert sorted(night.notes) == [
        f"3 {tag} of another mode or read-out than {MODE} SCI1.0 1x1: left out ({names[tag]})"
        for tag in ("ARC", "BIAS", "FLAT")
    ]


def test_biases_and_darks_serve_every_mode():
    calibrations = [replace(f, mode="NFM-AO-N", field="NFM") if f.tag == "BIAS" else f for f in day()]
    _, found = sets([*calibrations, *STATIC, frame("OBJECT", 57001.1)])
    assert len(paths(found["bias-01"], "BIAS")) == 3


def test_the_vignetting_mask_goes_with_nights_that_need_it():
    mask = static("VIGNETTING_MASK", "vignetting_mask.fits")
    for date, needed in (("2017-03-10", True), ("2017-03-11", False), ("2015-01-01", True)):
        mjd = Time(date).mjd + 1.1
        assert night_of(mjd) == date
        frames = [*day(mjd - 0.5), *series("SKYFLAT", mjd - 0.2), *STATIC, mask, frame("OBJECT", mjd)]
        _, found = sets(frames)
        assert bool(paths(found["twilight"], "VIGNETTING_MASK")) == needed, date


@pytest.mark.parametrize(
    ("date", "mode", "name"),
    [
        ("2014-02-20", MODE, "geometry_table_wfm_comm1"),
        ("2014-06-01", MODE, "geometry_table_wfm_comm2a"),
        ("2014-08-01", MODE, "geometry_table_wfm_comm2b"),
        ("2014-12-01", MODE, "geometry_table_wfm"),
        ("2020-12-01", "NFM-AO-N", "geometry_table_nfm"),
    ],
)
def test_static_calibrations_are_valid_for_their_nights_and_field_mode(date, mode, name):
    names = [f"geometry_table_{end}.fits" for end in ("wfm", "wfm_comm1", "wfm_comm2a", "wfm_comm2b", "nfm")]
    tables = [static("GEOMETRY_TABLE", n) for n in names]
    mjd = Time(date).mjd + 1.1
    _, found = sets([*day(mjd - 0.5, mode=mode), STATIC[0], *tables, frame("OBJECT", mjd, mode)])
    assert paths(found["scibasic-OBJECT-01"], "GEOMETRY_TABLE") == [f"/static/{name}.fits"]


def test_dated_tables_go_by_the_nearest_date():
    tables = [frame("GEOMETRY_TABLE", mjd, "", path=f"/s/{mjd}.fits", field="WFM") for mjd in (56900.0, 57100.0)]
    _, found = sets([*day(), STATIC[0], *tables, frame("OBJECT", 57001.1)])
    assert paths(found["scibasic-OBJECT-01"], "GEOMETRY_TABLE") == ["/s/57100.0.fits"]


def test_masters_that_the_directories_hold_replace_raw_frames_that_are_missing():
    masters = [
        frame(tag, mjd, path=f"/cal/{mjd}/{tag}-{ifu:02d}.fits", ifus=(ifu,))
        for tag in ("MASTER_BIAS", "MASTER_FLAT", "TRACE_TABLE")
        for ifu in (1, 2)
        for mjd in (56990.0, 57000.0)
    ]
    arcs = [f for f in day() if f.tag == "ARC"]
    night, found = sets([*arcs, *masters, *STATIC, frame("OBJECT", 57001.1)])
    assert not night.problems
    assert paths(found["wavecal-02"], "MASTER_BIAS") == ["/cal/57000.0/MASTER_BIAS-02.fits"]
    assert paths(found["scibasic-OBJECT-01"], "TRACE_TABLE") == ["/cal/57000.0/TRACE_TABLE-01.fits"]
    # raw frames go before
    _, found = sets([*day(), *masters, *STATIC, frame("OBJECT", 57001.1)])
    assert paths(found["wavecal-02"], "MASTER_BIAS") == [str(REDUCED / "MASTER_BIAS-02.fits")]


def test_a_geometry_of_its_own_where_none_is_given():
    masks = series("MASK", 57000.7, 50)
    _, found = sets([*day(), STATIC[0], *masks, frame("OBJECT", 57001.1)])
    expected = [str(REDUCED / "geometry" / "GEOMETRY_TABLE.fits")]
    assert paths(found["scibasic-OBJECT-01"], "GEOMETRY_TABLE") == expected
    assert len(paths(found["geometry"], "MASK")) == 50
    _, found = sets([*day(), *STATIC, *masks, frame("OBJECT", 57001.1)])
    assert paths(found["scibasic-OBJECT-01"], "GEOMETRY_TABLE") == ["/static/geometry_table_wfm.fits"]


def test_chosen_ifus():
    _, found = sets([*day(), *STATIC, frame("OBJECT", 57001.1)], ifus=(2,))
    assert {one.ifu for one in found.values()} == {0, 2} and found["scipost-1"].exposure == 1
    with pytest.raises(MusedeepError, match="IFU 5: no raw frame holds it; there are 1, 2"):
        sets([*day(), *STATIC], ifus=(5,))


def test_a_frame_that_is_there_twice_is_taken_once():
    twice = [replace(f, path=f.path.with_name(f.path.name + ".fz")) for f in day()]
    _, found = sets([*twice, *day(), *STATIC])
    assert len(paths(found["bias-01"], "BIAS")) == 3 and paths(found["bias-01"], "BIAS")[0].endswith(".fits")


def test_what_is_missing_is_one_line_a_cause():
    frames = [f for f in day() if f.tag != "BIAS"] + [*series("BIAS", 57000.6, 2), *STATIC, frame("OBJECT", 57001.1)]
    night, found = sets(frames)
    (line,) = night.problem_lines()
    assert line.startswith("2 BIAS with read-out SCI1.0 1x1, muse_bias needs 3; add them; left out: bias, flat-01")
    assert "scibasic-OBJECT-02" in line and not found
    assert night.problem_lines(["bias"])[0].endswith("left out: bias")
    assert not night.problem_lines(["dark"])
    night, found = sets([*day(), frame("OBJECT", 57001.1)])
    (line,) = night.problem_lines()
    assert line.startswith("no LINE_CATALOG; add a directory that has one")
    assert "wavecal-01" in line and "scibasic-OBJECT-02" in line
    assert set(found) == {"bias-01", "bias-02", "flat-01", "flat-02"}
    night, found = sets([*day(), STATIC[0], frame("OBJECT", 57001.1)])
    (line,) = night.problem_lines()
    assert line.startswith("no GEOMETRY_TABLE") and line.endswith("left out: scibasic-OBJECT-01, scibasic-OBJECT-02")


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([frame("OBJECT"), frame("OBJECT", 57001.1, mode="WFM-AO-N")], "mixed modes of OBJECT/SKY frames: .*--mode"),
        ([frame("OBJECT"), frame("OBJECT", 57005.0)], r"exposures of 2 nights \(2014-12-09, 2014-12-13\).*--night"),
        (STATIC, "none of the 4 FITS files is a raw MUSE frame"),
    ],
)
def test_what_has_to_be_chosen_is_one_line(frames, message):
    with pytest.raises(MusedeepError, match=message):
        sets(frames)


def test_chosen_modes_and_nights():
    frames = [
        *day(), *day(57000.7, mode="WFM-AO-N"), *STATIC, frame("OBJECT"), frame("OBJECT", 57005.0),
        frame("OBJECT", 57001.1, mode="WFM-AO-N"),
    ]  # fmt: skip
    night, found = sets(frames, mode="WFM-AO-N")
    assert "WFM-AO-N" in paths(found["scibasic-OBJECT-01"], "OBJECT")[0] and night.mode == "WFM-AO-N"
    night, found = sets(frames, mode=MODE, night="2014-12-13")
    assert night.night == "2014-12-13" and "2014-12-14" in paths(found["scibasic-OBJECT-01"], "OBJECT")[0]
    with pytest.raises(MusedeepError, match="did you mean WFM-NOAO-N"):
        sets(frames, mode="WFM-NOAO")
    with pytest.raises(MusedeepError, match="no exposure of the night 2014-12-01; there are 2014-12-09, 2014-12-13"):
        sets(frames, mode=MODE, night="2014-12-01")


def test_calibrations_alone():
    night, found = sets([*day(57000.6), *day(57002.6), *STATIC])
    assert set(found) == {f"{step}-{ifu:02d}" for step in ("bias", "flat", "wavecal", "lsf") for ifu in (1, 2)}
    assert "2014-12-11" in paths(found["bias-01"], "BIAS")[0] and not night.night


def test_sets_are_written_and_read_alike(tmp_path):
    (tmp_path / "a").write_text("")
    path = tmp_path / "x.sof"
    frames = [(str(tmp_path / "a"), "BIAS")]
    write_set_of_frames(path, frames)
    assert read_set_of_frames(path) == frames
    with pytest.raises(MusedeepError, match="--overwrite"):
        write_set_of_frames(path, frames)
    with pytest.raises(MusedeepError, match="names with blanks"):
        write_set_of_frames(path, [("a b", "BIAS")], overwrite=True)
    assert read_set_of_frames(path) == frames and len(list(tmp_path.iterdir())) == 2


def test_a_lamp_without_adaptive_optics_serves_exposures_with_it():
    sky = frame("OBJECT", 57001.05, mode="WFM-AO-N")
    lamp = frame("ILLUM", 57001.04, mode="WFM-NOAO-N")
    _, found = sets([*day(mode="WFM-AO-N"), *STATIC, lamp, sky], mode="WFM-AO-N")
    assert paths(found["scibasic-OBJECT-01"], "ILLUM") == [str(lamp.path)]
