"""muse_create_sky on a small exposure of known truth."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.recipes.run_exposures import exposures_of
from musedeep.reduction.correct.placing import field_middle
from musedeep.storage.calibrations.sky_continuum import read_sky_continuum
from musedeep.storage.calibrations.sky_lines import read_sky_lines, sky_lines_hdu
from musedeep.storage.calibrations.sky_mask import read_sky_mask
from musedeep.storage.calibrations.sky_spectrum import read_sky_spectrum
from tests.makers.celestial_masks import west_of_middle, write_celestial_mask
from tests.makers.sky_exposures import (
    FACTORS,
    SHIFT,
    continuum_of,
    line_table,
    lsf_of,
    sky_rows,
    write_sky_exposure,
    write_sky_table,
)
from tests.makers.step_runs import run_recipe

RECIPE = "muse_create_sky"
LATER = {"DATE-OBS": "2014-12-10T04:07:12.000"}
PRODUCTS = ("SKY_IMAGE", "SKY_MASK", "SKY_SPECTRUM", "SKY_LINES", "SKY_CONTINUUM")


@pytest.fixture(scope="module")
def exposure(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sky")
    frames, _ = write_sky_exposure(directory)
    status, made = run_recipe(RECIPE, directory / "out", frames, "--plots")
    assert status == 0
    return frames, made


def test_fluxes_shift_and_continuum(exposure):
    _, made = exposure
    lines, table = read_sky_lines(made / "SKY_LINES.fits"), line_table()
    for group, factor in FACTORS.items():
        ours, given = lines.group == group, table.group == group
        np.testing.assert_allclose(lines.flux[ours] / table.flux[given], factor, rtol=0.01)
    np.testing.assert_allclose(lines.wavelength - table.wavelength, SHIFT, atol=3e-3)
    continuum = read_sky_continuum(made / "SKY_CONTINUUM.fits")
    assert np.median(continuum.flux / continuum_of(continuum.wavelength)) == pytest.approx(1.0, abs=0.01)


def test_the_form_of_the_products(exposure):
    _, made = exposure
    mask = read_sky_mask(made / "SKY_MASK.fits")
    with fits.open(made / "SKY_IMAGE.fits") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "DATA", "DQ"]
        assert hdus["DATA"].header["CTYPE1"] == "PIXEL" and hdus["DATA"].header["BUNIT"].startswith("10**(-20)")
        image, header = hdus["DATA"].data, hdus["DATA"].header
        assert hdus[0].header["ESO DRS MUSE FILTER NAME"] == "white"
    assert mask.mask.shape == image.shape and mask.start == (header["CRVAL1"], header["CRVAL2"])
    assert mask.mask.sum() == pytest.approx(0.75 * 0.95 * np.isfinite(image).sum(), abs=5)
    head = fits.getheader(made / "SKY_MASK.fits")
    assert head["ESO QC SKY LOWLIMIT"] < image[mask.mask].min()
    assert head["ESO QC SKY THRESHOLD"] > image[mask.mask].max()
    spectrum = read_sky_spectrum(made / "SKY_SPECTRUM.fits")
    np.testing.assert_allclose(np.diff(spectrum.wavelength), 0.3125)
    quality = fits.getheader(made / "SKY_LINES.fits")
    assert [quality[f"ESO QC SKY LINE{k} NAME"] for k in (1, 2)] == ["line 6300.3", "line 6348.0"]
    assert quality["ESO QC SKY LINE1 AWAV"] == pytest.approx(6300.33, abs=0.01)
    assert quality["ESO QC SKY LINE1 FLUX"] == pytest.approx(640.0, rel=0.01)
    quality = fits.getheader(made / "SKY_CONTINUUM.fits")
    continuum = read_sky_continuum(made / "SKY_CONTINUUM.fits").flux
    assert quality["ESO QC SKY CONT FLUX"] == pytest.approx(continuum.sum())
    assert quality["ESO QC SKY CONT MAXDEV"] == pytest.approx(np.abs(np.diff(continuum)).max() / 0.3125)


def test_headers(exposure):
    _, made = exposure
    for category in PRODUCTS:
        header = fits.getheader(made / f"{category}.fits")
        assert header["ESO PRO CATG"] == category and header["ESO PRO SCIENCE"] is False
        assert header["ESO PRO REC2 ID"] == RECIPE and header["PIPEFILE"] == f"{category}.fits"
        has_table = any(key.startswith("ESO DRS MUSE PIXTABLE") for key in header)
        assert has_table == (category == "SKY_SPECTRUM")
        assert "EXTNAME" not in header


def test_pictures(exposure):
    _, made = exposure
    for name in ("SKY_MASK.png", "SKY_SPECTRUM.png"):
        assert (made / name).read_bytes().startswith(b"\x89PNG")


def test_the_mask_leads_to_the_same_sky(exposure, tmp_path):
    frames, made = exposure
    given = [*frames, (made / "SKY_MASK.fits", "SKY_MASK"), (made / "SKY_CONTINUUM.fits", "SKY_CONTINUUM")]
    status, again = run_recipe(RECIPE, tmp_path / "out", given, "--fraction=1", "--ignore=0")
    assert status == 0
    one, other = (read_sky_spectrum(place / "SKY_SPECTRUM.fits") for place in (made, again))
    np.testing.assert_array_equal(one.data, other.data)
    one, other = (read_sky_continuum(place / "SKY_CONTINUUM.fits") for place in (made, again))
    np.testing.assert_array_equal(one.flux, other.flux)


def test_lines_in_any_order_give_the_same(exposure, tmp_path):
    frames, made = exposure
    hdu = sky_lines_hdu(line_table())
    hdu.data = hdu.data[np.random.default_rng(1).permutation(len(hdu.data))]
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "mixed.fits")
    mixed = [(tmp_path / "mixed.fits", tag) if tag == "SKY_LINES" else (path, tag) for path, tag in frames]
    status, again = run_recipe(RECIPE, tmp_path / "out", mixed)
    assert status == 0
    one, other = (read_sky_lines(place / "SKY_LINES.fits") for place in (made, again))
    np.testing.assert_array_equal(one.flux, other.flux)


def refused(directory, frames, words, caplog, *parameters):
    caplog.clear()
    status, made = run_recipe(RECIPE, directory, frames, *parameters)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert status != 0 and len(lines) == 1 and words in lines[0] and "\n" not in lines[0], lines
    assert not list(made.glob("SKY*"))


def without(frames, tag, *more):
    return [frame for frame in frames if frame[1] != tag] + list(more)


def test_bad_input(exposure, tmp_path, caplog):
    frames, made = exposure
    lsf = [frame for frame in frames if frame[1] != "LSF_PROFILE" or "12" in frame[0].name]
    refused(tmp_path / "a", lsf, "no LSF_PROFILE of IFU 13 (CHAN13), only of CHAN12", caplog)
    other = without(frames, "SKY_LINES", (made / "SKY_CONTINUUM.fits", "SKY_LINES"))
    refused(tmp_path / "b", other, "give a SKY_LINES", caplog)
    fits.PrimaryHDU(np.ones((5, 7), np.uint8)).writeto(tmp_path / "mask.fits")
    refused(tmp_path / "c", [*frames, (tmp_path / "mask.fits", "SKY_MASK")], "the mask has 7 x 5 pixels", caplog)
    refused(tmp_path / "d", without(frames, "LSF_PROFILE"), "needs at least 1 LSF_PROFILE", caplog)
    refused(
        tmp_path / "e",
        frames,
        "lambdamin=7000 is not below lambdamax=6000",
        caplog,
        "--lambdamin=7000",
        "--lambdamax=6000",
    )
    refused(tmp_path / "f", frames, "crsigma=a is not one or two numbers", caplog, "--crsigma=a")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ESO_DRS_MUSE_PIXTABLE_SKYSUB": True}, "the sky is subtracted already"),
        ({"ESO_DRS_MUSE_PIXTABLE_RVCORR": -13.0}, "its velocity is corrected already"),
        (
            {"ESO_DRS_MUSE_PIXTABLE_FLUXCAL": None},
            "the data are counts, which STD_RESPONSE and EXTINCT_TABLE turn into",
        ),
        ({"ESO_DRS_MUSE_PIXTABLE_WCS": "projected (intermediate)"}, "positions are projected"),
    ],
)
def test_tables_of_another_stage(tmp_path, caplog, changed, words):
    frames, _ = write_sky_exposure(tmp_path, ifus=(12,), **changed)
    refused(tmp_path / "out", frames, words, caplog)


def test_the_sky_of_several_exposures_is_their_mean(exposure, tmp_path, caplog):
    """Two exposures of different levels: fluxes and continuum are the mean, and all files are recorded."""
    frames, made = exposure
    both = list(frames)
    for ifu in (12, 13):
        rows = sky_rows(ifu, {ifu: lsf_of(ifu)}, seed=2)
        rows["data"] *= np.float32(1.5)
        rows["stat"] *= np.float32(1.5**2)
        write_sky_table(tmp_path / f"later-{ifu}.fits", rows, ifu, **LATER)
        both.append((tmp_path / f"later-{ifu}.fits", "PIXTABLE_SKY"))
    status, mean = run_recipe(RECIPE, tmp_path / "out", both)
    assert status == 0
    one, other = (read_sky_lines(place / "SKY_LINES.fits") for place in (made, mean))
    np.testing.assert_allclose(np.sort(other.flux) / np.sort(one.flux), 1.25, rtol=0.01)
    one, other = (read_sky_continuum(place / "SKY_CONTINUUM.fits") for place in (made, mean))
    assert np.median(other.flux / one.flux) == pytest.approx(1.25, abs=0.01)
    header = fits.getheader(mean / "SKY_LINES.fits")
    assert header["ESO PRO DATANCOM"] == 4 and header["DATE-OBS"] < LATER["DATE-OBS"]
    assert [header[f"ESO PRO REC2 RAW{k} NAME"] for k in (1, 4)] == ["t-12.fits", "later-13.fits"]
    caplog.clear()
    write_sky_table(tmp_path / "other.fits", rows, 13, ESO_INS_MODE="WFM-AO-N", **LATER)
    refused(tmp_path / "mode", [*frames, (tmp_path / "other.fits", "PIXTABLE_SKY")], "INS MODE is WFM-AO-N", caplog)
    write_celestial_mask(tmp_path / "mask.fits", header["RA"], header["DEC"])
    refused(tmp_path / "mask", [*both, (tmp_path / "mask.fits", "SKY_MASK")], "give one exposure, or a mask", caplog)


def test_a_mask_on_the_sky_follows_the_exposure(exposure, tmp_path, caplog):
    frames, made = exposure
    header = fits.getheader(made / "SKY_MASK.fits")
    write_celestial_mask(tmp_path / "mask.fits", header["RA"], header["DEC"])
    given = [*frames, (tmp_path / "mask.fits", "SKY_MASK")]
    status, found = run_recipe(RECIPE, tmp_path / "out", given, "--fraction=1", "--ignore=0")
    assert status == 0
    mask = read_sky_mask(found / "SKY_MASK.fits")
    assert mask.start == read_sky_mask(made / "SKY_MASK.fits").start
    tables = [path for path, tag in frames if tag == "PIXTABLE_SKY"]
    middle = field_middle(exposures_of(tables)[0].observation)
    west = west_of_middle(mask.start, mask.mask.shape, middle, 20.0)
    clear = (np.abs(west) > 1.0) & np.isfinite(fits.getdata(found / "SKY_IMAGE.fits", 1))
    assert np.array_equal(mask.mask[clear], west[clear] > 0.0)
    write_celestial_mask(tmp_path / "elsewhere.fits", header["RA"], header["DEC"] + 1.0)
    refused(tmp_path / "far", [*frames, (tmp_path / "elsewhere.fits", "SKY_MASK")], "the mask does not meet", caplog)
