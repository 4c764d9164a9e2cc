"""muse_astrometry from pixel tables to its products."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from musedeep.cli.main import run
from musedeep.recipes.astrometry.field import median_of
from musedeep.storage.calibrations.astrometry_wcs import read_astrometry_wcs
from tests.makers.star_fields import ExposedField

RNG = np.random.default_rng(4)
PLACES = np.stack([RNG.permutation(np.linspace(-140.0, 140.0, 14)), RNG.uniform(-8.0, 8.0, 14)], axis=1)
"""In two IFUs about the middle of the field."""


def recipe(directory, frames, *parameters):
    sof = directory / "in.sof"
    sof.write_text("".join(f"{path} {tag}\n" for path, tag in frames))
    return run(["recipe", "muse_astrometry", f"--output-dir={directory}", *parameters, str(sof)])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A field with two more stars in the catalogue than in the exposure, and its products."""
    directory = tmp_path_factory.mktemp("astrometry")
    field = ExposedField(PLACES, seen=12)
    frames = field.write(directory)
    assert recipe(directory, frames, "--plots") == 0
    return field, frames, directory


def test_the_solution_is_the_true_one(made):
    field, _, directory = made
    wcs = read_astrometry_wcs(directory / "ASTROMETRY_WCS_0001.fits")
    assert (np.abs(wcs.matrix * 3600.0 - field.matrix0) < (4e-6, 1e-4)).all()
    assert len(wcs.sources["XPOS"]) >= 11
    header = fits.getheader(directory / "ASTROMETRY_WCS_0001.fits")
    assert header["ESO QC ASTRO NSTARS"] == len(wcs.sources["XPOS"])
    assert header["ESO QC ASTRO SCALE X"] == pytest.approx(wcs.scales[0], rel=1e-6)
    assert header["ESO QC ASTRO MEDRES X"] < 0.004
    assert header["ESO DRS MUSE WCS DETSIGMA"] == 1.5
    assert header["OBJECT"] == "Astrometric calibration (SIM-ASTROMETRY)"
    assert header["ESO PRO SCIENCE"] is False
    assert not any("PIXTABLE" in key for key in header if "RAW" not in key)


def test_the_cube_has_its_images_and_the_solution_in_them(made):
    _, _, directory = made
    with fits.open(directory / "DATACUBE_ASTROMETRY_0001.fits") as hdus:
        names = [hdu.name for hdu in hdus]
        assert names == ["PRIMARY", "DATA", "STAT", "white", "ASTROMETRY_DETECTION", "ASTROMETRY_DETECTION_STAT"]
        image = hdus["ASTROMETRY_DETECTION"]
        assert image.header["CTYPE1"] == "PIXEL" and image.header["WCSNAMES"] == "Solution"
        assert image.header["ERRDATA"] == "ASTROMETRY_DETECTION_STAT"
        assert hdus["DATA"].header["CD3_3"] == 50.0
        assert hdus[0].header["ESO QC ASTRO NDET"] > 0
        start = np.array([hdus["DATA"].header[f"CRVAL{k}"] for k in (1, 2)])
        ra, dec = WCS(image.header, key="S").all_pix2world(*(PLACES[0] - start + 1.0), 1)
    with fits.open(directory / "astrometry_reference.fits") as hdus:
        star = hdus[1].data[0]
    cosine = np.cos(np.radians(star["DEC"]))
    np.testing.assert_allclose([(ra - star["RA"]) * cosine, dec - star["DEC"]], 0.0, atol=0.01 / 3600.0)


def test_a_picture_is_drawn(made):
    _, _, directory = made
    assert (directory / "ASTROMETRY_WCS_0001.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "parameters",
    [
        ("--centroid=gaussian",), ("--centroid=box",), ("--detsigma=-3",), ("--faccuracy=5", "--radius=5"),
        ("--niter=1",), ("--lambdamin=7050",),
    ],
)  # fmt: skip
def test_with_other_parameters_it_is_the_same_solution(made, tmp_path, parameters):
    field, frames, _ = made
    assert recipe(tmp_path, frames, *parameters) == 0
    wcs = read_astrometry_wcs(tmp_path / "ASTROMETRY_WCS_0001.fits")
    assert (np.abs(wcs.matrix * 3600.0 - field.matrix0) < (2e-5, 1e-3)).all()


