"""The nights of a campaign: their calibrations, and the sets-of-frames of each exposure."""

import shutil
from pathlib import Path

import pytest

from musedeep.campaign.cascade.archive import Archive, NightKey
from musedeep.campaign.cascade.night_sets import Wanted, night_sets
from musedeep.campaign.cascade.nights import fingerprint, plan_nights, wanted_of
from musedeep.graph.night.plan import plan_night
from musedeep.quality.record import folder_name
from musedeep.selection.campaign.cascade_settings import CascadeSettings
from musedeep.selection.catalogue.collect import collect
from musedeep.selection.catalogue.database import Catalogue
from tests.makers.made_up_campaign import MadeUpCampaign, make_campaign


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    return make_campaign(tmp_path_factory.mktemp("campaign") / "c")


def sets_of(campaign, wanted, night=0, settings=None):
    settings = settings or CascadeSettings()
    archive = campaign.request().archive
    key = archive.night_of(campaign.names["OBJECT"][2 * night])
    return night_sets(archive, key, key.folder(campaign.folder), wanted, settings)


def tags(one):
    return [tag for _, tag in one.frames]


def test_each_exposure_has_sets_of_its_own(campaign):
    names = campaign.names["OBJECT"][:2]
    sets = sets_of(campaign, [Wanted(name) for name in names])
    assert not sets.missing and list(sets.exposures) == names
    for name in names:
        post = sets.exposures[name]
        behind = sets.behind(post)
        own = [one for one in behind if one.step == "scibasic" and "OBJECT" in one.name]
        assert [one.ifu for one in own] == [3, 7] and all(folder_name(name) in one.directory for one in own)
        assert all(tags(one).count("OBJECT") == 1 for one in own)
        assert tags(post)[:2] == ["PIXTABLE_OBJECT"] * 2 and "STD_RESPONSE" in tags(post)
        assert not [one for one in behind if folder_name(names[1 - names.index(name)]) in one.name]
    assert {one.step for one in sets.sets} & {"exp_align", "exp_combine", "create_sky"} == set()
    assert len(plan_night(sets.sets).tasks) == len(sets.sets)  # all that is needed comes before


def test_another_exposure_changes_nothing_for_the_first(campaign):
    first, second = campaign.names["OBJECT"][:2]
    settings = CascadeSettings()
    keys = []
    for wanted in ([Wanted(first)], [Wanted(first), Wanted(second)]):
        sets = sets_of(campaign, wanted)
        keys.append(fingerprint(sets, sets.exposures[first], settings))
    assert keys[0] == keys[1]


def test_parameters_are_those_of_the_release(campaign):
    settings = CascadeSettings(recipes={"muse_scipost": {"lambdamin": 5000.0}})
    model = Wanted("a").parameters(settings)
    assert model == {
        "save": "cube,individual,skymodel", "skymethod": "model", "rvcorr": "bary", "skymodel_fraction": "0.2",
        "lambdamin": "5000.0",
    }  # fmt: skip
    assert Wanted("a", crowded=True).parameters(settings)["skymethod"] == "none"
    for crowded in (True, False):
        assert Wanted("a", crowded, sky="b").parameters(settings)["skymethod"] == "subtract-model"


def test_the_sky_of_an_exposure_is_its_own(campaign):
    names, sky = campaign.names["OBJECT"][:2], campaign.names["SKY"][0]
    sets = sets_of(campaign, [Wanted(names[0], sky=sky), Wanted(names[1])])
    made = [one for one in sets.sets if one.step == "create_sky"]
    assert [one.directory for one in made] == [folder_name(sky)]
    with_sky, without = (sets.exposures[name] for name in names)
    assert {path for path, tag in with_sky.frames if tag in ("SKY_LINES", "SKY_CONTINUUM")} == set(made[0].products)
    assert "SKY_CONTINUUM" not in tags(without) and tags(without).count("SKY_LINES") == 1
    assert made[0] in sets.behind(with_sky) and made[0] not in sets.behind(without)
    # no SKY frame is reduced by scipost
    assert sum(one.step == "scipost" for one in sets.sets) == 2


