"""muse_exp_align as it is called: products and headers, offsets that are known, what is said, and bad inputs."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.errors import MusedeepError
from musedeep.recipes.exp_align.align import run as align
from musedeep.recipes.exp_align.recipe import RECIPE
from musedeep.recipes.run_ifus import RecipeCall
from musedeep.storage.cubes.field_view import read_field_view, write_field_view
from musedeep.storage.offset_list import read_offset_list
from musedeep.storage.source_list import read_source_list, write_source_list
from tests.makers.field_views import CENTRE, header, plane_at, stars, write_views
from tests.makers.places import ROOT

ERRORS = [(0.0, 0.0), (1.31, -0.64), (-0.47, 0.92)]
COSINE = np.cos(np.radians(CENTRE[1]))


def call(images, output: Path, lists=(), plots=False, **given):
    output.mkdir(exist_ok=True)
    frames = {"IMAGE_FOV": [str(p) for p in images], "SOURCE_LIST": [str(p) for p in lists]}
    return align(RecipeCall(frames, RECIPE.parse(given), output, plots=plots))


def offsets(output: Path) -> np.ndarray:
    """Offsets east and north, arcsec."""
    rows = read_offset_list(output / "OFFSET_LIST.fits").rows
    return np.array([(row.ra_offset * COSINE, row.dec_offset) for row in rows]) * 3600


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    return write_views(tmp_path_factory.mktemp("views"), stars(25, 1), ERRORS)


@pytest.fixture(scope="module")
def aligned(views, tmp_path_factory):
    output = tmp_path_factory.mktemp("aligned")
    return output, call(views, output, expmap=True, plots=True)


def test_offsets_are_the_pointing_errors(aligned):
    output, outcome = aligned
    assert not outcome.failures and not outcome.notes
    np.testing.assert_allclose(offsets(output), ERRORS, atol=0.003)
    row = read_offset_list(output / "OFFSET_LIST.fits").rows[1]
    assert row.date_obs == "2014-12-11T01:30:00.000" and row.mjd_obs == 57002 + 1 / 48 and row.flux_scale is None


def test_all_products_are_there_the_offset_list_last(aligned):
    output, outcome = aligned
    names = [f"SOURCE_LIST_000{k}.fits" for k in (1, 2, 3)]
    names += ["PREVIEW_FOV.fits", "EXPOSURE_MAP.fits", "OFFSET_LIST.png", "OFFSET_LIST.fits"]
    assert [path.name for path in outcome.paths] == names
    assert sorted(path.name for path in output.iterdir()) == sorted(names)
    for name in names:
        if name.endswith("fits"):
            with fits.open(output / name, checksum=True) as hdus:
                head = hdus[0].header
                assert head["ESO PRO CATG"] == name.partition(".")[0].removesuffix(
                    name[11:16] if "_000" in name else ""
                )
                assert head["ESO PRO REC2 ID"] == "muse_exp_align" and head["ESO PRO REC1 ID"] == "muse_scipost"
                assert ("ESO QC SCIPOST NDET" in head) == (name in ("PREVIEW_FOV.fits", "EXPOSURE_MAP.fits"))
                assert ("EXPTIME" in head) == (name != "OFFSET_LIST.fits")


def test_quality_control(aligned):
    output, _ = aligned
    head = fits.getheader(output / "OFFSET_LIST.fits")
    one = fits.getheader(output / "SOURCE_LIST_0002.fits")
    assert head["ESO QC EXPALIGN NDET2"] == one["ESO QC EXPALIGN NDET"] > 10
    assert one["ESO QC EXPALIGN SRC POSITIONS"] == "detection" and one["ESO QC EXPALIGN THRESHOLD"] == 15
    assert head["ESO QC EXPALIGN NOMATCH"] == 0
    assert head["ESO QC EXPALIGN NMATCH MIN"] == min(head[f"ESO QC EXPALIGN NMATCH{k}"] for k in (1, 2, 3)) > 10
    ra = np.array([e / COSINE for e, _ in ERRORS])
    for name, value in (("MIN", ra.min()), ("MAX", ra.max()), ("MEAN", ra.mean()), ("STDEV", ra.std(ddof=1))):
        assert head[f"ESO QC EXPALIGN OFFSET RA {name}"] == pytest.approx(value, abs=0.004)
    times = fits.getheader(output / "EXPOSURE_MAP.fits")
    assert times["ESO QC EXPALIGN EXPTIME MAX"] == times["ESO QC EXPALIGN EXPTIME MED"] == 600


def test_sources_have_places_before_and_after(aligned):
    output, _ = aligned
    tables = [fits.getdata(output / f"SOURCE_LIST_000{k}.fits", 1) for k in (1, 2)]
    np.testing.assert_array_equal(tables[0]["RA"], tables[0]["RA_CORR"])
    shift = (tables[1]["RA"] - tables[1]["RA_CORR"]) * 3600 * COSINE
    np.testing.assert_allclose(shift, ERRORS[1][0], atol=0.003)
    first = tables[0]
    for row in tables[1]:
        apart = np.hypot((first["RA_CORR"] - row["RA_CORR"]) * COSINE, first["DEC_CORR"] - row["DEC_CORR"]) * 3600
        assert apart.min() < 0.1 or row["Flux"] < 20


def test_the_sum_shows_each_star_once(aligned, views):
    output, _ = aligned
    combined, first = read_field_view(output / "PREVIEW_FOV.fits"), read_field_view(views[0])
    assert combined.unit == first.unit and combined.plane.scale == pytest.approx(first.plane.scale)
    y, x = np.unravel_index(np.nanargmax(first.data), first.data.shape)
    a, b = combined.plane.to_pixels(*first.plane.to_sky(float(x), float(y)))
    peak = combined.data[round(float(b)), round(float(a))]
    assert 2.5 < peak / first.data[y, x] < 3.1
    seconds = read_field_view(output / "EXPOSURE_MAP.fits")
    assert seconds.unit == "s" and set(np.unique(seconds.data[np.isfinite(seconds.data)])) <= set(range(100, 601, 100))
    np.testing.assert_array_equal(np.isfinite(seconds.data), np.isfinite(combined.data))


def test_the_same_from_source_lists_in_any_order(aligned, views, tmp_path):
    output, _ = aligned
    lists = [output / f"SOURCE_LIST_000{k}.fits" for k in (3, 1, 2)]
    outcome = call(views, tmp_path / "out", lists, override_detection=True)
    assert not outcome.failures
    np.testing.assert_allclose(offsets(tmp_path / "out"), offsets(output), atol=0.003)
    head = fits.getheader(tmp_path / "out" / "SOURCE_LIST_0001.fits")
    assert head["ESO QC EXPALIGN SRC POSITIONS"] == "catalog" and head["ESO PRO REC2 CAL1 NAME"] == lists[1].name
    outcome = call(views, tmp_path / "other", lists)
    assert outcome.notes == ["SOURCE_LISTs are only used with override_detection=true: sources are looked for"]


def test_turned_images_and_dithers(tmp_path):
    errors = [(0.0, 0.0), (0.7, 0.4), (-0.8, 0.2), (0.3, -0.9)]
    images = write_views(
        tmp_path, stars(40, 2, width=40), errors, turns=(0, 90, 180, 37), dithers=((0, 0), (2, 1), (-3, 2), (1, -4))
    )
    call(images, tmp_path / "out")
    np.testing.assert_allclose(offsets(tmp_path / "out"), errors, atol=0.004)


def test_four_real_sources_among_noise(tmp_path):
    """A threshold so low that most sources are noise: the right offset, or 0 and said so."""
    errors = [(0.0, 0.0), (2.9 * 0.2, -3.3 * 0.2)]
    for seed in range(4):
        images = write_views(tmp_path, stars(4, seed, 3.0, 3.5, width=15), errors, noise=0.5)
        outcome = call(images, tmp_path / f"out{seed}", threshold=-5)
        found = offsets(tmp_path / f"out{seed}")[1]
        assert np.hypot(*(found - errors[1])) < 0.02 or (not found.any() and outcome.failures)


def test_noise_alone_gives_no_offset(tmp_path):
    nothing = (np.empty(0), np.empty(0), np.empty(0))
    images = write_views(tmp_path, nothing, [(0.0, 0.0), (0.0, 0.0)], noise=1.0)
    outcome = call(images, tmp_path / "out", threshold=0.1)
    assert not offsets(tmp_path / "out").any()
    assert set(outcome.failures) == {1, 2} and "no offset can be trusted" in outcome.failures[2]


def test_no_overlap_is_said(tmp_path):
    images = write_views(tmp_path, stars(25, 1), ERRORS[:2])
    far = read_field_view(images[1])
    write_field_view(images[1], far.header, far.data, plane_at(CENTRE[0] + 0.1, CENTRE[1]), far.unit, overwrite=True)
    outcome = call(images, tmp_path / "out")
    assert not offsets(tmp_path / "out").any() and not outcome.failures
    assert [note.partition(": ")[2] for note in outcome.notes] == [
        "no other image shows the same sky; its offset is 0"
    ] * 2
    head = fits.getheader(tmp_path / "out" / "OFFSET_LIST.fits")
    assert head["ESO QC EXPALIGN NOMATCH"] == 2 and head["ESO QC EXPALIGN NMATCH MIN"] == -1


def test_an_image_without_data_does_not_stop_the_others(tmp_path):
    images = write_views(tmp_path, stars(25, 1), ERRORS)
    bad = read_field_view(images[2])
    write_field_view(images[2], bad.header, bad.data * np.nan, bad.plane, bad.unit, overwrite=True)
    outcome = call(images, tmp_path / "out")
    assert outcome.failures == {3: f"{images[2]}: no pixel has data; its offset is 0"}
    np.testing.assert_allclose(offsets(tmp_path / "out"), [*ERRORS[:2], (0, 0)], atol=0.003)


def changed(path: Path, **cards) -> Path:
    with fits.open(path, mode="update") as hdus:
        for key, value in cards.items():
            hdu = hdus[0] if key.replace("_", "-") in hdus[0].header else hdus[1]
            name = key if key in hdu.header else key.replace("_", "-")
            if value is None:
                del hdu.header[name]
            else:
                hdu.header[name] = value
    return path


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"CTYPE1": None, "CTYPE2": None}, "no coordinates in the header of the image"),
        ({"CTYPE1": "GLON-TAN"}, "coordinates GLON-TAN, DEC--TAN"),
        ({"CRPIX1": None}, "keyword CRPIX1 is missing"),
        ({"CD1_1": 0.0}, "is singular"),
        ({"CD1_1": -0.025 / 3600, "CD2_2": 0.025 / 3600}, "has pixels of 0.025 arcsec"),
        ({"CRVAL2": 95.0}, "which is no declination"),
        ({"DATE_OBS": None}, "keyword DATE-OBS is missing"),
        ({"MJD_OBS": None}, "keyword MJD-OBS is missing"),
        ({"DATE_OBS": "2014-12-11T00:30:00.000"}, "offsets are found by their dates"),
    ],
)
def test_bad_images_are_refused_in_one_line(tmp_path, cards, message):
    images = write_views(tmp_path, stars(25, 1), ERRORS[:2])
    changed(images[1], **cards)
    with pytest.raises(MusedeepError, match=message) as error:
        call(images, tmp_path / "out")
    assert "\n" not in str(error.value) and images[1].name in str(error.value)
    assert not list((tmp_path / "out").iterdir())


def test_images_that_are_none_or_one_or_empty(tmp_path, views, capsys):
    with pytest.raises(MusedeepError, match="a single image has no offset"):
        call(views[:1], tmp_path / "out")
    fits.PrimaryHDU().writeto(tmp_path / "none.fits")
    with pytest.raises(MusedeepError, match="no image in it; give an IMAGE_FOV"):
        call([views[0], tmp_path / "none.fits"], tmp_path / "out")
    for k, path in enumerate(images := [tmp_path / "a.fits", tmp_path / "b.fits"]):
        write_field_view(path, header(k), np.full((60, 60), np.nan), plane_at(*CENTRE, size=60), "")
    with pytest.raises(
        MusedeepError, match=r"a\.fits: no pixel has data; muse_exp_align needs two images with sources"
    ):
        call(images, tmp_path / "out")
    (tmp_path / "in.sof").write_text(f"{views[0]} IMAGE_FOV\n")
    assert run(["recipe", "muse_exp_align", str(tmp_path / "in.sof"), "--output-dir", str(tmp_path / "out")]) == 1
    assert "needs at least 2 IMAGE_FOV, found 1" in capsys.readouterr().err


def test_lists_that_do_not_belong_to_the_images(aligned, views, tmp_path):
    output, _ = aligned
    lists = [output / f"SOURCE_LIST_000{k}.fits" for k in (1, 2, 3)]
    with pytest.raises(MusedeepError, match="no SOURCE_LIST with its MJD-OBS"):
        call(views, tmp_path / "out", lists[:2], override_detection=True)
    with pytest.raises(MusedeepError, match="2 SOURCE_LIST with its MJD-OBS"):
        call(views, tmp_path / "out", [*lists, lists[0]], override_detection=True)
    with pytest.raises(MusedeepError, match="belongs to none of the images"):
        call(views[:2], tmp_path / "out", lists, override_detection=True)
    empty = tmp_path / "empty.fits"
    names = ("X", "Y", "Flux", "Sharpness", "Roundness", "RA", "DEC", "RA_CORR", "DEC_CORR")
    write_source_list(empty, header(1), {name: np.empty(0) for name in names})
    outcome = call(views, tmp_path / "out", [lists[0], empty, lists[2]], override_detection=True)
    assert outcome.failures == {2: f"{views[1]}: its SOURCE_LIST is empty; its offset is 0"}
    assert read_source_list(tmp_path / "out" / "SOURCE_LIST_0002.fits").x.size == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rsearch": "30,x"}, "is no list of radii"),
        ({"rsearch": "4,30"}, "a radius is larger than the one before"),
        ({"rsearch": ""}, "is no list of radii"),
        ({"srcmin": 9, "srcmax": 8}, "srcmin=9 is above srcmax=8"),
        ({"sharpmin": 2}, "sharpmin=2 is above sharpmax=1"),
        ({"step": 0}, "out of range"),
        ({"bkgfraction": 1.5}, "out of range"),
    ],
)
def test_parameters_are_checked(given, message):
    with pytest.raises(MusedeepError, match=message):
        RECIPE.parse(given)


def test_existing_products_stay(aligned, views):
    output, _ = aligned
    with pytest.raises(MusedeepError, match=r"SOURCE_LIST_0001\.fits: exists already"):
        call(views, output)


def test_the_command_says_what_it_found(views, tmp_path, capsys):
    (tmp_path / "in.sof").write_text("".join(f"{path} IMAGE_FOV\n" for path in views))
    assert run(["recipe", "muse_exp_align", str(tmp_path / "in.sof"), "--output-dir", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.split()[-1].endswith("OFFSET_LIST.fits")


def test_the_header_of_a_real_image(tmp_path):
    """A real header of IC 4406, with its 1696 cards, around images of stars that are shifted."""
    real = ROOT.parent / "shared" / "data" / "real" / "IMAGE_FOV_IC4406.fits"
    if not real.is_file():
        pytest.skip(f"{real} is not here")
    images = write_views(tmp_path, stars(25, 1), ERRORS)
    for path in images:
        head, made = fits.getheader(real), read_field_view(path)
        head["DATE-OBS"], head["MJD-OBS"] = made.header["DATE-OBS"], made.header["MJD-OBS"]
        write_field_view(path, head, made.data, made.plane, made.unit, overwrite=True)
    outcome = call(images, tmp_path / "out")
    assert not outcome.failures
    np.testing.assert_allclose(offsets(tmp_path / "out"), ERRORS, atol=0.003)
    head = fits.getheader(tmp_path / "out" / "PREVIEW_FOV.fits")
    assert head["ESO OBS TARG NAME"] == "IC4406" and head["ESO PRO CATG"] == "PREVIEW_FOV"
