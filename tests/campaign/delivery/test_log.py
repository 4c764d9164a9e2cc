"""The log of a delivered product: read back it is the truth, and its steps make the same products again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from astropy.io import fits

from musedeep.campaign.delivery.log import parameter_text, read_log, script
from musedeep.cli.main import run
from musedeep.errors import MusedeepError
from musedeep.quality.record import PRODUCT, ProductRecord, StepRecord, read_record, write_record
from tests.makers.certified_campaign import certified_campaign
from tests.makers.pixel_tables import write_dithers


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A delivered campaign, and its log."""
    campaign = certified_campaign(tmp_path_factory.mktemp("log"))
    record = read_record(ProductRecord, campaign.products[0] / PRODUCT)
    # a recipe that says what looks like the log's own words
    (campaign.folder / record.steps[0].log).write_text(
        "3. Selection file for this combined datacube\n> rm -rf /\n--- x\n"
    )
    (campaign.folder / record.steps[1].log).unlink()
    record.steps[2].log = record.steps[0].log
    write_record(record, campaign.products[0] / PRODUCT)
    assert run(campaign.arguments()) == 0
    (path,) = (campaign.folder / "delivery/FIELD-001/v1").glob("*_dpc.log")
    return campaign, record, path


def test_the_product(made):
    _, _, path = made
    facts = read_log(path).facts
    assert facts["name"] == ["FIELD-001"] and facts["QCFLAG"] == ["0010000000"]
    assert facts["epoch"] == ["2017-06-15 4 exposures, 6000 s"] and facts["access"] == ["public"]
    assert facts["certified"] == ["2017-07-02T09:00:00 by A. Reviewer"]
    assert facts["barycentric velocities"] == ["within 1.200 km/s"]
    assert facts["acknowledgement"][0].endswith("under ESO programme 099.A-0001(A).")


def test_the_steps(made):
    _, record, path = made
    steps = read_log(path).steps
    assert [heading for heading, _, _ in steps] == [
        f"2.{k} {step.recipe} (step {k}), 60.0 s" for k, step in enumerate(record.steps, 1)
    ]
    assert [lines for _, lines, _ in steps] == [script(step, k) for k, step in enumerate(record.steps, 1)]
    assert steps[0][2][:3] == ["3. Selection file for this combined datacube", "> rm -rf /", "--- x"]
    assert steps[1][2][0] == "(there is no log of this step)"
    # its log is that of the first step, too
    assert steps[2][2] == ["(see step 2.1)"]
    assert steps[3][2][0] == "2017-06-17T03:00:00 muse_exp_combine began"


def test_a_missing_log_is_told(made, capsys):
    campaign, record, _ = made
    assert run(campaign.arguments("--output", str(campaign.folder / "other"))) == 0
    assert f"FIELD-001 v1: missing: the log of step 2, muse_scipost ({campaign.folder / record.steps[1].log})" in (
        capsys.readouterr().out
    )


def test_the_selection(made):
    """OBs with request, grade and comment, then raw frames (LOG-2)."""
    _, record, path = made
    found = read_log(path)
    assert [(row["OBID"], row["OBNAME"], row["AMBI_REQ"], row["GRADE"], row["COMMENT"]) for row in found.obs] == [
        ("1000", "FIELD-001-1", "0.8", "A", "OB 1000: thin clouds, stable"),
        ("1001", "FIELD-001-2", "0.8", "B", "OB 1001: thin clouds, stable"),
    ]
    assert found.obs[1]["PRODUCT"] == "MU_SCBC_1001_2017-06-16T06:00:00.000_WFM-NOAO-N_OBJ.fits"
    assert [row["RAW"] for row in found.raws] == [one.name for one in record.exposures]
    assert [float(row["EXPTIME"]) for row in found.raws] == [1500.0] * 4
    assert path.read_text().rstrip().splitlines()[-1].startswith(f"{record.exposures[-1].name}\t")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (0.2, "0.2"),
        (10, "10"),
        (["cube", "exposures"], "cube,exposures"),
        ("it's", "it's"),
        (1e-20, "1e-20"),
    ],
)
def test_parameters(value, text):
    assert parameter_text(value) == text


def test_a_log_of_something_else(tmp_path):
    (tmp_path / "x.log").write_text("1. Product\n")
    with pytest.raises(MusedeepError, match=r"x\.log: no section '2\. Steps'; give the log of a delivered product"):
        read_log(tmp_path / "x.log")
    with pytest.raises(MusedeepError, match="No such file"):
        read_log(tmp_path / "none.log")


def test_the_steps_make_the_same_again(tmp_path):
    """The script of the log, by a shell, in the folder of the campaign (LOG-3)."""
    campaign = certified_campaign(tmp_path)
    tables = campaign.folder / "nights"
    tables.mkdir()
    paths = write_dithers(tables, 2, step=3.0, ifus=(9,), wavelength=(5200.0, 5206.0))[0]
    inputs = [[path.relative_to(campaign.folder).as_posix(), "PIXTABLE_REDUCED"] for path in paths]
    given = {"crsigma": 5.0, "filter": "white", "save": ["cube", "exposures"], "resample": "nearest"}
    step = StepRecord(recipe="muse_exp_combine", label="it's one", parameters=given, inputs=inputs)
    first = campaign.folder / "first"
    first.mkdir()
    sof = first / "in.sof"
    sof.write_text("".join(f"{path} PIXTABLE_REDUCED\n" for path in paths))
    words = [f"--{key}={parameter_text(value)}" for key, value in given.items()]
    assert run(["recipe", "muse_exp_combine", *words, str(sof), "--output-dir", str(first)]) == 0
    record = read_record(ProductRecord, campaign.products[0] / PRODUCT)
    write_record(record.model_copy(update={"steps": [step]}), campaign.products[0] / PRODUCT)
    assert run(campaign.arguments()) == 0
    (log,) = (campaign.folder / "delivery/FIELD-001/v1").glob("*_dpc.log")
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "musedeep").write_text(f'#!/bin/sh\nexec {sys.executable} -m musedeep "$@"\n')
    (commands / "musedeep").chmod(0o755)
    shutil.copy(log, campaign.folder)
    environment = os.environ | {
        "PATH": f"{commands}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    done = subprocess.run(
        f"sed -n 's/^> //p' {log.name} | sh",
        shell=True,
        cwd=campaign.folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    again = campaign.folder / "again/0001_muse_exp_combine"
    for name in ("DATACUBE_FINAL.fits", "IMAGE_FOV_0001.fits", "EXPOSURE_MAP.fits"):
        assert fits.getheader(again / name)["DATAMD5"] == fits.getheader(first / name)["DATAMD5"]
