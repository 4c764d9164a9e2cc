"""The cascade on made-up recipes: what is made, again or not, and what a bad exposure costs."""

import shutil

import numpy as np
import pytest
from astropy.io import fits

from musedeep.campaign.cascade import nights
from musedeep.campaign.cascade.run import look, run_campaign
from musedeep.errors import MusedeepError
from musedeep.quality.record import PRODUCT, ProductRecord, folder_name, read_record
from tests.makers import made_up_scipost
from tests.makers.field_views import CENTRE
from tests.makers.made_up_campaign import make_campaign


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A campaign that has run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nights, "modules", lambda: made_up_scipost.MODULES)
        campaign = make_campaign(tmp_path_factory.mktemp("campaign") / "c")
        outcomes = run_campaign(campaign.request())
        yield campaign, outcomes


@pytest.fixture
def campaign(made, tmp_path, monkeypatch):
    """The same, in a place of its own, with made-up recipes."""
    monkeypatch.setattr(nights, "modules", lambda: made_up_scipost.MODULES)
    first, _ = made
    shutil.copytree(first.folder, tmp_path / "deep", copy_function=shutil.copy2)
    return type(first)(first.place, tmp_path / "deep.yaml", first.database, first.names)


def record_of(campaign) -> ProductRecord:
    return read_record(ProductRecord, campaign.folder / "products/field/v1" / PRODUCT)


def test_a_product_is_made_with_its_record(made):
    campaign, outcomes = made
    assert [(one.state, one.why, one.used, one.left_out) for one in outcomes] == [("made", "", 4, {})]
    record = record_of(campaign)
    assert [one.name for one in record.exposures] == campaign.names["OBJECT"] and not any(
        one.excluded for one in record.exposures
    )
    assert record.aligned and record.alignment[0].accepted
    for path in (record.cube, record.exposure_map, record.offsets, *record.images):
        assert (campaign.folder / path).exists()
    with fits.open(campaign.folder / record.cube) as hdus:
        assert hdus[0].header["ESO PRO CATG"] == "DATACUBE_DEEP"
        assert [hdu.name for hdu in hdus[1:3]] == ["DATA", "STAT"]
        assert hdus[0].verify_checksum() == 1 and hdus[0].verify_datasum() == 1
    with fits.open(campaign.folder / record.images[0]) as hdus:
        assert record.images[0].endswith("IMAGE_FOV_DEEP.fits") and hdus[0].header["ESO PRO CATG"] == "IMAGE_FOV_DEEP"
    first = record.exposures[0]
    for one in record.exposures:
        east, north = np.subtract(
            made_up_scipost.pointing_error(one.date_obs), made_up_scipost.pointing_error(first.date_obs)
        )
        assert one.ra_offset * 3600 * np.cos(np.radians(CENTRE[1])) == pytest.approx(east, abs=0.03)
        assert one.dec_offset * 3600 == pytest.approx(north, abs=0.03)
        assert (campaign.folder / one.image).exists() and (campaign.folder / one.pixel_tables[0]).exists()
        assert one.matched >= 3 and one.flux_ratio == pytest.approx(1.0, rel=0.05) and one.fwhm == 0.75
        assert one.arc_days < 1.0 and one.response_days < 0.5 and one.twilight and one.sky is False
    # nothing is left but what belongs there
    assert sorted(path.name for path in (campaign.folder / "products/field").iterdir()) == ["v1"]
    assert not list(campaign.folder.rglob(".*/*.part")) and not list(campaign.folder.rglob("DATACUBE_FINAL.fits"))


