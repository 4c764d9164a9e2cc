"""Headers of raw frames and products, and files that are none."""

import gzip
import math
from pathlib import Path

import pytest
from astropy.io import fits

from musedeep.selection.catalogue.exposure import FIELDS, Exposure, archive_name, completed
from musedeep.selection.catalogue.headers import Product, read_file, read_files
from tests.makers.header_files import raw_header, write_header
from tests.makers.tiny_nights import make_tiny_night

REAL = Path(__file__).parents[4] / "shared/data/real/IMAGE_FOV_IC4406.fits"


def test_a_raw_frame(tmp_path):
    one = read_file(write_header(tmp_path / "a.fits", raw_header())).content
    assert isinstance(one, Exposure)
    assert (one.name, one.tag, one.mode) == ("MUSE.2016-10-02T03:04:05.678", "OBJECT", "WFM-NOAO-N")
    assert (one.ob_id, one.run, one.program) == ("200419123", "094.A-0205(B)", "094.A-0205")
    assert (one.exposure_time, one.position_angle, one.image_quality) == (1500.0, 30.0, 0.71)
    assert one.night == "2016-10-01" and one.read_out == "SCI1.0 1x1" and math.isnan(one.airmass)


def test_packed_by_gzip_is_the_same(tmp_path):
    path = write_header(tmp_path / "a.fits", raw_header())
    packed = tmp_path / "a.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_file(path).content == read_file(packed).content


def test_every_frame_of_a_night(tmp_path):
    night = make_tiny_night(tmp_path / "night", (3,))
    facts = list(read_files(sorted((night / "raw").glob("*.fits"))))
    assert facts and all(isinstance(one.content, Exposure) for one in facts)
    for one in facts:
        assert isinstance(one.content, Exposure) and Path(one.path).stem == one.content.name


def test_a_product_and_its_quality(tmp_path):
    header = fits.Header()
    for key, value in {
        "ESO PRO CATG": "MASTER_BIAS", "ESO PRO REC1 ID": "muse_bias", "ESO PRO REC1 PIPE ID": "muse/2.8.7",
        "ESO PRO REC1 RAW1 NAME": "MUSE.2016-10-02T03:04:05.678.fits", "ESO QC BIAS MASTER1 MEDIAN": 1000.5,
        "ESO QC NAME": "none", "ESO PRO REC2 ID": "muse_other", "ESO PRO REC2 PIPE ID": "other/1",
    }.items():  # fmt: skip
        header[f"HIERARCH {key}"] = value
    second = fits.ImageHDU(name="STAT")
    second.header["HIERARCH ESO QC BIAS NUMBER"] = 3
    path = tmp_path / "MASTER_BIAS-01.fits"
    fits.HDUList([fits.PrimaryHDU(header=header), second]).writeto(path)
    one = read_file(path).content
    assert isinstance(one, Product)
    assert (one.category, one.recipe, one.pipeline) == ("MASTER_BIAS", "muse_other", "other/1")
    assert one.raw == ("MUSE.2016-10-02T03:04:05.678.fits",)
    assert one.quality == (
        ("", "QC BIAS MASTER1 MEDIAN", 1000.5), ("", "QC NAME", "none"), ("STAT", "QC BIAS NUMBER", 3.0)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ({"INSTRUME": "FORS2"}, "INSTRUME is FORS2, not MUSE"),
        ({"ESO_DPR_TYPE": "OBJEKT"}, "nearest is OBJECT"),
        ({"MJD__OBS": "soon", "DATE__OBS": "", "ARCFILE": ""}, "no time"),
    ],
)
def test_foreign_frames_say_why(tmp_path, cards, said):
    content = read_file(write_header(tmp_path / "a.fits", raw_header(**cards))).content
    assert isinstance(content, str) and said in content


def test_what_is_no_fits_file(tmp_path):
    path = tmp_path / "a.fits"
    path.write_text("no header")
    assert isinstance(read_file(path).content, str)
    assert isinstance(read_file(tmp_path / "none.fits").content, str)


def test_without_ob_and_with_names_beyond_ascii(tmp_path):
    header = raw_header()
    del header["ESO OBS ID"]
    path = write_header(tmp_path / "a.fits", header)
    content = path.read_bytes().replace(b"'UDF-10  '", b"'\xc9toile 1'")
    path.write_bytes(content)
    one = read_file(path).content
    assert isinstance(one, Exposure) and one.ob_id == "" and one.object


@pytest.mark.skipif(not REAL.exists(), reason="the real field image is not there")
def test_the_real_field_image():
    one = read_file(REAL).content
    assert isinstance(one, Product)
    assert one.category == "IMAGE_FOV" and one.ob_id == "1755413" and one.mode == "WFM-AO-N"
    assert ("", "QC SCIPOST FWHM MEDIAN", 0.5885066) in one.quality


def test_names_of_the_archive():
    assert archive_name("x/M.MUSE.2016-10-02T03_04_05.678.fits.fz") == "MUSE.2016-10-02T03:04:05.678"
    assert archive_name("MUSE_OBS276_0001.fits") == ""


def test_an_exposure_completes_itself():
    named = completed({"name": "MUSE.2016-10-02T03:04:05.678"})
    assert isinstance(named, Exposure) and named.date_obs == "2016-10-02T03:04:05.678" and named.mjd > 57000
    timed = completed({"mjd": named.mjd})
    assert isinstance(timed, Exposure) and timed.name == named.name
    assert completed({"object": "x"}) == "no time: neither MJD-OBS nor DATE-OBS"
    assert set(FIELDS) >= {"name", "mjd", "run"}
