"""muse_scipost_correct_dar on small pixel tables."""

import numpy as np
import pytest

from musedeep.reduction.correct.refraction import correct_refraction
from musedeep.reduction.observation import observation_of
from musedeep.storage.pixel_tables.open import open_pixel_table
from tests.makers.field_tables import write_field_table
from tests.makers.step_runs import by_origin, product, refused, run_recipe

RECIPE = "muse_scipost_correct_dar"


@pytest.fixture
def tables(tmp_path):
    rows = [write_field_table(tmp_path / f"t-{ifu:02d}.fits", ifu=ifu) for ifu in (3, 12)]
    return [(tmp_path / f"t-{ifu:02d}.fits", "PIXTABLE_OBJECT") for ifu in (3, 12)], by_origin(*rows)


def test_one_table_of_all_ifus(tables, tmp_path):
    frames, before = tables
    status, made = run_recipe(RECIPE, tmp_path / "out", frames, "--save-fits")
    assert status == 0
    header, rows, units = product(made)
    (correction,) = correct_refraction(observation_of(open_pixel_table(frames[0][0]).header, ""), 7000.0)
    correction.apply(before)
    for name in ("xpos", "ypos", "lambda", "data", "dq", "stat", "origin"):
        assert np.array_equal(rows[name], before[name]), name
    assert units["xpos"] == "pix"
    assert header["ESO DRS MUSE PIXTABLE MERGED"] == 2
    assert header["ESO DRS MUSE PIXTABLE DAR CORRECT"] == 7000.0
    assert header["ESO DRS MUSE PIXTABLE LIMITS X LOW"] == pytest.approx(rows["xpos"].min())
    assert header["ESO PRO CATG"] == "PIXTABLE_REDUCED"
    assert header["ESO PRO REC2 ID"] == RECIPE
    assert header["ESO PRO REC2 RAW2 NAME"] == "t-12.fits"
    assert header["ESO PRO REC2 PARAM3 NAME"] == "lambdaref"
    assert "EXTNAME" not in header
    assert not any(key.startswith("ESO QC") for key in header)
    assert (made / "PIXTABLE_REDUCED_0001.fits").exists()


def test_wavelengths_are_cut(tables, tmp_path):
    frames, before = tables
    status, made = run_recipe(RECIPE, tmp_path / "out", frames[:1], "--lambdamin=5000", "--lambdamax=6000")
    assert status == 0
    header, rows, _ = product(made)
    ours = (before["origin"] >> 6 & 31) == 3
    kept = ours & (before["lambda"] >= 5000) & (before["lambda"] <= 6000)
    assert np.array_equal(rows["origin"], before["origin"][kept])
    assert header["EXTNAME"] == "CHAN03"


def test_nothing_to_check_by_is_said(tables, tmp_path, capsys):
    status, made = run_recipe(RECIPE, tmp_path / "out", tables[0], "--darcheck=check")
    assert status == 0
    assert "no source is bright enough for darcheck=check" in capsys.readouterr().err
    assert "ESO DRS MUSE PIXTABLE DAR CHECK" not in product(made)[0]


def test_exposures_by_date(tmp_path):
    for k, date in enumerate(("2014-12-10T03:07:12.000", "2014-12-10T02:07:12.000")):
        write_field_table(tmp_path / f"{k}.fits", **{"DATE-OBS": date})
    frames = [(tmp_path / f"{k}.fits", "PIXTABLE_OBJECT") for k in range(2)]
    status, made = run_recipe(RECIPE, tmp_path / "out", frames)
    assert status == 0
    assert [product(made, k)[0]["DATE-OBS"][11:13] for k in (1, 2)] == ["02", "03"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"LST": None}, "keyword LST is missing"),
        ({"LST": 40000.0}, "keyword LST is 40000.0, but it is"),
        ({"ESO_DRS_MUSE_PIXTABLE_DAR_CORRECT": 7000.0}, "its refraction is corrected already"),
        ({"ESO_DRS_MUSE_PIXTABLE_WCS": "projected (intermediate)"}, "positions are projected"),
    ],
)
def test_bad_input(tmp_path, caplog, changed, words):
    write_field_table(tmp_path / "t.fits", **changed)
    refused(RECIPE, tmp_path / "out", [(tmp_path / "t.fits", "PIXTABLE_OBJECT")], words, caplog)


def test_nothing_is_written_where_one_exposure_is_bad(tmp_path, caplog):
    write_field_table(tmp_path / "a.fits")
    write_field_table(tmp_path / "b.fits", **{"DATE-OBS": "2014-12-10T04:07:12.000", "LST": None})
    frames = [(tmp_path / f"{name}.fits", "PIXTABLE_OBJECT") for name in "ab"]
    refused(RECIPE, tmp_path / "out", frames, "b.fits: keyword LST is missing", caplog)