def test_steps_and_logs_tell_how_to_do_it_again(made):
    campaign, _ = made
    record = record_of(campaign)
    recipes = [step.recipe for step in record.steps]
    assert recipes.count("muse_scipost") == 4 and recipes.count("muse_scibasic") == 2 * (4 + 2 + 2)
    assert recipes[-2:] == ["muse_exp_align", "muse_exp_combine"]
    post = next(step for step in record.steps if step.recipe == "muse_scipost")
    assert post.parameters["skymethod"] == "model" and post.parameters["skymodel_fraction"] == "0.2"
    assert [tag for _, tag in post.inputs][:2] == ["PIXTABLE_OBJECT"] * 2
    for path, _ in record.steps[-1].inputs:
        assert (campaign.folder / path).exists()
    log = (campaign.folder / post.log).read_text()
    assert "# muse_scipost" in log and "--skymodel_fraction=0.2" in log and "PIXTABLE_OBJECT_0001-03.fits" in log
    assert all((campaign.folder / step.log).exists() for step in record.steps)


def test_what_is_up_to_date_is_not_made_again(campaign):
    before = record_of(campaign)
    [seen] = look(campaign.request())
    assert seen.state == "up to date"
    [outcome] = run_campaign(campaign.request())
    assert outcome.state == "up to date" and record_of(campaign) == before


def test_what_has_changed_is_made_again(campaign):
    plan = campaign.plan()
    plan.targets[0].products[0].inputs.pop()  # a reviewer has put an exposure aside
    [seen] = look(campaign.request(plan))
    assert (seen.state, seen.why) == ("to do", "what it is made from has changed")
    [outcome] = run_campaign(campaign.request(plan))
    assert outcome.state == "made" and len(record_of(campaign).exposures) == 3
    plan.targets[0].method = "crowded"
    [outcome] = run_campaign(campaign.request(plan))
    post = next(step for step in record_of(campaign).steps if step.recipe == "muse_scipost")
    assert outcome.state == "made" and post.parameters["skymethod"] == "none"


def test_the_command_of_a_plan_runs_on_the_cube_and_makes_no_other_cube(campaign):
    cube = campaign.folder / record_of(campaign).cube
    before = cube.read_bytes()
    for command, failure in (("sh -c 'exit 4'", "sh ended with status 4"), ("cp {cube} {folder}/clean.fits", "")):
        plan = campaign.plan(after_cube=command)
        [seen] = look(campaign.request(plan))
        assert (seen.state, seen.why) == ("to do", "the command on its cube has not been run, or has failed")
        [outcome] = run_campaign(campaign.request(plan))
        assert outcome.state == "up to date" and outcome.after_cube.failure == failure
        assert record_of(campaign).after_cube == outcome.after_cube
    assert cube.read_bytes() == before == (cube.parent / "after" / "clean.fits").read_bytes()
    [seen] = look(campaign.request(plan))
    assert seen.state == "up to date"
    # one that spoils the cube fails the product, which is made again at the next start
    plan = campaign.plan(after_cube="truncate -s 0 {cube}")
    [outcome] = run_campaign(campaign.request(plan))
    assert outcome.state == "failed" and "it has changed DATACUBE_DEEP.fits" in outcome.why
    [outcome] = run_campaign(campaign.request())
    assert outcome.state == "made" and cube.stat().st_size == len(before)


def test_a_bad_exposure_costs_itself_and_is_tried_again(campaign, monkeypatch):
    bad = campaign.names["OBJECT"][1]
    monkeypatch.setenv(made_up_scipost.FAIL, folder_name(bad))
    plan = campaign.plan(skymodel_fraction=0.3)
    [outcome] = run_campaign(campaign.request(plan))
    assert outcome.state == "made" and outcome.used == 3 and "no light" in outcome.left_out[bad]
    record = record_of(campaign)
    assert [one.name for one in record.exposures if one.excluded] == [bad]
    made = record.made
    [outcome] = run_campaign(campaign.request(plan))  # it fails again: nothing to combine anew
    assert outcome.state == "up to date" and outcome.used == 3 and record_of(campaign).made == made
    monkeypatch.delenv(made_up_scipost.FAIL)
    [outcome] = run_campaign(campaign.request(plan))
    assert outcome.state == "made" and outcome.used == 4 and not outcome.left_out


