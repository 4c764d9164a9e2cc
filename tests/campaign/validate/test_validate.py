"""Each rule of the validator: a delivery of ours breaks none, and one that is spoiled breaks that one."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.campaign.validate.provenance_rules import find_raws
from musedeep.campaign.validate.table import faults, keyword_table, rules_of
from musedeep.campaign.validate.validate import validate
from musedeep.cli.main import run
from musedeep.storage.fits.header_cards import sign
from tests.makers.certified_campaign import certified_campaign

CUBE, IMAGE, MAP = "MU_SCBD", "MU_SIMD", "MU_SXPM"


@pytest.fixture(scope="module")
def delivery(tmp_path_factory) -> Path:
    """A delivered folder."""
    campaign = certified_campaign(tmp_path_factory.mktemp("campaign"))
    assert run(campaign.arguments()) == 0
    return campaign.folder / "delivery/FIELD-001/v1"


@pytest.fixture
def folder(delivery, tmp_path) -> Path:
    return Path(shutil.copytree(delivery, tmp_path / "v1"))


def file_of(folder: Path, start: str) -> Path:
    return next(folder.glob(f"{start}*.fits"))


def change(hdu: int = 0, start: str = CUBE, **cards: object) -> Callable[[Path], None]:
    """Change cards (None removes, _ stands for -), and sign the file again."""

    def apply(folder: Path) -> None:
        path = file_of(folder, start)
        with fits.open(path, mode="update") as hdus:
            for name, value in cards.items():
                key = name.replace("__", "-")
                if value is None:
                    hdus[hdu].header.remove(key)
                else:
                    hdus[hdu].header[key] = value
        sign(path)

    return apply


def lines(folder: Path, start: str = CUBE) -> list[str]:
    return [one.line for one in validate([file_of(folder, start)])]


def test_a_delivery_has_no_problems(delivery, capsys):
    assert [one.line for one in validate(sorted(delivery.glob("*.fits")))] == []
    assert run(["validate", str(delivery)]) == 0
    assert capsys.readouterr().out == "3 files, 0 errors, 0 warnings\n"


MORE = "MUSE.2017-06-18T00:00:00.000.fits"
RULES = {
    "date of another time": (change(DATE__OBS="2017-06-16T04:58:00.000"), "[0]: DATE-OBS = '2017-06-16T04:58:00.000'"),
    "date in words": (change(DATE__OBS="16 June 2017"), "DATE-OBS = '16 June 2017': expected a time as"),
    "end before begin": (change(MJD__END=57920.1), "MJD-END = 57920.1: expected a time after MJD-OBS"),
    "end in the future": (change(MJD__END=99999.0), "MJD-END = 99999.0: expected a time that is over"),
    "begin before 1970": (change(MJD__OBS=40000.0), "MJD-OBS = 40000.0: expected a number >= 40587"),
    "more time than there was": (change(TEXPTIME=60000.0), "TEXPTIME = 60000.0: expected at most 7980.000 s"),
    "more time per spaxel": (change(EXPTIME=6001.0), "EXPTIME = 6001.0: expected at most TEXPTIME, 6000"),
    "time as text": (change(EXPTIME="long"), "EXPTIME = 'long': expected a number > 1e-15 and <= 1e+15"),
    "equinox missing": (change(EQUINOX=None), "EQUINOX is missing: expected 2000 with RADESYS FK5"),
    "equinox of 1950": (change(EQUINOX=1950.0), "EQUINOX = 1950.0: expected 2000"),
    "system FK4": (change(RADESYS="FK4"), "RADESYS = 'FK4': expected one of ICRS, FK5"),
    "reference": (change(REFERENC="in preparation"), "REFERENC = 'in preparation': expected a bibcode of 19"),
    "one run numbered": (
        change(PROGID1="099.A-0001(A)"),
        "PROG_ID = '099.A-0001(A)': expected MULTI, as there is PROGID1",
    ),
    "runs not named": (
        change(PROG_ID="MULTI"),
        "PROGID1 is missing: expected two or more of them, as PROG_ID is MULTI",
    ),
    "telescopes": (change(TELESCOP="MULTI", TELESC1="ESO-VLT-U4"), "TELESC2 is missing: expected two or more"),
    "OB twice": (change(OBID2=1000), "OBID2 = 1000: expected a value that OBID1 does not have"),
    "frame twice": (change(PROV2="MUSE.2017-06-16T04:48:00.000.fits"), "expected a value that PROV1 does not have"),
    "number with zero": (
        change(PROV05=MORE),
        "PROV05 = 'MUSE.2017-06-18T00:00:00.000.fits': expected PROV with numbers",
    ),
    "OB with zero": (change(OBID02=7), "OBID02 = 7: expected OBID with numbers from 1, without zeros"),
    "gap": (change(PROV2=None), "PROV2 is missing: expected no gap before PROV3"),
    "frame of another time": (change(PROV4=MORE), "PROV4 = 'MUSE.2017-06-18T00:00:00.000.fits': expected a frame of"),
    "frame with a path": (change(PROV4="raw/x.fits"), "PROV4 = 'raw/x.fits': expected the name of a file"),
    "other count": (change(NCOMBINE=7), "NCOMBINE = 7: expected 4, the number of PROVi"),
    "begins later": (change(PROV1="MUSE.2017-06-16T05:00:00.000.fits"), "MJD-OBS = 57920.2: expected 57920.20833333"),
    "provenance in a table": (change(PROVXTN=True), "PROVXTN = True: expected T if, and only if"),
    "provenance in an extension": (
        change(1, PROV1=MORE),
        "[1]: PROV1 = 'MUSE.2017-06-18T00:00:00.000.fits': expected PROVi in",
    ),
    "wavelengths exchanged": (change(WAVELMIN=701.0), "WAVELMAX = 700.875: expected more than WAVELMIN"),
    "wavelengths of another axis": (
        change(WAVELMAX=702.0),
        "WAVELMAX = 702.0: expected 700.8750 nm, as the third axis",
    ),
    "wavelengths in Angstrom": (
        change(WAVELMIN=7000.0, WAVELMAX=7008.75),
        "WAVELMIN = 7000.0: expected 455 to 950 for MUSE",
    ),
    "resolving power": (change(SPEC_RES=40000.0), "SPEC_RES = 40000.0: expected 1500 to 4000 for MUSE"),
    "other observatory": (change(ORIGIN="Elsewhere"), "NOESODAT is missing: expected T with ORIGIN Elsewhere"),
    "Strehl ratio": (change(STREHL=1.5), "STREHL = 1.5: expected a number > 0 and <= 1"),
    "noise at its end": (
        change(PIXNOISE=4.999e-20),
        "PIXNOISE = 4.999e-20: expected at most 4.99e-20: noisier cubes have this, too",
    ),
    "depth": (change(ABMAGLIM=-99.0), "ABMAGLIM = -99.0: expected a number >= 0 and <= 99"),
    "flux calibration": (change(FLUXCAL="RELATIVE"), "FLUXCAL = 'RELATIVE': expected one of ABSOLUTE, UNCALIBRATED"),
    "forbidden": (change(FILTER="white"), "FILTER = 'white': expected no such keyword"),
    "forbidden in an extension": (change(1, CDELT1=1.0), "[1]: CDELT1 = '1.0': expected no such keyword"),
    "long strings": (change(LONGSTRN="OGIP 1.0"), "LONGSTRN = 'OGIP 1.0': expected no such keyword"),
    "long value": (change(QC_COMM1="x" * 100), "[0]: CONTINUE = 'after QC_COMM1': expected values that fit"),
    "category unknown": (
        change(PRODCATG="SCIENCE.PICTURE"),
        "PRODCATG = 'SCIENCE.PICTURE': expected a category of the archive",
    ),
    "category in an extension": (
        change(1, PRODCATG="SCIENCE.CUBE.IFS"),
        "[1]: PRODCATG = 'SCIENCE.CUBE.IFS': expected no such",
    ),
    "name in an extension": (change(1, ORIGFILE="x.fits"), "[1]: ORIGFILE = 'x.fits': expected no such keyword"),
    "other name": (change(ORIGFILE="x.fits"), "warning:"),
    "no extension name": (change(1, EXTNAME=None), "[1]: EXTNAME is missing"),
    "extension name twice": (
        change(2, EXTNAME="DATA"),
        "[2]: EXTNAME = 'DATA': expected a name that no other extension has",
    ),
    "unit of the sky": (change(1, CUNIT1="arcsec"), "[1]: CUNIT1 = 'arcsec': expected deg"),
    "unit of wavelengths": (change(1, CUNIT3="furlong"), "[1]: CUNIT3 = 'furlong': expected a unit of wavelength"),
    "axes exchanged": (change(1, CTYPE1="DEC--TAN", CTYPE2="RA---TAN"), "[1]: CTYPE1 = 'DEC--TAN': expected RA with"),
    "singular": (change(1, CD1_1=0.0), "[1]: coordinates that cannot be computed"),
    "elsewhere": (change(RA=54.0), "[0]: RA = 54.0: expected with DEC -27.78002777777"),
    "class of another agency": (change(1, HDUCLASS="OGIP"), "[1]: HDUCLASS = 'OGIP': expected ESO"),
    "no data extension": (change(1, HDUCLAS2="ERROR"), "no extension with HDUCLAS2 = DATA: expected one"),
    "errors of another kind": (change(2, HDUCLAS3="SIGMA"), "[2]: HDUCLAS3 = 'SIGMA': expected one of MSE, RMSE"),
    "errors of other data": (change(2, SCIDATA="FLUX"), "[2]: SCIDATA = 'FLUX': expected DATA"),
    "data of other errors": (change(1, ERRDATA="NOISE"), "[1]: ERRDATA = 'NOISE': expected STAT"),
    "quality that is not there": (
        change(1, QUALDATA="DQ"),
        "[1]: QUALDATA = 'DQ': expected an extension with HDUCLAS2 = QUALITY",
    ),
    "step": (change(1, CD3_3=-1.25), "[1]: CD3_3 = -1.25: expected a number > 0"),
    "number as text": (change(1, CRVAL3="7000"), "[1]: CRVAL3 = '7000': expected a number"),
    "associate that is not there": (
        change(ASSON1="other.fits"),
        "ASSON1 = 'other.fits': expected a file beside the cube",
    ),
    "associate twice": (
        change(ASSON2="MU_SIMD_1000_2017-06-16T04:48:00.000_WFM-NOAO-N_OBJ.fits"),
        "that ASSON1 does not have",
    ),
    "category of a FITS file": (
        change(ASSOC1="ANCILLARY.README"),
        "ASSOC1 = 'ANCILLARY.README': expected none for MU_SIMD",
    ),
    "category not known": (
        change(ASSOC3="ANCILLARY.NOTE"),
        "ASSOC3 = 'ANCILLARY.NOTE': expected one of ANCILLARY.PREVIEW",
    ),
    "no category of a log": (change(ASSOC3=None), "ASSOC3 is missing: expected one for r.MUSE"),
    "no sum of a log": (change(ASSOM3=None), "ASSOM3 is missing: expected one for r.MUSE"),
    "sum without a file": (
        change(ASSOM33="0" * 32),
        "ASSON33 is missing: expected the name of the file of which ASSOM33",
    ),
    "sum that is none": (change(ASSOM3="abc"), "ASSOM3 = 'abc': expected an MD5 sum"),
    "no white light": (
        change(start=IMAGE, PRODCATG="ANCILLARY.IMAGE"),
        "0 files of ANCILLARY.IMAGE.WHITELIGHT': expected exactly one",
    ),
    "two of white light": (
        change(start=MAP, PRODCATG="ANCILLARY.IMAGE.WHITELIGHT"),
        "2 files of ANCILLARY.IMAGE.WHITELIGHT",
    ),
    "image of no category": (
        change(start=IMAGE, PRODCATG=None),
        "MU_SIMD_1000_2017-06-16T04:48:00.000_WFM-NOAO-N_OBJ.fits[0]: PRODCATG is missing",
    ),
    "image of another field": (
        change(1, IMAGE, CRPIX1=21.0),
        "[1]: CRVAL1 = 53.16: expected the field of the cube; it is 0.5 spaxels off",
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule(folder, rule):
    spoil, expected = RULES[rule]
    spoil(folder)
    found = lines(folder)
    assert any(expected in line for line in found), found


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (change(1, IMAGE, BUNIT=None), "[1]: BUNIT is missing"),
        (change(1, IMAGE, CUNIT2="arcsec"), "[1]: CUNIT2 = 'arcsec': expected deg"),
        (change(1, IMAGE, CTYPE1=None), "[1]: CTYPE1 is missing"),
        (change(0, IMAGE, PRODCATG=None), "[0]: PRODCATG is missing"),
        (change(1, IMAGE, CD1_1=0.0), "[1]: coordinates that cannot be computed"),
    ],
)
def test_a_broken_rule_of_an_image(folder, spoil, expected):
    spoil(folder)
    assert any(expected in line for line in lines(folder, IMAGE))


def test_an_exposure_map_is_in_seconds(folder):
    change(1, MAP, BUNIT="min")(folder)
    assert any("[1]: BUNIT = 'min': expected s" in line for line in lines(folder, MAP))


def test_adaptive_optics_without_a_strehl_ratio_is_a_warning(folder, capsys):
    path = file_of(folder, CUBE)
    fits.setval(path, "HIERARCH ESO INS MODE", value="WFM-AO-N")
    sign(path)
    assert lines(folder) == [
        f"warning: {path}[0]: STREHL is missing: expected a number > 0 and <= 1, where it is known, "
        "with adaptive optics"
    ]
    assert run(["validate", str(path)]) == 0
    assert "1 files, 0 errors, 1 warnings" in capsys.readouterr().out


def test_changed_files_beside_a_cube(folder):
    log = next(folder.glob("*.log"))
    log.write_text(log.read_text() + "more\n")
    next(folder.glob("*_pst.png")).unlink()
    found = lines(folder)
    assert any("ASSOM3 = " in line and f"the MD5 sum of {log.name}" in line for line in found)
    assert any("_pst.png': expected a file beside the cube" in line for line in found)
    assert len(found) == 2


def test_names_of_a_download(folder):
    """Colons become underscores."""
    for path in folder.iterdir():
        path.rename(path.with_name(path.name.replace(":", "_")))
    assert lines(folder) == []


def test_names_of_the_archive(folder):
    """A README says which names files have had (PRD-11)."""
    lines_of = ["Files of this request:", ""]
    for number, path in enumerate(sorted(folder.glob("*.fits"))):
        name = f"ADP.2018-01-01T00_00_00.00{number}.fits"
        lines_of.append(f"- {name}\t{path.name}\t{fits.getheader(path)['PRODCATG']}\t{path.stat().st_size}")
        path.rename(folder / name)
    assert len([one.line for one in validate(sorted(folder.glob("ADP*")))]) > 3
    (folder / "README_123.txt").write_text("\n".join(lines_of).replace("T00_00_00", "T00:00:00"))
    assert [one.line for one in validate(sorted(folder.glob("ADP*")))] == []


def test_an_image_of_another_size(folder):
    path = file_of(folder, IMAGE)
    with fits.open(path) as hdus:
        hdus[1].data = hdus[1].data[:, 1:].copy()
        hdus.writeto(path, overwrite=True, checksum=True)
    assert any("[1]: NAXIS1 = 39: expected 40, as the cube has it" in line for line in lines(folder))


@pytest.mark.parametrize("value", [-1.0, 6001.0])
def test_times_of_spaxels(folder, value):
    path = file_of(folder, MAP)
    with fits.open(path, mode="update") as hdus:
        hdus[1].data[3, 4] = value
    sign(path)
    (line,) = lines(folder)
    assert f"[1]: {value:g} s in a spaxel: expected 0 to TEXPTIME of the cube, 6000" in line


def test_a_file_without_its_last_fill(folder):
    path = file_of(folder, CUBE)
    path.write_bytes(path.read_bytes()[:-1])
    found = lines(folder)
    assert any("[2]: truncated data at byte" in line and "expected whole blocks" in line for line in found)


def test_data_in_the_primary_hdu_and_images_in_a_cube(folder):
    path = file_of(folder, CUBE)
    with fits.open(path) as hdus:
        primary = fits.PrimaryHDU(np.zeros((2, 2), np.float32), hdus[0].header)
        flat = fits.ImageHDU(np.zeros((40, 40), np.float32), hdus[1].header, name="WHITE")
        small = fits.ImageHDU(hdus["STAT"].data[:4], hdus["STAT"].header)
        fits.HDUList([primary, hdus[1], small, flat]).writeto(folder / "out.fits", checksum=True)
    (folder / "out.fits").replace(path)
    found = lines(folder)
    for expected in (
        "[0]: NAXIS = 2: expected 0 in the primary header of a cube",
        "[3]: NAXIS = 2: expected 3 in every extension of a cube",
        "[2]: axes of 40 x 40 x 4: expected 40 x 40 x 8, as the first extension",
    ):
        assert any(expected in line for line in found), found


def test_damaged_data_and_headers(folder):
    path = file_of(folder, CUBE)
    raw = bytearray(path.read_bytes())
    header = raw.index(b"QC_COMM1= 'good")
    raw[header + 11 : header + 15] = b"evil"
    raw[-5000] ^= 1
    path.write_bytes(raw)
    found = lines(folder)
    assert len(found) == 2
    assert "[0]: CHECKSUM = " in found[0] and "expected that of this header and its data" in found[0]
    assert "[2]: DATASUM = " in found[1] and "the sum of the data" in found[1]
    assert [one.line for one in validate([path], checksums=False)] == []


def test_missing_checksums(folder):
    path = file_of(folder, CUBE)
    raw = path.read_bytes()
    place = raw.index(b"XTENSION")
    for key in (b"CHECKSUM=", b"DATASUM ="):
        raw = raw[:place] + raw[place:].replace(key, b"COMMENT  ", 1)
    path.write_bytes(raw)
    found = lines(folder)
    assert [line.rpartition("[1]: ")[2].partition(":")[0] for line in found] == [
        "CHECKSUM is missing",
        "DATASUM is missing",
    ]


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (b"QC_COMM1= (good", "expected a file that follows the FITS standard"),
        (b"qc_comm1= 'good", "a card \"qc_comm1= 'good"),
        (b"QC_COMM1= 'go\xe9d", "expected keywords of A-Z, 0-9, - and _, and cards in ASCII"),
    ],
)
def test_what_the_fits_standard_forbids(folder, card, expected):
    path = file_of(folder, CUBE)
    raw = bytearray(path.read_bytes())
    place = raw.index(b"QC_COMM1= 'good")
    raw[place : place + len(card)] = card
    path.write_bytes(raw)
    assert any("[0]: " in line and expected in line for line in lines(folder))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda raw: b"", ": empty file; copy or make it again: expected a FITS file"),
        (lambda raw: b"not FITS", "expected a FITS file"),
        (lambda raw: raw[: len(raw) // 2], "truncated"),
    ],
)
def test_no_fits_file(folder, spoil, expected, capsys):
    path = file_of(folder, IMAGE)
    path.write_bytes(spoil(path.read_bytes()))
    (line,) = lines(folder, IMAGE)
    assert expected in line and "\n" not in line
    assert run(["validate", str(path)]) == 1
    assert capsys.readouterr().out == f"{line}\n1 files, 1 errors, 0 warnings\n"


def test_a_long_name(folder):
    path = file_of(folder, CUBE)
    path.rename(folder / f"MU_SCBD_{'x' * 60}.fits")
    found = lines(folder)
    assert any("a name of 73 characters: expected at most 68" in line for line in found)


def test_a_compressed_cube(folder):
    """Rules are those of the images; its name says that it is compressed."""
    path = file_of(folder, CUBE)
    with fits.open(path) as hdus:
        packed = [
            fits.CompImageHDU(hdu.data, hdu.header, compression_type="GZIP_1", quantize_level=0.0) for hdu in hdus[1:]
        ]
        fits.HDUList([fits.PrimaryHDU(header=hdus[0].header), *packed]).writeto(folder / "a.fits", checksum=True)
    path.unlink()
    found = [one.line for one in validate([folder / "a.fits"])]
    assert len(found) == 2 and "compressed: expected a name that ends in .fz if" in found[0]
    assert found[1].startswith("warning:") and "ORIGFILE" in found[1]
    (folder / "a.fits").rename(path.with_name(f"{path.name}.fz"))
    assert [one.line for one in validate([path.with_name(f"{path.name}.fz")])] == []


def test_a_name_of_a_compressed_file(folder):
    path = file_of(folder, CUBE)
    path.rename(folder / "MU_SCBD.fits.fz")
    (found, *_) = [one.line for one in validate([folder / "MU_SCBD.fits.fz"])]
    assert "not compressed: expected a name that ends in .fz if" in found


def test_a_file_without_data(tmp_path):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU().writeto(path, checksum=True)
    assert any("no data: expected an extension with data" in one.line for one in validate([path]))


RAW = {"TELESCOP": "ESO-VLT-U4", "INSTRUME": "MUSE", "EXPTIME": 1500.0}


def write_raws(place: Path, cube: Path, **wrong: object) -> None:
    """Raw frames of a cube, headers alone; `wrong` is of the first."""
    header = fits.getheader(cube)
    for number in range(4):
        name = header[f"PROV{number + 1}"]
        raw = fits.Header(list(RAW.items()))
        raw["MJD-OBS"] = 57920.2 + 0.025 * number
        raw["HIERARCH ESO OBS ID"] = 1000 + number // 2
        raw["HIERARCH ESO OBS PROG ID"] = "099.A-0001(A)"
        for key, value in wrong.items() if number == 0 else ():
            raw[key.replace("__", "-").replace("_", " ") if "ESO" in key else key.replace("__", "-")] = value
        fits.PrimaryHDU(header=raw).writeto(place / name.replace(":", "_"))


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({}, None),
        ({"INSTRUME": "FORS2"}, "INSTRUME = 'MUSE': expected FORS2, as MUSE.2017-06-16T04_48_00.000.fits has it"),
        ({"HIERARCH_ESO_OBS_ID": 77}, "OBID1 = 1000: expected 77 among the OBs"),
        ({"HIERARCH_ESO_OBS_PROG_ID": "60.A-9100(A)"}, "'099.A-0001(A)': expected 60.A-9100(A) among the runs"),
        ({"EXPTIME": 100.0}, "TEXPTIME = 6000.0: expected 4600.0, as the raw frames have it"),
        ({"MJD__OBS": 57920.1}, "MJD-OBS = 57920.2: expected 57920.1, as the raw frames have it"),
    ],
)  # fmt: skip
def test_raw_frames_at_hand(folder, tmp_path, wrong, expected):
    raws = tmp_path / "raw"
    raws.mkdir()
    path = file_of(folder, CUBE)
    write_raws(raws, path, **wrong)
    found = [one.line for one in validate([path], find_raws([raws]))]
    assert found == [] if expected is None else any(expected in line for line in found), found
    assert run(["validate", str(path), "--raw", str(raws)]) == int(expected is not None)


def test_as_json(folder, capsys):
    change(RADESYS="FK4")(folder)
    assert run(["validate", str(file_of(folder, CUBE)), "--json"]) == 1
    (one,) = json.loads(capsys.readouterr().out)
    assert one == {
        "file": str(file_of(folder, CUBE)), "hdu": 0, "keyword": "RADESYS", "value": "FK4", "level": "error",
        "expected": "one of ICRS, FK5",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.fits"], "nowhere.fits: no such file or directory"),
        (["."], ".: no FITS files in it"),
        ([".", "--raw", "nowhere"], "nowhere: no such directory"),
    ],
)
def test_wrong_paths(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["validate", *arguments]) == 1
    assert said in capsys.readouterr().err


def right(category: str, extension: bool, delivery: Path) -> fits.Header:
    starts = {"SCIENCE.CUBE.IFS": CUBE, "ANCILLARY.IMAGE.WHITELIGHT": IMAGE, "ANCILLARY.EXPMAP": MAP}
    return fits.getheader(file_of(delivery, starts.get(category, CUBE)), int(extension))


TABLE = [
    (category, header == "extension", key)
    for category, headers in keyword_table().items()
    for header, rules in headers.items()
    for key in rules
]


@pytest.mark.parametrize(("category", "extension", "key"), TABLE, ids=[f"{c} {int(e)} {k}" for c, e, k in TABLE])
def test_a_keyword_of_the_table(delivery, category, extension, key):
    """What is missing, of another type, outside its limits, or there against a rule, is found; and nothing else is."""
    rule = rules_of(category, extension)[key]
    header = right(category, extension, delivery)
    one = key.replace("#", "1")
    assert list(faults(header, {key: rule})) == []
    if rule.need == "forbidden":
        header[one] = 1.0
        (found,) = faults(header, {key: rule})
        assert (found.keyword, found.expected) == (one, "no such keyword")
        return
    for name in [card.keyword for card in header.cards if card.keyword == one]:
        header.remove(name, remove_all=True)
    if key.endswith("#"):
        header = fits.Header([card for card in header.cards if not card.keyword.startswith(key[:-1])])
    missing = [(fault.keyword, fault.value, fault.level) for fault in faults(header, {key: rule})]
    level = {"mandatory": "error", "recommended": "warning"}.get(rule.need)
    assert missing == ([(one, None, level)] if level else [])
    wrong = [1.5 if rule.type in ("text", "integer", "logical") else "many"]
    wrong += ["not this"] if rule.values or rule.pattern else []
    wrong += [rule.low - 1] if rule.low is not None else []
    wrong += [rule.high + 1] if rule.high is not None else []
    wrong += [rule.above] if rule.above is not None else []
    for value in wrong:
        header[one] = type(wrong[0])(value) if rule.type == "number" and not isinstance(value, str) else value
        (found,) = faults(header, {key: rule})
        assert (found.keyword, found.level) == (one, "error") and found.expected


def test_importing_the_command_loads_nothing_heavy():
    code = "import musedeep.cli.validate, musedeep.cli.campaign_deliver, sys; print('astropy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
