"""Headers of the products of muse_exp_combine, held against the reference: recorded parameters, checksums."""

import re
from pathlib import Path

import pytest
import yaml
from astropy.io import fits

from musedeep.cli.main import run as run_musedeep
from tests.makers.pixel_tables import write_dithers

pytestmark = pytest.mark.reference

GIVEN = {
    "save": "combined,cube", "resample": "renka", "dx": "0.2500001", "dlambda": "2.5", "crtype": "mean",
    "crsigma": "-1", "rc": "1.1234567",
    "pixfrac": "0.8", "ld": "2", "filter": "white", "lambdamin": "6001", "lambdamax": "123456789",
}  # fmt: skip
PRODUCTS = ("DATACUBE_FINAL.fits", "IMAGE_FOV_0001.fits", "PIXTABLE_COMBINED.fits")


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> list[tuple[Path, str]]:
    tables, _ = write_dithers(tmp_path_factory.mktemp("in"), 2, step=50.0, ifus=(15,), wavelength=(6000.0, 6012.0))
    return [(path, "PIXTABLE_REDUCED") for path in tables]


def recorded(path: Path) -> list[tuple[str, str, str, str]]:
    """Name, value and comment of the value, of every parameter in the record of the step, and the recipe's name."""
    header = fits.getheader(path)
    last = max(int(m[1]) for m in (re.match(r"ESO PRO REC(\d+) ID$", key) for key in header) if m)
    record = f"ESO PRO REC{last} "
    names = [key for key in header if key.startswith(record + "PARAM") and key.endswith(" NAME")]
    assert names == [f"{record}PARAM{i} NAME" for i in range(1, len(names) + 1)]
    values = [key.replace("NAME", "VALUE") for key in names]
    recipe = header[record + "ID"]
    return [
        (recipe, header[name], header[value], header.comments[value])
        for name, value in zip(names, values, strict=True)
    ]  # fmt: skip


def checksums(path: Path) -> list[tuple[bool, bool]]:
    """Of each HDU whether it has CHECKSUM and DATASUM; fails if one is wrong (astropy's warnings are errors here)."""
    with fits.open(path, checksum=True) as hdus:
        for hdu in hdus:
            assert hdu.verify_checksum() in (1, 2) and hdu.verify_datasum() in (1, 2)
        return [("CHECKSUM" in hdu.header, "DATASUM" in hdu.header) for hdu in hdus]


@pytest.mark.filterwarnings("error::astropy.utils.exceptions.AstropyUserWarning")
@pytest.mark.parametrize("given", [{"save": "cube,combined"}, GIVEN], ids=["defaults", "given"])
def test_records_and_checksums(esorex, frames, tmp_path, given):
    theirs = esorex(tmp_path / "reference", frames, given)
    options = [f"--{name}={value}" for name, value in given.items()]
    arguments = ["recipe", "muse_exp_combine", *options, str(theirs / "in.sof"), "--output-dir", str(tmp_path / "ours")]
    assert run_musedeep(arguments) == 0
    for name in PRODUCTS:
        assert recorded(tmp_path / "ours" / name) == recorded(theirs / name)
        assert checksums(tmp_path / "ours" / name) == checksums(theirs / name)


def test_record_of_a_selection_file(esorex, frames, tmp_path):
    given = {"crsigma": 7, "pixfrac": [0.7, 0.6], "lambdamax": 6010.5, "save": ["cube", "combined"]}
    texts = {"crsigma": 7, "pixfrac": "0.7,0.6", "lambdamax": 6010.5, "save": "cube,combined"}
    theirs = esorex(tmp_path / "reference", frames, texts)
    selection = {"target": "field", "exposures": [str(path) for path, _ in frames], "parameters": given}
    selection |= {"combined_format": "fits", "output": str(tmp_path / "ours")}
    (tmp_path / "selection.yaml").write_text(yaml.safe_dump(selection))
    assert run_musedeep(["combine", str(tmp_path / "selection.yaml")]) == 0
    for name in PRODUCTS:
        assert recorded(tmp_path / "ours" / name) == recorded(theirs / name)