def test_a_raw_frame_that_is_gone_costs_its_exposure(campaign):
    request = campaign.request()
    bad = campaign.names["OBJECT"][0]
    request.archive.files = {**request.archive.files, bad: ["/nowhere/gone.fits"]}
    [outcome] = run_campaign(request)
    assert outcome.used == 3 and "/nowhere/gone.fits is gone; add the directory" in outcome.left_out[bad]


def test_a_wrong_standard_star_is_replaced(campaign, monkeypatch):
    """The first night has three exposures, and the second, with the wrong star, one."""
    star = campaign.names["STD"][1]
    monkeypatch.setenv(made_up_scipost.WRONG, folder_name(star))
    plan = campaign.plan(skymodel_fraction=0.3)
    plan.targets[0].products[0].inputs.pop()
    [outcome] = run_campaign(campaign.request(plan))
    bad = record_of(campaign).exposures[2]
    assert bad.name == campaign.names["OBJECT"][2] and outcome.used == 3 and not bad.excluded
    assert bad.flux_ratio == pytest.approx(10.0, rel=0.05)
    assert folder_name(campaign.names["STD"][0]) in bad.response and bad.response_days == pytest.approx(3.0, abs=0.1)
    assert "with the standard star" in outcome.notes[0]
    # what made the other response is in the log of the exposure, too; the astrometry of its night keeps its own
    log = (campaign.folder / "products/field/v1/logs" / f"{folder_name(bad.name)}.log").read_text()
    for one in campaign.names["STD"]:
        assert f"# muse_standard standard-{folder_name(one)}" in log
    assert f"{bad.response} STD_RESPONSE" in log
    [again] = run_campaign(campaign.request(plan))
    assert again.state == "up to date"


def test_where_half_of_the_exposures_are_off_nobody_can_say_which(campaign, monkeypatch):
    """Two nights with two exposures each, and no third standard star."""
    monkeypatch.setenv(made_up_scipost.WRONG, folder_name(campaign.names["STD"][1]))
    [outcome] = run_campaign(campaign.request(campaign.plan(skymodel_fraction=0.3)))
    assert outcome.used == 4 and "which of them are wrong cannot be told" in outcome.notes[0]


@pytest.mark.parametrize("tries", [0, 1])
def test_without_another_standard_star_the_exposure_is_put_aside(campaign, monkeypatch, tries):
    """The other one is of no help where the exposure itself is too bright."""
    bad = campaign.names["OBJECT"][2]
    monkeypatch.setenv(made_up_scipost.WRONG, folder_name(bad if tries else campaign.names["STD"][1]))
    plan = campaign.plan(skymodel_fraction=0.3, other_standards=tries)
    plan.targets[0].products[0].inputs.pop()
    [outcome] = run_campaign(campaign.request(plan))
    assert outcome.used == 2 and "flux scale 10" in outcome.left_out[bad]
    assert f"{tries} other standard stars were tried" in outcome.left_out[bad]
    assert [bool(one.excluded) for one in record_of(campaign).exposures] == [False, False, True]


def test_a_product_that_fails_costs_none_of_the_others(campaign, monkeypatch):
    plan = campaign.plan()
    one = plan.targets[0].products[0]
    plan.targets[0].products.append(one.model_copy(update={"name": "single", "inputs": one.inputs[:1]}))
    plan.targets[0].products.append(one.model_copy(update={"name": "pair", "inputs": one.inputs[:2]}))
    monkeypatch.setenv(made_up_scipost.FAIL, folder_name(one.inputs[0]))
    plan.settings.cascade.skymodel_fraction = 0.3
    told = []
    outcomes = run_campaign(campaign.request(plan), told.append)
    assert [one.state for one in outcomes] == ["made", "failed", "failed"] and told == outcomes
    assert outcomes[1].why == "one exposure: there is nothing to combine"
    assert outcomes[2].why.startswith("pair: one exposure is left of 2, a cube needs two; MUSE.")
    assert not list((campaign.folder / "products").glob("pair/*"))


