"""A finished product is judged: flag, scores, findings, figures; whole or not at all."""

import shutil

import pytest

from musedeep.errors import MusedeepError
from musedeep.quality.assess import assess, measure
from musedeep.quality.product_files import open_product
from musedeep.quality.ranges import read_ranges
from musedeep.quality.record import PRODUCT, QUALITY, ProductRecord, QualityRecord, read_record, write_record
from tests.makers.finished_campaign import Trail, finished_campaign
from tests.makers.raw_frames import extension, raw_image, write_raw

SMALL = {"exposures": 4, "shape": (8, 60, 60)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("judged")
    return finished_campaign(place, shifted={2: 0.6}, trail=Trail(1, 120.0), pointing=0.0, **SMALL)


def changed(made, **values):
    """The record of the product with other values, written in its place."""
    folder = made.products[0]
    record = read_record(ProductRecord, folder / PRODUCT).model_copy(update=values)
    write_record(record, folder / PRODUCT)
    return record


def scores(quality, name):
    return {one.exposure: one.score for one in quality.scores if one.name == name}


def test_a_product_is_judged(made, tmp_path):
    folder = made.products[0]
    shutil.copytree(made.folder, tmp_path / "deep")
    folder = tmp_path / "deep" / folder.relative_to(made.folder)
    image = raw_image(nx=40, ny=30)
    image[10, :7] = 65535
    raw = tmp_path / "deep" / made.record.exposures[0].raw
    raw.parent.mkdir()
    write_raw(raw, [extension(image, 1, 40, 30)])
    (tmp_path / "deep" / made.record.exposures[1].raw).write_bytes(b"no raw frame")
    (folder / ".figures.1.part").mkdir()
    quality = assess(folder)
    assert quality == read_record(QualityRecord, folder / QUALITY)
    # no dedicated SKY; offsets differ by 0.6 arcsec
    assert quality.flag == "0010000001"
    assert list(scores(quality, "misaligned").values()) == [0, 0, 1, 0]
    assert list(scores(quality, "satellite").values()) == [0, 1, 0, 0]
    kinds = {one.kind: one.exposure for one in quality.findings}
    names = [one.name for one in made.record.exposures]
    assert kinds["misaligned"] == names[2] and kinds["extreme satellite"] == names[1]
    values = quality.values
    assert values["exposure_time"] == 6000.0 and values["naxis3"] == 8.0 and values["pointings"] == 1.0
    assert values["noise_ratio"] == pytest.approx(1.0, abs=0.1) and values["n_sources"] >= 1
    assert values["pixnoise"] == pytest.approx(4.0, abs=0.02) and 20 < values["abmaglim"] < 26
    shown = {"deep", "cascade", "fields", "depth", "alignment", "contact", *(f"single:{name}" for name in names)}
    assert set(quality.figures) == shown
    for path in quality.figures.values():
        assert (tmp_path / "deep" / path).read_bytes().startswith(b"\x89PNG")
    there = sorted(path.name for path in folder.iterdir())
    assert [name for name in there if name.startswith(".")] == []
    bright = measure(open_product(folder), read_ranges()).raws
    assert list(bright) == [names[0]] and bright[names[0]].saturated == 7


def test_an_over_subtracted_sky_sets_its_character(tmp_path):
    made = finished_campaign(tmp_path, oversubtracted=True, pointing=0.0, **SMALL)
    quality = assess(made.products[0], figures=False)
    assert quality.flag == "0010000100" and quality.values["histo_17"] < -20 and quality.figures == {}


def test_without_images_a_product_is_judged_by_its_cube(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "deep")
    folder = tmp_path / "deep" / made.products[0].relative_to(made.folder)
    record = made.record
    bare = [one.model_copy(update={"image": ""}) for one in record.exposures]
    write_record(record.model_copy(update={"exposures": bare, "exposure_map": "", "images": []}), folder / PRODUCT)
    found = measure(open_product(folder), read_ranges())
    assert found.singles is None and "no image" in {one.kind for one in found.quality.findings}
    assert found.quality.values["histo_17"] is not None and found.image.shape == (60, 60)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder, record: (folder / "DATACUBE_DEEP.fits").unlink(), "DATACUBE_DEEP.fits: no such file"),
        (lambda folder, record: (folder / "IMAGE_FOV_DEEP.fits").unlink(), "IMAGE_FOV_DEEP.fits: no such file"),
        (lambda folder, record: (folder / PRODUCT).unlink(), "product.json: No such file"),
        (
            lambda folder, record: (folder / "EXPOSURE_MAP.fits").write_bytes(
                (folder / "IMAGE_FOV_DEEP.fits").read_bytes()
            ),
            "EXPOSURE_MAP.fits: no extension EXPOSURES",
        ),
        (
            lambda folder, record: write_record(record.model_copy(update={"cube": ""}), folder / PRODUCT),
            "the product has no cube",
        ),
        (
            lambda folder, record: write_record(
                record.model_copy(
                    update={"exposures": [e.model_copy(update={"excluded": "bad"}) for e in record.exposures]}
                ),
                folder / PRODUCT,
            ),
            "no exposure is in the cube",
        ),
    ],
)
def test_a_product_that_is_not_whole(made, tmp_path, damage, said):
    shutil.copytree(made.folder, tmp_path / "deep")
    folder = tmp_path / "deep" / made.products[0].relative_to(made.folder)
    damage(folder, made.record)
    with pytest.raises(MusedeepError) as raised:
        assess(folder, figures=False)
    assert said in str(raised.value) and "\n" not in str(raised.value)
    assert not (folder / QUALITY).exists()


def test_a_folder_of_no_product(tmp_path):
    with pytest.raises(MusedeepError, match="no folder of a product"):
        assess(tmp_path)
