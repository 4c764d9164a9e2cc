"""muse_scipost_correct_rv on small pixel tables."""

import numpy as np
import pytest

from musedeep.reduction.correct.velocity import LIGHT
from tests.makers.field_tables import write_field_table
from tests.makers.step_runs import by_origin, product, refused, run_recipe

RECIPE = "muse_scipost_correct_rv"


@pytest.mark.parametrize(("rvcorr", "frame"), [("bary", "BARYCENT"), ("none", "TOPOCENT")])
def test_wavelengths(tmp_path, rvcorr, frame):
    before = by_origin(write_field_table(tmp_path / "t.fits"))
    frames = [(tmp_path / "t.fits", "PIXTABLE_OBJECT")]
    status, made = run_recipe(RECIPE, tmp_path / "out", frames, f"--rvcorr={rvcorr}")
    assert status == 0
    header, rows, _ = product(made)
    factor = 1.0 + header.get("ESO DRS MUSE PIXTABLE RVCORR", 0.0) / LIGHT
    assert np.array_equal(rows["lambda"], (before["lambda"].astype(np.float64) * factor).astype(np.float32))
    assert header["SPECSYS"] == frame
    assert header["ESO DRS MUSE PIXTABLE LIMITS LAMBDA LOW"] == pytest.approx(rows["lambda"].min())
    # never twice
    again = [(made / "PIXTABLE_REDUCED_0001.zarr", "PIXTABLE_OBJECT")]
    assert (run_recipe(RECIPE, tmp_path / "again", again)[0] == 0) == (rvcorr == "none")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ESO_DRS_MUSE_PIXTABLE_RVCORR": -12.8}, "its velocity is corrected already"),
        ({"MJD-OBS": None}, "keyword MJD-OBS is missing"),
    ],
)
def test_bad_input(tmp_path, caplog, changed, words):
    write_field_table(tmp_path / "t.fits", **changed)
    refused(RECIPE, tmp_path / "out", [(tmp_path / "t.fits", "PIXTABLE_OBJECT")], words, caplog)