def test_a_product_finds_the_sky_of_the_same_night(campaign):
    request = campaign.request()
    target = request.plan.targets[0]
    product = target.products[0].model_copy(update={"sky": campaign.names["SKY"]})
    found = wanted_of(request.archive, target, product)
    assert [one.sky for one in found] == [campaign.names["SKY"][0]] * 2 + [campaign.names["SKY"][1]] * 2
    product.sky = campaign.names["SKY"][:1]
    assert [one.sky for one in wanted_of(request.archive, target, product)][2:] == ["", ""]


def test_nights_that_are_needed(campaign):
    request = campaign.request()
    target = request.plan.targets[0]
    nights = plan_nights(request, wanted_of(request.archive, target, target.products[0]))
    assert [key.date for key in nights.sets] == ["2014-12-09", "2014-12-12"] and not nights.failed
    assert [len(sets.exposures) for sets in nights.sets.values()] == [2, 2]
    only = target.products[0].model_copy(update={"inputs": campaign.names["OBJECT"][2:]})
    assert list(plan_nights(request, wanted_of(request.archive, target, only)).sets) == [
        NightKey("2014-12-12", "WFM-NOAO-N")
    ]


@pytest.fixture
def incomplete(tmp_path, campaign):
    """A function that makes the same campaign without some raw frames of the second night."""

    def make(*gone: str) -> MadeUpCampaign:
        for night in ("night-0", "night-1"):
            shutil.copytree(campaign.place / night, tmp_path / night)
        database = tmp_path / "catalogue.sqlite"
        later = {name for tag in gone for name in campaign.names[tag][len(campaign.names[tag]) // 2 :]}
        for name in later:
            next((tmp_path / "night-1" / "raw").glob(f"{name}*")).unlink()
        with Catalogue.open(database, create=True) as catalogue:
            from musedeep.progress import Silent

            collect(catalogue, [tmp_path / "night-0", tmp_path / "night-1"], Silent())
        return MadeUpCampaign(tmp_path, tmp_path / "deep.yaml", database, campaign.names)

    return make


def test_masters_of_another_night_stand_in(incomplete):
    campaign = incomplete("STD", "FLAT", "SKYFLAT", "ARC")
    sets = sets_of(campaign, [Wanted(campaign.names["OBJECT"][2])], night=1)
    assert not sets.missing
    post = sets.exposures[campaign.names["OBJECT"][2]]
    raws = {Path(path).name: tag for one in sets.behind(post) for path, tag in one.frames if tag in campaign.names}
    for tag in ("STD", "FLAT", "SKYFLAT", "ARC"):
        used = {name.removesuffix(".fits") for name, kind in raws.items() if kind == tag}
        assert used == set(campaign.names[tag][: len(campaign.names[tag]) // 2])
    assert {name[:15] for name, kind in raws.items() if kind == "BIAS"} == {"MUSE.2014-12-12"}  # its own
    assert folder_name(campaign.names["STD"][0]) in sets.standard


def test_calibrations_that_are_too_far_away_are_not_taken(incomplete):
    campaign = incomplete("FLAT")
    plan = campaign.plan(farthest={"FLAT": 1.0})
    request = campaign.request(plan)
    nights = plan_nights(request, wanted_of(request.archive, plan.targets[0], plan.targets[0].products[0]))
    assert list(nights.failed) == campaign.names["OBJECT"][2:]
    assert all("no FLAT" in why for why in nights.failed.values())


def test_an_archive_knows_files_and_standard_stars(campaign, tmp_path):
    archive = campaign.request().archive
    first, second = campaign.names["STD"]
    night = archive.night_of(campaign.names["OBJECT"][2])
    mjd = archive.of(campaign.names["OBJECT"][2]).mjd
    assert archive.standards(night, mjd) == [second, first]
    name = campaign.names["OBJECT"][0]
    archive.files = {name: [str(archive.path(name)) + ".fz", str(archive.path(name))]}
    assert archive.path(name).suffix == ".fits"
    assert {frame.tag for frame in archive.frames(list(archive.calibrations))} >= {"SKY_LINES", "EXTINCT_TABLE"}
    with Catalogue.open(campaign.database) as catalogue:
        settings = CascadeSettings(calibrations=["night-0/static"])
        again = Archive.read(catalogue, settings, campaign.folder)
    assert sorted(again.calibrations) == sorted(archive.calibrations)
