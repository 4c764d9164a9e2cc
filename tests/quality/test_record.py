"""Records of products."""

import pytest

from musedeep.errors import MusedeepError
from musedeep.quality.record import (
    ExposureRecord,
    ProductRecord,
    campaign_folder,
    folder_name,
    product_folder,
    products_of,
    read_record,
    write_record,
)
from musedeep.selection.campaign.plan_file import read_plan
from musedeep.storage.cubes.open_cube import open_cube
from tests.makers.finished_campaign import finished_campaign


def a_record():
    exposures = [
        ExposureRecord(name=f"MUSE.2017-06-16T0{k}:00:00.000", date_obs="", mjd=57920.0 + k, exposure_time=600.0)
        for k in range(3)
    ]
    exposures[1].excluded = "flux ratio 10.1"
    return ProductRecord(name="UDF 02+04", target="UDF", category="DATACUBE_DEEP", exposures=exposures)


def test_a_record_is_read_as_it_was_written(tmp_path):
    campaign = campaign_folder(tmp_path / "deep.yaml")
    folder = product_folder(campaign, "UDF 02+04", 2)
    folder.mkdir(parents=True)
    assert not products_of(campaign)
    write_record(a_record(), folder / "product.json")
    assert products_of(campaign) == [folder]
    found = read_record(ProductRecord, folder / "product.json")
    assert found == a_record()
    assert [one.mjd for one in found.used] == [57920.0, 57922.0]


@pytest.mark.parametrize(
    ("name", "folder"), [("UDF 02+04", "UDF_02+04"), ("../x", "x"), ("ε Ori", "Ori"), ("...", "product")]
)
def test_folders_of_products(name, folder):
    assert folder_name(name) == folder


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "JSON"),
        (b'{"name": "a", "target": "a", "category": "b", "colour": 3}', "colour"),
        (b'{"name": "a"}', "target"),
    ],
)
def test_a_damaged_record(tmp_path, content, said):
    path = tmp_path / "product.json"
    path.write_bytes(content)
    with pytest.raises(MusedeepError, match=rf"product.json: .*{said}.*make the product again"):
        read_record(ProductRecord, path)
    with pytest.raises(MusedeepError, match="No such file"):
        read_record(ProductRecord, tmp_path / "none.json")


def test_a_finished_campaign_has_the_files_of_its_records(tmp_path):
    made = finished_campaign(tmp_path, products=3, exposures=4, shape=(8, 40, 40))
    assert products_of(made.folder) == made.products
    for folder in made.products:
        record = read_record(ProductRecord, folder / "product.json")
        files = [record.cube, *record.images, record.exposure_map, record.offsets, *(s.log for s in record.steps)]
        for name in files + [one.image for one in record.exposures]:
            assert (made.folder / name).is_file() and name.startswith(str(folder.relative_to(made.folder)))
    names = [product.name for target in read_plan(made.plan).targets for product in target.products]
    assert names == ["FIELD-001", "FIELD-002", "FIELD-003"]
    assert open_cube(made.folder / made.record.cube).primary["ESO PRO CATG"] == "DATACUBE_DEEP"
