"""muse_scipost on small pixel tables: what it writes, one exposure and several, and what it refuses."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.storage.calibrations.autocal_factors import AutocalFactors
from musedeep.storage.offset_list import OffsetRow, write_offset_list
from musedeep.storage.pixel_tables.export import export
from tests.makers.field_tables import write_field_table
from tests.makers.scipost_frames import calibrations
from tests.makers.step_runs import product, refused, run_recipe

RECIPE = "muse_scipost"
RANGE = "--lambdamin=7000", "--lambdamax=7040"
PLAIN = *RANGE, "--skymethod=none", "--rvcorr=none"
SECOND = {"DATE-OBS": "2014-12-10T03:20:12.000"}


def tables(directory, name="t", ifus=(11, 12), n=200_000, **changed):
    """Pixel tables of the IFUs of an exposure."""
    paths = [directory / f"{name}-{ifu:02d}.fits" for ifu in ifus]
    for path, ifu in zip(paths, ifus, strict=True):
        write_field_table(path, n, ifu, **changed)
    return [(path, "PIXTABLE_OBJECT") for path in paths]


def names(directory):
    return sorted(path.name for path in directory.iterdir() if path.name != "in.sof")


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """The set-of-frames of one exposure of two IFUs."""
    directory = tmp_path_factory.mktemp("exposure")
    return [*tables(directory), *calibrations(directory)]


def test_all_corrections_are_made_and_recorded(frames, tmp_path):
    status, made = run_recipe(RECIPE, tmp_path / "out", frames, *RANGE, "--skymethod=none", "--save=individual")
    assert status == 0 and names(made) == ["PIXTABLE_REDUCED_0001.zarr"]
    header, rows, units = product(made)
    assert units["data"] == "10**(-20)*erg/s/cm**2/Angstrom" and units["xpos"] == "rad"
    expected = {"FFCORR": 2, "MERGED": 2, "DAR CORRECT": 7000.0, "FLUXCAL": True, "WCS": "projected (intermediate)"}
    assert {name: header[f"ESO DRS MUSE PIXTABLE {name}"] for name in expected} == expected
    assert header["SPECSYS"] == "BARYCENT" and abs(header["ESO DRS MUSE PIXTABLE RVCORR"]) < 40.0
    assert header["ESO PRO CATG"] == "PIXTABLE_REDUCED" and header["ESO PRO REC2 ID"] == RECIPE
    assert [header[f"ESO PRO REC2 RAW{k} NAME"] for k in (1, 2)] == ["t-11.fits", "t-12.fits"]
    assert header["ESO PRO REC2 PARAM1 VALUE"] == "individual"
    assert header["ESO DRS MUSE PIXTABLE LIMITS LAMBDA LOW"] == rows["lambda"].min()
    assert rows["lambda"].max() < 7041.0 and 1500 < rows["lambda"].size < 6000


def test_the_cube_is_the_same_from_rows_that_are_written_and_from_others(frames, tmp_path):
    cubes = []
    for save in ("cube", "cube,individual"):
        status, made = run_recipe(RECIPE, tmp_path / save.replace(",", "-"), frames, *PLAIN, f"--save={save}")
        assert status == 0
        with fits.open(made / "DATACUBE_FINAL.fits") as hdus:
            assert hdus[0].header["ESO PRO REC2 ID"] == RECIPE and "ESO PRO REC3 ID" not in hdus[0].header
            assert hdus["DATA"].shape[0] == 33 and hdus["DATA"].header["CTYPE1"] == "RA---TAN"
            assert hdus[0].header["ESO QC SCIPOST NDET"] >= 0
            cubes.append([hdu.data.copy() for hdu in hdus[1:]])
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*cubes, strict=True))
    assert names(tmp_path / "cube") == ["DATACUBE_FINAL.fits", "IMAGE_FOV_0001.fits"]


def test_exposures_are_numbered_by_date_and_combined(frames, tmp_path):
    later = tables(tmp_path, "later", **SECOND)
    offsets = [OffsetRow("2014-12-10T03:07:12.000", 0.0, 0.0), OffsetRow(SECOND["DATE-OBS"], 1e-4, 0.0, 2.0)]
    write_offset_list(tmp_path / "offsets.fits", offsets)
    both = [*later, *frames, (tmp_path / "offsets.fits", "OFFSET_LIST")]
    save = "--save=cube,individual,positioned,combined"
    status, made = run_recipe(RECIPE, tmp_path / "out", both, *PLAIN, save, "--save-fits")
    assert status == 0
    stems = [f"PIXTABLE_{kind}_000{k}" for k in (1, 2) for kind in ("REDUCED", "POSITIONED")]
    in_both_forms = {f"{stem}.{ending}" for stem in (*stems, "PIXTABLE_COMBINED") for ending in ("fits", "zarr")}
    assert set(names(made)) == {"DATACUBE_FINAL.fits", "IMAGE_FOV_0001.fits", *in_both_forms}
    for stem in (stems[1], "PIXTABLE_COMBINED"):
        with fits.open(made / f"{stem}.fits") as hdus:
            assert hdus[-1].name == "PIXTABLE_FLAT_FIELD" and hdus[-1].columns.names[-1] == "data_unsm"
            assert "ESO DRS MUSE FLUX FFCORR" not in hdus[0].header
        export(made / f"{stem}.zarr", tmp_path / "back.fits", overwrite=True)
        changing = {"ignore_keywords": ["CHECKSUM"], "ignore_comments": ["DATASUM"]}
        assert fits.FITSDiff(made / f"{stem}.fits", tmp_path / "back.fits", **changing).identical
    headers = [product(made, k)[0] for k in (1, 2)]
    assert [h["DATE-OBS"] for h in headers] == ["2014-12-10T03:07:12.000", SECOND["DATE-OBS"]]
    combined = fits.getheader(made / "DATACUBE_FINAL.fits")
    assert combined["ESO DRS MUSE OFFSET2 DRA"] == 1e-4 and combined["ESO DRS MUSE FLUX SCALE2"] == 2.0
    assert combined["ESO PRO DATANCOM"] == 4


def test_exposures_that_are_reduced_are_combined_as_they_are(frames, tmp_path):
    """As pymusepipe does: PIXTABLE_REDUCED as PIXTABLE_OBJECT. The cube is that of muse_exp_combine, bit for bit."""
    others = [*frames, *tables(tmp_path, "other", **SECOND)]
    status, made = run_recipe(RECIPE, tmp_path / "made", others, *RANGE, "--skymethod=none", "--save=individual")
    assert status == 0
    again = [(made / f"PIXTABLE_REDUCED_000{k}.zarr", "PIXTABLE_OBJECT") for k in (1, 2)]
    one = "--skymethod=none", "--astrometry=false"
    cube = "--pixfrac=0.6", "--crsigma=10", "--rc=1.25"
    status, out = run_recipe(RECIPE, tmp_path / "out", again, *one, *cube, "--save=cube,individual")
    assert status == 0
    before, after = (product(directory, 2) for directory in (made, out))
    assert all(np.array_equal(before[1][name], after[1][name]) for name in before[1])
    assert after[0]["ESO DRS MUSE PIXTABLE RVCORR"] == before[0]["ESO DRS MUSE PIXTABLE RVCORR"]
    combined = [(path, "PIXTABLE_REDUCED") for path, _ in again]
    status, expected = run_recipe("muse_exp_combine", tmp_path / "expected", combined, *cube)
    assert status == 0
    for name in ("DATA", "STAT"):
        cubes = (fits.getdata(directory / "DATACUBE_FINAL.fits", name) for directory in (out, expected))
        assert np.array_equal(*cubes, equal_nan=True)


def test_a_reduced_exposure_is_placed_once(frames, tmp_path, caplog):
    """musered leaves astrometry on."""
    asked = "--skymethod=none", "--save=individual"
    _, made = run_recipe(RECIPE, tmp_path / "made", frames, *RANGE, *asked)
    again = [(made / "PIXTABLE_REDUCED_0001.zarr", "PIXTABLE_OBJECT")]
    status, out = run_recipe(RECIPE, tmp_path / "out", again, "--astrometry=true", *asked)
    assert status == 0
    assert "its positions are on the sky already, and stay as they are" in caplog.text
    before, after = product(made)[1], product(out)[1]
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_velocity_of_a_reduced_exposure_is_corrected_once(frames, tmp_path):
    asked = "--skymethod=none", "--save=individual"
    _, made = run_recipe(RECIPE, tmp_path / "made", frames, *RANGE, "--rvcorr=none", *asked)
    again = [(made / "PIXTABLE_REDUCED_0001.zarr", "PIXTABLE_OBJECT")]
    status, out = run_recipe(RECIPE, tmp_path / "out", again, "--astrometry=false", *asked)
    assert status == 0
    before, after = product(made), product(out)
    assert (before[0]["SPECSYS"], after[0]["SPECSYS"]) == ("TOPOCENT", "BARYCENT")
    moved = after[1]["lambda"] / before[1]["lambda"] - 1.0
    assert moved == pytest.approx(after[0]["ESO DRS MUSE PIXTABLE RVCORR"] / 299792.458, abs=2e-7)


@pytest.mark.parametrize(
    ("options", "tags", "words"),
    [
        (("--skymethod=simple",), (), "its velocity is corrected already"),
        (("--astrometry=false", "--skymethod=simple"), (), "its velocity is corrected already"),
        (
            ("--astrometry=false", "--skymethod=none"),
            ("STD_RESPONSE", "EXTINCT_TABLE"),
            "its velocity is corrected already",
        ),
    ],
)
def test_what_a_reduced_exposure_has_behind_it_is_refused(frames, tmp_path, caplog, options, tags, words):
    _, made = run_recipe(RECIPE, tmp_path / "made", frames, *RANGE, "--skymethod=none", "--save=individual")
    again = [(made / "PIXTABLE_REDUCED_0001.zarr", "PIXTABLE_OBJECT")]
    again += [frame for frame in frames if frame[1] in tags]
    refused(RECIPE, tmp_path / "out", again, words, caplog, *options)


def test_counts_and_pixels_stay_where_nothing_is_given(frames, tmp_path):
    status, made = run_recipe(
        RECIPE, tmp_path / "out", frames[:2], *PLAIN, "--astrometry=false", "--save=cube,individual"
    )
    assert status == 0
    header, _, units = product(made)
    assert units["data"] == "count" and units["xpos"] == "pix"
    assert "ESO DRS MUSE PIXTABLE FLUXCAL" not in header
    with fits.open(made / "DATACUBE_FINAL.fits") as hdus:
        assert hdus["DATA"].header["CTYPE1"] == "PIXEL" and hdus["DATA"].header["BUNIT"] == "count"


def test_the_spectrum_of_the_sky_is_subtracted(frames, tmp_path):
    options = *RANGE, "--rvcorr=none", "--skymethod=simple", "--skymodel_fraction=0.9", "--save=individual,skymodel"
    status, made = run_recipe(RECIPE, tmp_path / "out", frames, *options)
    assert status == 0
    assert names(made) == [
        "PIXTABLE_REDUCED_0001.zarr", "SKY_IMAGE_0001.fits", "SKY_MASK_0001.fits", "SKY_SPECTRUM_0001.fits",
    ]  # fmt: skip
    with fits.open(made / "SKY_IMAGE_0001.fits") as hdus:
        assert [hdu.name for hdu in hdus[1:]] == ["DATA", "DQ"]
        assert hdus[0].header["ESO DRS MUSE FLUX FFCORR"] is True
        assert not any(key.startswith("ESO DRS MUSE PIXTABLE") for key in hdus[0].header)
    assert "ESO QC SCIPOST THRESHOLD" in fits.getheader(made / "SKY_MASK_0001.fits")
    _, rows, _ = product(made)
    _, before, _ = product(run_recipe(RECIPE, tmp_path / "with", frames, *PLAIN, "--save=individual")[1])
    good = rows["dq"] == 0
    assert abs(rows["data"][good].mean()) < 0.5 * before["data"][good].mean()


def test_factors_of_the_user_are_applied(frames, tmp_path):
    limits = np.array([0.0, 7000.0, 10000.0])
    factors = np.full((24, 48, 2), 2.0)
    points = np.full((24, 48, 2), 100)
    path = tmp_path / "factors.fits"
    table = AutocalFactors(limits, factors, factors, points)
    primary = fits.PrimaryHDU(header=fits.Header([(f"HIERARCH {key}", value) for key, value, _ in table.cards()]))
    fits.HDUList([primary, table.table()]).writeto(path)
    given = [*frames, (path, "AUTOCAL_FACTORS")]
    _, made = run_recipe(RECIPE, tmp_path / "user", given, *PLAIN, "--autocalib=user", "--save=individual")
    header, rows, _ = product(made)
    _, plain, _ = product(run_recipe(RECIPE, tmp_path / "none", frames, *PLAIN, "--save=individual")[1])
    assert rows["data"] == pytest.approx(2.0 * plain["data"]) and header["ESO DRS MUSE PIXTABLE AUTOCAL"] == "user"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ESO_DRS_MUSE_PIXTABLE_DAR_CORRECT": 7000.0}, "its refraction is corrected already"),
        ({"ESO_DRS_MUSE_PIXTABLE_FLUXCAL": True}, "its fluxes are calibrated already"),
        ({"ESO_DRS_MUSE_PIXTABLE_SKYSUB": True}, "the sky is subtracted already"),
        ({"ESO_DRS_MUSE_PIXTABLE_RVCORR": -13.0}, "its velocity is corrected already"),
        ({"ESO_DRS_MUSE_PIXTABLE_WCS": "projected (intermediate)"}, "positions are projected (intermediate)"),
        ({"LST": None}, "keyword LST is missing"),
        ({"LST": 4000.0}, "keyword LST is 4000.0"),
    ],
)
def test_nothing_is_done_twice_or_without_what_it_needs(tmp_path, caplog, changed, words):
    frames = [*tables(tmp_path, n=2000, **changed), *calibrations(tmp_path)]
    refused(RECIPE, tmp_path / "out", frames, words, caplog, *PLAIN)


@pytest.mark.parametrize(
    ("left_out", "options", "words"),
    [
        ((), ("--skymethod=model",), "skymethod=model needs a SKY_LINES, found none; add it, or use skymethod=simple"),
        (("STD_RESPONSE",), ("--skymethod=model",), "skymethod=model needs a STD_RESPONSE"),
        (("EXTINCT_TABLE",), ("--skymethod=none",), "the STD_RESPONSE needs a EXTINCT_TABLE"),
        ((), ("--skymethod=subtract-model",), "skymethod=subtract-model needs a SKY_LINES"),
        ((), ("--skymethod=none", "--autocalib=user"), "autocalib=user needs a AUTOCAL_FACTORS"),
        ((), ("--skymethod=none", "--lambdamin=9400"), "no row between lambdamin=9400 and lambdamax=10000"),
    ],
)
def test_what_parameters_need_is_asked_for_before_the_work(tmp_path, caplog, left_out, options, words):
    frames = [*tables(tmp_path, n=2000), *calibrations(tmp_path)]
    frames = [(path, tag) for path, tag in frames if tag not in left_out]
    refused(RECIPE, tmp_path / "out", frames, words, caplog, *options)


def test_the_second_exposure_is_checked_before_the_first_is_reduced(tmp_path, caplog):
    other = tables(tmp_path, "other", n=2000, ESO_DRS_MUSE_PIXTABLE_RVCORR=-13.0, **SECOND)
    frames = [*tables(tmp_path, n=2000), *other, *calibrations(tmp_path)]
    refused(RECIPE, tmp_path / "out", frames, "its velocity is corrected already", caplog, *PLAIN, "--save=individual")


def test_exposures_of_several_modes_are_refused(tmp_path, caplog):
    other = tables(tmp_path, "other", n=2000, ESO_INS_MODE="WFM-AO-N", **SECOND)
    frames = [*tables(tmp_path, n=2000), *other, *calibrations(tmp_path)]
    refused(RECIPE, tmp_path / "out", frames, "INS MODE is WFM-AO-N, that of", caplog, *PLAIN)


def test_an_offset_list_has_to_name_every_exposure(tmp_path, caplog):
    write_offset_list(tmp_path / "offsets.fits", [OffsetRow("2014-12-10T09:00:00.000", 0.0, 0.0)])
    frames = [*tables(tmp_path, n=2000), *calibrations(tmp_path), (tmp_path / "offsets.fits", "OFFSET_LIST")]
    refused(RECIPE, tmp_path / "out", frames, "no row with DATE_OBS 2014-12-10T03:07:12.000", caplog, *PLAIN)


def test_products_are_not_replaced(frames, tmp_path, caplog):
    options = *PLAIN, "--save=individual"
    _, made = run_recipe(RECIPE, tmp_path / "out", frames, *options)
    assert run_recipe(RECIPE, made, frames, *options)[0] == 1
    assert "PIXTABLE_REDUCED_0001.zarr" in caplog.text and "--overwrite" in caplog.text
