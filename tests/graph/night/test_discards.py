"""Pixel tables that go when nobody needs them any more, and come back when somebody does."""

import pytest

from musedeep.errors import MusedeepError
from musedeep.graph.night.discards import check_not_needed, freed_by, readers_of
from musedeep.graph.night.run import NightRequest, reduce_night
from musedeep.progress import Silent
from musedeep.recipes.registry import declared
from tests.graph.night.test_run import MODULES, all_sets_of, contents, logged
from tests.makers.tiny_nights import make_tiny_night

STEPS = ("bias", "dark", "flat", "wavecal", "lsf", "twilight", "scibasic", "scipost", "exp_align", "exp_combine")


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return make_tiny_night(tmp_path_factory.mktemp("made") / "night", objects=3)


def sets_of(night, output):
    table = night / "static" / "extinct_table.fits"
    files = dict.fromkeys(("STD_RESPONSE", "STD_TELLURIC", "ASTROMETRY_WCS", "SKY_LINES"), table)
    return [one for one in all_sets_of(night, output, files=files) if one.step in STEPS]


def reduced(night, output, until="exp_combine", discard=("pixel-tables",), dry_run=False, **parameters):
    given = {f"muse_{step}": parameters.get(step, {}) for step in STEPS}
    request = NightRequest(sets_of(night, output), output, MODULES, given, until, discard=discard)
    return reduce_night(request, Silent(), dry_run)


def tables(output, kind="OBJECT"):
    return sorted(path.name for path in output.glob(f"PIXTABLE_{kind}_*"))


@pytest.fixture(scope="module")
def kept(night, tmp_path_factory):
    """All products."""
    output = tmp_path_factory.mktemp("kept") / "reduced"
    outcome = reduced(night, output, discard=())
    assert not outcome.failed and not outcome.discarded and len(tables(output)) == 6
    return contents(output)


def test_readers(night, tmp_path):
    readers = readers_of(sets_of(night, tmp_path), ["pixel-tables"])
    assert {
        str(tmp_path / f"PIXTABLE_OBJECT_000{k}-0{ifu}.fits"): (f"scipost-{k}",) for k in (1, 2, 3) for ifu in (3, 7)
    } == readers


def test_bytes_that_go():
    readers = {"a": ("two",), "b": ("two", "three"), "c": ("beyond",)}
    todo = {"one": {"a": 5, "b": 7, "c": 9, "unread": 1}, "two": {}, "three": {}}
    assert freed_by(todo, readers) == {"two": 5, "three": 7} and freed_by(todo, {}) == {}


def test_the_same_products_without_the_tables(night, kept, tmp_path):
    output = tmp_path / "reduced"
    first = reduced(night, output, until="scibasic")
    # nobody has read them
    assert len(tables(output)) == 6 and not first.discarded
    outcome = reduced(night, output)
    assert not tables(output) and len(outcome.discarded) == 6
    # tables whose reader is no part of the night stay
    assert tables(output, "STD")
    gone = {path.name for path in outcome.discarded}
    assert contents(output) == {name: text for name, text in kept.items() if name not in gone}
    for discard in (("pixel-tables",), ()):
        again = reduced(night, output, discard=discard)
        assert not again.made and len(again.earlier) == len(outcome.plan.tasks) and not again.discarded
    # a cube that is lost needs no table
    (output / "exp_combine" / "DATACUBE_FINAL.fits").unlink()
    assert reduced(night, output).made == ["exp_combine"]


def test_a_later_start_discards_what_an_earlier_one_has_kept(night, kept, tmp_path):
    output = tmp_path / "reduced"
    reduced(night, output, discard=())
    outcome = reduced(night, output)
    assert not outcome.made and not tables(output) and len(outcome.discarded) == 6


