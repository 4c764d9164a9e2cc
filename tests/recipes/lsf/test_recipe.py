"""muse_lsf on small frames: the profile that is put in comes out; bad input is named in one line."""

import numpy as np
import pytest
from astropy.io import fits
from scipy.special import ndtr

from musedeep.cli.main import run
from musedeep.recipes.lsf.lines import lamp_lines
from musedeep.storage.calibrations.line_catalog import LineCatalog
from tests.makers.arc_frames import LAMPS, SIGMA, lines, write_arc, write_catalog, write_set
from tests.makers.raw_frames import raw_image

WIDTH = 2.3548 * np.sqrt(SIGMA**2 + 1 / 12) * 1.252


@pytest.fixture(scope="module")
def arcs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("arcs")
    made = write_set(directory, ifus=(1, 2))
    to = ["--output-dir", str(directory)]
    assert run(["recipe", "muse_bias", str(directory / "bias.sof"), *to]) == 0
    assert run(["recipe", "muse_wavecal", "--yorder=3", str(directory / "arc.sof"), *to]) == 0
    made += [f"{directory}/WAVECAL_TABLE-{ifu:02d}.fits WAVECAL_TABLE\n" for ifu in (1, 2)]
    return directory, made


def lsf(directory, made, *options):
    """Run the recipe on the lines of a set-of-frames; the exit status."""
    (directory / "in.sof").write_text("".join(made))
    return run(["recipe", "muse_lsf", *options, str(directory / "in.sof"), "--output-dir", str(directory)])


def refused(directory, made, capsys, *options, status=1):
    """What one IFU is refused for: one line."""
    capsys.readouterr()
    assert lsf(directory, made, "--nifu=1", *options) == status
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Traceback" not in error
    assert not list(directory.glob("LSF*"))
    return error


def check(cube, range_=7.5):
    """Profiles of slices 1 and 2 near 7000 Angstrom are those that were put in."""
    size = cube.shape[2]
    offsets = np.linspace(-range_, range_, size)
    pixels = offsets / 1.252
    true = (ndtr((pixels + 0.5) / SIGMA) - ndtr((pixels - 0.5) / SIGMA)) / 1.252
    for profile in cube[:2, round((6890 - 4650) / 4650 * (cube.shape[1] - 1))]:
        assert profile.sum() * 2 * range_ / (size - 1) == pytest.approx(1.0, abs=1e-5)
        assert np.abs(profile - true).max() < 0.02 * true.max()


def test_the_profile_comes_back(arcs, tmp_path):
    assert lsf(tmp_path, arcs[1], "--nifu=1") == 0
    with fits.open(tmp_path / "LSF_PROFILE-01.fits", checksum=True) as hdus:
        header, cube, wcs = hdus[0].header, hdus["LSF_PROFILE"].data, hdus["LSF_PROFILE"].header
    assert cube.shape == (48, 30, 150) and cube.dtype == ">f4" and (cube[2:] == 0).all()
    check(cube)
    assert header["ESO PRO CATG"] == "LSF_PROFILE" and header["ESO PRO DATANCOM"] == 9
    assert wcs["CRVAL1"] == -7.5 and wcs["CD1_1"] == pytest.approx(15 / 149)
    assert wcs["CRVAL2"] == 4650.0 and wcs["CD2_2"] == pytest.approx(4650 / 29)
    assert header["ESO QC LSF SLICE1 FWHM MIN"] <= WIDTH * 1.01 and header["ESO QC LSF SLICE2 FWHM MAX"] >= WIDTH * 0.99
    assert not [key for key in header if "SLICE3 " in key]


def test_sizes_and_long_arcs(arcs, tmp_path):
    """Other sizes; exposures given as ARC_LSF give the same as ARC."""
    options = ["--lsf_size=101", "--lambda_size=47", "--lsf_range=6", "--lsf_regression_window=0.6"]
    cubes = []
    for tag in ("ARC", "ARC_LSF"):
        (tmp_path / tag).mkdir()
        made = [line.replace(" ARC\n", f" {tag}\n") for line in arcs[1]]
        assert lsf(tmp_path / tag, made, "--nifu=1", *options) == 0
        with fits.open(tmp_path / tag / "LSF_PROFILE-01.fits") as hdus:
            cubes.append(hdus["LSF_PROFILE"].data)
            assert hdus[0].header["ESO PRO REC1 RAW1 CATG"] == tag
    assert cubes[0].shape == (48, 47, 101) and np.array_equal(*cubes)
    check(cubes[0], 6.0)


