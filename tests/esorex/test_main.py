"""musedeep-esorex as a whole: what it does, and its exit status."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from astropy.io import fits

from musedeep.esorex import command_line
from musedeep.esorex.main import run
from tests.makers.places import ROOT
from tests.makers.raw_frames import write_biases


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A directory of its own, no configuration files but one with Debian's values, no other esorex."""
    for name in [name for name in os.environ if name.startswith(("ESOREX_", "MUSEDEEP_", "MUSE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MUSEDEEP_ESOREX", "")
    installed = tmp_path / "etc.rc"
    installed.write_text("esorex.caller.suppress-prefix=TRUE\nesorex.caller.check-sof-exist=TRUE\n")
    monkeypatch.setattr(command_line, "INSTALLED", installed)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def sof(tmp_path):
    return str(write_biases(tmp_path, ifus=(2,))[0])


def names(directory="."):
    return sorted(path.name for path in Path(directory).iterdir())


def test_scripts_run_as_they_stand(sof, capsys):
    assert run(["muse_bias", "--nifu=-1", "--merge", sof]) == 0
    assert names() == ["MASTER_BIAS-02.fits", "esorex.log"]  # of one IFU, which is not merged
    assert capsys.readouterr().out.startswith("\n     ***** ESO Recipe Execution Tool, version 3.13.6  *****\n\n")


def test_options_of_pymusepipe_and_of_reflex(sof):
    for name in ("out", "logs"):
        Path(name).mkdir()
    words = [
        "--output-dir=out/",
        "--no-checksum",
        "--log-dir=logs/",
        "--log-file=bias.log",
        "muse_bias",
        "--nifu=2",
        sof,
    ]
    assert run(words) == 0
    assert names() == ["logs", "out"] and names("logs") == ["bias.log"]
    assert "CHECKSUM" not in fits.getheader("out/MASTER_BIAS-02.fits")
    assert "DATAMD5" in fits.getheader("out/MASTER_BIAS-02.fits")
    Path("r.rc").write_text("muse.muse_bias.nifu=2\n")
    words = ["--suppress-prefix=FALSE", "--output-dir=.", "--log-dir=.", "--recipe-config=r.rc"]
    assert run([*words, "--products-sof=p.json", "--output-prefix=p", "muse_bias", sof]) == 0
    assert "p_0000.fits" in names() and '"MASTER_BIAS"' in Path("p.json").read_text()


@pytest.mark.parametrize(
    ("words", "status", "begins"),
    [
        ([], 0, "musedeep "),
        (["--version"], 0, "musedeep "),
        (["--version", "muse_bias", "none.sof"], 0, "musedeep "),
        (["--help"], 0, "Usage: esorex"),
        (["--recipes"], 0, "List of Available Recipes"),
        (["--recipes", "muse_bias"], 0, "List of Available Recipes"),
        (["--params"], 0, "Caller Parameters"),
        (["--params", "muse_bias", "--nifu=3"], 0, "Caller Parameters"),
        (["--help", "muse_bias"], 0, "Recipe: muse_bias"),
        (["--man-page", "muse_bias"], 0, "NAME"),
    ],
)
def test_texts(capsys, words, status, begins):
    assert run(words) == status
    out = capsys.readouterr().out
    assert out.partition("*****\n\n")[2].startswith(begins)
    if words[-1:] == ["--nifu=3"]:
        assert "  nifu                  : 3\n" in out.partition("Recipe Parameters")[2]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["muse_nosuch", "x.sof"], 13, "[ ERROR ] esorex: Unable to find recipe 'muse_nosuch'."),
        (["--help", "muse_nosuch"], 13, "Unable to find recipe"),
        (["--nosuch", "muse_bias"], 255, "[ ERROR ] esorex: Command line parameter '--nosuch' not recognized"),
        (["--output-dir=none", "muse_bias"], 255, "The argument to '--output-dir' [none] is not a valid directory"),
        (["--output-dir=/proc", "muse_bias", "{sof}"], 67, "The output directory [/proc] cannot be written"),
        (["--log-dir=none", "muse_bias"], 255, "'none' is not a valid directory"),
        (["muse_bias", "--nifu=99", "{sof}"], 255, "outside the permitted range -1 to 24"),
        (["muse_bias", "--nifu", "3", "{sof}"], 9, "Unable to open SOF file '3'"),
        (["muse_bias", "{sof}", "--nifu=3"], 9, "Unable to open SOF file '--nifu=3'"),
        (["muse_bias", "none.sof"], 9, "Unable to open SOF file 'none.sof'"),
        (["muse_bias", "missing.sof"], 9, "Could not open the input file 'none.fits' with tag 'BIAS'"),
        (["--check-sof-exist=FALSE", "muse_bias", "missing.sof"], 255, "needs at least 3 BIAS, found 0"),
        (["--recipe-config=short.rc", "muse_bias", "{sof}"], 250, "Parameter 'nifu' not recognised"),
        (["--recipe-config=range.rc", "muse_bias", "{sof}"], 251, "entry 'muse.muse_bias.nifu'"),
        (["--recipe-config=words.rc", "muse_bias", "{sof}"], 254, "does not fit 'key=value' format"),
        (["--recipe-config=none.rc", "muse_bias", "{sof}"], 255, "could not be found"),
        (["--products-sof=none/x.sof", "muse_bias", "--nifu=2", "{sof}"], 8, "Cannot create output sof file"),
        (["muse_bias"], 255, "failed, status = -1"),
    ],
)
def test_refusals_have_the_status_of_esorex(sof, capsys, words, status, message):
    for name, text in {"short": "nifu=3", "range": "muse.muse_bias.nifu=99", "words": "hello"}.items():
        Path(f"{name}.rc").write_text(text + "\n")
    Path("missing.sof").write_text("none.fits BIAS\n")
    assert run([word.format(sof=sof) for word in words]) == status
    assert message in capsys.readouterr().err


