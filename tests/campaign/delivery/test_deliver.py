"""Deliveries: complete folders, headers, access, versions; what cannot be delivered says why and leaves nothing."""

import csv
import errno
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.campaign.delivery import deliver as delivering
from musedeep.campaign.delivery.manifest import DeliveredProduct
from musedeep.campaign.validate.validate import validate
from musedeep.cli.main import run
from musedeep.quality.record import (
    PRODUCT,
    QUALITY,
    ProductRecord,
    QualityRecord,
    ReviewRecord,
    read_record,
    write_record,
)
from musedeep.storage.fits.header_cards import sign
from musedeep.storage.lock import output_lock
from tests.makers.certified_campaign import TODAY, CertifiedCampaign, certified_campaign, review

STAMPS = ["04:48:00.000", "05:24:00.000", "06:00:00.000", "06:35:59.999"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> CertifiedCampaign:
    """Two certified products, delivered."""
    campaign = certified_campaign(tmp_path_factory.mktemp("deliver"), products=2)
    assert run(campaign.arguments()) == 0
    return campaign


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> CertifiedCampaign:
    """A certified product, to be copied."""
    return certified_campaign(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def campaign(kept, tmp_path) -> CertifiedCampaign:
    return kept.copy(tmp_path / "own")


def edit(campaign: CertifiedCampaign, number: int = 0, **facts: object) -> None:
    """Change the record of a product."""
    path = campaign.products[number] / PRODUCT
    write_record(read_record(ProductRecord, path).model_copy(update=facts), path)


def edit_exposures(campaign: CertifiedCampaign, **facts: list) -> None:
    """Give exposures facts, one after the other."""
    record = read_record(ProductRecord, campaign.products[0] / PRODUCT)
    exposures = [
        one.model_copy(update={key: values[k] for key, values in facts.items()})
        for k, one in enumerate(record.exposures)
    ]
    edit(campaign, exposures=exposures)


def files(place: Path) -> list[str]:
    return sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())


def index(output: Path) -> dict[str, dict]:
    rows = json.loads((output / "index.json").read_text())["products"]
    return {f"{one['product']} v{one['version']}": one for one in rows}


def delivered(campaign: CertifiedCampaign) -> Path:
    return campaign.folder / "delivery/FIELD-001/v1"


def test_a_folder_is_complete(made):
    """One cube, one image, one exposure map, one log, a figure of the product and one of each exposure (PRD-12)."""
    day, place = "2017-06-16T", delivered(made)
    original = f"1000_{day}{STAMPS[0]}_WFM-NOAO-N_OBJ.fits"
    assert files(place) == sorted(
        [f"MU_SCBD_{original}", f"MU_SIMD_{original}", f"MU_SXPM_{original}", f"r.MUSE.{day}{STAMPS[0]}_dpc.log",
         f"r.MUSE.{day}{STAMPS[0]}_dpc.png", *(f"r.MUSE.{day}{one}_pst.png" for one in STAMPS),
         "checksums.sha256", "delivery.json"]
    )  # fmt: skip
    assert files(made.folder / "delivery")[-3:] == ["index.csv", "index.html", "index.json"]
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "checksums.sha256"], cwd=place, check=True)
    assert len((place / "checksums.sha256").read_text().splitlines()) == 9


def test_the_data_are_those_of_the_product(made):
    (cube,), (image,), (seconds,) = (delivered(made).glob(f"{start}*") for start in ("MU_SCBD", "MU_SIMD", "MU_SXPM"))
    with fits.open(made.products[0] / "DATACUBE_DEEP.fits") as old, fits.open(cube, checksum=True) as new:
        for name in ("DATA", "STAT"):
            assert np.array_equal(old[name].data, new[name].data, equal_nan=True)
        assert new[0].header["DATAMD5"] == old[0].header["DATAMD5"]
    with fits.open(made.products[0] / "IMAGE_FOV_DEEP.fits") as old, fits.open(image, checksum=True) as new:
        assert np.array_equal(old["DATA"].data, new["DATA"].data, equal_nan=True)
    with fits.open(made.products[0] / "EXPOSURE_MAP.fits") as old, fits.open(seconds, checksum=True) as new:
        assert len(new) == 2 and new[1].header["NAXIS"] == 2
        assert np.array_equal(old["EXPTIME_IMAGE"].data, new["DATA"].data)


