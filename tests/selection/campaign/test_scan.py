"""From exposures to a plan, and from a plan that a person has edited to the next one."""

from dataclasses import replace
from datetime import date

import pytest

from musedeep.errors import MusedeepError
from musedeep.quality.record import ExposureRecord, ProductRecord, product_folder, write_record
from musedeep.selection.campaign.access import access_of
from musedeep.selection.campaign.finished import Finished, finished_products, with_version
from musedeep.selection.campaign.plan_file import Memory, Product, Remark, Settings, read_merges
from musedeep.selection.campaign.scan import scan
from tests.makers.campaign_exposures import candidate, udf

TODAY = "2026-11-28"


def first_scan(exposures, **settings):
    plan, notes = scan("test", exposures, Settings(**settings), TODAY)
    return plan, notes


def again(plan, memory, exposures, **settings):
    return scan("test", exposures, Settings(**settings), TODAY, plan, memory)[0]


def remembered(plan, exposures):
    return Memory(plan=plan.model_copy(deep=True), known=[one.name for one in exposures])


def many(n=6, **facts):
    return [candidate(ob_id=str(k // 2), **facts) for k in range(n)]


def test_the_release_s_own_seven_cubes():
    exposures = udf()
    plan, notes = first_scan(exposures, reuse_pointings=True)
    (target,) = plan.targets
    found = {product.name.removeprefix("UDF "): len(product.inputs) for product in target.products}
    assert found == {"01+10": 75, "02+04+05+10": 125, "03": 25, "06": 25, "07": 25, "08": 25, "09": 25}
    assert all(product.category == "DATACUBE_DEEP" for product in target.products) and not notes
    twice = next(product for product in target.products if product.name == "UDF 01+10")
    assert twice.notes == ["50 inputs are in another product, too"]
    (one,) = first_scan(exposures, max_inputs=None)[0].targets
    assert [len(product.inputs) for product in one.products] == [275]


@pytest.mark.parametrize(
    ("n", "obs", "category", "why"),
    [
        (1, 1, "DATACUBE_SINGLE", "one exposure"),
        (4, 1, "DATACUBE_COMBINED", "1 OB; a deep cube needs 2"),
        (2, 2, "DATACUBE_DEEP", ""),
        (126, 2, "DATACUBE_DEEP", ""),
    ],
)
def test_what_a_deep_cube_is(n, obs, category, why):
    plan, _ = first_scan([candidate(ob_id=str(k % obs)) for k in range(n)])
    if why:
        (one,) = plan.no_deep_cube
        assert (one.final, one.why, one.exposures, plan.targets) == (category, why, n, [])
    else:
        assert not plan.no_deep_cube and {p.category for t in plan.targets for p in t.products} == {category}


def test_rejected_and_undecided_are_named_with_their_reason():
    exposures = [*many(), candidate(image_quality=3.0), candidate(grade="D"), candidate(mode="NFM-AO-N")]
    plan, _ = first_scan(exposures)
    (target,) = plan.targets
    assert {one.exposure: one.rule for one in target.rejected} == {
        exposures[6].name: "seeing",
        exposures[8].name: "mode",
    }
    assert [one.exposure for one in target.undecided] == [exposures[7].name]
    assert target.products[0].inputs == [one.name for one in exposures[:6]]


def test_a_target_of_bad_exposures_alone():
    plan, _ = first_scan([candidate(mode="NFM-AO-N")] * 1)
    (one,) = plan.no_deep_cube
    assert one.why == "all 1 exposures are rejected: mode (1)" and not plan.targets


def test_sky_of_the_same_ob_and_mode():
    exposures = many(4)
    sky = [
        candidate(tag="SKY", ob_id="1"),
        candidate(tag="SKY", ob_id="1", mode="WFM-AO-N"),
        candidate(tag="SKY", ob_id="9"),
    ]
    plan, _ = first_scan([*exposures, *sky])
    assert plan.targets[0].products[0].sky == [sky[0].name]


def test_exposures_without_a_place_are_left_out_by_name():
    plan, notes = first_scan([*many(), candidate(ra=float("nan"))])
    assert len(notes) == 1 and "no position" in notes[0] and len(plan.targets[0].products[0].inputs) == 6


def test_ways_of_grouping():
    exposures = [
        candidate(ob_id=str(k % 4), exposure_time=(10.0, 1000.0)[k % 2], east=50.0 * (k // 4)) for k in range(8)
    ]
    (target,) = first_scan(exposures)[0].targets
    assert target.group_by == "target" and len(target.products) == 1  # times differ between OBs alone
    plan, _ = first_scan(exposures)
    for group_by, n in (("pointing", 2), ("exposure_time", 2), ("pointing+exposure_time", 4)):
        edited = plan.model_copy(deep=True)
        edited.targets[0].group_by = group_by
        (target,) = again(edited, remembered(plan, exposures), exposures).targets
        assert target.group_by == group_by and len(target.products) == n
        assert sum(len(product.inputs) for product in target.products) == 8


def test_modes_and_programmes_that_are_mixed_are_said():
    exposures = [candidate(mode="WFM-AO-N", ob_id="1"), candidate(mode="WFM-NOAO-E", ob_id="2", run="097.B-0001(A)")]
    notes = " ".join(first_scan(exposures)[0].targets[0].products[0].notes)
    assert "sodium notch" in notes and "extended range" in notes and "2 programmes" in notes


def test_words_that_tell_of_depth():
    exposures = many(programme={"title": "An ultra-deep field", "abstract": ""})
    assert first_scan(exposures)[0].targets[0].evidence == ["programme 094.A-0205: deep, ultra-deep"]


def test_observations_that_may_go_on():
    late = (date.fromisoformat(TODAY) - date(1858, 11, 17)).days - 10.0
    plan, _ = first_scan([candidate(mjd=late + k, ob_id=str(k)) for k in range(2)])
    assert plan.targets[0].state.startswith("waiting until 2027-05-")
    assert "its last exposure is of 2026-11-" in plan.targets[0].state
    assert first_scan(many())[0].targets[0].state.startswith("ready: its last exposure is of 20")
    # a run that is completed needs no half year
    done = [candidate(mjd=late + k, ob_id=str(k), programme={"completed": "2026-10-01"}) for k in range(2)]
    assert first_scan(done)[0].targets[0].state == "ready: its runs are completed since 2026-10-01"
    assert "waiting until 2026-12-15" in first_scan(done, settle_days=75)[0].targets[0].state


def test_nothing_is_rejected_without_a_date():
    exposures = [*many(), candidate(image_quality=3.0), candidate(grade="D")]
    plan, _ = first_scan(exposures)
    assert {one.date for one in (*plan.targets[0].rejected, *plan.targets[0].undecided)} == {TODAY}
    # the next scan is of another day, and of another rule for one of them
    exposures[7] = replace(exposures[7], grade="", comments="Guiding lost.")
    later, _ = scan("test", exposures, Settings(), "2027-01-01", plan, remembered(plan, exposures))
    assert [one.date for one in later.targets[0].rejected] == [TODAY]
    assert [(one.rule, one.date) for one in later.targets[0].undecided] == [("comment", "2027-01-01")]


def test_one_ob_with_pointings_that_do_not_overlap():
    exposures = [candidate(ob_id=str(k % 2), north=200.0 * (k // 4)) for k in range(8)]
    first, second = first_scan(exposures)[0].targets
    assert first.evidence == [f"OB 0 holds pointings that do not overlap, also of {second.name}"]


def test_what_is_said_of_a_product():
    half = [candidate(mjd=57280.1 + 180.0 * k, ob_id=str(k), programme={"observing_mode": "VM"}) for k in range(2)]
    half += [candidate(mjd=57280.15, ob_id="2", grade="A")]
    product = first_scan(half)[0].targets[0].products[0]
    assert product.epochs == ["2015-09-14: 2", "2016-03-12: 1"] and product.observing_modes == ["SM", "VM"]
    assert 25 < product.velocity_span < 50 and any("telluric" in one for one in product.notes)
    assert not any("telluric" in one for one in first_scan(half, velocity_span=60)[0].targets[0].products[0].notes)
    assert 2.5e9 < product.bytes < 5e9
    near = first_scan(many())[0].targets[0].products[0]
    assert near.velocity_span < 2 and not near.notes


def test_programmes_are_named_with_their_times():
    exposures = [
        candidate(ob_id=str(k), run=f"09{4 + k % 2}.A-0205(A)", programme={"pi": "BACON"} if k % 2 else {})
        for k in range(6)
    ]
    (note,) = first_scan(exposures)[0].targets[0].products[0].notes
    assert note.startswith(
        "2 programmes in one cube, which is deeper than that of each: 094.A-0205 (1.2 h), 095.A-0205"
    )
    assert "(BACON, 1.2 h)" in note


def test_a_mosaic_that_is_divided_says_so():
    assert any("musedeep needs no limit" in one for one in first_scan(udf())[0].targets[0].evidence)
    assert not first_scan(udf(), max_inputs=None)[0].targets[0].evidence


def test_bad_exposures_that_are_unknown():
    _, notes = scan("test", many(), Settings(), TODAY, bad={"MUSE.2001-01-01T00:00:00.000": ""})
    assert notes == ["MUSE.2001-01-01T00:00:00.000: bad, but not in the catalogue"]


def test_headers_without_a_number_of_the_ob():
    night = [candidate(mjd=57000.1 + k / 100, ob_id="", target="étoile") for k in range(3)]
    (one,) = first_scan(night)[0].no_deep_cube
    assert (one.final, one.why) == ("DATACUBE_COMBINED", "1 OB; a deep cube needs 2")
    other = candidate(mjd=57003.1, ob_id="", target="étoile")
    assert first_scan([*night, other])[0].targets[0].products[0].obs == 2
    started = [replace(one, exposure=replace(one.exposure, ob_start=str(k))) for k, one in enumerate(night)]
    assert first_scan(started)[0].targets[0].products[0].obs == 3


def test_previews():
    exposures = many()
    paths = {exposures[0].name: "/a.fits", exposures[1].name: "/a.fits", exposures[2].name: "/b.fits", "x": "/c.fits"}
    plan, _ = scan("test", exposures, Settings(), TODAY, previews=paths)
    assert plan.targets[0].previews == ["/a.fits", "/b.fits"]


SHARP = {"variants": [{"name": "best seeing", "best_seeing": 0.5}, {"name": "AO", "modes": ["WFM-AO-N"]}]}


def test_variants_of_a_target():
    exposures = [candidate(ob_id=str(k // 2), image_quality=0.5 + 0.05 * k) for k in range(8)]
    plan, _ = first_scan(exposures, **SHARP)
    (whole, best) = plan.targets[0].products
    assert (best.name, best.variant, best.category) == ("UDF-10 best seeing", "best seeing", "DATACUBE_DEEP")
    assert best.inputs == [one.name for one in exposures[:4]] and len(whole.inputs) == 8
    assert not whole.notes and not best.notes and not plan.no_deep_cube
    assert again(*edited(plan, exposures), exposures, **SHARP) == plan
    # taken out of the variant alone
    mine, memory = edited(plan, exposures)
    mine.targets[0].products[1].inputs.pop()
    (whole, best) = again(mine, memory, exposures, **SHARP).targets[0].products
    assert len(whole.inputs) == 8 and best.inputs == [one.name for one in exposures[:3]]
    assert best.variant == "best seeing"


def test_variants_by_seeing_and_run():
    exposures = [candidate(ob_id=str(k), image_quality=0.6 + 0.1 * (k % 3), run=f"09{k % 2}.A-1(A)") for k in range(9)]
    variants = [
        {"name": "sharp", "max_seeing": 0.65},
        {"name": "one", "runs": ["090.A-1"]},
        {"name": "no", "runs": ["x"]},
    ]
    products = first_scan(exposures, variants=variants)[0].targets[0].products
    assert {one.variant: len(one.inputs) for one in products} == {"": 9, "sharp": 3, "one": 5}


# what has been made


def test_versions_of_products():
    exposures = many(6)
    names = frozenset(one.name for one in exposures)
    made = {"UDF-10": Finished(1, names, 9000.0)}
    plan, _ = scan("test", exposures, Settings(), TODAY, finished=made)
    product = plan.targets[0].products[0]
    assert (product.version, product.supersedes, product.state) == (1, "", "done: version 1")
    more = [*exposures, candidate(ob_id="9"), candidate(ob_id="9")]
    later, _ = scan("test", more, Settings(), TODAY, plan, remembered(plan, exposures), finished=made)
    (target,) = later.targets
    assert target.products[0].state == "done: version 1"
    assert target.deeper == "deeper version possible: + 2 exposures, + 3000 s; decide on them"
    # a person decides
    mine, memory = edited(later, more)
    mine.targets[0].products[0].inputs += [mine.targets[0].undecided.pop().exposure for _ in range(2)]
    product = scan("test", more, Settings(), TODAY, mine, memory, finished=made)[0].targets[0].products[0]
    assert (product.version, product.supersedes) == (2, "UDF-10 v1")
    assert product.state == "version 1 is superseded: 2 more exposures, +3000 s"
    mine, memory = edited(plan, exposures)
    mine.targets[0].method = "crowded"
    (target,) = scan("test", exposures, Settings(), TODAY, mine, memory, finished=made)[0].targets
    assert target.products[0].state == "version 1 is superseded: method crowded, it was standard"
    fewer = with_version(product, "standard", {"UDF-10": Finished(3, frozenset([*product.inputs, "x"]), 15000.0)})
    assert (fewer.version, fewer.state) == (4, "version 3 is superseded: 0 more exposures, 1 fewer, -3000 s")


def test_records_of_what_has_been_made(tmp_path):
    def put(version, campaign="deep", names=("a", "b")):
        record = ProductRecord(
            name="UDF 01", target="UDF", category="DATACUBE_DEEP", version=version, campaign=campaign
        )
        record.exposures = [ExposureRecord(name=one, date_obs="", mjd=0, exposure_time=10.0) for one in names]
        record.exposures[0].excluded = "moved"
        folder = product_folder(tmp_path, "UDF 01", version)
        folder.mkdir(parents=True, exist_ok=True)
        write_record(record, folder / "product.json")

    assert finished_products(tmp_path, "deep") == {}
    put(1)
    put(10, names=("a", "b", "c"))
    put(2)
    assert finished_products(tmp_path, "deep") == {"UDF 01": Finished(10, frozenset("abc"), 20.0)}
    put(3, "other")
    with pytest.raises(MusedeepError, match=r"product.json: a product of the campaign other, not of deep"):
        finished_products(tmp_path, "deep")


# a person edits


def edited(plan, exposures):
    return plan.model_copy(deep=True), remembered(plan, exposures)


def test_nothing_changed_nothing_changes():
    exposures = [*many(), candidate(image_quality=3.0), candidate("other"), candidate(grade="D")]
    plan, _ = first_scan(exposures)
    assert again(*edited(plan, exposures), exposures) == plan


def test_decisions_survive_and_new_exposures_wait():
    exposures = [*many(), candidate(image_quality=3.0), candidate(grade="D")]
    plan, _ = first_scan(exposures)
    mine, memory = edited(plan, exposures)
    target = mine.targets[0]
    gone = target.products[0].inputs.pop(0)
    moved = target.products[0].inputs.pop(0)
    target.rejected.append(Remark(exposure=moved, text="satellite", by="JD"))
    target.products[0].inputs.append(target.rejected.pop(0).exposure)  # the bad seeing is wanted
    target.method, target.comment = "crowded", "globular cluster"
    late = [*exposures, candidate(ob_id="99"), candidate(image_quality=9.0, ob_id="99")]
    new = again(mine, memory, late)
    (target,) = new.targets
    assert (target.method, target.comment) == ("crowded", "globular cluster")
    assert sorted(target.products[0].inputs) == sorted(one.name for one in exposures[2:7])
    remarks = {one.exposure: one for one in target.rejected}
    assert (remarks[moved].text, remarks[moved].by) == ("satellite", "JD")
    assert remarks[gone].text == "taken out of the plan by hand" and remarks[gone].by == "plan"
    assert remarks[late[-1].name].rule == "seeing"  # rules reject what is new, too
    assert {one.exposure for one in target.undecided} == {exposures[7].name, late[-2].name}
    assert target.deeper.startswith("deeper version possible: + 1 exposures, + 1500 s")
    assert [(one.exposure, one.rule, one.by) for one in target.kept] == [(exposures[6].name, "seeing", "plan")]
    # and once more, with nothing new
    (same,) = again(new, remembered(new, late), late).targets
    assert (same.rejected, same.kept, same.products) == (target.rejected, target.kept, target.products)
    assert same.undecided == target.undecided  # nobody has decided


def test_products_of_a_person_stay():
    exposures = many(8)
    plan, _ = first_scan(exposures)
    mine, memory = edited(plan, exposures)
    sharp = [one.name for one in exposures[:4]]
    mine.targets[0].products.append(Product(name="UDF-10 sharp", inputs=sharp))
    mine.targets[0].products[0].inputs = [one for one in mine.targets[0].products[0].inputs if one not in sharp]
    (target,) = again(mine, memory, exposures).targets
    assert {p.name: len(p.inputs) for p in target.products} == {"UDF-10": 4, "UDF-10 sharp": 4}


def test_names_that_a_person_joins():
    exposures = [*many(4, target="SMACS 2131"), *many(4, target="RXC J2131", run="097.B-0001(A)")]
    plan, _ = first_scan(exposures, confirm="ask")
    assert len(plan.targets) == 2 and plan.merges[0].confirmed is None
    mine, memory = edited(plan, exposures)
    mine.merges[0].confirmed, mine.merges[0].by = True, "JD"
    new = again(mine, memory, exposures, confirm="ask")
    assert len(new.targets) == 1 and new.merges[0].by == "JD"
    assert len(again(new, remembered(new, exposures), exposures, confirm="ask").targets) == 1


def test_names_that_a_file_joins(tmp_path):
    exposures = [*many(4, target="SMACS 2131"), *many(4, target="RXC J2131", run="097.B-0001(A)")]
    path = tmp_path / "merges.yaml"
    path.write_text(
        "merges:\n- {first: RXC J2131, second: SMACS 2131, confirmed: true, by: JD}\n"
        "- {first: a, second: b, confirmed: true}\n- {first: a, second: c}\n"
    )
    merges = read_merges(path)
    assert merges[frozenset(("RXC J2131", "SMACS 2131"))] == (True, "file JD")
    settings = Settings(confirm="file")
    plan, notes = scan("test", exposures, settings, TODAY, merges=merges)
    assert len(plan.targets) == 1 and plan.merges[0].by == "file JD"
    assert notes == ["a and b: no names of overlapping fields"]
    # what the file does not say any more is not remembered; what a person edits is
    assert len(scan("test", exposures, settings, TODAY, plan, remembered(plan, exposures))[0].targets) == 2
    mine, memory = edited(plan, exposures)
    mine.merges[0].confirmed = False
    assert len(scan("test", exposures, settings, TODAY, mine, memory, merges=merges)[0].targets) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [("merges: [{first: a}]", r"merges\[0\]: key 'second' is missing"), ("- a", "has the keys merges")],
)
def test_files_of_merges_that_are_wrong(tmp_path, text, said):
    (tmp_path / "merges.yaml").write_text(text)
    with pytest.raises(MusedeepError, match=said):
        read_merges(tmp_path / "merges.yaml")


def test_exposures_that_are_gone():
    exposures = many()
    plan, _ = first_scan(exposures)
    mine, memory = edited(plan, exposures)
    mine.targets[0].products[0].inputs.append("MUSE.2001-01-01T00:00:00.000")
    with pytest.raises(MusedeepError, match=r"MUSE.2001-01-01T00:00:00.000 of the plan is not in the catalogue"):
        again(mine, memory, exposures)


def test_a_plan_without_memory_is_a_person_s():
    exposures = [*many(), candidate(image_quality=3.0)]
    plan, _ = first_scan(exposures)
    plan.targets[0].rejected = []
    plan.targets[0].products[0].inputs.append(exposures[-1].name)
    (target,) = again(plan, None, exposures).targets
    assert len(target.products[0].inputs) == 7


@pytest.mark.parametrize(
    ("dates", "runs", "access"),
    [
        (["2016-01-01", "2017-01-01"], ["A", "B"], "public"),
        (["2016-01-01", "2030-01-01"], ["A", "A"], "pi:A until 2030-01-01"),
        (["2016-01-01", "2030-01-01"], ["A", "B"], "closed until 2030-01-01"),
        (["2016-01-01", ""], ["A", "A"], "unknown: no release date of some inputs"),
    ],
)
def test_who_may_have_it(dates, runs, access):
    inputs = [candidate(release_date=d, run=r) for d, r in zip(dates, runs, strict=True)]
    assert access_of(inputs, TODAY) == access
    inputs = [candidate(run=r, programme={"release_date": d}) for d, r in zip(dates, runs, strict=True)]
    assert access_of(inputs, TODAY) == access
