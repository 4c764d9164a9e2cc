"""Quality control of whole campaigns, and its values in the catalogue."""

import os

import pytest

from musedeep.campaign.quality import assess_products, folders_of, limits_of, store_quality, up_to_date
from musedeep.errors import MusedeepError
from musedeep.quality.record import PRODUCT, QUALITY
from musedeep.selection.catalogue.database import Catalogue
from tests.makers.finished_campaign import finished_campaign


@pytest.fixture
def made(tmp_path):
    return finished_campaign(tmp_path, products=3, exposures=3, shape=(6, 40, 40), stars=4)


def test_products_are_judged_once_and_one_that_fails_costs_none_of_the_others(made, tmp_path):
    (made.products[1] / "DATACUBE_DEEP.fits").unlink()
    told = []
    judged = assess_products(made.products, figures=False, told=told.append)
    assert told == judged and [one.name for one in judged] == ["FIELD-001", "FIELD-002", "FIELD-003"]
    assert [one.quality is None for one in judged] == [False, True, False] and "no such file" in judged[1].why
    assert up_to_date(made.products[0]) and not up_to_date(made.products[1])
    assert [one.new for one in assess_products(made.products, figures=False)] == [False, True, False]
    os.utime(made.products[2] / PRODUCT, ns=(2**62, 2**62))
    assert not up_to_date(made.products[2])
    ranges = tmp_path / "mine.yaml"
    ranges.write_text("arc_days: {high: 0.1}")
    (one,) = assess_products(made.products[:1], ranges, figures=False, again=True)
    assert one.quality.flag[3] == "1"


def test_values_are_kept_in_the_catalogue_and_change_with_the_product(made, tmp_path):
    assess_products(made.products[:2], figures=False)
    with Catalogue.open(tmp_path / "c.sqlite", create=True) as catalogue:
        assert store_quality(catalogue, made.products) == 8
        rows = catalogue.rows("quality", path=str(made.products[0]))
        values = {row["keyword"]: row["text"] if row["number"] is None else row["number"] for row in rows}
        assert values["QC MUSEDEEP QCFLAG"].startswith("001") and values["QC MUSEDEEP EXPOSURES"] == 3.0
        (product,) = catalogue.rows("products", path=str(made.products[0]))
        assert product["object"] == "FIELD-001" and product["category"] == "DATACUBE_DEEP"
        assert product["raw"].split() == [one.name for one in made.record.exposures]
        image = str(made.folder / made.record.exposures[1].image)
        single = {row["keyword"] for row in catalogue.rows("quality", path=image)}
        assert {"QC MUSEDEEP FWHM", "QC MUSEDEEP BACKGROUND", "QC MUSEDEEP ABMAGLIM"} <= single
        before = catalogue.counts()
        store_quality(catalogue, made.products)
        assert catalogue.counts() == before


def test_depths_of_products_and_exposures(made):
    assess_products(made.products, figures=False)
    limits = limits_of(made.products)
    assert [one.name for one in limits if one.deep] == ["FIELD-001", "FIELD-002", "FIELD-003"]
    # exposures of several products count once
    assert sorted(one.name for one in limits if not one.deep) == sorted(one.name for one in made.record.exposures)
    assert {one.seconds for one in limits} == {4500.0, 1500.0}
    (made.products[0] / QUALITY).unlink()
    assert len(limits_of(made.products[:1])) == 0


def test_names_of_products(made, tmp_path):
    assert folders_of(made.folder, ["FIELD-003"]) == [made.products[2]]
    with pytest.raises(MusedeepError, match="no finished product FEILD-003; did you mean FIELD-003"):
        folders_of(made.folder, ["FEILD-003"])
    with pytest.raises(MusedeepError, match="no finished product; make them with"):
        folders_of(tmp_path / "none")
