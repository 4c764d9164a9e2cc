"""A campaign on SLURM, with recipes that are made up: nights and combination as jobs, the same bits as here."""

import os
import subprocess
import sys

import pytest

from musedeep.quality.record import PRODUCT, ProductRecord, read_record
from tests.cli.test_campaign_run import RUN, contents
from tests.makers.cluster_runs import write_profile
from tests.makers.made_up_campaign import MadeUpCampaign, make_campaign
from tests.makers.places import ROOT

pytestmark = pytest.mark.slurm


def test_a_campaign_on_a_cluster_has_the_bits_of_one_here(slurm, tmp_path):
    raw = make_campaign(tmp_path / "raw", nights=1)
    logs = tmp_path / "logs"
    logs.mkdir()
    profile = write_profile(
        tmp_path / "cluster.yaml", cores=2, memory="7GiB", local_scratch=tmp_path / "scratch", log_directory=logs
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    found = []
    for name, options in (
        ("here", ("--threads", "2")),
        ("there", ("--cluster", "slurm", "--cluster-profile", str(profile), "--workers", "2")),
    ):
        (tmp_path / name).mkdir()
        campaign = MadeUpCampaign(raw.place, tmp_path / name / "deep.yaml", raw.database, raw.names)
        campaign.write(campaign.plan())
        command = [sys.executable, "-c", RUN, "campaign", "run", str(campaign.plan_file), "--no-quality", *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "1 products made, 0 up to date, 0 failed, 0 exposures left out" in done.stdout
        record = read_record(ProductRecord, campaign.folder / "products/field/v1" / PRODUCT)
        assert len(record.used) == len(raw.names["OBJECT"])
        found.append(contents(campaign.folder))
    assert found[0] == found[1] and any(name.endswith("DATACUBE_DEEP.fits") for name in found[0])
    # jobs of the night, and of the combination, each with its output
    assert len(list(logs.glob("*.err"))) >= 2
    slurm.wait("jobs to end", lambda: not slurm.jobs())
    assert not [path for path in (tmp_path / "there").rglob(".musedeep-cluster")]
