"""`musedeep campaign run` and `status` on a campaign of made-up recipes, killed at any moment, too."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from astropy.io import fits

from musedeep.campaign.cascade import nights
from musedeep.cli.main import run
from musedeep.quality.record import (
    PRODUCT,
    QUALITY,
    REVIEW,
    ProductRecord,
    ReviewRecord,
    folder_name,
    read_record,
    write_record,
)
from tests.makers import made_up_scipost
from tests.makers.made_up_campaign import MadeUpCampaign, make_campaign
from tests.makers.places import ROOT


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return make_campaign(tmp_path_factory.mktemp("campaign") / "c")


@pytest.fixture
def campaign(raw, tmp_path, monkeypatch):
    """The plan in a place of its own."""
    monkeypatch.setattr(nights, "modules", lambda: made_up_scipost.MODULES)
    made = MadeUpCampaign(raw.place, tmp_path / "deep.yaml", raw.database, raw.names)
    made.write(made.plan())
    return made


def test_run_and_status(campaign, capsys, monkeypatch):
    plan = str(campaign.plan_file)
    assert run(["campaign", "status", plan]) == 0
    assert re.search(r"field +not made +1 +4", capsys.readouterr().out)
    picture = campaign.plan_file.with_suffix(".mmd")
    assert run(["campaign", "run", plan, "--graph", str(picture)]) == 0
    assert capsys.readouterr().out == f"{picture}: 2 nights, 1 products\n" and picture.exists()
    assert run(["campaign", "run", plan, "--dry-run", "--scale", "24x125"]) == 0
    said = capsys.readouterr().out
    assert "field: to do, not made yet" in said and not campaign.folder.exists()
    assert "2 nights, 4 exposures, 1 products: about" in said
    large = said.partition("A target of 125 exposures with 24 IFUs")[2]
    assert re.search(r"scibasic +(\d+)", large)[1] == str(24 * (125 + 63 * 2))
    assert "63 nights, 125 exposures, 1 products" in large and "TiB on disk" in large
    assert run(["campaign", "run", plan, "--threads", "2", "--memory", "3GiB"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"field: made, 4 of 4 exposures, aligned, in .*/products/field/v1", said)
    assert said.endswith("deep: 1 products made, 0 up to date, 0 failed, 0 exposures left out\n")
    assert (campaign.folder / "products/field/v1" / QUALITY).exists()
    assert run(["campaign", "run", plan, "--target", "field"]) == 0
    assert "0 products made, 1 up to date" in capsys.readouterr().out
    write_record(
        ReviewRecord(state="certified", redo=["without a bad exposure"]),
        campaign.folder / "products/field/v1" / REVIEW,
    )
    assert run(["campaign", "status", plan]) == 0
    assert "made   certified, to be redone: without a bad exposure" in capsys.readouterr().out
    # a bad exposure: the campaign goes on, and the status says so
    changed = campaign.plan(skymodel_fraction=0.3)
    campaign.write(changed)
    monkeypatch.setenv(made_up_scipost.FAIL, folder_name(campaign.names["OBJECT"][0]))
    assert run(["campaign", "status", plan]) == 0
    assert "out of date" in capsys.readouterr().out
    assert run(["campaign", "run", plan, "--no-quality"]) == 1
    said = capsys.readouterr()
    assert "3 of 4 exposures" in said.out and f"{campaign.names['OBJECT'][0]} left out:" in said.err
    review = read_record(ReviewRecord, campaign.folder / "products/field/v1" / REVIEW)
    assert review.state == "review" and not review.redo and review.history[-1].text == "without a bad exposure"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--target", "feild"], "no target 'feild' in the plan; did you mean field?"),
        (["--dry-run", "--scale", "24"], "--scale 24: write IFUSxEXPOSURES, as in 24x125"),
        (["--dry-run", "--scale", "25x9"], "--scale 25x9: write IFUSxEXPOSURES"),
        (["--database", "gone.sqlite"], "gone.sqlite: no such catalogue"),
        (["--cluster", "pbs"], "--cluster pbs: there is slurm"),
        (["--memory", "much"], "--memory much: not an amount of memory"),
        (["--memory", "1MiB"], "needs about"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_line(campaign, capsys, words, said):
    assert run(["campaign", "run", str(campaign.plan_file), *words]) in (1, 2)
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err


def test_settings_of_a_plan_are_checked(campaign, capsys):
    text = campaign.plan_file.read_text()
    for wrong, said in (
        ("skymodel_fractoin: 0.2", "unknown key 'skymodel_fractoin'; did you mean skymodel_fraction?"),
        ("skymodel_fraction: 2.0", "settings.cascade.skymodel_fraction: 2.0 is not right"),
    ):
        campaign.plan_file.write_text(text.replace("skymodel_fraction: 0.2", wrong))
        assert run(["campaign", "status", str(campaign.plan_file)]) == 1
        assert said in capsys.readouterr().err


def test_a_command_on_the_cube_fails_in_a_line(campaign, capsys):
    plan = str(campaign.plan_file)
    campaign.write(campaign.plan(after_cube="sh -c 'ls $0 > $1/names; echo no sky; exit 2' {cube} {folder}"))
    assert run(["campaign", "run", plan, "--no-quality"]) == 1
    said = capsys.readouterr()
    assert "1 products made, 0 up to date, 0 failed, 0 exposures left out" in said.out
    log = "products/field/v1/logs/after_cube.log"
    assert (
        f"musedeep: field: after_cube failed: sh ended with status 2: no sky; see {campaign.folder}/{log}" in said.err
    )
    assert (campaign.folder / log).read_text().endswith("no sky\n")
    assert run(["campaign", "status", plan]) == 0
    assert "made, after_cube failed" in capsys.readouterr().out
    campaign.write(campaign.plan(after_cube="cp {image} {folder}"))
    assert run(["campaign", "run", plan, "--no-quality"]) == 0
    assert re.search("field: after_cube made 1 files in ", capsys.readouterr().out)
    assert [one.name for one in (campaign.folder / "products/field/v1/after").iterdir()] == ["IMAGE_FOV_DEEP.fits"]


RUN = """
from musedeep.campaign.cascade import nights
from tests.makers import made_up_scipost
nights.modules = lambda: made_up_scipost.MODULES
import sys
from musedeep.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def contents(folder):
    """Data of all FITS files of products, and names of all files, of a campaign."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and "products" in name and path.suffix == ".fits":
            with fits.open(path) as hdus:
                data = [np.asarray(hdu.data).tobytes() for hdu in hdus if hdu.data is not None]
            found[name] = hashlib.sha256(b"".join(data)).hexdigest()
        elif ".musedeep-night/done.jsonl" not in name:
            found[name] = ""
    return found


def done_tasks(folder):
    """How many tasks the journals of the nights have."""
    journals = folder.glob("nights/*/*/.musedeep-night/done.jsonl")
    return sum(path.read_bytes().count(b'{"task":') for path in journals)


@pytest.mark.night
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_killed_run_goes_on_with_the_same_bits(campaign, tmp_path, seed):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), made_up_scipost.WAIT: "0.2"}
    command = [sys.executable, "-c", RUN, "campaign", "run", str(campaign.plan_file), "--threads", "2"]
    whole = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert whole.returncode == 0, whole.stderr
    wanted, tasks = contents(campaign.folder), done_tasks(campaign.folder)
    shutil.rmtree(campaign.folder)
    # after so many tasks, and so much later, however fast the machine is; the last one in the combination
    random = np.random.default_rng(seed)
    for number in (*sorted(random.choice(np.arange(1, tasks), 2, replace=False)), tasks):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 200
        while done_tasks(campaign.folder) < number:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(random.uniform(0.0, 0.1))
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    last = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert last.returncode == 0, last.stderr
    assert contents(campaign.folder) == wanted
    record = read_record(ProductRecord, campaign.folder / "products/field/v1" / PRODUCT)
    assert len(record.used) == 4
