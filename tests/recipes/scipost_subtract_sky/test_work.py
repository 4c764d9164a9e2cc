"""muse_scipost_subtract_sky on a small exposure of known truth."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.storage.calibrations.sky_continuum import sky_continuum_hdu
from musedeep.storage.pixel_tables.open import open_pixel_table
from tests.makers.sky_exposures import (
    FACTORS,
    RANGE,
    SHIFT,
    continuum_of,
    line_table,
    lsf_of,
    sky_rows,
    true_sky,
    write_lines,
    write_lsf,
    write_sky_table,
)
from tests.makers.step_runs import by_origin, product, refused, run_recipe

RECIPE = "muse_scipost_subtract_sky"
IFUS = (12, 13)


def frames_of(directory: Path, ends=(6260.0, 6400.0), **changed):
    """Set-of-frames with the true sky, and the rows of all IFUs."""
    lsfs = {ifu: lsf_of(ifu) for ifu in IFUS}
    frames, tables = [], []
    for ifu in IFUS:
        tables.append(sky_rows(ifu, lsfs, noise=0.5, slices=(1, 20, 48)))
        write_sky_table(directory / f"t-{ifu}.fits", tables[-1], ifu, **changed)
        write_lsf(directory / f"lsf-{ifu}.fits", lsfs[ifu])
        frames += [(directory / f"t-{ifu}.fits", "PIXTABLE_REDUCED"), (directory / f"lsf-{ifu}.fits", "LSF_PROFILE")]
    lines = line_table()
    flux = lines.flux * np.array([FACTORS[int(group)] for group in lines.group])
    moved = lines.__class__(lines.path, lines.name, lines.group, lines.wavelength + SHIFT, flux)
    write_lines(directory / "lines.fits", moved)
    wavelength = np.arange(*ends, 0.25)
    hdu = sky_continuum_hdu(wavelength, continuum_of(wavelength))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(directory / "continuum.fits")
    frames += [(directory / "lines.fits", "SKY_LINES"), (directory / "continuum.fits", "SKY_CONTINUUM")]
    return frames, by_origin(*tables)


def test_the_true_sky_goes(tmp_path):
    frames, before = frames_of(tmp_path)
    status, made = run_recipe(RECIPE, tmp_path / "out", frames, "--save-fits")
    assert status == 0
    header, rows, _ = product(made)
    sky = true_sky(before["lambda"], before["origin"], {ifu: lsf_of(ifu) for ifu in IFUS})
    np.testing.assert_allclose(rows["data"], before["data"] - sky, atol=0.1)
    for name in ("xpos", "ypos", "lambda", "dq", "stat", "origin"):
        np.testing.assert_array_equal(rows[name], before[name])
    assert header["ESO DRS MUSE PIXTABLE SKYSUB"] is True
    assert header["ESO PRO REC2 ID"] == RECIPE and header["ESO PRO REC2 PARAM3 NAME"] == "orig"
    assert (made / "PIXTABLE_REDUCED_0001.fits").exists()
    frames = [
        (made / "PIXTABLE_REDUCED_0001.zarr", "PIXTABLE_REDUCED"),
        *(f for f in frames if f[1] != "PIXTABLE_REDUCED"),
    ]
    status, _ = run_recipe(RECIPE, tmp_path / "again", frames)
    assert status != 0


def test_rows_beyond_the_continuum_are_left_out(tmp_path):
    frames, before = frames_of(tmp_path, ends=(6290.0, 6350.0))
    status, made = run_recipe(RECIPE, tmp_path / "out", frames)
    assert status == 0
    _, rows, _ = product(made)
    kept = (before["lambda"] >= 6288.75) & (before["lambda"] <= 6351.0)
    np.testing.assert_array_equal(rows["origin"], before["origin"][kept])


def test_the_data_before_are_kept(tmp_path):
    frames, before = frames_of(tmp_path)
    status, made = run_recipe(RECIPE, tmp_path / "out", frames, "--orig=orig")
    assert status == 0
    table = open_pixel_table(made / "PIXTABLE_REDUCED_0001.zarr")
    rows = table.read(np.array([[0, table.n_rows]]), ("origin", "orig"))
    np.testing.assert_array_equal(rows["orig"][np.argsort(rows["origin"])], before["data"])


@pytest.mark.parametrize(("parameters", "factor"), [((), 1.0), (("--flux_sky=300",), 1.5), (("--flux_lamp=8",), 2.0)])
def test_level_of_the_ifu_that_the_sky_was_measured_with(tmp_path, parameters, factor):
    changed = {"ESO_DRS_MUSE_FLAT_FLUX_SKY": 200.0, "ESO_DRS_MUSE_FLAT_FLUX_LAMP": 4.0}
    frames, before = frames_of(tmp_path, **changed)
    status, made = run_recipe(RECIPE, tmp_path / "out", frames, *parameters)
    assert status == 0
    _, rows, _ = product(made)
    sky = true_sky(before["lambda"], before["origin"], {ifu: lsf_of(ifu) for ifu in IFUS})
    np.testing.assert_allclose(rows["data"], factor * before["data"] - sky, atol=0.1)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ESO_DRS_MUSE_PIXTABLE_SKYSUB": True}, "the sky is subtracted already"),
        ({"ESO_DRS_MUSE_PIXTABLE_RVCORR": -13.0}, "its velocity is corrected already"),
        ({"UNIT": "count"}, "data have unit 'count'"),
    ],
)
def test_tables_of_another_stage(tmp_path, caplog, changed, words):
    frames, _ = frames_of(tmp_path, **changed)
    refused(RECIPE, tmp_path / "out", frames, words, caplog)


def test_an_ifu_without_line_spread_functions(tmp_path, caplog):
    frames, _ = frames_of(tmp_path)
    refused(
        RECIPE, tmp_path / "out", [f for f in frames if "lsf-13" not in f[0].name], "no LSF_PROFILE of IFU 13", caplog
    )


def test_ranges():
    assert RANGE == (6270.0, 6390.0)