def test_the_header_of_a_cube(made):
    (cube,) = delivered(made).glob("MU_SCBD*")
    header = fits.getheader(cube)
    names = [f"MUSE.2017-06-16T{one}.fits" for one in STAMPS]
    assert [header[f"PROV{k}"] for k in range(1, 5)] == names and "PROV5" not in header
    assert [header["OBID1"], header["OBID2"]] == [1000, 1001] and "OBID3" not in header
    assert header["PROG_ID"] == "099.A-0001(A)" and "PROGID1" not in header
    assert (header["ORIGFILE"], header["PRODCATG"]) == (cube.name, "SCIENCE.CUBE.IFS")
    assert header["ESO PRO CATG"] == "DATACUBE_DEEP"
    assert (header["QCFLAG"], header["SM_VM"]) == ("0010000000", "SM")
    assert [header["QC_COMM1"], header["QC_COMM2"]] == ["good, see figure 3", "AO exposures with waves in the blue"]
    assert (header["NCOMBINE"], header["TEXPTIME"], header["MJD-OBS"]) == (4, 6000.0, 57920.2)
    assert header["MJD-END"] == pytest.approx(57920.275 + 1500.0 / 86400.0, abs=1e-9)
    # the field has 40 x 40 spaxels: the nominal 90000 would give it more time than there was
    assert 5900.0 < header["EXPTIME"] <= 6000.0 and "spaxels with data" in header.comments["EXPTIME"]
    associated = [header[f"ASSON{k}"] for k in range(1, 9)]
    assert [name[:7] for name in associated[:2]] == ["MU_SIMD", "MU_SXPM"] and associated[2].endswith("_dpc.log")
    assert "ASSOC1" not in header and "ASSOM2" not in header
    assert [header[f"ASSOC{k}"] for k in range(3, 9)] == ["ANCILLARY.README"] + ["ANCILLARY.PREVIEW"] * 5
    for key in ("FILTER", "SPEC_BIN", "CDELT1", "ARCFILE", "PROV01", "LONGSTRN", "CONTINUE"):
        assert key not in header
    assert b"CONTINUE" not in cube.read_bytes()


def test_what_is_in_the_index(made):
    output = made.folder / "delivery"
    rows = index(output)
    assert list(rows) == ["FIELD-001 v1", "FIELD-002 v1"]
    one = rows["FIELD-001 v1"]
    assert (one["state"], one["access"], one["folder"]) == ("current", "public", "FIELD-001/v1")
    assert (one["exposures"], one["seconds"], one["obs"]) == (4, 6000.0, ["1000", "1001"])
    assert one["acknowledgement"].endswith("under ESO programme 099.A-0001(A).")
    assert one["certified"] == "2017-07-02T09:00:00 A. Reviewer"
    assert one["epochs"] == [{"night": "2017-06-15", "exposures": 4, "seconds": 6000.0}]
    own = {"checksums.sha256", "delivery.json"}
    assert {file["name"] for file in one["files"]} == set(files(output / "FIELD-001/v1")) - own
    with open(output / "index.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["product"] for row in table] == ["FIELD-001", "FIELD-002"] and table[0]["obs"] == "1000 1001"
    page = (output / "index.html").read_text()
    assert 'href="FIELD-001/v1/"' in page and one["acknowledgement"] in page and "http" not in page
    # links to names with colons would be taken for schemes
    assert 'href="FIELD-001/v1/MU_SCBD_1000_2017-06-16T04%3A48%3A00.000_WFM-NOAO-N_OBJ.fits"' in page


def test_again_nothing_changes(made, capsys):
    output = made.folder / "delivery"
    before = {name: (output / name).stat().st_mtime_ns for name in files(output) if not name.startswith("index")}
    assert run(made.arguments()) == 0
    assert " now " not in capsys.readouterr().out
    assert {name: (output / name).stat().st_mtime_ns for name in files(output) if name in before} == before


def test_one_target_elsewhere(campaign, tmp_path, capsys):
    assert run(campaign.arguments("--target", "FIELD-001", "--output", str(tmp_path / "out"))) == 0
    assert files(tmp_path / "out/FIELD-001") and not (campaign.folder / "delivery").exists()
    assert run(campaign.arguments("--target", "FIELD-009")) == 1
    assert "--target FIELD-009: no finished product of it; there are FIELD-001" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("runs", "release", "access"),
    [
        ("AABB", {}, "public"),
        ("AABB", {"A": TODAY}, "public"),
        ("AABB", {"A": "2027-05-01", "B": "2027-04-01"}, "closed until 2027-05-01"),
        ("AABB", {"A": "2027-05-01"}, "closed until 2027-05-01"),
        ("AAAA", {"A": "2027-05-01"}, "pi:A until 2027-05-01"),
        ("AAAA", {"A": ""}, "unknown: no release date of some inputs"),
    ],
)
def test_access(tmp_path, runs, release, access, capsys):
    """Public if all inputs are; of one run its PI's until then; of several nobody's (ACC-1)."""
    campaign = certified_campaign(tmp_path, release, runs=tuple(runs))
    output = campaign.folder / "delivery"
    assert run(campaign.arguments("--public")) == 0
    assert output.exists() == (access == "public")
    if access != "public":
        assert f"left out: FIELD-001 v1: {access}" in capsys.readouterr().out
    assert run(campaign.arguments()) == 0
    assert index(output)["FIELD-001 v1"]["access"] == access
    (log,) = delivered(campaign).glob("*.log")
    assert f" {access}\n" in log.read_text()
    # the day comes: the index is of the day, without another delivery
    assert run([word if word != TODAY else "2027-05-02" for word in campaign.arguments()]) == 0
    assert index(output)["FIELD-001 v1"]["access"] == (access if "unknown" in access else "public")
    header = fits.getheader(next(delivered(campaign).glob("MU_SCBD*")))
    several = len(set(runs)) > 1
    assert header["PROG_ID"] == ("MULTI" if several else "A")
    assert [header.get("PROGID1"), header.get("PROGID2")] == (["A", "B"] if several else [None, None])
    assert [one.line for one in validate(sorted(output.rglob("*.fits")))] == []


