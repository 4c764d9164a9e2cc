"""The command line: statuses, one line for every mistake, and a run from beginning to end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from astropy.io import fits

from musedeep.cli.main import run
from tests.makers.pixel_tables import write_dithers

SLICES = tuple(range(1, 7))


@pytest.fixture(scope="module")
def exposures(tmp_path_factory):
    """Three small exposures, a selection file and a set-of-frames."""
    directory = tmp_path_factory.mktemp("exposures")
    paths, _ = write_dithers(directory, 3, step=0.0, slices=SLICES, wavelength=(7000.0, 7015.0))
    (directory / "combine.sof").write_text("".join(f"{p} PIXTABLE_REDUCED\n" for p in paths))
    return directory


@pytest.fixture
def selection(exposures, tmp_path):
    path = tmp_path / "selection.yaml"
    path.write_text(f"exposures: ['{exposures}/*.fits']\nparameters: {{save: 'cube,exposures'}}\noutput: out\n")
    return path


def one_line(capsys):
    error = capsys.readouterr().err.strip()
    last = error.splitlines()[-1]
    assert last.startswith("musedeep: ")
    assert "Traceback" not in error
    return last


def test_combine_from_beginning_to_end(selection, capsys):
    assert run(["combine", str(selection), "--threads", "1"]) == 0
    out = capsys.readouterr().out
    directory = selection.parent / "out"
    assert sorted(p.name for p in directory.iterdir()) == [
        "DATACUBE_FINAL.fits", "EXPOSURE_MAP.fits", "IMAGE_FOV_0001.fits", "combine.jsonl", "combine.log",
    ]  # fmt: skip
    assert "3 exposures" in out
    with fits.open(directory / "DATACUBE_FINAL.fits") as hdus:
        record = hdus[0].header["ESO PRO REC*"]
        assert "save" in [str(v) for v in record.values()]
    # a second run refuses to replace it, unless told to
    assert run(["combine", str(selection), "--threads", "1"]) == 1
    assert "--overwrite" in one_line(capsys)
    assert run(["combine", str(selection), "--threads", "1", "--overwrite"]) == 0


def test_dry_run_prints_the_plan_and_leaves_nothing(selection, capsys):
    assert run(["combine", str(selection), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "peak memory" in out
    assert "boxes" in out
    assert not (selection.parent / "out").exists()


def test_output_dir_overrides_the_selection(selection, tmp_path, capsys):
    assert run(["combine", str(selection), "--output-dir", str(tmp_path / "other")]) == 0
    assert (tmp_path / "other" / "DATACUBE_FINAL.fits").exists()
    assert not (selection.parent / "out").exists()


def test_recipe_takes_both_ways_of_giving_a_parameter(exposures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sof = str(exposures / "combine.sof")
    assert run(["recipe", "muse_exp_combine", "--resample=nearest", "--crsigma", "-1", "--dx", "0.4", sof]) == 0
    with fits.open("DATACUBE_FINAL.fits") as hdus:
        assert abs(hdus["DATA"].header["CD1_1"]) * 3600 == pytest.approx(0.4)
    assert run(["recipe", "muse_exp_combine", sof, "--crsigma=-1", "--output-dir", "elsewhere"]) == 0
    assert Path("elsewhere/DATACUBE_FINAL.fits").exists()


def test_recipe_list_and_help(capsys):
    assert run(["recipe", "--list"]) == 0
    assert "muse_exp_combine" in capsys.readouterr().out
    assert run(["recipe", "muse_exp_combine", "--help"]) == 0
    assert "--pixfrac=0.6,0.6" in capsys.readouterr().out
    assert run(["recipe", "--help"]) == 0
    assert "NAME" in capsys.readouterr().out.upper()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["combin"], "combine"),
        (["combine"], "Missing argument"),
        (["combine", "x.yaml", "--wrokers", "2"], "--wrokers"),
        (["combine", "x.yaml", "--workers", "0"], "workers"),
        (["combine", "x.yaml", "--memory", "lots"], "give it as in 4GiB"),
        (["combine", "x.yaml", "--memory", "0"], "give it as in 4GiB"),
        (["recipe"], "which one"),
        (["recipe", "muse_exp_combin", "x.sof"], "did you mean muse_exp_combine?"),
        (["recipe", "muse_exp_combine"], "no set-of-frames"),
        (["recipe", "muse_exp_combine", "--pixfrc=1", "x.sof"], "did you mean --pixfrac?"),
        (["recipe", "muse_exp_combine", "--pixfrac=a", "x.sof"], "pixfrac=a is not"),
        (["recipe", "muse_exp_combine", "--pixfrac"], "--pixfrac needs a value"),
        (["recipe", "muse_exp_combine", "--ld=1", "--ld=2", "x.sof"], "--ld is given twice"),
        (["ingest", "x.fits"], "then the store"),
    ],
)
def test_wrong_usage_is_status_2(arguments, message, capsys):
    assert run(arguments) == 2
    assert message in one_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["combine", "none.yaml"], "none.yaml: no such selection file"),
        (["recipe", "muse_exp_combine", "none.sof"], "none.sof: no such set-of-frames"),
        (["info", "none"], "none: no such file or store"),
        (["info", "."], "no store"),
        (["ingest", "none.fits", "store"], "none.fits: no such file"),
        (["export", "none", "x.fits"], "none: no such store"),
    ],
)
def test_bad_input_is_status_1(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 1
    assert message in one_line(capsys)


def test_one_frame_is_too_few(exposures, tmp_path, capsys):
    (tmp_path / "x.sof").write_text(f"{next(exposures.glob('*1.fits'))} PIXTABLE_REDUCED\n")
    assert run(["recipe", "muse_exp_combine", str(tmp_path / "x.sof")]) == 1
    assert "needs at least 2 PIXTABLE_REDUCED, found 1" in one_line(capsys)


def test_unexpected_errors_show_no_traceback_unless_asked(selection, capsys, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("1/0\nsecond line")

    monkeypatch.setattr("musedeep.graph.combine.exp_combine.combine", fail)
    monkeypatch.delenv("MUSEDEEP_DEBUG", raising=False)
    assert run(["combine", str(selection)]) == 1
    assert "unexpected ZeroDivisionError: 1/0 (" in one_line(capsys)
    monkeypatch.setenv("MUSEDEEP_DEBUG", "1")
    assert run(["combine", str(selection)]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_status_130_and_says_how_to_resume(selection, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("musedeep.graph.combine.exp_combine.combine", interrupt)
    assert run(["combine", str(selection)]) == 130
    assert "resumes where it stopped" in one_line(capsys)


def test_a_real_interrupt_ends_the_process_with_130(exposures, tmp_path):
    """Ctrl-C while the command waits for work: no traceback, status 130."""
    script = (
        "import sys, time, musedeep.graph.combine.exp_combine as r\n"
        "def slow(*a, **k):\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "r.combine = slow\n"
        "from musedeep.cli.main import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    (tmp_path / "s.yaml").write_text(f"exposures: ['{exposures}/*.fits']\noutput: out\n")
    process = subprocess.Popen(
        [sys.executable, "-c", script, "combine", str(tmp_path / "s.yaml")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert error.strip().splitlines() == ["musedeep: interrupted; the same command resumes where it stopped"]


def test_version_and_module(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("musedeep 0.")
    done = subprocess.run(
        [sys.executable, "-m", "musedeep", "--version"], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert done.returncode == 0


UNUSED = ["dask", "scipy.linalg", "scipy.ndimage", "scipy.spatial", "scipy.optimize", "astropy.table"]
"""What recipes that need little of it must not wait for."""

HEAVY = ["numpy", "astropy", "numba", "scipy", "dask", "distributed", "zarr", "pydantic", "yaml", "psutil"]


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("musedeep", HEAVY),
        ("musedeep.cli.main", HEAVY),
        ("musedeep.storage.raw.frames", ["numba"]),
        ("musedeep.graph.night.task", ["numba"]),
        ("musedeep.recipes.standard.exposure", [*UNUSED, "zarr"]),
        ("musedeep.recipes.astrometry.field", [*UNUSED, "zarr"]),
        ("musedeep.recipes.create_sky.work", ["dask", "zarr", "astropy.table"]),
    ],
)
def test_importing_what_computes_nothing_is_cheap(module, heavy):
    code = f"import sys, {module}\nprint([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
