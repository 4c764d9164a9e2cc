"""Corners of muse_exp_combine held against the reference: what `test_exp_combine.py` does not cover.

What is asked is the same: WCS equal to 1e-6 pixel, NaN masks equal in 99.99 % of the voxels, DATA within 1e-3 sigma
and STAT within 1e-3 for 99.9 % of them, and 95 % of the rejected rows.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run as run_musedeep
from tests.makers.pixel_tables import CENTRE, write_exposure
from tests.reference.compare import Products, combined_columns, compare_cubes, compare_flags

pytestmark = pytest.mark.reference

Frames = list[tuple[Path, str]]
RunBoth = Callable[..., tuple[Products, Products]]

OFF = "--crsigma=-1"
IFUS = (11, 12)
SPAXEL = 0.2 / 3600
POSANGS = (20.0, 57.0, 131.0)
FWHM = {"START": (0.7, 1.05, 0.85), "END": (0.8, 1.25, 0.8)}
TABLE = "PIXTABLE_REDUCED"


def date(k: int) -> str:
    return f"2014-09-{20 + k:02d}T03:00:00.000"


def pointing(k: int) -> tuple[float, float]:
    return CENTRE[0] + (k - 1) * 0.5 / 3600, CENTRE[1] + (k % 2) * 0.4 / 3600


def write_set(directory: Path, *, posangs: Sequence[float] = POSANGS, cosmics: float = 1e-3) -> Frames:
    """Exposures that differ in pointing, angle, exposure time and seeing."""
    directory.mkdir(parents=True, exist_ok=True)
    frames = []
    for k, posang in enumerate(posangs):
        ra, dec = pointing(k)
        path = directory / f"PIXTABLE_REDUCED_{k + 1:04d}.fits"
        write_exposure(
            path, ifus=IFUS, wavelength=(7000.0, 7030.0), ra=ra, dec=dec, posang=posang, date_obs=date(k), seed=k,
            exptime=1500.0 - 300 * k, cosmics=cosmics,
        )  # fmt: skip
        with fits.open(path, mode="update") as hdus:
            for when, values in FWHM.items():
                hdus[0].header[f"HIERARCH ESO TEL AMBI FWHM {when}"] = values[k]
        frames.append((path, TABLE))
    return frames


@pytest.fixture
def run_both(esorex, tmp_path) -> RunBoth:
    """run_both(frames, *parameters) runs both pipelines on the frames; both have to succeed."""

    def run(frames: Frames, *parameters: str) -> tuple[Products, Products]:
        named = dict(p.removeprefix("--").split("=", 1) for p in parameters)
        theirs = esorex(tmp_path / "reference", frames, named)
        ours = tmp_path / "ours"
        arguments = ["recipe", "muse_exp_combine", *parameters, str(theirs / "in.sof"), "--output-dir", str(ours)]
        assert run_musedeep(arguments) == 0
        return Products(theirs), Products(ours)

    return run


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """Three exposures at angles that are no multiples of 90 degrees."""
    return write_set(tmp_path_factory.mktemp("rotated"))


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """The first exposure along the axes of the cube, so that rejection leaves out its own slice."""
    return write_set(tmp_path_factory.mktemp("aligned"), posangs=(0.0, 90.0, 2.0), cosmics=2e-3)


def check_cubes(theirs: Path, ours: Path) -> None:
    got = compare_cubes(theirs, ours)
    assert got.common > 0.05, "hardly any voxels to compare"
    assert got.wcs <= 1e-6
    assert got.mask >= 0.9999
    assert got.data >= 0.999
    assert got.stat >= 0.999


METHODS = [
    ("renka", "--rc=0.9"),
    ("drizzle", "--pixfrac=0.9"),
    ("drizzle", "--pixfrac=2.5,2", "--ld=2"),
    ("lanczos", "--ld=2"),
]


@pytest.mark.parametrize("how", METHODS, ids=" ".join)
def test_resampling(rotated, run_both, how):
    theirs, ours = run_both(rotated, OFF, f"--resample={how[0]}", *how[1:])
    check_cubes(theirs.cube, ours.cube)


@pytest.mark.parametrize("method", ["drizzle", "renka", "linear", "nearest"])
def test_other_voxel_sizes(rotated, run_both, method):
    theirs, ours = run_both(rotated, OFF, f"--resample={method}", "--dx=0.3", "--dy=0.15", "--dlambda=2.5")
    check_cubes(theirs.cube, ours.cube)


def test_range_of_a_whole_number_of_steps(run_both, tmp_path):
    """The number of planes is the range in steps, rounded up, plus one: not one more where it is whole."""
    frames = write_set(tmp_path / "in", posangs=(0.0, 33.0))
    for path, _ in frames:
        with (
            fits.conf.set_temp("extension_name_case_sensitive", True),
            fits.open(path, mode="update") as hdus,
        ):
            wave = hdus["lambda"].data
            wave[:] = np.clip(wave, 7002.0, 7002.0 + 16 * 1.25)
    theirs, ours = run_both(frames, OFF)
    check_cubes(theirs.cube, ours.cube)
    assert fits.getheader(ours.cube, "DATA")["NAXIS3"] == 17


@pytest.mark.parametrize("weight", ["exptime", "header", "none"])
def test_weights(rotated, run_both, weight):
    theirs, ours = run_both(rotated, OFF, f"--weight={weight}", "--save=cube,combined")
    check_cubes(theirs.cube, ours.cube)
    if weight != "none":
        np.testing.assert_array_equal(*(combined_columns(r.combined, "weight")[0] for r in (theirs, ours)))


def test_guider_comes_before_the_dimm(run_both, tmp_path):
    frames = write_set(tmp_path / "in", posangs=(0.0, 33.0))
    for k, (path, _) in enumerate(frames):
        with fits.open(path, mode="update") as hdus:
            hdus[0].header["HIERARCH ESO OCS SGS AG FWHMX AVG"] = 0.61 + 0.2 * k
            hdus[0].header["HIERARCH ESO OCS SGS AG FWHMY AVG"] = 0.65 + 0.3 * k
            hdus[0].header["HIERARCH ESO TEL IA FWHM"] = 0.7
    theirs, ours = run_both(frames, OFF, "--weight=fwhm", "--save=cube,combined")
    check_cubes(theirs.cube, ours.cube)
    np.testing.assert_array_equal(*(combined_columns(r.combined, "weight")[0] for r in (theirs, ours)))


def write_output_wcs(
    path: Path, shape: tuple[int, int, int], rotation: float = 0.0, spaxel: float = SPAXEL, **keys: object
) -> Path:
    nx, ny, nz = shape
    c, s = spaxel * np.cos(np.deg2rad(rotation)), spaxel * np.sin(np.deg2rad(rotation))
    cards: dict[str, object] = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CTYPE3": "AWAV", "CUNIT1": "deg", "CUNIT2": "deg",
        "CUNIT3": "Angstrom", "CRPIX1": nx / 2 + 0.3, "CRPIX2": ny / 2 - 0.2, "CRPIX3": 2.0,
        "CRVAL1": CENTRE[0] + 1e-4, "CRVAL2": CENTRE[1] - 2e-4, "CRVAL3": 7003.0,
        "CD1_1": -c, "CD1_2": s, "CD2_1": s, "CD2_2": c, "CD3_3": 1.25,
    }  # fmt: skip
    header = fits.Header()
    for key, value in (cards | keys).items():
        header[key] = value
    image = np.zeros((nz, ny, nx) if nz else (ny, nx), np.float32)
    if not nz:
        header = fits.Header([card for card in header.cards if "3" not in card.keyword])
    fits.writeto(path, image, header)
    return path


GRIDS = {
    "as the data": {},
    "AWAV-LOG": {"CTYPE3": "AWAV-LOG"},
    "AWAV-LOG coarse": {"CTYPE3": "AWAV-LOG", "CD3_3": 2.0, "CRVAL3": 7003.5},
    "WAVE": {"CTYPE3": "WAVE", "CRVAL3": 7005.0},
    "WAVE-LOG": {"CTYPE3": "WAVE-LOG", "CRVAL3": 7005.0, "CD3_3": 1.0},
    "rotated": {"rotation": 30.0},
    "rotated, coarse, AWAV-LOG": {"rotation": -17.0, "spaxel": 1.3 * SPAXEL, "CTYPE3": "AWAV-LOG"},
    "spatial only": {"planes": 0},
    "AWAV-LOG in nm": {"CTYPE3": "AWAV-LOG", "CUNIT3": "nm", "CD3_3": 0.2, "CRVAL3": 700.35},
    "WAVE in m": {"CTYPE3": "WAVE", "CUNIT3": "m", "CD3_3": 1.25e-10, "CRVAL3": 7.005e-7},
    "arcsec": {
        "CUNIT1": "arcsec",
        "CUNIT2": "arcsec",
        "rotation": 30.0,
        "spaxel": 0.2,
        "CRVAL1": 3600 * (CENTRE[0] + 1e-4),
        "CRVAL2": 3600 * (CENTRE[1] - 2e-4),
    },
}


@pytest.mark.parametrize("method", ["drizzle", "lanczos"])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_output_wcs(rotated, run_both, tmp_path, grid, method):
    keys = dict(GRIDS[grid])
    wcs = write_output_wcs(tmp_path / "wcs.fits", (300, 310, keys.pop("planes", 18)), **keys)
    theirs, ours = run_both([*rotated, (wcs, "OUTPUT_WCS")], OFF, f"--resample={method}")
    check_cubes(theirs.cube, ours.cube)


@pytest.mark.parametrize("method", ["linear", "renka", "nearest"])
def test_output_wcs_that_holds_all_rows(rotated, run_both, tmp_path, method):
    """Methods with weights at any distance, on a grid beyond whose edges there is nothing."""
    wcs = write_output_wcs(tmp_path / "wcs.fits", (400, 400, 34), CTYPE3="AWAV-LOG", CRVAL3=6998.0)
    theirs, ours = run_both([*rotated, (wcs, "OUTPUT_WCS")], OFF, f"--resample={method}")
    check_cubes(theirs.cube, ours.cube)


def split_by_ifu(path: Path, fluxes: Sequence[float]) -> list[Path]:
    """One file an IFU, as the reference tells them apart: by EXTNAME, with the fluxes of the flat field."""
    parts = []
    with fits.conf.set_temp("extension_name_case_sensitive", True), fits.open(path) as hdus:
        number = (hdus["origin"].data.ravel() >> 6) & 31
        for ifu, flux in zip(IFUS, fluxes, strict=True):
            mine = number == ifu
            primary = fits.PrimaryHDU(header=hdus[0].header)
            primary.header["EXTNAME"] = f"CHAN{ifu:02d}"
            for limit in ("LOW", "HIGH"):
                primary.header[f"HIERARCH ESO DRS MUSE PIXTABLE LIMITS IFU {limit}"] = ifu
            primary.header["HIERARCH ESO DRS MUSE PIXTABLE MERGED"] = 1
            primary.header["HIERARCH ESO DRS MUSE FLAT FLUX SKY"] = flux
            images = [fits.ImageHDU(h.data[mine], h.header, h.name) for h in hdus[1:]]
            part = path.with_name(f"{path.stem}-{ifu:02d}.fits")
            fits.HDUList([primary, *images]).writeto(part)
            parts.append(part)
    return parts


@pytest.mark.parametrize("fluxes", [(1000.0, 1000.0), (1000.0, 1310.0)], ids=["equal", "unequal"])
def test_one_file_an_ifu(run_both, tmp_path, fluxes):
    frames = write_set(tmp_path / "in", posangs=(0.0, 33.0))
    parts = [(part, TABLE) for path, _ in frames for part in split_by_ifu(path, fluxes)]
    theirs, ours = run_both(parts[::-1], OFF, "--save=cube,combined")
    check_cubes(theirs.cube, ours.cube)
    for name in ("data", "stat", "origin"):
        np.testing.assert_array_equal(*(combined_columns(r.combined, name)[0] for r in (theirs, ours)))


def test_order_is_that_of_the_dates(rotated, run_both):
    theirs, ours = run_both([rotated[2], rotated[0], rotated[1]], OFF, "--save=cube,combined")
    check_cubes(theirs.cube, ours.cube)
    np.testing.assert_array_equal(*(combined_columns(r.combined, "lambda")[0] for r in (theirs, ours)))


def test_rejection_with_a_wider_loop(aligned, run_both):
    """The neighbourhood of the rejection does not grow with the loop distance."""
    theirs, ours = run_both(aligned, "--crsigma=5", "--ld=2", "--pixfrac=1.5", "--save=cube,combined")
    flags = compare_flags(theirs.combined, ours.combined)
    assert min(flags.found, flags.right) >= 0.95


def test_rejection_sees_rows_flagged_before(run_both, tmp_path):
    """dq 32 from before counts as a good pixel in the samples, though it is not resampled."""
    frames = write_set(tmp_path / "in", posangs=(0.0, 2.0))
    for k, (path, _) in enumerate(frames):
        with (
            fits.conf.set_temp("extension_name_case_sensitive", True),
            fits.open(path, mode="update") as hdus,
        ):
            hdus["dq"].data[np.random.default_rng(k).random(hdus["dq"].data.shape) < 0.05] = 32
    theirs, ours = run_both(frames, "--crsigma=3", "--save=cube,combined")
    flags = compare_flags(theirs.combined, ours.combined)
    assert min(flags.found, flags.right) >= 0.95
    check_cubes(theirs.cube, ours.cube)


def test_rejection_on_a_given_grid(rotated, run_both, tmp_path):
    wcs = write_output_wcs(tmp_path / "wcs.fits", (400, 400, 34), CTYPE3="AWAV-LOG", CRVAL3=6998.0, rotation=30.0)
    theirs, ours = run_both([*rotated, (wcs, "OUTPUT_WCS")], "--crsigma=3", "--save=cube,combined")
    flags = compare_flags(theirs.combined, ours.combined)
    assert min(flags.found, flags.right) >= 0.95
