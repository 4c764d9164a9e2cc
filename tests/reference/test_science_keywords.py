"""Keywords of science data products (format sdpCube), held against the reference."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run as run_musedeep
from tests.makers.pixel_tables import write_dithers

pytestmark = pytest.mark.reference

EXACT = ("TEXPTIME", "NCOMBINE", "OBID1", "OBID2", "PROG_ID", "PROV1", "PROV2", "ASSON1", "FLUXCAL", "OBSTECH")
EQUAL = ("RA", "DEC", "EXPTIME", "MJD-END", "WAVELMIN", "WAVELMAX", "SKY_RES", "SKY_RERR", "PIXNOISE")


def flag_most(hdus: fits.HDUList, number: int) -> None:
    """Flag every fourth slice and 60 % of the other pixels as bad: many voxels, and some spaxels, are empty."""
    origin, dq = hdus["origin"].data, hdus["dq"].data
    bad = ((origin & 63) % 4 == number) | (np.random.default_rng(number).random(origin.shape) < 0.6)
    dq[bad] |= 256


def write_set(directory: Path, change=None, **options) -> list[tuple[Path, str]]:
    """Two exposures with all keywords that the reference asks for."""
    directory.mkdir()
    tables, _ = write_dithers(directory, 2, **options)
    for k, path in enumerate(tables):
        with fits.conf.set_temp("extension_name_case_sensitive", True), fits.open(path, mode="update") as hdus:
            header = hdus[0].header
            header["ARCFILE"] = f"MUSE.2015-03-{k + 11}T05:12:10.123.fits"
            header["MJD-OBS"] = 57092.21678 + k
            for key, value in {
                "OBS ID": 1200 + k, "OBS PROG ID": "095.B-0001(C)", "TEL IA FWHMLIN": 0.62 + 0.3 * k,
                "TEL AIRM START": 1.02 + 0.4 * k, "PRO TECH": "IFU", "PRO REC1 ID": "muse_scipost",
                "PRO REC1 RAW1 NAME": header["ARCFILE"], "PRO REC1 RAW1 CATG": "OBJECT",
            }.items():  # fmt: skip
                header["HIERARCH ESO " + key] = value
            if change:
                change(hdus, k)
    return [(path, "PIXTABLE_REDUCED") for path in tables]


CASES = {
    "deep, rotated": ({"ifus": (8, 9), "wavelength": (5600.0, 5620.0), "noise": 12.0, "step": 33.0}, {}),
    "shallow": ({"ifus": (8, 9), "wavelength": (7800.0, 7820.0), "noise": 90.0, "step": 0.0}, {}),
    "masked": (
        {"ifus": (20, 21), "wavelength": (4800.0, 4820.0), "noise": 30.0, "step": 71.0, "change": flag_most},
        {},
    ),
    "other spaxels": (
        {"ifus": (8, 9), "wavelength": (9100.0, 9120.0), "noise": 50.0, "step": 90.0},
        {"dx": 0.25, "dy": 0.35, "filter": "white"},
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_keywords_of_a_science_data_product(esorex, tmp_path, case):
    made, parameters = CASES[case]
    frames = write_set(tmp_path / "in", **made)
    theirs = esorex(tmp_path / "reference", frames, {"format": "sdpCube", **parameters})
    options = [f"--{name}={value}" for name, value in parameters.items()]
    arguments = ["recipe", "muse_exp_combine", "--format=sdpCube", *options, str(theirs / "in.sof")]
    assert run_musedeep([*arguments, "--output-dir", str(tmp_path / "ours")]) == 0
    reference, ours = (fits.getheader(d / "DATACUBE_FINAL.fits") for d in (theirs, tmp_path / "ours"))
    assert {k: ours[k] for k in EXACT} == {k: reference[k] for k in EXACT}
    for key in EQUAL:
        assert ours[key] == pytest.approx(reference[key], rel=1e-9, abs=0), key
    assert ours["SPEC_RES"] == pytest.approx(reference["SPEC_RES"], rel=1e-7)
    assert ours["ABMAGLIM"] == pytest.approx(reference["ABMAGLIM"], abs=1e-4)