def test_a_deeper_version_supersedes(campaign):
    """The older one stays as it is (VER-1)."""
    output = campaign.folder / "delivery"
    assert run(campaign.arguments()) == 0
    old = {name: (output / "FIELD-001" / name).read_bytes() for name in files(output / "FIELD-001")}
    deeper = campaign.folder / "products/FIELD-001/v2"
    shutil.copytree(campaign.products[0], deeper)
    text = (deeper / PRODUCT).read_text()
    (deeper / PRODUCT).write_text(text.replace("FIELD-001/v1/", "FIELD-001/v2/"))
    record = read_record(ProductRecord, deeper / PRODUCT)
    write_record(record.model_copy(update={"version": 2}), deeper / PRODUCT)
    review(campaign.folder, deeper, "certified")
    assert run(campaign.arguments()) == 0
    rows = index(output)
    assert rows["FIELD-001 v1"]["state"] == "superseded by FIELD-001 v2"
    assert (rows["FIELD-001 v2"]["state"], rows["FIELD-001 v2"]["supersedes"]) == ("current", "FIELD-001 v1")
    assert {name: (output / "FIELD-001" / name).read_bytes() for name in old} == old
    assert [one.line for one in validate(sorted(output.rglob("*.fits")))] == []


def test_a_delivered_version_is_never_replaced(campaign, capsys):
    assert run(campaign.arguments()) == 0
    place = delivered(campaign)
    before = {name: (place / name).read_bytes() for name in files(place)}
    edit(campaign, made="2018-01-01T00:00:00")
    assert run(campaign.arguments()) == 1
    said = capsys.readouterr().err
    assert "from other records, and is never replaced; make a new version of FIELD-001" in said
    assert {name: (place / name).read_bytes() for name in files(place)} == before


@pytest.mark.parametrize("state", ["review", "rejected"])
def test_only_certified_products(tmp_path, state, capsys):
    campaign = certified_campaign(tmp_path, state=state)
    assert run(campaign.arguments()) == 0
    assert not (campaign.folder / "delivery").exists()
    said = capsys.readouterr().out
    assert ("FIELD-001 v1: rejected" if state == "rejected" else "1 products are not certified") in said
    assert run(campaign.arguments("--uncertified")) == 0
    assert delivered(campaign).exists() == (state == "review")


