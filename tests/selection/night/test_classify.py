"""Tags of files from their headers: raw frames of every type, products, static calibrations, and what is none."""

import gzip
import math
import os
from pathlib import Path

import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.selection.night.classify import RAW_TAGS, classify, classify_files, fits_files
from musedeep.simulate.headers import DPR
from musedeep.simulate.schedule import MONITORING
from tests.makers.raw_frames import extension, raw_image
from tests.makers.tiny_nights import edit, make_tiny_night


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return make_tiny_night(tmp_path_factory.mktemp("made") / "night", masks=2, lsf_arcs=1)


@pytest.fixture
def raw(tmp_path):
    """A raw bias with two IFUs."""
    hdus = [extension(raw_image(nx=20, ny=20), ifu, 20, 20) for ifu in (12, 5)]
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    edit(
        path, INSTRUME="MUSE", ESO_DPR_CATG="CALIB", ESO_DPR_TYPE="BIAS", ESO_DPR_TECH="IFU", ESO_INS_MODE="NFM-AO-N",
        MJD__OBS=57000.5, ESO_DET_READ_CURID=1, ESO_INS_TEMP4_VAL=11.5,
    )  # fmt: skip
    return path


def test_every_frame_of_a_night(night):
    frames = classify_files(fits_files([night]))
    exposures = {line.split()[1]: line for line in (night / "truth" / "exposures.ecsv").read_text().splitlines()[1:]}
    assert exposures
    raws = [f for f in frames if f.kind == "raw"]
    assert {f.tag for f in raws} == set(RAW_TAGS.values()) - set(MONITORING)
    assert {RAW_TAGS[dpr] for dpr in DPR.values()} == set(RAW_TAGS.values())
    for frame in raws:
        assert frame.mode == "WFM-NOAO-N" and frame.field == "WFM" and frame.ifus == (3, 7)
        assert frame.read_out == "SCI1.0 1x1" and frame.mjd > 57000 and frame.temperature > 10
        assert frame.path.name == f"MUSE.{frame.date}.fits"
    static = {f.tag: f.path.name for f in frames if f.kind == "product"}
    assert static["GEOMETRY_TABLE"] == "geometry_table_wfm.fits" and static["LINE_CATALOG"] == "line_catalog.fits"
    assert all(f.tag for f in frames)


def test_compressed_frames(tmp_path):
    night = make_tiny_night(tmp_path / "night", (4,), compress=True)
    frames = classify_files(fits_files([night / "raw"]))
    assert all(f.tag and f.path.name.endswith(".fits.fz") and f.ifus == (4,) for f in frames)
    assert {"BIAS", "OBJECT", "ILLUM"} <= {f.tag for f in frames}


def test_what_association_needs_to_know(raw):
    frame = classify(raw)
    assert (frame.tag, frame.kind, frame.mode, frame.field) == ("BIAS", "raw", "NFM-AO-N", "NFM")
    assert frame.read_out == "1 1x1" and frame.temperature == 11.5 and frame.ifus == (5, 12)
    assert math.isnan(frame.exposure_time)
    # the temperature of the instrument goes before the ambient one, the field mode before its name in the mode
    edit(raw, ESO_INS_TEMP7_VAL=12.5, ESO_INS_OPTI2_NAME="WFM")
    assert classify(raw).temperature == 12.5 and classify(raw).field == "WFM"


@pytest.mark.parametrize(
    ("cards", "reason"),
    [
        ({"ESO_DPR_TYPE": "BIASS"}, "DPR TYPE BIASS is none of MUSE; nearest is BIAS"),
        ({"ESO_DPR_CATG": "SCIENCE"}, "DPR TYPE BIAS with DPR CATG SCIENCE; expected CALIB"),
        ({"ESO_DPR_TECH": "IMAGE"}, "DPR TECH is IMAGE; expected IFU"),
        ({"ESO_DPR_TYPE": ""}, "neither DPR TYPE nor PRO CATG"),
        ({"INSTRUME": "UVES"}, "INSTRUME is UVES, not MUSE"),
    ],
)
def test_unknown_files_say_why(raw, cards, reason):
    edit(raw, **cards)
    frame = classify(raw)
    assert not frame.tag and frame.kind == "unknown" and reason in frame.reason


