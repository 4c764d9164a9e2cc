"""Headers of delivered files: what is added, replaced, and left out."""

import pytest
from astropy.io import fits

from musedeep.campaign.delivery.facts import Finished
from musedeep.campaign.delivery.headers import Associate, cube_header, extension_header, image_header, provenance
from musedeep.campaign.delivery.names import names_of
from musedeep.campaign.delivery.settings import DeliverySettings
from musedeep.quality.record import ExposureRecord, ProductRecord, QualityRecord, ReviewRecord
from musedeep.selection.dates import date_of


def product(tmp_path, number: int = 2, runs: str = "A", **facts: str) -> Finished:
    exposures = [
        ExposureRecord(
            name=f"MUSE.{date_of(57000.0 + k)}", date_obs=date_of(57000.0 + k), mjd=57000.0 + k, exposure_time=600.0,
            **{"ob_id": str(100 + k // 2), "mode": "WFM-NOAO-N", "run": runs[k % len(runs)], **facts},
        )
        for k in reversed(range(number))
    ]  # fmt: skip
    record = ProductRecord(name="a", target="a", category="DATACUBE_DEEP", cube="CUBE.fits", exposures=exposures)
    return Finished(tmp_path, tmp_path, record, QualityRecord(), ReviewRecord())


def delivered(made: Finished, old: fits.Header, associates=(), **settings: str) -> fits.Header:
    return cube_header(
        made, made.path("CUBE.fits"), old, names_of(made), associates, DeliverySettings(**settings), 500.0
    )


def test_275_exposures(tmp_path):
    """Keywords of three digits fit into eight characters, and all are in the order of time."""
    cards = provenance(product(tmp_path, 275, "AB"))
    found = dict(card[:2] for card in cards)
    assert [found["PROV1"], found["PROV275"]] == [f"MUSE.{date_of(t)}.fits" for t in (57000.0, 57274.0)]
    assert [found["OBID1"], found["OBID138"]] == [100, 237] and "OBID139" not in found
    assert [found["PROG_ID"], found["PROGID1"], found["PROGID2"]] == ["MULTI", "A", "B"]
    associates = [Associate(f"r.MUSE.{k}_pst.png", "ANCILLARY.PREVIEW", "0" * 32) for k in range(279)]
    header = delivered(product(tmp_path, 275), fits.Header(), associates)
    assert max(len(key) for key in header if not key.startswith("ESO")) == 8 and "ASSOM279" in header
    assert header["NCOMBINE"] == 275 and header["TEXPTIME"] == 275 * 600.0


@pytest.mark.parametrize(("ob_id", "expected"), [("100", 100), ("OB-7", "OB-7"), ("", None)])
def test_numbers_of_obs(tmp_path, ob_id, expected):
    assert delivered(product(tmp_path, ob_id=ob_id), fits.Header()).get("OBID1") == expected


@pytest.mark.parametrize(
    ("old", "radesys", "equinox"),
    [
        ([], "FK5", 2000.0),
        ([("RADECSYS", "FK5")], "FK5", 2000.0),
        ([("RADESYS", "ICRS")], "ICRS", None),
        ([("RADESYS", "FK5"), ("EQUINOX", 2000.0)], "FK5", 2000.0),
    ],
)
def test_the_coordinate_system(tmp_path, old, radesys, equinox):
    header = delivered(product(tmp_path), fits.Header(old))
    assert (header["RADESYS"], header.get("EQUINOX")) == (radesys, equinox) and "RADECSYS" not in header


@pytest.mark.parametrize(("old", "expected"), [(900.0, 900.0), (1200.0, 1200.0), (17772.0, 500.0), (None, 500.0)])
def test_the_time_per_spaxel(tmp_path, old, expected):
    """That of the recipe, unless it is more than all exposures together."""
    header = delivered(product(tmp_path), fits.Header([("EXPTIME", old)] if old else []))
    assert header["EXPTIME"] == expected <= header["TEXPTIME"]


def test_what_is_left_out(tmp_path):
    old = fits.Header(
        [("FILTER", "white"), ("SPEC_BIN", 0.1), ("CDELT1", 1.0), ("RA_ERR", 1.0), ("PROV7", "x"), ("OBID01", 7),
         ("PROGID1", "x"), ("ASSON9", "x"), ("ASSOC9", "x"), ("ARCFILE", "x"), ("LONGSTRN", "OGIP 1.0"),
         ("SM_VM", "VM"), ("QC_COMM9", "old"), ("ORIGIN", "ESO"), ("HIERARCH ESO OBS NAME", "kept"),
         ("CHECKSUM", "x"), ("QCFLAG", "1")]
    )  # fmt: skip
    header = delivered(product(tmp_path), old)
    for key in old:
        assert (key in header) == (key in ("ORIGIN", "ESO OBS NAME", "CHECKSUM"))
    assert (header["ORIGIN"], header["ESO OBS NAME"]) == ("ESO", "kept")
    assert delivered(product(tmp_path), fits.Header(), origin="ESO-X")["ORIGIN"] == "ESO-X"
    extension = extension_header(
        fits.Header([("EXTNAME", "DATA"), ("CDELT3", 1.25), ("ORIGFILE", "x"), ("CD3_3", 1.25)])
    )
    assert list(extension) == ["EXTNAME", "CD3_3"]


def test_long_values_are_cut(tmp_path):
    old = fits.Header()
    old["OBJECT"] = "x" * 90
    old["HIERARCH ESO OBS TARG NAME"] = "y" * 50
    raw = delivered(product(tmp_path), old).tostring()
    assert "CONTINUE" not in raw and f"'{'x' * 68}'" in raw and "y" * 50 in raw


def test_an_image_says_nothing_of_cubes(tmp_path):
    old = fits.Header([("EXPTIME", 1.0), ("SPEC_RES", 3000.0), ("OBJECT", "a"), ("SPECSYS", "BARYCENT")])
    old["RA"], cube = 1.0, fits.Header([("RA", 53.16), ("DEC", -27.78)])
    header = image_header(
        product(tmp_path), old, cube, "MU.fits", "ANCILLARY.EXPMAP", "EXPOSURE_MAP", DeliverySettings()
    )
    assert (header["RA"], header["DEC"]) == (53.16, -27.78)
    assert (header["PRODCATG"], header["ORIGFILE"]) == ("ANCILLARY.EXPMAP", "MU.fits")
    assert header["PROV2"].startswith("MUSE.") and header["OBJECT"] == "a"
    assert not {"EXPTIME", "SPEC_RES", "SPECSYS", "TEXPTIME"} & set(header)


def test_more_comments_than_keywords(tmp_path):
    """QC_COMM has nine, QC_COM ninety-nine; the rest is in the log, and the last one says so."""
    made = product(tmp_path)
    made.record.notes = [f"note {k}" for k in range(12)]
    header = delivered(made, fits.Header())
    assert [header[f"QC_COMM{k}"] for k in (1, 8, 9)] == ["note 0", "note 7", "4 more lines are in the log"]
    assert delivered(made, fits.Header(), comment_keyword="QC_COM")["QC_COM12"] == "note 11"