def test_a_product_that_has_to_be_made_again(campaign, capsys):
    """Because an exposure was excluded after it was certified."""
    path = campaign.products[0] / "review.json"
    review = read_record(ReviewRecord, path)
    write_record(review.model_copy(update={"redo": ["without MUSE.1: alignment"]}), path)
    assert run(campaign.arguments()) == 0
    assert "left out: FIELD-001 v1: has to be made again: without MUSE.1: alignment" in capsys.readouterr().out
    assert not (campaign.folder / "delivery").exists()


def test_without_records_of_quality(campaign, capsys):
    (campaign.products[0] / QUALITY).unlink()
    assert run(campaign.arguments()) == 1
    assert "no figure of the product in quality.json; run quality control again" in capsys.readouterr().err
    (campaign.products[0] / "review.json").unlink()
    assert run(campaign.arguments("--uncertified")) == 0
    assert "FIELD-001 v1: missing: figure of exposure MUSE.2017-06-16T05:24:00.000" in capsys.readouterr().out
    place = delivered(campaign)
    assert not list(place.glob("*.png")) and [one.line for one in validate(sorted(place.glob("*.fits")))] == []


def test_mixed_modes(campaign):
    """The name has the mode of the first frame, the log all of them (PRD-8)."""
    edit_exposures(campaign, mode=["WFM-AO-N", "WFM-NOAO-N", "WFM-NOAO-N", "WFM-AO-N"])
    assert run(campaign.arguments()) == 0
    (cube,), (log,) = (delivered(campaign).glob(one) for one in ("MU_SCBD*", "*.log"))
    assert "_WFM-AO-N_OBJ" in cube.name
    modes = [line.split()[1] for line in log.read_text().splitlines() if line.startswith("INSMODE:")]
    assert modes == ["WFM-AO-N", "WFM-NOAO-N"]


def test_velocities_that_differ(campaign, capsys):
    """More than 30 km/s broaden what is left of telluric lines (KNO-2)."""
    edit_exposures(campaign, barycentric=[-16.0, 0.0, 3.0, 15.0])
    assert run(campaign.arguments()) == 0
    assert "FIELD-001 v1: barycentric velocities differ by 31.0 km/s" in capsys.readouterr().out
    assert index(campaign.folder / "delivery")["FIELD-001 v1"]["velocities"] == pytest.approx(31.0)


def test_settings(campaign, tmp_path):
    path = tmp_path / "delivery.yaml"
    path.write_text("sm_vm_keyword: OBSMODE\ncomment_keyword: QCREM\nreference: 10.18727/archive/42\ndoi: 10.1/x\n")
    assert run(campaign.arguments("--settings", str(path))) == 0
    (cube,) = delivered(campaign).glob("MU_SCBD*")
    header = fits.getheader(cube)
    assert (header["OBSMODE"], header["REFERENC"]) == ("SM", "10.18727/archive/42")
    assert header["QCREM1"] == "good, see figure 3" and "SM_VM" not in header and "QC_COMM1" not in header
    assert index(campaign.folder / "delivery")["FIELD-001 v1"]["acknowledgement"].endswith("Data: 10.1/x.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sm_keyword: X\n", "unknown key 'sm_keyword'; did you mean sm_vm_keyword?"),
        (
            "sm_vm_keyword: TOO_LONG_FOR_FITS\n",
            "sm_vm_keyword: 'TOO_LONG_FOR_FITS' is not right; it has to be a keyword",
        ),
        ("reference: soon\n", "reference: 'soon' is not right; it has to be a bibcode of 19 characters or a DOI"),
        ("origin: [1]\n", "origin: [1] is not right; it has to be text"),
        ("- 1\n", "a file of settings of a delivery has the keys"),
    ],
)
def test_wrong_settings(campaign, tmp_path, text, said, capsys):
    (tmp_path / "s.yaml").write_text(text)
    assert run(campaign.arguments("--settings", str(tmp_path / "s.yaml"))) == 1
    assert said in capsys.readouterr().err


def test_long_comments_and_accents(tmp_path):
    """No value is longer than its card, nor outside ASCII."""
    campaign = certified_campaign(tmp_path, findings=("Köhler's remark: " + "waves in the blue, " * 12,))
    assert run(campaign.arguments()) == 0
    (cube,) = delivered(campaign).glob("MU_SCBD*")
    header = fits.getheader(cube)
    lines = [value for key, value in header.items() if key.startswith("QC_COMM")]
    assert len(lines) > 3 and " ".join(lines[1:]) == ("Kohler s remark: " + "waves in the blue, " * 12).strip()
    assert b"CONTINUE" not in cube.read_bytes()
    assert [one.line for one in validate([cube])] == []


