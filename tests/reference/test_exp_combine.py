"""muse_exp_combine beside the reference, on the same set-of-frames: every voxel, every flag."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from musedeep.cli.main import run as run_musedeep
from musedeep.storage.offset_list import OffsetRow, write_offset_list
from tests.makers.pixel_tables import CENTRE, ifu_paths, write_dithers, write_exposure

pytestmark = pytest.mark.reference

FIELD = {"ifus": (11, 12), "wavelength": (7000.0, 7025.0), "cosmics": 3e-4}
METHODS = ("nearest", "linear", "quadratic", "renka", "drizzle", "lanczos")


@pytest.fixture(scope="module")
def rotated(tmp_path_factory):
    """Three exposures, two of them at angles that are no multiples of 90 degrees; the first along the axes."""
    return write_dithers(tmp_path_factory.mktemp("rotated"), 3, step=33.0, **FIELD)[0]


@pytest.fixture(scope="module")
def inclined(tmp_path_factory):
    """Three exposures of which the first is at 33 degrees: no direction along the slices."""
    directory = tmp_path_factory.mktemp("inclined")
    paths = []
    for k, angle in enumerate((33.0, 61.0, 90.0)):
        path = directory / f"PIXTABLE_REDUCED_{k + 1:04d}.fits"
        date = f"2014-09-{k + 1:02d}T03:00:00.000"
        ra, dec = CENTRE[0] + k * 1e-4, CENTRE[1] - k * 7e-5
        write_exposure(path, posang=angle, date_obs=date, ra=ra, dec=dec, seed=k, exptime=1500.0 + 300 * k, **FIELD)
        paths.append(path)
    return paths


@pytest.fixture
def both(esorex, tmp_path):
    """Runs both pipelines on the same frames and returns their directories."""

    def run(paths, parameters, extra=()):
        frames = [(path, "PIXTABLE_REDUCED") for path in paths] + list(extra)
        theirs = esorex(tmp_path / "reference", frames, parameters)
        ours = tmp_path / "ours"
        options = [f"--{name}={value}" for name, value in parameters.items()]
        status = run_musedeep(
            ["recipe", "muse_exp_combine", *options, str(theirs / "in.sof"), "--output-dir", str(ours)]
        )
        assert status == 0
        return theirs, ours

    return run


def compare(theirs: Path, ours: Path) -> None:
    """The agreement that users need to swap one pipeline for the other."""
    with fits.open(theirs / "DATACUBE_FINAL.fits") as a, fits.open(ours / "DATACUBE_FINAL.fits") as b:
        data, stat = (a[name].data.astype(float) for name in ("DATA", "STAT"))
        data_ours, stat_ours = (b[name].data.astype(float) for name in ("DATA", "STAT"))
        assert data.shape == data_ours.shape
        corners = np.array([[0, 0, 0], [data.shape[2] - 1, data.shape[1] - 1, data.shape[0] - 1]], float)
        world = WCS(a["DATA"].header).all_pix2world(corners, 0)
        assert np.abs(WCS(b["DATA"].header).all_world2pix(world, 0) - corners).max() < 1e-6
        assert a["DATA"].header["BUNIT"] == b["DATA"].header["BUNIT"]
        assert a["DATA"].header["CTYPE3"] == b["DATA"].header["CTYPE3"]
    assert (np.isnan(data) == np.isnan(data_ours)).mean() >= 0.9999
    filled = np.isfinite(data) & np.isfinite(data_ours) & (stat > 0)
    assert filled.mean() > 0.05
    sigma = np.abs(data - data_ours)[filled] / np.sqrt(stat[filled])
    relative = np.abs(stat_ours[filled] / stat[filled] - 1)
    assert (sigma <= 1e-3).mean() >= 0.999
    assert (relative <= 1e-3).mean() >= 0.999


@pytest.mark.parametrize("method", METHODS)
def test_every_resampling_method(both, rotated, method):
    compare(*both(rotated, {"resample": method, "crsigma": -1}))


def test_wide_reach_and_three_fractions(both, inclined):
    compare(*both(inclined, {"crsigma": -1, "ld": 2, "pixfrac": "0.9,0.5,1.4"}))


def test_other_steps(both, inclined):
    compare(*both(inclined, {"crsigma": -1, "dx": 0.3, "dy": 0.15, "dlambda": 2.5}))


def test_a_cut_in_wavelength(both, rotated):
    compare(*both(rotated, {"crsigma": -1, "lambdamin": 7005.5, "lambdamax": 7017.0}))


@pytest.mark.parametrize("crtype", ["median", "mean", "iraf"])
@pytest.mark.parametrize("crsigma", [10, 5, 3])
@pytest.mark.parametrize("direction", ["rotated", "inclined"])
def test_every_rejected_pixel(both, request, crtype, crsigma, direction):
    paths = request.getfixturevalue(direction)
    theirs, ours = both(paths, {"crtype": crtype, "crsigma": crsigma, "save": "cube,combined"})
    with fits.open(theirs / "PIXTABLE_COMBINED.fits") as a, fits.open(ours / "PIXTABLE_COMBINED.fits") as b:
        for name in ("lambda", "origin", "weight"):
            np.testing.assert_array_equal(a[name].data, b[name].data)
        for name in ("xpos", "ypos"):
            # float32 positions, rounded alike but for a row in a hundred thousand
            assert (a[name].data == b[name].data).mean() > 0.999
        flags, flags_ours = (h["dq"].data & 32 > 0 for h in (a, b))
    agreed = (flags & flags_ours).sum()
    assert agreed >= 0.99 * max(flags.sum(), flags_ours.sum())
    compare(theirs, ours)


def test_offsets_and_fluxes(both, inclined, tmp_path):
    dates = [fits.getheader(path)["DATE-OBS"] for path in inclined]
    shifts = ((1e-4, -5e-5, None), (2.3e-4, 1.7e-4, 1.5), (0.0, 0.0, 0.8))
    rows = [OffsetRow(date, *shift) for date, shift in zip(dates, shifts, strict=True)]
    write_offset_list(tmp_path / "offsets.fits", rows)
    theirs, ours = both(inclined, {"crsigma": 5}, [(tmp_path / "offsets.fits", "OFFSET_LIST")])
    compare(theirs, ours)
    a, b = (fits.getheader(d / "DATACUBE_FINAL.fits") for d in (theirs, ours))
    for key in a:
        if "OFFSET" in key or "FLUX SCALE" in key:
            assert b[key] == a[key], key


@pytest.mark.parametrize(
    ("ctype", "first", "angle"),
    [("AWAV", 7001.0, 30.0), ("AWAV-LOG", 7001.0, 0.0), ("WAVE", 7003.0, 0.0), ("WAVE-LOG", 7003.0, 15.0)],
)
def test_output_wcs(both, inclined, tmp_path, ctype, first, angle):
    step, turn = 0.2 / 3600, np.deg2rad(angle)
    cards = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CTYPE3": ctype,
        "CUNIT1": "deg", "CUNIT2": "deg", "CUNIT3": "Angstrom",
        "CRVAL1": CENTRE[0] + 1.3e-4, "CRVAL2": CENTRE[1], "CRVAL3": first, "CRPIX1": 165.5, "CRPIX2": 165.25,
        "CRPIX3": 1.5, "CD1_1": -step * np.cos(turn), "CD1_2": step * np.sin(turn), "CD2_1": step * np.sin(turn),
        "CD2_2": step * np.cos(turn), "CD3_3": 1.25,
    }  # fmt: skip
    header = fits.Header(cards.items())
    fits.PrimaryHDU(np.zeros((14, 330, 330), "f4"), header=header).writeto(tmp_path / "wcs.fits")
    compare(*both(inclined, {"crsigma": -1}, [(tmp_path / "wcs.fits", "OUTPUT_WCS")]))


def test_weight_by_seeing(both, inclined):
    with_seeing = inclined
    for k, path in enumerate(with_seeing):
        with fits.open(path, mode="update") as hdus:
            for end in ("START", "END"):
                hdus[0].header[f"HIERARCH ESO TEL AMBI FWHM {end}"] = 0.7 + 0.2 * k
    compare(*both(with_seeing, {"weight": "fwhm", "crsigma": -1}))


def test_table_format(both, tmp_path):
    paths, _ = write_dithers(tmp_path, 2, step=40.0, **{**FIELD, "fmt": "table"})
    compare(*both(paths, {"crsigma": 5}))


def test_one_file_an_ifu(both, tmp_path):
    frames = []
    for k in range(2):
        path = tmp_path / f"PIXTABLE_REDUCED_{k}.fits"
        date = f"2014-09-{k + 1:02d}T03:00:00.000"
        write_exposure(path, fmt="per-ifu", posang=25.0 * k, date_obs=date, seed=k, **FIELD)
        for ifu, part in zip(FIELD["ifus"], ifu_paths(path, FIELD["ifus"]), strict=True):
            with fits.open(part, mode="update") as hdus:
                hdus[0].header["EXTNAME"] = f"CHAN{ifu:02d}"
                hdus[0].header["HIERARCH ESO DRS MUSE FLAT FLUX SKY"] = 1000.0 + 100.0 * ifu
            frames.append(part)
    compare(*both(frames, {"crsigma": -1}))


def test_filters(both, rotated, tmp_path):
    wave = np.arange(6990.0, 7041.0, 5.0)
    curve = np.exp(-0.5 * ((wave - 7012.0) / 6.0) ** 2)
    columns = [fits.Column("lambda", "D", array=wave), fits.Column("throughput", "D", array=curve)]
    table = fits.BinTableHDU.from_columns(columns, name="Johnson_V")
    table.header["ZP_VEGA"], table.header["ZP_AB"] = 21.104, 21.098
    with fits.conf.set_temp("extension_name_case_sensitive", True):
        table.name = "Johnson_V"
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "filters.fits")
    theirs, ours = both(
        rotated, {"filter": "white,Johnson_V", "crsigma": -1}, [(tmp_path / "filters.fits", "FILTER_LIST")]
    )
    for number in (1, 2):
        name = f"IMAGE_FOV_{number:04d}.fits"
        a, b = fits.getdata(theirs / name, "DATA"), fits.getdata(ours / name, "DATA")
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-4)
        head_a, head_b = fits.getheader(theirs / name), fits.getheader(ours / name)
        for key in head_a:
            if "MUSE FILTER" in key:
                expected = pytest.approx(head_a[key], rel=1e-6) if "FRACTION" in key else head_a[key]
                assert head_b[key] == expected