def test_merged_products_and_threads(arcs, tmp_path):
    """Two IFUs in one file; the bits of one that is made alone."""
    assert lsf(tmp_path, arcs[1], "--merge=true") == 0
    (tmp_path / "alone").mkdir()
    assert lsf(tmp_path / "alone", arcs[1], "--nifu=2") == 0
    with fits.open(tmp_path / "LSF_PROFILE.fits", checksum=True) as hdus:
        assert [h.name for h in hdus[1:]] == ["CHAN01.LSF_PROFILE", "CHAN02.LSF_PROFILE"]
        assert hdus[2].header["ESO QC LSF SLICE1 FWHM MEAN"] > 0
        assert np.array_equal(hdus[2].data, fits.getdata(tmp_path / "alone" / "LSF_PROFILE-02.fits", 1))


def test_subtracted_lines(arcs, tmp_path):
    assert lsf(tmp_path, arcs[1], "--nifu=1", "--save_subtracted=true") == 0
    with fits.open(tmp_path / "PIXTABLE_SUBTRACTED-01.fits", checksum=True) as hdus:
        columns = {hdu.header["EXTNAME"]: hdu.data.ravel() for hdu in hdus[1:]}
        header = hdus[0].header
    assert list(columns) == [
        "xpos", "ypos", "lambda", "data", "dq", "stat", "origin", "line_lambda", "line_flux", "line_background", "orig",
    ]  # fmt: skip
    number = columns["origin"] & 63
    assert (np.diff(number) >= 0).all() and set(number) == {1, 2}
    assert (np.diff(columns["lambda"])[np.diff(number) == 0] >= 0).all()
    waves, fluxes, _, _ = lines()
    for wave, flux in zip(columns["line_lambda"][::50], columns["line_flux"][::50], strict=True):
        nearest = np.abs(waves - wave).argmin()
        # electrons of a pixel column are spread over 1.252 Angstrom a row
        assert waves[nearest] == pytest.approx(wave, abs=0.05)
        assert flux == pytest.approx(fluxes[nearest] * 1.252, rel=0.02)
    near = np.abs(columns["lambda"] - columns["line_lambda"]) < 7
    left = columns["data"][near] / np.sqrt(columns["stat"][near])
    assert np.std(left) < 3.0 < np.std(columns["orig"][near] / np.sqrt(columns["stat"][near]))
    x = (columns["origin"] >> 24) + np.where(
        number == 1, *(header[f"ESO DRS MUSE PIXTABLE EXP0 IFU01 SLICE0{k} XOFFSET"] for k in (1, 2))
    )
    assert x.min() == 13 and x.max() == 180


def catalog(*rows):
    """A list of neon lines (wavelength, flux, quality)."""
    waves, fluxes, qualities = (np.array(values, float) for values in zip(*rows, strict=True))
    return LineCatalog("x", waves, fluxes, np.full(waves.size, "NeI"), qualities.astype(int))


def test_lines_that_are_chosen():
    found = lamp_lines(
        catalog((4700, 1, 5), (5000, 9, 3), (5008, 3, 3), (6000, 9, 2), (7000, 9, 3), (7012, 9, 0), (9360, 9, 5)),
        "Ne", "WFM-NOAO-N", 3, 8.2,
    )  # fmt: skip
    # one beyond the filter, a faint one beside a bright one, one of low quality, one beyond the red end
    assert list(found.wavelengths) == [5000.0, 7000.0]
    # windows end where a neighbour begins
    assert found.low[0] == -8.2 and 3.0 < found.high[0] < 5.0 and found.high[1] == pytest.approx(7.1, abs=0.5)
    assert not lamp_lines(catalog((7000, 1, 3)), "Xe", "WFM-NOAO-N", 3, 8.2).wavelengths.size
    assert lamp_lines(catalog((4700, 1, 5)), "Ne", "WFM-NOAO-E", 3, 8.2).wavelengths.size == 1


