"""The proof: the reference pipeline reduces a simulated night from bias to combined cube and finds the truth."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reference.night.night_files import Figure, Night
from tests.reference.night.optics_figures import geometry_figures
from tests.reference.night.reduce import reduce_night
from tests.reference.night.report import all_figures, quality_table

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def figures(night) -> list[Figure]:
    return all_figures(night)


def test_every_step_made_its_products(night):
    made = {path.stem for path in (night.reduced / "log").glob("*.json")}
    assert made == {path.stem for path in Path(night.directory / "sof").glob("*.sof")}
    assert (night.reduced / "exp_combine" / "DATACUBE_FINAL.fits").exists()


def test_the_reference_finds_the_truth(figures):
    assert len(figures) > 60
    wrong = [f"{f.name}: {f.difference:.4g} {f.unit}, limit {f.limit:g}" for f in figures if not f.passed]
    assert not wrong, "\n".join(wrong)


def test_quality_looks_like_the_real_instruments(night):
    table = {row["figure"]: row for row in quality_table(night)}
    assert len(table) > 18
    for figure, share in (
        ("bias level", 0.01),
        ("read-out noise", 0.1),
        ("width of slices", 0.005),
        ("gap between slices", 0.05),
        ("central wavelength", 0.005),
        ("LSF FWHM", 0.06),
        ("total efficiency at 7000 Angstrom", 0.1),
        ("median of a raw flat", 0.1),
    ):
        assert table[figure]["simulated"] == pytest.approx(table[figure]["real"], rel=share), figure


def test_the_reference_finds_the_geometry(reference_installed):
    """Ten minutes and 12 GB of memory, therefore only where it is asked for."""
    kept = os.environ.get("MUSEDEEP_TEST_GEOMETRY")
    if not kept:
        pytest.skip("takes 12 GB of memory; MUSEDEEP_TEST_GEOMETRY=DIRECTORY runs it, in that directory")
    directory = Path(kept)
    if not directory.exists():
        command = [sys.executable, "-m", "musedeep", "simulate", "night", str(directory), "--ifus", "24", "--small"]
        subprocess.run([*command, "--masks", "60", "--scene", "empty", "--exposures", "1"], check=True)
    reduce_night(directory, until="geometry")
    figures = geometry_figures(Night(directory))
    assert len(figures) == 8
    wrong = [f"{f.name}: {f.difference:.4g} {f.unit}, limit {f.limit:g}" for f in figures if not f.passed]
    assert not wrong, "\n".join(wrong)
