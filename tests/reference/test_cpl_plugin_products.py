"""Products of the CPL plugin: those of musedeep's own command, and beside those of the ESO pipeline."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run as run_musedeep
from tests.makers.cpl_plugin import THEIRS, esorex, set_of_frames
from tests.makers.one_ifu_night import IFU, one_ifu_night
from tests.makers.pixel_tables import write_dithers

pytestmark = [pytest.mark.reference, pytest.mark.night, pytest.mark.usefixtures("reference_installed")]

RECIPES = {
    "bias": ("muse_bias", f"--nifu={IFU}"),
    "flat": ("muse_flat", f"--nifu={IFU}", "--samples"),
    "wavecal": ("muse_wavecal", f"--nifu={IFU}"),
    "scibasic-OBJECT": ("muse_scibasic", f"--nifu={IFU}", "--saveimage=FALSE"),
}
"""Recipe and parameters of the steps of a night."""

CHANGING = {"DATE", "CHECKSUM", "DATASUM", "DATAMD5", ""}
"""Keywords of the moment of writing, those that esorex computes anew, and blank cards, which esorex leaves out."""


@pytest.fixture(scope="module")
def night():
    """Raw frames of one IFU, and their sets-of-frames."""
    with one_ifu_night() as directory:
        yield directory


@pytest.fixture(scope="module")
def chain(night, cpl_plugin, tmp_path_factory):
    """Runs a step of the night by esorex with our plugin; products, which the next steps take, go to one directory."""
    place = tmp_path_factory.mktemp("chain")
    done = set()

    def run(step: str) -> Path:
        if step not in done:
            frames = frames_of(night, step, place)
            status = esorex(place / "work", cpl_plugin, f"--output-dir={place}", *RECIPES[step], str(frames))
            assert status.returncode == 0, status.stdout + status.stderr
            assert {path.name for path in (place / "work").iterdir()} <= {"esorex.log", ".esorex"}
            done.add(step)
        return place

    return run


def frames_of(night: Path, step: str, place: Path) -> Path:
    """The set-of-frames of a step, whose calibrations are in `place`; of exposures only the first."""
    rows = [line.split() for line in (night / "sof" / f"{step}-{IFU:02d}.sof").read_text().splitlines()]
    kept, counts = [], {}
    for path, tag in rows:
        counts[tag] = counts.get(tag, 0) + 1
        calibration = place / Path(path).name
        if "/reduced/" in path and not calibration.exists():
            continue  # of a step that is left out here
        if counts[tag] <= (1 if tag == "OBJECT" else 99):
            kept.append((calibration if "/reduced/" in path else Path(path), tag))
    return set_of_frames(place / "sof" / f"{step}.sof", kept)


def own(step: str, place: Path, directory: Path) -> Path:
    """What `musedeep recipe` makes of the same frames."""
    command = ["recipe", *RECIPES[step], str(place / "sof" / f"{step}.sof"), "--save-fits"]
    assert run_musedeep([*command, "--output-dir", str(directory)]) == 0
    return directory


def assert_same(one: Path, other: Path) -> None:
    """Two files have the same data, bit for bit, and the same headers but for CHANGING."""
    with fits.open(one, do_not_scale_image_data=True) as a, fits.open(other, do_not_scale_image_data=True) as b:
        assert [hdu.name for hdu in a] == [hdu.name for hdu in b]
        for mine, theirs in zip(a, b, strict=True):
            cards = [
                [(card.keyword, card.value) for card in hdu.header.cards if card.keyword not in CHANGING]
                for hdu in (mine, theirs)
            ]
            assert cards[0] == cards[1]
            if mine.data is not None:
                assert mine.data.tobytes() == theirs.data.tobytes()


@pytest.mark.parametrize(
    ("step", "names"),
    [
        ("bias", [f"MASTER_BIAS-{IFU:02d}.fits"]),
        ("flat", [f"{name}-{IFU:02d}.fits" for name in ("MASTER_FLAT", "TRACE_TABLE", "TRACE_SAMPLES")]),
        ("scibasic-OBJECT", [f"PIXTABLE_OBJECT_0001-{IFU:02d}.fits"]),
    ],
)
def test_products_are_those_of_musedeep(step, names, chain, tmp_path):
    for before in list(RECIPES)[: list(RECIPES).index(step)]:
        chain(before)
    made = chain(step)
    ours = own(step, made, tmp_path)
    for name in names:
        assert_same(made / name, ours / name)
        with fits.open(made / name, checksum=True) as hdus:  # which esorex has computed
            assert all(hdu._checksum_valid and hdu._datasum_valid for hdu in hdus)
    assert not list(made.glob("*.zarr"))


@pytest.mark.parametrize("step", ["bias", "flat", "scibasic-OBJECT"])
def test_beside_the_eso_pipeline(step, chain, tmp_path):
    """The same command line with the recipes of the ESO pipeline makes the same files, keywords and nearly the data."""
    for before in list(RECIPES)[: list(RECIPES).index(step)]:
        chain(before)
    made = chain(step)
    done = esorex(tmp_path, THEIRS, *RECIPES[step], str(made / "sof" / f"{step}.sof"))
    assert done.returncode == 0, done.stdout + done.stderr
    products = sorted(path.name for path in tmp_path.glob("*.fits"))
    assert products
    for name in products:
        with fits.open(tmp_path / name) as theirs, fits.open(made / name) as ours:
            assert [hdu.name for hdu in ours] == [hdu.name for hdu in theirs]
            left_out = ("COMMENT", "ESO QC", "ESO DRS MUSE", "CHECKSUM", "DATASUM", "")
            keys = [
                {key for key in one[0].header if not key.startswith(left_out[:-1]) and key} for one in (theirs, ours)
            ]
            assert keys[0] <= keys[1]
            for key in (
                "ESO PRO CATG",
                "PIPEFILE",
                "ESO PRO TYPE",
                "ESO PRO TECH",
                "ESO PRO SCIENCE",
                "ESO PRO DATANCOM",
            ):
                assert ours[0].header.get(key) == theirs[0].header.get(key), (name, key)
            if name.startswith("MASTER"):
                difference = np.abs(ours["DATA"].data - theirs["DATA"].data)
                assert np.mean(difference <= (0.05 if "BIAS" in name else 0.002)) > 0.99
            if name.startswith("PIXTABLE"):
                data = [np.sort(one["data"].data.ravel()) for one in (ours, theirs)]
                assert abs(data[0].size / data[1].size - 1) < 1e-3
                assert np.median(data[0]) == pytest.approx(np.median(data[1]), rel=1e-3, abs=1e-2)


def test_places_of_products(chain, cpl_plugin, tmp_path):
    """Prefix, output directory and list of products are esorex's own affair; what is there is overwritten."""
    frames = chain("bias") / "sof" / "bias.sof"
    out, work = tmp_path / "out", tmp_path / "work"
    out.mkdir()
    work.mkdir()
    for directory in (out, work):
        (directory / f"MASTER_BIAS-{IFU:02d}.fits").write_text("of yesterday")
    words = ("--suppress-prefix=FALSE", "--output-prefix=night", f"--output-dir={out}", "--products-sof=made.json")
    done = esorex(work, cpl_plugin, *words, *RECIPES["bias"], str(frames))
    assert done.returncode == 0, done.stderr
    assert_same(out / "night_0000.fits", chain("bias") / f"MASTER_BIAS-{IFU:02d}.fits")
    assert (out / f"MASTER_BIAS-{IFU:02d}.fits").read_text() == "of yesterday"
    assert '"category": "MASTER_BIAS"' in (work / "made.json").read_text()
    assert "Total size of 3 raw input frames" in done.stdout  # their group is known