def test_plans_that_cannot_be_run(campaign):
    plan = campaign.plan()
    request = campaign.request(plan, targets=["feild"])
    with pytest.raises(MusedeepError, match=r"no target .feild. in the plan; did you mean field\?"):
        run_campaign(request)
    plan.targets[0].products[0].inputs.append("MUSE.2020-01-01T00:00:00.000")
    with pytest.raises(MusedeepError, match=r"MUSE.2020-01-01T00:00:00.000 of the plan is not in the catalogue"):
        run_campaign(campaign.request(plan))
    with pytest.raises(MusedeepError, match="the plan has no product to make"):
        run_campaign(campaign.request(plan.model_copy(update={"targets": []})))


def test_two_campaigns_in_one_folder(campaign):
    plan = campaign.plan().model_copy(update={"campaign": "another"})
    [outcome] = run_campaign(campaign.request(plan))
    assert outcome.state == "failed" and "is a product of the campaign made" in outcome.why


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"recipes": {"muse_flot": {"samples": True}}}, "no recipe 'muse_flot'; did you mean muse_flat"),
        ({"recipes": {"muse_flat": {"sampels": True}}}, "muse_flat: no parameter 'sampels'"),
        ({"recipes": {"muse_scipost": {"crsigma": "much"}}}, "muse_scipost: crsigma=much is not a number"),
        ({"align": {"srcmin": 0}}, "muse_exp_align: srcmin=0 is out of range"),
        ({"combine": {"save": "zarr"}}, "settings.cascade.combine: save has no cube"),
        (
            {"discard": ["pixel-tables"], "recipes": {"muse_scipost": {"reduced": "corrections"}}},
            "muse_scipost with reduced=corrections needs them",
        ),
    ],
)
def test_parameters_are_checked_before_anything_is_done(campaign, settings, said):
    with pytest.raises(MusedeepError) as error:
        run_campaign(campaign.request(campaign.plan(**settings)))
    assert said in str(error.value)


def test_products_of_nights_are_discarded(campaign):
    plan = campaign.plan(discard=["pixel-tables", "masters"], skymodel_fraction=0.3)
    [outcome] = run_campaign(campaign.request(plan))
    assert outcome.state == "made"
    for kind in ("PIXTABLE_OBJECT", "PIXTABLE_STD", "MASTER_"):
        assert not list(campaign.folder.rglob(f"{kind}*"))
    assert len(list(campaign.folder.glob("nights/*/*/*/PIXTABLE_REDUCED*"))) == 4
    [again] = run_campaign(campaign.request(plan))
    assert again.state == "up to date"
    # what was discarded comes back where it is needed
    plan.settings.cascade.skymodel_fraction = 0.4
    [outcome] = run_campaign(campaign.request(plan))
    assert outcome.state == "made" and not list(campaign.folder.rglob("PIXTABLE_OBJECT*"))


def test_what_a_killed_run_has_left_half_renamed_is_put_right(campaign):
    product = campaign.folder / "products/field"
    (product / "v1").rename(product / ".v1.4711.old")
    (product / ".v7.making").mkdir()
    [outcome] = run_campaign(campaign.request())
    assert outcome.state == "up to date" and [path.name for path in product.iterdir()] == ["v1"]


def test_a_third_standard_star_decides_which_half_is_wrong(tmp_path, monkeypatch):
    campaign = make_campaign(tmp_path / "c", nights=3)
    monkeypatch.setattr(nights, "modules", lambda: made_up_scipost.MODULES)
    monkeypatch.setenv(made_up_scipost.WRONG, folder_name(campaign.names["STD"][0]))
    plan = campaign.plan()
    del plan.targets[0].products[0].inputs[4:]
    [outcome] = run_campaign(campaign.request(plan))
    record = record_of(campaign)
    assert outcome.used == 4 and len(outcome.notes) == 2
    assert [one.flux_ratio for one in record.exposures] == pytest.approx([10, 10, 1, 1], rel=0.05)
    others = [folder_name(campaign.names["STD"][1])] * 4
    assert all(star in one.response for star, one in zip(others, record.exposures, strict=True))