def no_cube(campaign):
    (campaign.products[0] / "DATACUBE_DEEP.fits").unlink()


def damaged_cube(campaign):
    path = campaign.products[0] / "DATACUBE_DEEP.fits"
    raw = bytearray(path.read_bytes())
    raw[-10000] ^= 1
    path.write_bytes(raw)


def cut_cube(campaign):
    path = campaign.products[0] / "DATACUBE_DEEP.fits"
    path.write_bytes(path.read_bytes()[:-5000])


def other_cube(campaign):
    fits.setval(campaign.products[0] / "DATACUBE_DEEP.fits", "NCOMBINE", value=7)


def other_times(campaign):
    fits.setval(campaign.products[0] / "DATACUBE_DEEP.fits", "TEXPTIME", value=7000.0)


def cube_with_images(campaign):
    with fits.open(campaign.products[0] / "DATACUBE_DEEP.fits", mode="append") as hdus:
        hdus.append(fits.ImageHDU(np.zeros((40, 40), np.float32), name="white"))


def no_map(campaign):
    edit(campaign, exposure_map="")


def small_map(campaign):
    path = campaign.products[0] / "EXPOSURE_MAP.fits"
    with fits.open(path) as hdus:
        hdus["EXPTIME_IMAGE"].data = hdus["EXPTIME_IMAGE"].data[1:].copy()
        hdus.writeto(path, overwrite=True)


def no_figure(campaign):
    path = campaign.products[0] / QUALITY
    record = read_record(QualityRecord, path)
    del record.figures["single:MUSE.2017-06-16T06:00:00.000"]
    write_record(record, path)


def no_coordinates(campaign):
    path = campaign.products[0] / "DATACUBE_DEEP.fits"
    fits.delval(path, "CSYER1", "DATA")
    sign(path)


def long_name(campaign):
    edit_exposures(campaign, ob_id=["123456789012345678"] * 4)


def nobody(campaign):
    edit_exposures(campaign, excluded=["bad"] * 4)


def other_category(campaign):
    edit(campaign, category="DATACUBE")


def no_record(campaign):
    (campaign.products[0] / PRODUCT).write_text("{}")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_cube, "DATACUBE_DEEP.fits is not there; run the product again"),
        (damaged_cube, "HDU 2 (STAT) is damaged: its data add up to"),
        (cut_cube, "truncated"),
        (other_cube, "NCOMBINE is 7, product.json has 4 exposures in the cube; run the product again"),
        (other_times, "TEXPTIME is 7000, exposures of product.json add up to 6000; run the product again"),
        (cube_with_images, "has an extension WHITE; make the cube with format=sdpCube"),
        (no_map, "no exposure map in product.json; combine with save=cube,exposures"),
        (small_map, "EXPOSURE_MAP.fits: has 40 x 39 spaxels, the cube has 40 x 40; run the product again"),
        (no_figure, "no figure of exposure MUSE.2017-06-16T06:00:00.000 in quality.json; run quality control again"),
        (no_coordinates, "not valid: MU_SCBD_1000_2017-06-16T04:48:00.000_WFM-NOAO-N_OBJ.fits[1]: CSYER1 is missing"),
        (long_name, "has 70 characters, the archive takes 68; check ob_id '123456789012345678'"),
        (nobody, "no exposure is in the cube; make the product again"),
        (other_category, "category DATACUBE is none of DATACUBE_DEEP, DATACUBE_COMBINED, DATACUBE_SINGLE"),
        (no_record, "product.json: key 'name' is missing; make the product again"),
    ],
)
def test_what_cannot_be_delivered(campaign, spoil, said, capsys):
    spoil(campaign)
    assert run(campaign.arguments()) == 1
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and "Traceback" not in err
    assert not (campaign.folder / "delivery").exists()


def test_a_product_costs_itself(tmp_path, capsys):
    campaign = certified_campaign(tmp_path, products=2)
    edit(campaign, 0, exposure_map="")
    assert run(campaign.arguments()) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "FIELD-002 v1" in said.out
    assert list(index(campaign.folder / "delivery")) == ["FIELD-002 v1"]


