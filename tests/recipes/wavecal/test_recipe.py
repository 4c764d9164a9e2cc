"""muse_wavecal on small frames: the solution that is put in comes out; bad input is named in one line."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.storage.calibrations.wavecal_table import read_wavecal_table
from tests.makers.arc_frames import (
    COLUMNS,
    LAMPS,
    ROWS,
    SLICES,
    lines,
    wavelength,
    write_arc,
    write_catalog,
    write_set,
    write_trace,
)
from tests.makers.raw_frames import raw_image

OPTIONS = ["--yorder=3"]


@pytest.fixture(scope="module")
def arcs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("arcs")
    made = write_set(directory, ifus=(1, 2))
    assert run(["recipe", "muse_bias", str(directory / "bias.sof"), "--output-dir", str(directory)]) == 0
    return directory, made


def wavecal(directory, made, *options):
    """Run the recipe on the lines of a set-of-frames; the exit status."""
    (directory / "in.sof").write_text("".join(made))
    return run(
        ["recipe", "muse_wavecal", *OPTIONS, *options, str(directory / "in.sof"), "--output-dir", str(directory)]
    )


def refused(directory, made, capsys, *options, status=1):
    """What one IFU is refused for: one line."""
    capsys.readouterr()
    assert wavecal(directory, made, "--nifu=1", *options) == status
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Traceback" not in error
    assert not list(directory.glob("WAVECAL*"))
    return error


def off(directory, name="WAVECAL_TABLE-01.fits", ifu=1):
    """Largest error of the solutions of slices 1 and 2, Angstrom."""
    table = read_wavecal_table(directory / name, ifu)
    assert list(np.flatnonzero(table.valid)) == [0, 1]
    y = np.arange(10.0, ROWS - 9.0, 5.0)
    errors = []
    for number, (left, right) in enumerate(SLICES, 1):
        for share in (0.02, 0.5, 0.98):
            x = np.full(y.size, left + share * (right - left))
            errors.append(np.abs(table.at(number, x, y) - wavelength(x, y, number)))
    return np.max(errors)


def test_the_solution_comes_back(arcs, tmp_path, capsys):
    assert wavecal(tmp_path, arcs[1], "--nifu=1", "--residuals=true") == 0
    # frames are as narrow as two slices
    error = capsys.readouterr().err
    assert error.startswith("musedeep: IFU 1: no wavelength solution in slices 3-48 (its trace failed);")
    assert error.count("\n") == 1
    assert off(tmp_path) < 0.02
    with fits.open(tmp_path / "WAVECAL_TABLE-01.fits", checksum=True) as hdus:
        header, table = hdus[0].header, hdus[1].data
    assert header["ESO PRO CATG"] == "WAVECAL_TABLE" and header["ESO PRO DATANCOM"] == 9
    assert list(table["SliceNo"]) == list(range(1, 49)) and np.isnan(table["wlc00"][2:]).all()
    # beyond the ends of the CCD lie lines of the list
    waves = lines()[0]
    inside = ((waves > wavelength(50.0, 8.0)) & (waves < wavelength(50.0, ROWS - 7.0))).sum()
    assert header["ESO QC WAVECAL SLICE1 LINES NDET"] >= inside
    assert inside - 1 <= header["ESO QC WAVECAL SLICE1 FIT NLINES"] <= inside + 1
    assert header["ESO QC WAVECAL SLICE1 LINES NID"] >= inside - 1
    centre = 0.5 * sum(SLICES[1])
    assert header["ESO QC WAVECAL SLICE2 WLEN"] == pytest.approx(wavelength(centre, 256.5, 2), abs=0.01)
    ends = [wavelength(x, 1.0) for x in SLICES[0]]
    assert header["ESO QC WAVECAL SLICE1 DWLEN BOTTOM"] == pytest.approx(ends[0] - ends[1], abs=0.03)
    fwhm = 2.3548 * np.sqrt(0.95**2 + 1 / 12) * 1.252
    assert header["ESO QC WAVECAL SLICE1 LINES FWHM MEAN"] == pytest.approx(fwhm, rel=0.02)
    assert not [key for key in header if "SLICE3 " in key]
    with fits.open(tmp_path / "WAVECAL_RESIDUALS-01.fits", checksum=True) as hdus:
        residuals = hdus[1].data
    mine = residuals[residuals["slice"] == 1]
    last = mine[mine["iteration"] == mine["iteration"].max()]
    assert np.abs(last["residual"]).max() < 0.3 and np.unique(last["lambda"]).size >= inside - 1


def test_weightings_and_the_sum_of_lamps(arcs, tmp_path):
    for name, options in (
        ("uniform", ["--fitweighting=uniform"]),
        ("cerr", ["--fitweighting=cerr", "--combine=median"]),
        ("sum", ["--lampwise=false", "--combine=average", "--saveimages=true"]),
    ):
        (tmp_path / name).mkdir()
        assert wavecal(tmp_path / name, arcs[1], "--nifu=2", *options) == 0
        assert off(tmp_path / name, "WAVECAL_TABLE-02.fits", 2) < 0.05
    total = fits.getdata(tmp_path / "sum" / "ARC_RED_0001-02.fits", "DATA")
    parts = [fits.getdata(tmp_path / "sum" / f"ARC_RED_LAMP_000{k}-02.fits", "DATA") for k in (1, 2, 3)]
    assert np.allclose(total, sum(parts), atol=1e-2)


def test_images(arcs, tmp_path):
    made = "--saveimages=true", "--resample=true", "--wavemap=true"
    assert wavecal(tmp_path, arcs[1], "--nifu=1", *made) == 0
    assert {p.name for p in tmp_path.glob("*.fits")} == {
        "WAVECAL_TABLE-01.fits", "ARC_RED_LAMP_0001-01.fits", "ARC_RED_LAMP_0002-01.fits",
        "ARC_RED_LAMP_0003-01.fits", "ARC_RESAMPLED_0001-01.fits", "WAVE_MAP_0001-01.fits",
    }  # fmt: skip
    with fits.open(tmp_path / "WAVE_MAP_0001-01.fits", checksum=True) as hdus:
        waves = hdus[0].data
    y, x = np.nonzero(waves)
    assert waves.shape == (ROWS, COLUMNS) and x.min() + 1 == 13 and x.max() + 1 == 180
    first = x + 1 < 90
    assert np.abs(waves[y, x][first] - wavelength(x[first] + 1.0, y[first] + 1.0)).max() < 0.05
    header = fits.getheader(tmp_path / "ARC_RED_LAMP_0002-01.fits")
    assert header["ESO INS LAMP4 ST"] is True and header["ESO PRO REC1 RAW1 NAME"] == "Xe0.fits"
    with fits.open(tmp_path / "ARC_RESAMPLED_0001-01.fits") as hdus:
        image, start = hdus[0].data, hdus[0].header["CRVAL2"]
    # lines are straight, and where they belong
    for wave in lines()[0][(lines()[1] > 10000) & (np.abs(lines()[0] - 7000.0) < 250.0)]:
        row = round((wave - start) / 1.25)
        peaks = image[row - 4 : row + 5, 2:73].argmax(0) - 4
        assert np.abs(peaks).max() <= 1 and np.ptp(peaks) <= 1
    total = sum(fits.getdata(tmp_path / f"ARC_RED_LAMP_000{k}-01.fits", "DATA") for k in (1, 2, 3))
    assert image[:, :80].sum() == pytest.approx(total[:, 12:88].sum(), rel=1e-3)


def test_lamps_are_in_the_order_of_their_first_frames(arcs, tmp_path):
    made = sorted(arcs[1], key=lambda line: "Ne" in line)
    first = next(line for line in made if line.endswith("ARC\n")).split()[0]
    assert wavecal(tmp_path, made, "--nifu=1", "--saveimages=true") == 0
    header = fits.getheader(tmp_path / "WAVECAL_TABLE-01.fits")
    names = [header[f"ESO PRO REC1 RAW{k} NAME"] for k in range(1, 10)]
    assert names[0] == Path(first).name and names[-1] == "Ne2.fits"
    assert fits.getheader(tmp_path / "ARC_RED_LAMP_0003-01.fits")["ESO INS LAMP3 ST"] is True
    assert off(tmp_path) < 0.02


def test_merged_products_and_threads(arcs, tmp_path):
    """Two IFUs in one file; the bits of one that is made alone."""
    assert wavecal(tmp_path, arcs[1], "--merge=true") == 0
    assert off(tmp_path, "WAVECAL_TABLE.fits", 2) < 0.02
    (tmp_path / "alone").mkdir()
    assert wavecal(tmp_path / "alone", arcs[1], "--nifu=2") == 0
    both = [
        read_wavecal_table(p, 2).coefficients
        for p in (tmp_path / "WAVECAL_TABLE.fits", tmp_path / "alone" / "WAVECAL_TABLE-02.fits")
    ]
    assert np.array_equal(*both, equal_nan=True)


def test_one_exposure_a_lamp_is_enough_and_two_are_not(arcs, tmp_path, capsys):
    made = [line for line in arcs[1] if "ARC" not in line or "0.fits" in line]
    assert wavecal(tmp_path, made, "--nifu=1") == 0
    assert off(tmp_path) < 0.03
    (tmp_path / "two").mkdir()
    error = refused(tmp_path / "two", [line for line in arcs[1] if "/Xe2.fits" not in line], capsys)
    assert "lamp Xe has 2 exposures" in error and "needs 3" in error


def test_a_lamp_without_light(arcs, tmp_path, capsys):
    made = [line for line in arcs[1] if "/HgCd" not in line]
    for k in range(3):
        made.append(f"{write_arc(tmp_path / f'dark{k}.fits', 'HgCd', raw_image(None, 100, 256, k))} ARC\n")
    error = refused(tmp_path, made, capsys)
    assert "no line of lamp HgCd" in error


def test_all_pixels_saturated(arcs, tmp_path, capsys):
    made = [line for line in arcs[1] if "ARC" not in line]
    image = np.full_like(raw_image(None, 100, 256), 65535)
    for lamp in LAMPS:
        for k in range(3):
            made.append(f"{write_arc(tmp_path / f'{lamp}{k}.fits', lamp, image)} ARC\n")
    assert "saturated" in refused(tmp_path, made, capsys)


def test_no_lamp_on(arcs, tmp_path, capsys):
    path = write_arc(tmp_path / "off.fits", "Ne", raw_image(None, 100, 256, 3), on=False)
    assert "no arc lamp is on" in refused(tmp_path, [*arcs[1], f"{path} ARC\n"], capsys)


@pytest.mark.parametrize("tag", ["MASTER_BIAS", "TRACE_TABLE"])
def test_calibrations_of_another_ifu(arcs, tmp_path, capsys, tag):
    made = [line for line in arcs[1] if not line.endswith(f"{tag}\n") or "-02" in line]
    error = refused(tmp_path, made, capsys)
    assert tag in error and "IFU 1" in error


def test_flat_of_another_mode(arcs, tmp_path, capsys):
    with fits.open(arcs[0] / "MASTER_BIAS-01.fits") as hdus:
        hdus[0].header["ESO INS MODE"] = "WFM-AO-E"
        hdus.writeto(tmp_path / "MASTER_FLAT-01.fits")
    error = refused(tmp_path, [*arcs[1], f"{tmp_path}/MASTER_FLAT-01.fits MASTER_FLAT\n"], capsys)
    assert "WFM-AO-E" in error and "WFM-NOAO-N" in error


def test_missing_calibration(arcs, tmp_path, capsys):
    error = refused(tmp_path, [line for line in arcs[1] if "TRACE_TABLE" not in line], capsys)
    assert "needs at least 1 TRACE_TABLE" in error


def test_every_trace_failed(arcs, tmp_path, capsys):
    made = [line for line in arcs[1] if "TRACE_TABLE" not in line]
    path = write_trace(tmp_path / "TRACE_TABLE-01.fits", valid=())
    assert "8.2" in refused(tmp_path, [*made, f"{path} TRACE_TABLE\n"], capsys)


def test_lists_of_lines_that_are_none(arcs, tmp_path, capsys):
    made = [line for line in arcs[1] if "LINE_CATALOG" not in line]
    mixed = write_catalog(tmp_path / "mixed.fits", order=slice(None, None, -1))
    assert "not sorted" in refused(tmp_path, [*made, f"{mixed} LINE_CATALOG\n"], capsys)
    other = write_catalog(tmp_path / "other.fits", seed=7)
    assert "no line of lamp" in refused(tmp_path, [*made, f"{other} LINE_CATALOG\n"], capsys)


@pytest.mark.parametrize("option", ["--xorder=9", "--sigma=0", "--dres=2", "--tolerance=-1"])
def test_parameters_that_make_no_sense(arcs, tmp_path, capsys, option):
    assert option[2:].split("=")[0] in refused(tmp_path, arcs[1], capsys, option, status=2)