def test_the_same_bits_with_any_number_of_threads(made, tmp_path):
    _, frames, directory = made
    assert recipe(tmp_path, frames, "--threads=1") == 0
    for name in ("DATACUBE_ASTROMETRY_0001.fits", "ASTROMETRY_WCS_0001.fits"):
        with fits.open(tmp_path / name) as one, fits.open(directory / name) as other:
            for a, b in zip(one[1:], other[1:], strict=True):
                assert a.data.tobytes() == b.data.tobytes()
    a, b = (read_astrometry_wcs(place / "ASTROMETRY_WCS_0001.fits").matrix for place in (tmp_path, directory))
    np.testing.assert_array_equal(a, b)


def test_refraction_that_is_not_corrected_is_corrected(made, tmp_path, capsys):
    field, _, _ = made
    cards = {
        "ESO DRS MUSE PIXTABLE DAR CORRECT": None, "LST": 18500.0, "MJD-OBS": None, "ESO TEL PARANG START": 10.0,
        "ESO TEL PARANG END": 12.0, "ESO TEL AMBI TEMP": 11.5, "ESO TEL AMBI RHUM": 14.5,
        "ESO TEL AMBI PRES START": 743.5, "ESO TEL AMBI PRES END": 743.5,
    }  # fmt: skip
    frames = ExposedField(PLACES).write(tmp_path, **cards)
    # 7000 to 7160 Angstrom: the refraction moves nothing that matters
    assert recipe(tmp_path, frames) == 0
    wcs = read_astrometry_wcs(tmp_path / "ASTROMETRY_WCS_0001.fits")
    assert (np.abs(wcs.matrix * 3600.0 - field.matrix0) < (1e-5, 2e-4)).all()
    assert recipe(tmp_path, frames, "--lambdaref=-1", "--overwrite") == 1
    assert "its refraction is not corrected, and lambdaref=-1 leaves it so" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"RA": 20.0}, "arcmin away; give an ASTROMETRY_REFERENCE with the field that was observed"),
        ({"DEC": -69.15}, "has 0 stars within 60 arcsec of the pointing"),
        ({"ESO DRS MUSE PIXTABLE WCS": "projected (intermediate)"}, "positions are projected (intermediate)"),
        ({"RA": None}, "keyword RA is missing"),
    ],
)
def test_bad_input_is_refused_in_one_line(tmp_path, capsys, cards, message):
    frames = ExposedField(PLACES).write(tmp_path, ifus=(12,), **cards)
    assert recipe(tmp_path, frames) == 1
    said = capsys.readouterr().err
    assert message in said
    assert not list(tmp_path.glob("*ASTROMETRY_WCS*")) and not list(tmp_path.glob("*DATACUBE*"))


def test_no_stars_in_the_exposure(tmp_path, capsys):
    frames = ExposedField(PLACES, seen=0).write(tmp_path, ifus=(12,))
    assert recipe(tmp_path, frames) == 1
    assert "detsigma=1.5" in capsys.readouterr().err
    assert not list(tmp_path.glob("*DATACUBE*"))


def test_existing_products_are_kept(made, capsys):
    _, frames, directory = made
    assert recipe(directory, frames) == 1
    assert "DATACUBE_ASTROMETRY_0001.fits" in capsys.readouterr().err


def test_the_median_of_planes():
    data = np.array([[[1.0, 5.0, np.nan, np.nan]], [[3.0, np.nan, 7.0, np.nan]], [[2.0, 9.0, np.nan, np.nan]]])
    stat = data * 10.0
    planes = [(d.astype(np.float32), s.astype(np.float32)) for d, s in zip(data, stat, strict=True)]
    middle, variance = median_of(planes)
    np.testing.assert_array_equal(middle, [[2.0, 7.0, 7.0, np.nan]])
    np.testing.assert_array_equal(variance, [[20.0, 70.0, 70.0, np.nan]])