def test_configuration_files_are_written_and_read(sof, tmp_path):
    assert run(["--create-config", "muse_bias", "--nifu=2"]) == 0
    assert "muse.muse_bias.nifu=2\n" in (tmp_path / ".esorex" / "muse_bias.rc").read_text()
    assert run(["muse_bias", sof]) == 0
    assert "MASTER_BIAS-02.fits" in names()
    assert run(["--create-config=x.json", "muse_bias"]) == 0
    assert '"muse.muse_bias.nifu"' in Path("x.json").read_text()
    assert run(["--create-config=e.rc", "--output-prefix=p"]) == 0
    assert "esorex.caller.output-prefix=p\n" in Path("e.rc").read_text()


def test_other_recipes_are_handed_to_another_esorex(tmp_path, monkeypatch, capfd):
    other = tmp_path / "esorex"
    other.write_text('#!/bin/sh\necho "theirs: $@"\necho their log > esorex.log\nexit 7\n')
    other.chmod(0o755)
    monkeypatch.setenv("MUSEDEEP_ESOREX", str(other))
    assert run(["--time", "fors_bias", "--x=1", "a.sof"]) == 7
    said = f"[ INFO  ] esorex: Recipe 'fors_bias' is none of musedeep's; {other} runs it"
    assert capfd.readouterr().out == f"{said}\ntheirs: --time fors_bias --x=1 a.sof\n"
    log = Path("esorex.log").read_text()
    assert log.startswith("their log\n") and "[tid=000] Recipe 'fors_bias' is none of musedeep's" in log


def test_an_unexpected_error_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr("musedeep.esorex.main.option_values", lambda *_: 1 / 0)
    assert run(["--recipes"]) == 255
    assert capsys.readouterr().err == "[ ERROR ] esorex: unexpected ZeroDivisionError: division by zero\n"


HEAVY = ("numpy", "astropy", "dask", "zarr", "numba", "scipy", "distributed", "rich", "typer")


@pytest.mark.parametrize(
    "words", [["--version"], ["--recipes"], ["--man-page", "muse_scipost"], ["--help", "muse_bias"]]
)
def test_texts_import_nothing_heavy(words):
    code = (
        f"import sys; from musedeep.esorex.main import run; run({words!r}); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_calls_leave_nothing(sof, place, number):
    # the recipe waits once it has begun to write
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from musedeep.esorex.main import run\n"
        "from musedeep.declaration import Recipe\n"
        "def work(self, call):\n"
        "    (call.output / 'MASTER_BIAS-02.fits').write_text('half')\n"
        "    Path('started').write_text('')\n"
        "    time.sleep(60)\n"
        "Recipe.run = work\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--output-dir=.", "muse_bias", "--nifu=2", sof], stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    while not (place / "started").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert f"Interrupted by {number.name}; there are no products" in err and "Traceback" not in err
    assert names() == ["esorex.log", "started"]
