"""The cascade with the real recipes, on a simulated night of one IFU: raw frames to a deep cube."""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.quality.record import PRODUCT, ProductRecord, read_record
from musedeep.selection.campaign.plan_file import read_plan, write_plan
from tests.makers.one_ifu_night import one_ifu_night

pytestmark = pytest.mark.night


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """Plan and record of a campaign that has run, its first exposure with a SKY exposure."""
    place = tmp_path_factory.mktemp("campaign")
    plan_file, database = place / "deep.yaml", str(place / "c.sqlite")
    with one_ifu_night() as night:
        words = [str(night / "raw"), str(night / "static")]
        assert run(["catalogue", "add", *words, "--database", database]) == 0
        assert run(["campaign", "scan", str(plan_file), "--database", database, "--set", "min_obs=1"]) == 0
        plan = read_plan(plan_file)
        with_sky = plan.targets[0].model_copy(deep=True)
        with_sky.name = with_sky.products[0].name = "with sky"
        from musedeep.selection.catalogue.database import Catalogue

        with Catalogue.open(database) as catalogue:
            with_sky.products[0].sky = [one.name for one in catalogue.exposures(tag="SKY")]
        plan.targets.append(with_sky)
        # the stars of one IFU are few: their pattern is found with a coarser accuracy
        plan.settings.cascade.recipes = {"muse_astrometry": {"faccuracy": 5}}
        write_plan(plan_file, plan, with_sky.products[0].inputs)
        assert run(["campaign", "run", str(plan_file), "--memory", "3GiB"]) == 0
        yield (
            place,
            [
                read_record(ProductRecord, place / "deep/products" / name / "v1" / PRODUCT)
                for name in (plan.targets[0].products[0].name, "with_sky")
            ],
        )


def test_cubes_and_their_facts(campaign):
    place, records = campaign
    for record, method in zip(records, ("model", "subtract-model"), strict=True):
        with fits.open(place / "deep" / record.cube) as hdus:
            assert hdus[0].header["ESO PRO CATG"] == "DATACUBE_DEEP"
            assert hdus["DATA"].data.shape[0] > 3600 and np.isfinite(hdus["DATA"].data).mean() > 0.3
        assert len(record.used) == 2
        # the sky alone: there is nothing to align
        assert not record.aligned and len(record.alignment) == 10
        assert "2 images keep the offsets of their headers" in record.notes[-1]
        for one in record.exposures:
            assert one.ra_offset == one.dec_offset == 0.0
            assert one.saturated == 0 and abs(one.lambda_shift) < 0.2 and 0 < one.arc_days < 1
            assert abs(one.barycentric) < 31 and one.sky is (method == "subtract-model")
        posts = [step for step in record.steps if step.recipe == "muse_scipost"]
        assert [step.parameters["skymethod"] for step in posts] == [method] * 2


def test_the_last_step_as_the_record_has_it_makes_the_same_cube(campaign, tmp_path):
    place, records = campaign
    step = records[0].steps[-1]
    lines = [f"{place / 'deep' / path if not os.path.isabs(path) else path} {tag}" for path, tag in step.inputs]
    (tmp_path / "combine.sof").write_text("\n".join(lines) + "\n")
    words = [f"--{name}={value}" for name, value in step.parameters.items()]
    again = ["recipe", step.recipe, *words, "--output-dir", str(tmp_path), str(tmp_path / "combine.sof")]
    assert run(again) == 0
    with fits.open(Path(place / "deep" / records[0].cube)) as one, fits.open(tmp_path / "DATACUBE_FINAL.fits") as other:
        for name in ("DATA", "STAT"):
            np.testing.assert_array_equal(one[name].data, other[name].data)
