"""muse_standard as a whole, on a small field with a star of known flux."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.storage.calibrations.response import read_response, read_telluric
from tests.makers.standard_star import (
    counts,
    efficiency,
    star,
    transmission,
    true_response,
    wavelengths,
    write_calibrations,
    write_standard,
)
from tests.makers.step_runs import run_recipe

NAMES = ("DATACUBE_STD", "STD_FLUXES", "STD_RESPONSE", "STD_TELLURIC")
NO_DAR = "--lambdaref=-1"


@pytest.fixture(scope="module")
def reduced(tmp_path_factory):
    """Products of a field of two stars."""
    place = tmp_path_factory.mktemp("standard")
    frames = write_standard(place, others=((-24.0, 6.0, 1.5),))
    # the band of the made star is that of no molecule
    parameters = NO_DAR, "--filter=white,Cousins_R,Johnson_B", "--plots", "--telluric=bridge"
    status, products = run_recipe("muse_standard", place / "out", frames, *parameters)
    assert status == 0
    return products, fits.getheader(frames[0][0])


def test_the_response_is_that_of_the_instrument(reduced):
    response = read_response(reduced[0] / "STD_RESPONSE_0001.fits")
    inside = (response.wavelength >= 6800) & (response.wavelength <= 7000)
    off = response.response[inside] - true_response(response.wavelength[inside])
    assert np.abs(off).max() < 0.01 and abs(np.median(off)) < 0.004
    np.testing.assert_allclose(response.throughput[inside], efficiency(response.wavelength[inside]), rtol=0.012)
    assert response.mode == "WFM-NOAO-N" and not response.flat_corrected


def test_the_telluric_absorption_is_for_one_airmass(reduced):
    products, header = reduced
    from musedeep.reduction.observation import observation_of

    airmass = observation_of(header, "made").airmass
    found = read_telluric(products / "STD_TELLURIC_0001.fits")
    inside = (found.wavelength > 6862) & (found.wavelength < 6960)
    truth = transmission(found.wavelength[inside]) ** (1.0 / airmass)
    assert airmass > 1.2
    np.testing.assert_allclose(found.transmission[inside], truth, atol=0.01)


def test_the_fluxes_of_both_stars(reduced):
    products, header = reduced
    with fits.open(products / "STD_FLUXES_0001.fits") as hdus:
        facts, flux, variance = hdus[0].header, hdus["DATA"].data, hdus["STAT"].data
        assert hdus["DATA"].header["CRVAL1"] == wavelengths()[0] and hdus["DQ"].data.max() == 0
    chosen = facts["ESO DRS MUSE FLUX NSEL"] - 1
    assert facts["ESO DRS MUSE FLUX NOBJ"] == 2 and flux.shape == (2, wavelengths().size)
    np.testing.assert_allclose(flux[chosen].mean(), counts(header).mean(), rtol=0.005)
    np.testing.assert_allclose(flux[1 - chosen].mean(), 1.5 * counts(header).mean(), rtol=0.005)
    assert (variance > 0).all()
    assert facts[f"ESO DRS MUSE FLUX OBJ{chosen + 1} RA"] == pytest.approx(header["RA"], abs=0.2 / 3600)
    assert facts[f"ESO DRS MUSE FLUX OBJ{chosen + 1} INTFLUX"] == pytest.approx(flux[chosen].sum(dtype=float), rel=1e-5)


def test_quality_and_headers(reduced):
    products, _ = reduced
    response, cube = (fits.getheader(products / f"{name}_0001.fits") for name in ("STD_RESPONSE", "DATACUBE_STD"))
    qc = "ESO QC STANDARD "
    assert response[qc + "STARNAME"] == "GD71"
    assert response[qc + "THRU7000"] == pytest.approx(0.30, abs=0.01) and qc + "THRU6000" in response
    assert response[qc + "ZP V"] == response[qc + "ZP I"] == -99.0
    assert response[qc + "ZP R"] == pytest.approx(-2.5 * np.log10(0.3), abs=0.15)
    assert cube[qc + "NDET"] >= 1 and cube[qc + "FWHM MEDIAN"] == 0.0
    assert cube[qc + "LAMBDA"] == 6900.0 and cube[qc + "FWHM1 X"] == pytest.approx(0.85, abs=0.15)
    for name in NAMES:
        header = fits.getheader(products / f"{name}_0001.fits")
        assert header["ESO PRO CATG"] == name and header["ESO PRO REC2 ID"] == "muse_standard"
        assert header["ESO DRS MUSE FLUX FFCORR"] is False and header["ESO INS MODE"] == "WFM-NOAO-N"
        assert not [key for key in header if "PIXTABLE" in key and "PRO REC" not in key]
    with fits.open(products / "DATACUBE_STD_0001.fits") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "DATA", "STAT", "white", "Cousins_R"]
        assert hdus["DATA"].shape == (wavelengths().size, 41, 71)
    assert len(list(products.glob("*.png"))) == 3


@pytest.mark.parametrize("profile", ["gaussian", "moffat", "circle", "square"])
def test_other_profiles(tmp_path, profile):
    frames = write_standard(tmp_path)
    status, products = run_recipe("muse_standard", tmp_path / "out", frames, NO_DAR, f"--profile={profile}")
    assert status == 0
    response = read_response(products / "STD_RESPONSE_0001.fits")
    inside = (response.wavelength >= 6810) & (response.wavelength <= 6990)
    off = np.median(response.response[inside] - true_response(response.wavelength[inside]))
    limit = {"gaussian": 0.15, "square": 0.04}.get(profile, 0.02)
    assert abs(off) < limit


def test_two_exposures_are_reduced_by_date(tmp_path):
    frames = write_standard(tmp_path, number=1)
    later = {"DATE-OBS": "2014-12-10T04:07:12.000"}
    second = write_standard(tmp_path, number=2, brightness=0.5, **later)[:1]
    status, products = run_recipe("muse_standard", tmp_path / "out", [*second, *frames], NO_DAR, "--smooth=median")
    assert status == 0
    first, last = (read_response(products / f"STD_RESPONSE_000{k}.fits") for k in (1, 2))
    ratio = [np.median(one.response[np.abs(one.wavelength - 6900.0) < 90.0]) for one in (first, last)]
    assert ratio[0] - ratio[1] == pytest.approx(2.5 * np.log10(2.0), abs=0.012)


@pytest.mark.parametrize(
    ("changed", "parameters", "words"),
    [
        ({"brightness": 0.0}, (), "no whole star in the field"),
        ({"place": (0.0, 19.6)}, (), "no whole star in the field"),
        ({"place": (0.0, 13.0)}, ("--profile=circle",), "is cut by the edge"),
        ({"nan": True}, (), "has no data"),
        ({"ESO_DRS_MUSE_PIXTABLE_FLUXCAL": True}, (), "its flux is calibrated already"),
        ({"ESO_DRS_MUSE_PIXTABLE_RVCORR": -13.0}, (), "its velocity is corrected already"),
        ({"ESO_DRS_MUSE_PIXTABLE_DAR_CORRECT": 7000.0}, (), "its refraction is corrected already"),
        ({}, ("--lambdamin=7000", "--lambdamax=6000"), "is not below lambdamax"),
        ({}, ("--lambdamin=9400",), ""),
        ({}, ("--profile=moffatt",), "did you mean moffat?"),
    ],
)
def test_bad_input_ends_in_one_line(tmp_path, caplog, capsys, changed, parameters, words):
    frames = write_standard(tmp_path, **changed)
    status, products = run_recipe("muse_standard", tmp_path / "out", frames, NO_DAR, *parameters)
    assert status != 0
    lines = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    said = lines or [capsys.readouterr().err.strip()]
    assert len(said) == 1 and words in said[0] and "Traceback" not in said[0]
    assert [path.name for path in products.iterdir()] == ["in.sof"]


def test_a_star_that_is_not_in_the_table_or_not_where_it_is_tabulated(tmp_path, caplog):
    frames = write_standard(tmp_path)
    header = fits.getheader(frames[0][0])
    for shift, words in ((1.0, "no standard star within 60 arcsec"), (0.01, "arcsec away from its tabulated place")):
        standard = star(header)
        elsewhere = tmp_path / "other"
        elsewhere.mkdir(exist_ok=True)
        moved = type(standard)(
            standard.name, standard.ra, standard.dec + shift, standard.wavelength, standard.flux, standard.flux_error
        )
        calibrations = write_calibrations(elsewhere, moved)
        caplog.clear()
        status, _ = run_recipe("muse_standard", tmp_path / "out", [frames[0], *calibrations], NO_DAR)
        assert status != 0
        assert words in next(record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    assert not list((tmp_path / "out").glob("*.fits"))
    status, _ = run_recipe("muse_standard", tmp_path / "out", [frames[0], *calibrations], NO_DAR, "--select=flux")
    assert status == 0


def test_the_same_bits_with_any_number_of_threads(tmp_path):
    frames = write_standard(tmp_path)
    made = []
    for workers in (1, 3):
        status, products = run_recipe(
            "muse_standard", tmp_path / f"out{workers}", frames, NO_DAR, f"--workers={workers}", "--overwrite"
        )
        assert status == 0
        made.append([fits.getheader(products / f"{name}_0001.fits")["DATAMD5"] for name in NAMES])
    assert made[0] == made[1]