def test_missing_ifu(chain, cpl_plugin, tmp_path):
    frames = chain("bias") / "sof" / "bias.sof"
    done = esorex(tmp_path, cpl_plugin, "muse_bias", "--nifu=7", str(frames))
    assert done.returncode == 14 and "no extension CHAN07; give a raw file that holds IFU 7" in done.stderr
    assert not list(tmp_path.glob("*.fits")) and not list(tmp_path.glob(".*.part"))


def test_command_line_of_esoreflex(chain, cpl_plugin, tmp_path):
    """EsoReflex starts esorex without environment, with rc files of its own and a list of products in JSON."""
    frames = chain("bias") / "sof" / "bias.sof"
    (tmp_path / "esorex.rc").write_text(f"esorex.caller.recipe-dir={cpl_plugin}\n")
    (tmp_path / "default.rc").write_text("")
    (tmp_path / "muse_bias.rc").write_text(f"muse.muse_bias.nifu={IFU}\nmuse.muse_bias.lsigma=4.0\n")
    (tmp_path / "work").mkdir()
    (tmp_path / "out").mkdir()
    command = [
        "/usr/bin/env", "-i", f"ESOREX_CONFIG={tmp_path / 'esorex.rc'}",
        f"ESOREX_RECIPE_CONFIG={tmp_path / 'default.rc'}", "/usr/bin/esorex", "--suppress-prefix=TRUE",
        "--output-dir=../out", "--log-dir=../out", "--recipe-config=../muse_bias.rc",
        "--products-sof=products_sof.json", "muse_bias", str(frames),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path / "work", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    product = tmp_path / "out" / f"MASTER_BIAS-{IFU:02d}.fits"
    with fits.open(product) as hdus:
        values = {hdus[0].header[f"ESO PRO REC1 PARAM{n} NAME"]: hdus[0].header[f"ESO PRO REC1 PARAM{n} VALUE"]
                  for n in range(1, 15)}  # fmt: skip
    assert values["lsigma"] == "4" or float(values["lsigma"]) == 4.0
    assert "MASTER_BIAS" in (tmp_path / "work" / "products_sof.json").read_text()
    assert (tmp_path / "out" / "esorex.log").exists()


def test_hybrid(chain, night, cpl_plugin, tmp_path):
    """Of two directories the first that has a recipe: ours for muse_bias, and muse_flat of theirs takes the product."""
    made = chain("bias")
    few = tmp_path / "few"
    few.mkdir()
    os.symlink(cpl_plugin / "muse_bias.so", few / "muse_bias.so")
    environment = {**os.environ, "HOME": str(tmp_path), "ESOREX_PLUGIN_DIR": f"{few}:{THEIRS}"}
    makers = {}
    for step, product in (("bias", "MASTER_BIAS"), ("flat", "TRACE_TABLE")):
        command = ["esorex", *RECIPES[step], str(frames_of(night, step, tmp_path))]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        makers[step] = fits.getheader(tmp_path / f"{product}-{IFU:02d}.fits")["ESO PRO REC1 DRS ID"]
    assert makers["bias"].startswith("musedeep") and makers["flat"].startswith("cpl")
    assert_same(tmp_path / f"MASTER_BIAS-{IFU:02d}.fits", made / f"MASTER_BIAS-{IFU:02d}.fits")


RUN = """
import sys
import cpl
cpl.esorex.init()
recipe = cpl.Recipe("muse_bias")
assert recipe.tag == "BIAS" and recipe.param.nifu.range == (-1, 24)
recipe.temp_dir, recipe.output_dir = ".", "out"
recipe.param.nifu = int(sys.argv[1])
recipe.calib.BADPIX_TABLE = sys.argv[2]
result = recipe(sys.argv[3:])
print(result.MASTER_BIAS, result.stat.return_code, len(result.log.error))
recipe.param.nlow = -5
try:
    recipe(sys.argv[3:])
except cpl.CplError as error:
    print(error)
"""


def test_python_cpl(chain, cpl_plugin, python_cpl, tmp_path):
    rows = [line.split() for line in (chain("bias") / "sof" / "bias.sof").read_text().splitlines()]
    raws, tables = ([path for path, tag in rows if tag == wanted] for wanted in ("BIAS", "BADPIX_TABLE"))
    settings = tmp_path / "home" / ".esorex" / "esorex.rc"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"esorex.caller.recipe-dir={cpl_plugin}\nesorex.caller.msg-level=off\n")
    (tmp_path / "work").mkdir()
    command = [python_cpl, "-c", RUN, str(IFU), *tables, *raws]
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    done = subprocess.run(command, cwd=tmp_path / "work", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    product = f"out/MASTER_BIAS-{IFU:02d}.fits"
    first, second = done.stdout.splitlines()[-2:]
    assert first == f"{tmp_path / 'work' / product} 0 0"
    assert "nlow=-5 is out of range, at least 0" in second and "(14)" in second
    ours = fits.getdata(chain("bias") / f"MASTER_BIAS-{IFU:02d}.fits", "DATA")
    assert (fits.getdata(tmp_path / "work" / product, "DATA") == ours).all()
    assert {path.name for path in (tmp_path / "work").iterdir()} == {"out"}


def test_exp_combine(cpl_plugin, tmp_path):
    """A recipe of several exposures, with a cube, an image and a pixel table."""
    (tmp_path / "in").mkdir()
    paths = write_dithers(tmp_path / "in", 2, ifus=(12,), wavelength=(7000.0, 7012.0))[0]
    frames = set_of_frames(tmp_path / "in.sof", [(path, "PIXTABLE_REDUCED") for path in paths])
    words = ("--save=cube,combined", "--filter=white")
    done = esorex(tmp_path / "work", cpl_plugin, "muse_exp_combine", *words, str(frames))
    assert done.returncode == 0, done.stdout + done.stderr
    names = {"DATACUBE_FINAL.fits", "IMAGE_FOV_0001.fits", "PIXTABLE_COMBINED.fits"}
    assert {path.name for path in (tmp_path / "work").iterdir()} - {"esorex.log", ".esorex"} == names
    directory = tmp_path / "own"
    command = ["recipe", "muse_exp_combine", *words, str(frames), "--output-dir", str(directory)]
    assert run_musedeep(command) == 0
    for name in ("DATACUBE_FINAL.fits", "IMAGE_FOV_0001.fits"):
        assert_same(tmp_path / "work" / name, directory / name)
