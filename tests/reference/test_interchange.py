"""Products that one pipeline makes and the other takes, in both directions; of small exposures, in seconds.

Others are exchanged elsewhere: SKY_LINES and SKY_CONTINUUM (test_create_sky), AUTOCAL_FACTORS (test_autocalibration),
ASTROMETRY_WCS (test_astrometry), SOURCE_LIST (test_exp_align), PIXTABLE_REDUCED (test_scipost_steps); and all our
recipes after muse_scibasic take the products of the reference (`second_stage`).
"""

import numpy as np
import pytest
from astropy.io import fits
from scipy.ndimage import binary_dilation

from musedeep.storage.calibrations.sky_mask import read_sky_mask
from musedeep.storage.offset_list import read_offset_list
from tests.makers.celestial_masks import write_celestial_mask
from tests.makers.field_tables import write_field_table
from tests.makers.field_views import stars, write_views
from tests.makers.pixel_tables import write_dithers, write_exposure
from tests.makers.sky_exposures import write_sky_exposure
from tests.makers.step_runs import run_recipe

pytestmark = pytest.mark.reference

OBJECT = {
    "ESO_DRS_MUSE_PIXTABLE_LIMITS_SLICE_LOW": 1, "ESO_DRS_MUSE_PIXTABLE_LIMITS_SLICE_HIGH": 48,
    "ESO_DRS_MUSE_FLAT_FLUX_SKY": 1e6, "ESO_INS_DROT_POSANG": 0.0,
}  # fmt: skip
"""Cards without which the reference merges no IFUs, and the limits that it would find."""

PLAIN = {"skymethod": "none", "rvcorr": "none", "lambdamin": 7000, "lambdamax": 7050}


@pytest.fixture
def both(esorex_recipe, tmp_path):
    """Runs a recipe of both; returns their directory and ours."""

    def run(recipe, frames, name="made", **parameters):
        theirs = esorex_recipe(tmp_path / f"{name}-theirs", recipe, frames, parameters)
        words = [f"--{key}={value}" for key, value in parameters.items()]
        status, ours = run_recipe(recipe, tmp_path / f"{name}-ours", frames, *words, "--save-fits")
        assert status == 0
        return theirs, ours

    return run


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """The pixel tables of two IFUs, in pixels of the field and counts."""
    directory = tmp_path_factory.mktemp("objects")
    for ifu in (11, 12):
        write_field_table(directory / f"t-{ifu}.fits", 400_000, ifu, **OBJECT)
    return [(directory / f"t-{ifu}.fits", "PIXTABLE_OBJECT") for ifu in (11, 12)]


@pytest.fixture(scope="module")
def dithers(tmp_path_factory):
    """Two reduced exposures, each with the spectrum of a flat of its own."""
    options = {"ifus": (12,), "wavelength": (7000.0, 7012.0), "cosmics": 3e-4}
    paths = write_dithers(tmp_path_factory.mktemp("dithers"), 2, step=0.0, flat_field=True, **options)[0]
    for k, path in enumerate(paths):
        with fits.open(path, mode="update") as hdus:
            hdus[-1].data["data"] *= 1.0 + k
            hdus[0].header["HIERARCH ESO DRS MUSE PIXTABLE FFCORR"] = k + 1
    return [(path, "PIXTABLE_REDUCED") for path in paths]


def write_grid(path, header):
    """Write an OUTPUT_WCS about the place of an exposure: without one the reference rounds the limits of the rows."""
    cards = {
        "NAXIS": 3, "NAXIS1": 310, "NAXIS2": 40, "NAXIS3": 8, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN",
        "CTYPE3": "AWAV", "CUNIT1": "deg", "CUNIT2": "deg", "CUNIT3": "Angstrom", "CRVAL1": header["RA"],
        "CRVAL2": header["DEC"], "CRVAL3": 7001.0, "CRPIX1": 155.0, "CRPIX2": 20.0, "CRPIX3": 1.0,
        "CD1_1": -0.2 / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.2 / 3600, "CD3_3": 1.25,
    }  # fmt: skip
    fits.PrimaryHDU(np.zeros((8, 40, 310), np.float32), fits.Header(cards)).writeto(path)
    return path, "OUTPUT_WCS"


def assert_same_cubes(both, made, name, grid):
    """Cubes of a table of either pipeline: nearly the same NaN, and values within a tenth of the noise."""
    for k, directory in enumerate(made):
        frames = [(directory / name, "PIXTABLE_OBJECT"), grid]
        assert_same_cube(*both("muse_scipost_make_cube", frames, f"cube{k}", crsigma=0))


def assert_same_cube(theirs, ours):
    """See `assert_same_cubes`."""
    with fits.open(theirs / "DATACUBE_FINAL.fits") as a, fits.open(ours / "DATACUBE_FINAL.fits") as b:
        assert a["DATA"].shape == b["DATA"].shape and np.isfinite(a["DATA"].data).any(axis=(0, 1)).sum() > 250
        assert np.mean(np.isnan(a["DATA"].data) == np.isnan(b["DATA"].data)) > 0.999
        pull = np.abs(a["DATA"].data - b["DATA"].data) / np.sqrt(a["STAT"].data)
        assert np.nanpercentile(pull, 99) < 0.1


def assert_same_headers(theirs, ours):
    """HDUs, and keywords of the first one, but for those of the writing libraries."""
    assert [hdu.name for hdu in theirs] == [hdu.name for hdu in ours]
    own = ("ESO PRO REC", "COMMENT", "CHECKSUM", "DATASUM", "ESO QC")
    missing = {key for key in theirs[0].header if key and not key.startswith(own)} - set(ours[0].header)
    assert not missing
    assert {key for key in ours[0].header if "FFCORR" in key} == {key for key in theirs[0].header if "FFCORR" in key}