def test_tables_that_are_needed_again_are_made_again(night, kept, tmp_path):
    output = tmp_path / "reduced"
    reduced(night, output)
    with logged() as lines:
        plan = reduced(night, output, scipost={"order": "4"}, dry_run=True)
        outcome = reduced(night, output, scipost={"order": "4"})
    scibasic = [f"scibasic-OBJECT-0{ifu}" for ifu in (3, 7)]
    later = ["scipost-1", "scipost-2", "scipost-3", "exp_align", "exp_combine"]
    assert sorted(outcome.made) == sorted(plan.made) == sorted([*scibasic, *later]) and not tables(output)
    assert f"done again, discarded products are needed again: {', '.join(scibasic)}" in lines
    # one exposure is gone: its tables are made again, and with them those of the others, which nobody reads now
    (output / "scipost-2" / "PIXTABLE_REDUCED_0001.fits").unlink()
    outcome = reduced(night, output, discard=(), scipost={"order": "4"})
    assert sorted(outcome.made) == [*scibasic, "scipost-2"] and len(tables(output)) == 6
    outcome = reduced(night, output)
    assert set(outcome.made) == set(later) and not tables(output)
    assert contents(output).items() <= kept.items()


def test_tables_of_what_failed_stay(night, kept, tmp_path):
    output = tmp_path / "reduced"
    outcome = reduced(night, output, scipost={"failing": "scipost-2"})
    assert list(outcome.failed) == ["scipost-2"]
    assert tables(output) == [f"PIXTABLE_OBJECT_0002-0{ifu}.fits" for ifu in (3, 7)]
    outcome = reduced(night, output, scipost={"failing": ""})
    assert set(outcome.made) == {"scipost-1", "scipost-2", "scipost-3", "exp_align", "exp_combine"} | {
        f"scibasic-OBJECT-0{ifu}" for ifu in (3, 7)
    }


def test_tables_stay_where_an_ifu_is_missing_and_will_be_tried_again(night, tmp_path):
    output = tmp_path / "reduced"
    outcome = reduced(night, output, wavecal={"failing": "wavecal-07"})
    assert "scipost-1" in outcome.made and not outcome.discarded and len(tables(output)) == 3
    again = reduced(night, output, wavecal={"failing": "wavecal-07"})
    assert not again.made
    last = reduced(night, output, wavecal={"failing": ""})
    assert "scipost-1" in last.made and not last.failed and not tables(output)


def test_masters_go_too_and_come_back_with_what_needs_them(night, kept, tmp_path):
    output = tmp_path / "reduced"
    both = ("pixel-tables", "masters")
    outcome = reduced(night, output, discard=both)
    # of two IFUs: bias, dark, flat, and three exposures; STD, SKY and ASTROMETRY have no readers here
    assert len(outcome.discarded) == 12 and not list(output.glob("MASTER_*")) and list(output.glob("TRACE_TABLE-*"))
    assert contents(output).items() <= kept.items()
    assert not reduced(night, output, discard=both).made
    (output / "scipost-2" / "PIXTABLE_REDUCED_0001.fits").unlink()
    outcome = reduced(night, output, discard=both)
    again = {f"{step}-0{ifu}" for step in ("bias", "dark", "flat", "scibasic-OBJECT") for ifu in (3, 7)}
    assert set(outcome.made) == {*again, "scipost-2"} and not list(output.glob("MASTER_*")) and not tables(output)
    assert contents(output).items() <= kept.items()


def test_the_plan_reckons_with_what_goes(night, tmp_path):
    output = tmp_path / "reduced"
    needs = [
        reduced(night, output, discard=kinds, dry_run=True).disk.need
        for kinds in ((), ("pixel-tables",), ("pixel-tables", "masters"))
    ]
    assert needs[0] > needs[1] > needs[2]


def test_pixel_tables_that_are_corrected_later_have_to_stay():
    recipe = declared()["muse_scipost"]
    rows, corrections = (recipe.parse({"reduced": kind}) for kind in ("rows", "corrections"))
    check_not_needed(("pixel-tables", "masters"), {"muse_scipost": rows})
    check_not_needed(("masters",), {"muse_scipost": corrections})
    with pytest.raises(MusedeepError, match="--discard pixel-tables: muse_scipost with reduced=corrections needs them"):
        check_not_needed(("pixel-tables",), {"muse_scipost": corrections})
