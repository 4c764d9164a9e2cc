"""The manual's procedures for cubes larger than the memory (7.3.3, 7.3.4, 7.3.5), from the pieces of both pipelines."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.tools.cube import muse_cube_combine, muse_cube_concatenate, muse_cube_filter
from musedeep.tools.pixtable import muse_pixtable_crop
from tests.makers.step_runs import run_recipe

pytestmark = pytest.mark.reference

FIRST, STEP, N = 7000.0, 1.25, 64
CUTS = FIRST + 20.5 * STEP, FIRST + 40.5 * STEP
"""Of three pieces, in the middles of the overlaps."""

RANGES = ((0, 16), (16, 32), (32, 48), (48, N))
"""Planes of four adjacent pieces."""

RECIPE = "muse_exp_combine"


@pytest.fixture(scope="module")
def exposures(night, tmp_path_factory):
    """A short range of the exposures of the night."""
    directory = tmp_path_factory.mktemp("exposures")
    made = []
    for k in (1, 2):
        out = directory / f"PIXTABLE_REDUCED_{k:04d}.fits"
        words = ["-l1", str(FIRST - 20), "-l2", str(FIRST + N * STEP + 20)]
        assert muse_pixtable_crop([*words, str(night.product(f"scipost-{k}/PIXTABLE_REDUCED_0001")), str(out)]) == 0
        made.append(out)
    return made


@pytest.fixture(scope="module")
def filter_list(tmp_path_factory):
    path = tmp_path_factory.mktemp("filters") / "filter_list.fits"
    wave = np.linspace(FIRST - 5.3, FIRST + 74.7, 17)
    columns = [
        fits.Column("lambda", "D", array=wave),
        fits.Column("throughput", "D", array=np.exp(-0.5 * ((wave - 7030) / 15) ** 2)),
    ]
    table = fits.BinTableHDU.from_columns(columns)
    table.header["ZP_VEGA"], table.header["ZP_AB"] = 21.104, 21.098
    with fits.conf.set_temp("extension_name_case_sensitive", True):
        table.name = "Johnson_V"
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


@pytest.fixture(scope="module", params=["reference", "musedeep"])
def pipeline(request):
    return request.param


@pytest.fixture(scope="module")
def combined(night, exposures, filter_list, esorex_recipe, pipeline, tmp_path_factory):
    """Makes a cube, or a piece of it, with either pipeline, once; returns its directory."""
    place = tmp_path_factory.mktemp(pipeline)
    made: dict[str, Path] = {}

    def make(name: str, first: int = 0, n: int = N, pipeline: str = pipeline, **parameters) -> Path:
        name = f"{pipeline}-{name}"
        if name in made:
            return made[name]
        header = fits.getheader(night.product("scipost-1/DATACUBE_FINAL"), "DATA")
        header["NAXIS3"], header["CRVAL3"], header["CRPIX3"] = n, FIRST + first * STEP, 1.0
        wcs = place / f"{name}-wcs.fits"
        fits.PrimaryHDU(np.zeros((n, header["NAXIS2"], header["NAXIS1"]), "f4"), header).writeto(wcs)
        frames = [*((path, "PIXTABLE_REDUCED") for path in exposures), (wcs, "OUTPUT_WCS")]
        frames.append((filter_list, "FILTER_LIST"))
        if pipeline == "reference":
            made[name] = esorex_recipe(place / name, RECIPE, frames, parameters)
        else:
            words = [f"--{key}={value}" for key, value in parameters.items()]
            status, made[name] = run_recipe(RECIPE, place / name, frames, *words)
            assert status == 0
        return made[name]

    return make


@pytest.fixture(scope="module")
def whole(combined):
    """The cube of one combination in one go."""
    return combined("whole", filter="white,Johnson_V") / "DATACUBE_FINAL.fits"


def different_voxels(one: Path, other: Path, within: float = 0.0) -> np.ndarray:
    """By plane, the number of voxels that differ, in DATA by more than `within` standard deviations or in STAT."""
    with fits.open(one) as a, fits.open(other, checksum=True) as b:
        assert a["DATA"].shape == b["DATA"].shape
        for key in ("CRVAL1", "CRVAL2", "CRVAL3", "CRPIX1", "CRPIX3", "CD1_1", "CD3_3", "BUNIT", "CTYPE3"):
            assert a["DATA"].header[key] == b["DATA"].header[key], key
        assert np.isfinite(b["DATA"].data).any((1, 2)).all()
        data, stat = ((a[name].data, b[name].data) for name in ("DATA", "STAT"))
        differ = np.abs(data[0] - data[1]) > within * np.sqrt(stat[0])
        differ |= np.abs(stat[0] - stat[1]) > within * stat[0]
        return (differ | (np.isnan(data[0]) != np.isnan(data[1]))).sum((1, 2))


def overlapping(combined, planes: float) -> list[Path]:
    half = planes * STEP / 2
    limits = (
        {"lambdamax": CUTS[0] + half},
        {"lambdamin": CUTS[0] - half, "lambdamax": CUTS[1] + half},
        {"lambdamin": CUTS[1] - half},
    )
    return [combined(f"{planes}-{k}", **given) / "DATACUBE_FINAL.fits" for k, given in enumerate(limits)]


def test_overlaps_of_two_planes(combined, whole, tmp_path):
    """As the manual has them: cosmic rays in the plane at a cut are found without all of its neighbours."""
    pieces = overlapping(combined, 2)
    assert muse_cube_combine([str(tmp_path / "CUBE_COMBINED.fits"), *map(str, pieces)]) == 0
    different = different_voxels(whole, tmp_path / "CUBE_COMBINED.fits")
    near = {int((cut - FIRST) / STEP) + k for cut in CUTS for k in (0, 1)}
    assert set(np.flatnonzero(different)) <= near
    assert different.max() < 0.003 * 301 * 25


def test_overlaps_of_five_planes(combined, whole, tmp_path):
    pieces = overlapping(combined, 5)
    assert muse_cube_combine([str(tmp_path / "CUBE_COMBINED.fits"), *map(str, pieces)]) == 0
    assert not different_voxels(whole, tmp_path / "CUBE_COMBINED.fits").any()


def test_adjacent_pieces(combined, whole, tmp_path):
    pieces = []
    for k, (first, last) in enumerate(RANGES):
        limits = {}
        if k:
            limits["lambdamin"] = FIRST + first * STEP - 3.0
        if last < N:
            limits["lambdamax"] = FIRST + last * STEP + 3.0
        pieces.append(combined(f"range-{k}", first, last - first, **limits) / "DATACUBE_FINAL.fits")
    assert muse_cube_concatenate([str(tmp_path / "CUBE_final.fits"), *map(str, pieces)]) == 0
    # the order in which the reference adds up pixels depends on its limits: rounding
    different = different_voxels(whole, tmp_path / "CUBE_final.fits", within=1e-6)
    near = {last + k for _, last in RANGES[:-1] for k in (-3, -2, -1, 0, 1, 2)}
    assert set(np.flatnonzero(different)) <= near
    assert different.max() < 0.003 * 301 * 25


def test_the_same_cube_of_both_pipelines(combined, whole, tmp_path, pipeline):
    """A joined cube of our pieces beside the one that the reference makes in one go."""
    if pipeline == "reference":
        pytest.skip("this is about our pieces")
    pieces = overlapping(combined, 5)
    assert muse_cube_combine([str(tmp_path / "out.fits"), *map(str, pieces)]) == 0
    theirs = combined("beside", pipeline="reference") / "DATACUBE_FINAL.fits"
    with fits.open(theirs) as a, fits.open(tmp_path / "out.fits") as b:
        data, other = a["DATA"].data, b["DATA"].data
        assert (np.isnan(data) == np.isnan(other)).mean() >= 0.9995
        # positions are rounded to 32 bits about other points
        assert np.nanpercentile(np.abs(data - other) / np.sqrt(a["STAT"].data), 99) < 0.1


def test_pieces_of_other_parameters(combined, tmp_path, capsys):
    pieces = overlapping(combined, 5)
    other = combined("other", crsigma=5, lambdamin=CUTS[1] - 3.125) / "DATACUBE_FINAL.fits"
    assert muse_cube_combine([str(tmp_path / "out.fits"), *map(str, pieces[:2]), str(other)]) == 1
    assert "(crsigma) is '5'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_filter(whole, filter_list, tmp_path):
    """The images that the pipeline makes beside its cube."""
    cube = tmp_path / "DATACUBE.fits"
    cube.symlink_to(whole)
    assert muse_cube_filter(["-f", "white,Johnson_V", str(cube), str(filter_list)]) == 0
    for number, name in enumerate(("white", "Johnson_V"), 1):
        with (
            fits.open(whole.with_name(f"IMAGE_FOV_{number:04d}.fits")) as a,
            fits.open(tmp_path / f"DATACUBE_{name}.fits", checksum=True) as b,
        ):
            np.testing.assert_allclose(b["DATA"].data, a["DATA"].data, rtol=1e-6, atol=1e-5 * np.nanstd(a["DATA"].data))
            assert_same_cards(a, b, ("PRIMARY", "DATA"))


def test_appended_images(combined, filter_list, tmp_path):
    """The cube that the pipeline writes with its images (format=xCube)."""
    parameters = {"filter": "white,Johnson_V", "lambdamax": 7060}
    extended = combined("extended", format="xCube", **parameters) / "DATACUBE_FINAL.fits"
    cube = tmp_path / "DATACUBE.fits"
    cube.write_bytes((combined("plain", **parameters) / "DATACUBE_FINAL.fits").read_bytes())
    assert muse_cube_filter(["-x", "-f", "white,Johnson_V", str(cube), str(filter_list)]) == 0
    with fits.open(extended) as a, fits.open(cube, checksum=True) as b:
        assert [hdu.name for hdu in a] == [hdu.name for hdu in b]
        for k in (3, 4):
            np.testing.assert_allclose(b[k].data, a[k].data, rtol=1e-6, atol=1e-5 * np.nanstd(a[k].data))
        assert_same_cards(a, b, (3, 4))


def assert_same_cards(a: fits.HDUList, b: fits.HDUList, extensions: tuple[str | int, ...]) -> None:
    """The same cards, but for names, times, checksums and blank ones."""
    left_out = ("", "DATE", "PIPEFILE", "CHECKSUM", "DATASUM", "DATAMD5", "COMMENT")
    for name in extensions:
        expected, found = (
            {c.keyword: c.value for c in h[name].header.cards if c.keyword not in left_out and " CAL" not in c.keyword}
            for h in (a, b)
        )
        assert set(found) == set(expected)
        for key, value in expected.items():
            if isinstance(value, float):
                assert found[key] == pytest.approx(value, rel=1e-6), key
            else:
                assert found[key] == value, key