def test_positioned_tables(both, objects, tmp_path):
    made = both("muse_scipost", objects, save="positioned", **PLAIN)
    name = "PIXTABLE_POSITIONED_0001.fits"
    with fits.open(made[0] / name) as a, fits.open(made[1] / name) as b:
        assert_same_headers(a, b)
        orders = [np.argsort(one["origin"].data.ravel(), kind="stable") for one in (a, b)]
        for column in ("xpos", "ypos"):
            x, y = (one[column].data.ravel()[order] for one, order in zip((a, b), orders, strict=True))
            # the reference takes the middle of the field of the rows between the wavelengths, here of all rows
            off = x.astype(np.float64) - y
            np.testing.assert_allclose(off, np.median(off), atol=2e-8)
            assert abs(np.median(off)) < 2e-5
    assert_same_cubes(both, made, name, write_grid(tmp_path / "grid.fits", fits.getheader(objects[0][0])))


def test_combined_tables(both, dithers, tmp_path):
    made = both("muse_exp_combine", dithers, save="combined", crsigma=0)
    name = "PIXTABLE_COMBINED.fits"
    with fits.open(made[0] / name) as a, fits.open(made[1] / name) as b:
        assert_same_headers(a, b)
        for column in ("lambda", "data"):
            np.testing.assert_array_equal(a["PIXTABLE_FLAT_FIELD"].data[column], b["PIXTABLE_FLAT_FIELD"].data[column])
    assert_same_cubes(both, made, name, write_grid(tmp_path / "grid.fits", fits.getheader(dithers[0][0])))


def test_responses(night, second_stage, both, objects):
    """Ours, in both pipelines: theirs is what `second_stage` gives to our recipes."""
    ours = second_stage.ours("standard")
    frames = [*objects, (night.directory / "static" / "extinct_table.fits", "EXTINCT_TABLE")]
    frames += [(ours / f"STD_{kind}_0001.fits", f"STD_{kind}") for kind in ("RESPONSE", "TELLURIC")]
    made = both("muse_scipost", frames, save="individual", **PLAIN)
    found = []
    for directory in made:
        with fits.open(directory / "PIXTABLE_REDUCED_0001.fits") as hdus:
            order = np.argsort(hdus["origin"].data.ravel(), kind="stable")
            found.append(hdus["data"].data.ravel()[order])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)


def test_masks(both, esorex_recipe, tmp_path):
    """SKY_MASK in pixels of the field, each of the other's; and one on the sky in both."""
    # of several files of IFUs the reference takes the first alone, unless they have FLAT FLUX SKY
    frames, _ = write_sky_exposure(tmp_path, (12,), cosmics=0.0)
    made = both("muse_create_sky", frames)
    whole = {"fraction": 1, "ignore": 0}
    for k, directory in enumerate(made):
        again = both("muse_create_sky", [*frames, (directory / "SKY_MASK.fits", "SKY_MASK")], f"again{k}", **whole)
        given, theirs, ours = (read_sky_mask(one / "SKY_MASK.fits").mask for one in (directory, *again))
        assert np.array_equal(ours, given)
        assert_grown(theirs, given)
    header = fits.getheader(frames[0][0])
    write_celestial_mask(tmp_path / "celestial.fits", header["RA"], header["DEC"])
    again = both("muse_create_sky", [*frames, (tmp_path / "celestial.fits", "SKY_MASK")], "celestial", **whole)
    theirs, ours = (read_sky_mask(directory / "SKY_MASK.fits").mask for directory in again)
    assert 0.2 < ours.mean() < 0.8
    assert_grown(theirs, ours)


def assert_grown(theirs, ours):
    """The mask of the reference has the pixels, too, that rows of the mask reach in its image: the neighbours."""
    assert theirs.shape == ours.shape and theirs[ours].mean() > 0.99
    assert binary_dilation(ours, np.ones((3, 3)))[theirs].mean() > 0.99


def test_offset_lists(both, tmp_path):
    errors = [(0.0, 0.0), (1.31, -0.64)]
    images = write_views(tmp_path, stars(25, 1), errors)
    made = both("muse_exp_align", [(path, "IMAGE_FOV") for path in images], iterations=3000)
    tables = []
    for k, image in enumerate(images):
        path = tmp_path / f"t{k}.fits"
        date = fits.getheader(image)["DATE-OBS"]
        write_exposure(path, date_obs=date, seed=k, ifus=(12,), wavelength=(7000.0, 7006.0))
        tables.append((path, "PIXTABLE_REDUCED"))
    for k, directory in enumerate(made):
        rows = read_offset_list(directory / "OFFSET_LIST.fits").rows
        cubes = both("muse_exp_combine", [*tables, (directory / "OFFSET_LIST.fits", "OFFSET_LIST")], f"cube{k}")
        for cube in cubes:
            header = fits.getheader(cube / "DATACUBE_FINAL.fits")
            for number, row in enumerate(rows, 1):
                assert header[f"ESO DRS MUSE OFFSET{number} DATE-OBS"] == row.date_obs
                assert header[f"ESO DRS MUSE OFFSET{number} DRA"] == pytest.approx(row.ra_offset, abs=1e-12)
                assert header[f"ESO DRS MUSE OFFSET{number} DDEC"] == pytest.approx(row.dec_offset, abs=1e-12)
