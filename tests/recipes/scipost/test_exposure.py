"""muse_scipost on an exposure of known sky: lines, continuum and their model, from counts to what is left."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.storage.calibrations.extinction import extinction_hdus
from musedeep.storage.calibrations.response import FLAT_CORRECTED, Response, response_hdu
from musedeep.storage.calibrations.sky_continuum import sky_continuum_hdu
from tests.makers.sky_exposures import FACTORS, continuum_of, line_table, write_sky_exposure
from tests.makers.step_runs import product, refused, run_recipe

RECIPE = "muse_scipost"
KEY = "ESO QC SCIPOST SKY CONVERGED"
COUNTS = {
    "UNIT": "count", "ESO_DRS_MUSE_PIXTABLE_FLUXCAL": None, "ESO_DRS_MUSE_PIXTABLE_DAR_CORRECT": None,
    "ESO_PRO_CATG": "PIXTABLE_OBJECT",
}  # fmt: skip
ONE = 2.5 * np.log10(1e20 / (600.0 * 1.25))
"""Response for which a count is a flux of one unit."""


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """The set-of-frames of an exposure of counts."""
    directory = tmp_path_factory.mktemp("exposure")
    found, _ = write_sky_exposure(directory, **COUNTS)
    grid = np.arange(4150.0, 9801.25, 1.25)
    header = fits.Header([("HIERARCH ESO INS MODE", "WFM-NOAO-N"), (f"HIERARCH {FLAT_CORRECTED}", False)])
    table = response_hdu(Response(grid, np.full(grid.size, ONE), np.full(grid.size, 0.01)))
    fits.HDUList([fits.PrimaryHDU(header=header), table]).writeto(directory / "response.fits")
    extinction_hdus(np.array([4000.0, 10000.0]), np.array([0.0, 0.0])).writeto(directory / "extinction.fits")
    wavelength = np.arange(6260.0, 6400.0, 0.5)
    continuum = sky_continuum_hdu(wavelength, continuum_of(wavelength))
    fits.HDUList([fits.PrimaryHDU(), continuum]).writeto(directory / "continuum.fits")
    tagged = [(path, tag.replace("PIXTABLE_SKY", "PIXTABLE_OBJECT")) for path, tag in found]
    more = {"STD_RESPONSE": "response", "EXTINCT_TABLE": "extinction", "SKY_CONTINUUM": "continuum"}
    return tagged, [(directory / f"{name}.fits", tag) for tag, name in more.items()]


def left(made):
    """What is left of the sky in good rows, in units of their noise: its mean, and its standard deviation."""
    _, rows, _ = product(made)
    scaled = rows["data"] / np.sqrt(rows["stat"])
    scaled = scaled[np.abs(scaled) < 8.0]
    return scaled.mean(), scaled.std()


def test_the_model_leaves_noise(frames, tmp_path):
    exposure, more = frames
    options = "--skymodel_fraction=0.9", "--save=individual,skymodel", "--plots"
    status, made = run_recipe(RECIPE, tmp_path / "out", [*exposure, *more[:2]], *options)
    assert status == 0
    mean, spread = left(made)
    assert abs(mean) < 0.05 and spread == pytest.approx(1.0, abs=0.05)
    with fits.open(made / "SKY_LINES_0001.fits") as hdus:
        assert hdus[0].header["SPECSYS"] == "BARYCENT" and hdus[0].header["CTYPE1"] == "RA---TAN"
        found = {round(row["lambda"]): row["flux"] for row in hdus["LINES"].data}
    lines = line_table()
    for wavelength, group, flux in zip(lines.wavelength, lines.group, lines.flux, strict=True):
        if flux > 200.0:
            assert found[round(wavelength)] == pytest.approx(FACTORS[group] * flux, rel=0.02)
    assert (made / "SKY_MASK_0001.png").exists() and (made / "SKY_SPECTRUM_0001.png").exists()


def test_a_fit_of_the_sky_that_has_not_converged_is_told(frames, tmp_path, monkeypatch, capsys):
    exposure, more = frames
    options = "--skymodel_fraction=0.9", "--save=individual"
    status, made = run_recipe(RECIPE, tmp_path / "good", [*exposure, *more[:2]], *options)
    assert status == 0 and KEY not in product(made)[0]
    monkeypatch.setattr("musedeep.reduction.sky.line_fit.FAR", 0.0)
    status, made = run_recipe(RECIPE, tmp_path / "bad", [*exposure, *more[:2]], *options)
    assert status == 0 and product(made)[0][KEY] is False
    assert "the fit of the sky lines has not converged" in "".join(capsys.readouterr())


def test_a_known_continuum_is_taken(frames, tmp_path):
    exposure, more = frames
    options = "--skymodel_fraction=0.9", "--save=individual,skymodel"
    status, made = run_recipe(RECIPE, tmp_path / "out", [*exposure, *more], *options)
    assert status == 0 and abs(left(made)[0]) < 0.05
    with fits.open(made / "SKY_CONTINUUM_0001.fits") as hdus:
        table = hdus["CONTINUUM"].data
        assert table["flux"] == pytest.approx(continuum_of(table["lambda"]), rel=1e-6)


def test_a_given_model_is_subtracted_as_it_is(frames, tmp_path):
    exposure, more = frames
    means = {}
    for method in ("subtract-model", "none"):
        options = f"--skymethod={method}", "--rvcorr=none", "--save=individual"
        status, made = run_recipe(RECIPE, tmp_path / method, [*exposure, *more], *options)
        assert status == 0
        _, rows, _ = product(made)
        plain = np.abs(rows["lambda"] - 6338.0) < 3.0  # no line near
        means[method] = float(np.median(rows["data"][plain]))
    assert means["none"] - means["subtract-model"] == pytest.approx(float(continuum_of(6338.0)), rel=0.02)


def test_an_ifu_without_line_spread_functions(frames, tmp_path, caplog):
    exposure, more = frames
    some = [(path, tag) for path, tag in exposure if path.name != "lsf-13.fits"]
    refused(RECIPE, tmp_path / "out", [*some, *more[:2]], "no LSF_PROFILE of IFU 13", caplog)


def test_a_response_of_another_mode(frames, tmp_path, caplog):
    exposure, more = frames
    with fits.open(more[0][0]) as hdus:
        hdus[0].header["HIERARCH ESO INS MODE"] = "WFM-AO-N"
        hdus.writeto(tmp_path / "other.fits")
    given = [*exposure, (tmp_path / "other.fits", "STD_RESPONSE"), more[1]]
    refused(RECIPE, tmp_path / "out", given, "the STD_RESPONSE is for WFM-AO-N", caplog)
