"""From exposures to a plan, and from a plan that a person has edited to the next one."""

from datetime import date

import pytest

from musedeep.errors import MusedeepError
from musedeep.selection.campaign.access import access_of
from musedeep.selection.campaign.plan_file import Memory, Product, Remark, Settings
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
    assert first_scan(many())[0].targets[0].state == "ready"


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
    assert target.deeper.startswith("1 new exposures, 1500 s")
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
