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