def test_files_that_cannot_be_read_say_why(raw, tmp_path):
    whole = raw.read_bytes()
    raw.write_bytes(whole[: len(whole) // 2])
    assert "truncated" in classify(raw).reason
    raw.write_bytes(b"")
    assert "empty file" in classify(raw).reason
    raw.write_text("no FITS")
    assert "no FITS header" in classify(raw).reason
    fits.PrimaryHDU().writeto(raw, overwrite=True)
    edit(raw, ESO_DPR_CATG="CALIB", ESO_DPR_TYPE="BIAS", ESO_DPR_TECH="IFU")
    assert "no extension CHANnn" in classify(raw).reason


def test_products_go_by_their_category(raw):
    edit(raw, ESO_PRO_CATG="MASTER_BIAS")
    assert classify(raw).tag == "MASTER_BIAS" and classify(raw).kind == "product"


def test_files_are_found_below_once_and_without_the_hidden_ones(tmp_path, raw):
    (tmp_path / "x" / "y.zarr").mkdir(parents=True)
    (tmp_path / "x" / "link").symlink_to(tmp_path)
    found = ["A.FITS", "a.fits", "b.fits.fz", "c.fits.Z", "d.fit", "e.fits.gz", "f.FITS.GZ"]
    for name in (*(f"x/{name}" for name in found[2:]), "A.FITS", "x/c.txt", "x/.d.fits", "x/y.zarr/e.fits", "x/g.gz"):
        (tmp_path / name).write_bytes(raw.read_bytes())
    paths = fits_files([tmp_path, tmp_path / "x"])
    assert sorted(p.name for p in paths) == found
    assert sorted(frame.stem for frame in classify_files(paths)) == ["A", "a", "b", "c", "d", "e", "f"]


def test_packed_files(raw, tmp_path):
    """Raw frames are known as if they were not packed, whatever their names; products have to be unpacked."""
    known = repr(classify(raw))
    packed = tmp_path / "MUSE.2031-05-06T01:02:03.004.fits.gz"
    packed.write_bytes(gzip.compress(raw.read_bytes(), 1))
    assert repr(classify(packed)).replace(str(packed), str(raw)) == known and classify(packed).ifus == (5, 12)
    assert classify(packed).stem == "MUSE.2031-05-06T01:02:03.004"
    plain = tmp_path / "plain.fits.gz"
    plain.write_bytes(raw.read_bytes())
    assert repr(classify(plain)).replace(str(plain), str(raw)) == known
    packed.write_bytes(packed.read_bytes()[:-1000])
    assert "damaged or cut off" in classify(packed).reason
    for content, reason in (
        (b"\x1f\x9d\x90" + bytes(3000), "packed by compress; unpack it with uncompress"),
        (b"BZh91AY", "packed by bzip2; unpack it with bunzip2"),
    ):
        packed.write_bytes(content)
        assert (classify(packed).kind, classify(packed).tag) == ("unknown", "") and reason in classify(packed).reason
    edit(raw, ESO_PRO_CATG="MASTER_FLAT")
    packed.write_bytes(gzip.compress(raw.read_bytes(), 1))
    assert classify(packed).reason == "packed by gzip; unpack it with gunzip and give the result"


def test_directories_without_files_are_one_line(tmp_path):
    for directory, message in ((tmp_path, "no FITS files"), (tmp_path / "none", "no such directory")):
        with pytest.raises(MusedeepError, match=message):
            fits_files([directory])


def test_links_in_a_circle_are_named(tmp_path):
    (tmp_path / "x.fits").symlink_to("x.fits")
    (frame,) = classify_files(fits_files([tmp_path]))
    assert not frame.tag and "Too many levels of symbolic links" in frame.reason


def test_a_directory_that_cannot_be_searched_is_named(tmp_path, monkeypatch):
    """Its frames would be missing without a word."""
    secret = tmp_path / "raw" / "secret"
    secret.mkdir(parents=True)
    (tmp_path / "raw" / "x.fits").write_text("")
    scandir = os.scandir

    def refused(path):
        if Path(path) == secret:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(MusedeepError, match=r"raw/secret: cannot be searched \(Permission denied\); check its rights"):
        fits_files([tmp_path])