def test_with_faults_on_demand(campaign, capsys):
    no_coordinates(campaign)
    assert run(campaign.arguments("--invalid")) == 0
    assert "[1]: CSYER1 is missing" in capsys.readouterr().out
    assert len(read_record(DeliveredProduct, delivered(campaign) / "delivery.json").problems) == 1


def test_a_white_light_image_is_made_if_there_is_none(campaign):
    expected = fits.getdata(campaign.products[0] / "IMAGE_FOV_DEEP.fits", "DATA")
    edit(campaign, images=[])
    assert run(campaign.arguments()) == 0
    (image,) = delivered(campaign).glob("MU_SIMD*")
    assert np.array_equal(fits.getdata(image, "DATA"), expected, equal_nan=True)
    assert [one.line for one in validate(sorted(delivered(campaign).glob("*.fits")))] == []


def test_a_full_disk_is_found_before_the_work(campaign, monkeypatch, capsys):
    usage = shutil.disk_usage(campaign.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    assert run(campaign.arguments()) == 1
    err = capsys.readouterr().err
    assert "0 MiB free, v1 needs about 64 MiB; free some space" in err and err.count("\n") == 1
    assert not (campaign.folder / "delivery").exists()


@pytest.mark.parametrize("step", ["_copy_figures", "write_log", "copy_with_headers", "write_checksums", "write_record"])
def test_a_disk_that_gets_full(campaign, step, monkeypatch, capsys):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(delivering, step, full)
    assert run(campaign.arguments()) == 1
    err = capsys.readouterr().err
    assert "disk full while writing v1" in err and err.count("\n") == 1
    assert not (campaign.folder / "delivery").exists()


@pytest.mark.parametrize("size", ["100k", "160k"])
def test_a_small_disk(campaign, tmp_path, size, monkeypatch, capsys):
    """A real one, which gets full while images, or the cube, are written: nothing is left on it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if subprocess.run(["mount", *options], capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        monkeypatch.setattr(delivering, "SLACK", -(10**9))
        assert run(campaign.arguments("--output", str(disk))) == 1
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and ("no space" in err or "disk full" in err)
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_what_a_killed_delivery_has_left_goes(campaign):
    left = campaign.folder / "delivery/FIELD-001/.v1.99999.part"
    left.mkdir(parents=True)
    (left / "MU_SCBD").write_bytes(b"half")
    assert run(campaign.arguments()) == 0
    assert [path.name for path in (campaign.folder / "delivery/FIELD-001").iterdir()] == ["v1"]


def test_a_foreign_folder_is_left_alone(campaign, capsys):
    place = delivered(campaign)
    place.mkdir(parents=True)
    (place / "mine.txt").write_text("x")
    assert run(campaign.arguments()) == 1
    assert "exists, and is no delivery of musedeep; move it away" in capsys.readouterr().err
    assert files(place) == ["mine.txt"]


def test_no_campaign_and_no_catalogue(campaign, tmp_path, capsys):
    other = tmp_path / "other.yaml"
    shutil.copy(campaign.plan, other)
    assert run(["campaign", "deliver", str(other)]) == 1
    assert f"no finished products; `musedeep campaign run {other}` makes them" in capsys.readouterr().err
    assert run(["campaign", "deliver", str(campaign.plan), "--database", str(tmp_path / "no.sqlite")]) == 1
    assert "no such catalogue" in capsys.readouterr().err


def test_a_plan_whose_catalogue_is_gone(campaign, capsys):
    campaign.plan.write_text(f"{campaign.plan.read_text()}catalogue: gone.sqlite\n")
    assert run(["campaign", "deliver", str(campaign.plan)]) == 0
    said = capsys.readouterr()
    assert "gone.sqlite: the catalogue of" in said.err and said.err.count("\n") == 1
    row = index(campaign.folder / "delivery")["FIELD-001 v1"]
    assert row["access"].startswith("unknown") and row["observing_mode"] == ""


def test_two_deliveries_at_once(campaign, capsys):
    with output_lock(campaign.folder / "delivery"):
        assert run(campaign.arguments()) == 1
    err = capsys.readouterr().err
    assert str(os.getpid()) in err and err.count("\n") == 1 and not delivered(campaign).exists()