def test_lines_of_another_catalogue(arcs, tmp_path, capsys):
    made = [line for line in arcs[1] if "LINE_CATALOG" not in line]
    other = write_catalog(tmp_path / "other.fits")
    error = refused(tmp_path, [*made, f"{other} LINE_CATALOG\n"], capsys, "--line_quality=6")
    assert "--line_quality" in error


def test_no_light_in_the_lines(arcs, tmp_path, capsys):
    made = [line for line in arcs[1] if " ARC\n" not in line]
    for lamp in LAMPS:
        path = write_arc(tmp_path / f"{lamp}.fits", lamp, raw_image(None, 100, 256, 5))
        made.append(f"{path} ARC\n")
    assert "no line of Ne, Xe, HgCd could be measured" in refused(tmp_path, made, capsys)


def test_all_pixels_saturated(arcs, tmp_path, capsys):
    made = [line for line in arcs[1] if " ARC\n" not in line]
    image = np.full_like(raw_image(None, 100, 256), 65535)
    made += [f"{write_arc(tmp_path / f'{lamp}.fits', lamp, image)} ARC\n" for lamp in LAMPS]
    assert "saturated" in refused(tmp_path, made, capsys)


@pytest.mark.parametrize("tag", ["MASTER_BIAS", "TRACE_TABLE", "WAVECAL_TABLE"])
def test_calibrations_of_another_ifu(arcs, tmp_path, capsys, tag):
    made = [line for line in arcs[1] if not line.endswith(f"{tag}\n") or "-02" in line]
    error = refused(tmp_path, made, capsys)
    assert tag in error and "IFU 1" in error


def test_missing_frames(arcs, tmp_path, capsys):
    assert "WAVECAL_TABLE" in refused(tmp_path, [line for line in arcs[1] if "WAVECAL" not in line], capsys)
    assert "ARC" in refused(tmp_path, [line for line in arcs[1] if " ARC\n" not in line], capsys)
    error = refused(tmp_path, [line for line in arcs[1] if "/Xe2.fits" not in line], capsys)
    assert "lamp Xe has 2 exposures" in error


@pytest.mark.parametrize("option", ["--lsf_size=3", "--lambda_size=1", "--lsf_range=1", "--lsf_regression_window=0"])
def test_parameters_that_make_no_sense(arcs, tmp_path, capsys, option):
    assert option[2:].split("=")[0] in refused(tmp_path, arcs[1], capsys, option, status=2)


def test_unknown_method(arcs, tmp_path, capsys):
    capsys.readouterr()
    assert lsf(tmp_path, arcs[1], "--method=hermite") == 2
    assert "did you mean hermit?" in capsys.readouterr().err


def test_gauss_hermite_table(arcs, tmp_path):
    """The columns of the manual; slices without profiles are NaN."""
    assert lsf(tmp_path, arcs[1], "--nifu=1", "--method=hermit") == 0
    with fits.open(tmp_path / "LSF_PROFILE-01.fits", checksum=True) as hdus:
        table, header = hdus[1].data, hdus[0].header
        assert hdus[1].header["EXTNAME"] == "SLICE_PARAM"
    assert table.names == [
        "ifu", "slice", "sensitivity", "offset", "refraction", "slit_width", "bin_width", "lsf_width", "hermit3",
        "hermit4", "hermit5", "hermit6",
    ]  # fmt: skip
    assert table["lsf_width"].shape == (48, 3) and table["hermit6"].shape == (48, 2)
    assert np.isfinite(table["lsf_width"][:2]).all() and np.isnan(table["lsf_width"][2:]).all()
    assert list(table["slice"]) == list(range(1, 49)) and (table["ifu"] == 1).all()
    assert header["ESO QC LSF SLICE1 FWHM MIN"] < 3.5
