"""Combinations and recipes from Python: the bits and the mistakes of the commands."""

import numpy as np
import pytest
from astropy.io import fits

import musedeep
from musedeep.cli.main import run
from musedeep.errors import MusedeepError
from tests.makers.field_views import CENTRE, stars, write_views
from tests.makers.pixel_tables import write_dithers


@pytest.fixture(scope="module")
def exposures(tmp_path_factory):
    directory = tmp_path_factory.mktemp("exposures")
    paths, _ = write_dithers(directory, 2, step=0.0, slices=tuple(range(1, 5)), wavelength=(7000.0, 7012.0))
    (directory / "combine.sof").write_text("".join(f"{p} PIXTABLE_REDUCED\n" for p in paths))
    (directory / "s.yaml").write_text("exposures: ['PIXTABLE*.fits']\nparameters: {pixfrac: 0.8}\noutput: by-file\n")
    return directory, paths


@pytest.fixture(scope="module")
def by_command(exposures):
    directory, _ = exposures
    arguments = [
        "recipe",
        "muse_exp_combine",
        "--pixfrac=0.8",
        "--threads",
        "1",
        "--output-dir",
        str(directory / "command"),
    ]
    assert run([*arguments, str(directory / "combine.sof")]) == 0
    return fits.getdata(directory / "command/DATACUBE_FINAL.fits", "DATA")


def test_combine_tables(exposures, by_command, tmp_path):
    products = musedeep.combine(exposures[1], tmp_path, parameters={"pixfrac": 0.8, "save": ["cube"]}, threads=1)
    assert tmp_path / "DATACUBE_FINAL.fits" in products
    np.testing.assert_array_equal(musedeep.open_cube(tmp_path / "DATACUBE_FINAL.fits").data, by_command)


def test_combine_a_selection(exposures, by_command):
    directory, _ = exposures
    products = musedeep.combine(directory / "s.yaml", threads=1)
    assert directory / "by-file/DATACUBE_FINAL.fits" in products
    np.testing.assert_array_equal(fits.getdata(directory / "by-file/DATACUBE_FINAL.fits", "DATA"), by_command)
    with pytest.raises(MusedeepError, match="--overwrite"):
        musedeep.combine(directory / "s.yaml", threads=1)
    with pytest.raises(MusedeepError, match="has parameters of its own"):
        musedeep.combine(directory / "s.yaml", parameters={"pixfrac": 1})


@pytest.mark.parametrize("kind", ["file", "mapping"])
def test_run_a_recipe_on_exposures(exposures, by_command, tmp_path, kind):
    directory, paths = exposures
    frames = directory / "combine.sof" if kind == "file" else {"PIXTABLE_REDUCED": paths}
    musedeep.run_recipe("muse_exp_combine", frames, tmp_path / "new", parameters={"pixfrac": 0.8})
    np.testing.assert_array_equal(fits.getdata(tmp_path / "new/DATACUBE_FINAL.fits", "DATA"), by_command)


def test_run_another_recipe(tmp_path):
    images = write_views(tmp_path, stars(25, 1), [(0.0, 0.0), (0.4, -0.3)])
    products = musedeep.run_recipe("muse_exp_align", {"IMAGE_FOV": images}, tmp_path / "a", parameters={"nbins": 60})
    assert tmp_path / "a/OFFSET_LIST.fits" in products
    east = fits.getdata(tmp_path / "a/OFFSET_LIST.fits", 1)["RA_OFFSET"][1] * 3600 * np.cos(np.radians(CENTRE[1]))
    assert east == pytest.approx(0.4, abs=0.02)
    with pytest.raises(MusedeepError, match="exists already"):
        musedeep.run_recipe("muse_exp_align", {"IMAGE_FOV": images}, tmp_path / "a")


def test_a_pixel_table(exposures):
    assert musedeep.open_pixel_table(exposures[1][0]).n_rows > 0


@pytest.mark.parametrize(
    ("name", "frames", "parameters", "message"),
    [
        ("muse_bais", {}, None, "muse_bais"),
        ("muse_exp_combine", {}, {"pixfarc": 1}, "no parameter 'pixfarc'; did you mean pixfrac"),
        ("muse_exp_combine", {"PIXTABLE_REDUCED": []}, None, "PIXTABLE_REDUCED"),
        ("muse_bias", {"BIAS": "none.fits"}, None, "needs at least 3 BIAS, found 1"),
    ],
)
def test_mistakes(tmp_path, name, frames, parameters, message):
    with pytest.raises(MusedeepError, match=message):
        musedeep.run_recipe(name, frames, tmp_path, parameters=parameters)
