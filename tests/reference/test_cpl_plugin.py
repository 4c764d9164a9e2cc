"""The CPL plugin in the applications that it is made for: esorex, EsoReflex's command line, python-cpl."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import musedeep
from musedeep.esorex.parameters import cpl_parameters
from musedeep.recipes.registry import recipes
from tests.makers.cpl_plugin import THEIRS, build, esorex, set_of_frames, stand_in
from tests.makers.places import ROOT

pytestmark = [pytest.mark.reference, pytest.mark.usefixtures("reference_installed")]

NAMES = tuple(recipes())
LINE = re.compile(r"\d\d:\d\d:\d\d \[ *(\w+) *\] (\w*): \[tid=000\] (.*)")

ASK = """
import json, sys
import cpl
cpl.Recipe.path = sys.argv[1].split(":")
found = {}
for name, versions in cpl.Recipe.list():
    recipe = cpl.Recipe(name)
    inputs = {tag: {one[0]: list(one[1:]) for one in rows} for tag, rows in (
        (row[0][0], row[1]) for row in recipe._recipe.frameConfig())}
    numbers = {row[0][0]: list(row[0][1:]) for row in recipe._recipe.frameConfig()}
    found[name] = {"version": list(recipe.version), "numbers": numbers, "inputs": inputs}
    found[name]["outputs"] = dict(recipe.output)
json.dump(found, sys.stdout)
"""
"""What python-cpl knows of the tags of all recipes."""


@pytest.fixture
def frames(tmp_path):
    """A set-of-frames of files that are none."""
    for number in range(3):
        (tmp_path / f"{number}.fits").write_bytes(b"")
    return set_of_frames(tmp_path / "in.sof", [(tmp_path / f"{number}.fits", "BIAS") for number in range(3)])


def log_of(directory: Path) -> list[tuple[str, str, str]]:
    """Level, function and text of the lines of a log."""
    return LINE.findall((directory / "esorex.log").read_text())


def left_in(directory: Path) -> set[str]:
    """Names of the files in a directory, but for those of esorex itself."""
    return {path.name for path in directory.iterdir()} - {"esorex.log", ".logfile", ".esorex", "in.sof"}


def test_one_library_per_recipe(cpl_plugin, tmp_path):
    assert {path.stem for path in cpl_plugin.iterdir()} == set(NAMES) and len(NAMES) == 27
    done = esorex(tmp_path, cpl_plugin, "--recipes")
    assert done.returncode == 0
    assert set(re.findall(r"^  (muse_\w+) *:", done.stdout, re.M)) == set(NAMES)
    assert "library" not in done.stdout + done.stderr  # warnings about plugins


def test_build_by_a_python_without_musedeep(tmp_path):
    command = ["make", "-s", "-C", str(ROOT / "cpl-plugin"), "PYTHON=/usr/bin/python3", f"BUILD={tmp_path}"]
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "/usr/bin/python3 has no musedeep; give the Python that has it: make PYTHON=" in done.stderr
    assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_parameters(name, cpl_plugin, tmp_path):
    """Configuration files are those of the ESO pipeline, but for parameters that it has not, and texts."""
    assert esorex(tmp_path, cpl_plugin, "--create-config=ours.json", name).returncode == 0
    assert esorex(tmp_path, THEIRS, "--create-config=theirs.json", name).returncode == 0
    ours, theirs = (json.loads((tmp_path / f"{who}.json").read_text()) for who in ("ours", "theirs"))
    declared = cpl_parameters(recipes()[name])
    assert [one["description"] for one in ours] == [one.description for one in declared]
    own = {one.name for one in declared if one.own}
    for one in ours + theirs:
        del one["description"]
    assert [one for one in ours if one["name"] not in own] == theirs

    assert esorex(tmp_path, cpl_plugin, "--create-config=ours.rc", name).returncode == 0
    assert esorex(tmp_path, THEIRS, "--create-config=theirs.rc", name).returncode == 0
    lines = [re.findall(r"^[^#\n].*", (tmp_path / f"{who}.rc").read_text(), re.M) for who in ("ours", "theirs")]
    assert [line for line in lines[0] if line.partition("=")[0] not in own] == lines[1]


@pytest.mark.parametrize("name", NAMES)
def test_shown_parameters(name, cpl_plugin, tmp_path):
    """Pages of the manual hide the same parameters."""
    own = {one.alias for one in cpl_parameters(recipes()[name]) if one.own}
    shown = []
    for directories in (cpl_plugin, THEIRS):
        page = esorex(tmp_path, directories, "--man-page", name).stdout
        shown.append([one for one in re.findall(r"^  --(\w+)", page, re.M) if one not in own])
    assert shown[0] == shown[1]


def test_manual_page(cpl_plugin, tmp_path):
    page = " ".join(esorex(tmp_path, cpl_plugin, "--man-page", "muse_bias").stdout.split())
    assert recipes()["muse_bias"].summary in page and "MASTER_BIAS" in page
    assert "report any problems with this recipe to the musedeep developers" in page
    assert "BSD 3-Clause License" in page and "version 2.8.7" in page


def test_tags(cpl_plugin, python_cpl, tmp_path):
    """Raw tags, inputs and products are those of the ESO pipeline, as python-cpl asks for them."""
    found = []
    for directories in (str(cpl_plugin), THEIRS):
        done = subprocess.run([python_cpl, "-c", ASK, directories], capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout))
    ours, theirs = found
    assert set(ours) == set(NAMES) <= set(theirs)
    for name in NAMES:
        one, other = ours[name], theirs[name]
        assert one["version"] == [20807, "2.8.7"] == other["version"]
        assert set(one["numbers"]) == set(other["numbers"])
        for tag in one["numbers"]:
            assert set(other["inputs"][tag]) <= set(one["inputs"][tag])
            (low, high), (least, most) = one["numbers"][tag], other["numbers"][tag]
            # muse_scipost_raman of the ESO pipeline takes a single pixel table
            assert max(low, 0) == max(least, 0) and (high == most or (name, high) == ("muse_scipost_raman", -1))
            if not name.startswith("muse_scipost_"):  # it names other products than its steps write
                assert set(other["outputs"][tag]) <= set(one["outputs"][tag])
    assert ours["muse_scibasic"]["outputs"]["SKY"] == ["SKY_RED", "SKY_RESAMPLED", "PIXTABLE_SKY"]
    assert ours["muse_scibasic"]["outputs"]["REDUCED"] == ["REDUCED_RESAMPLED", "PIXTABLE_REDUCED"]


def test_request(cpl_plugin, frames, tmp_path):
    """Parameters that are not the default ones, and all frames, reach musedeep."""
    python = stand_in(tmp_path / "python", "say('end', 'done', '')")
    words = ("--nifu=7", "--overscan=vpoly:3,1.01,1.01", "--lsigma=2.1", "--merge", "--nlow=1")
    done = esorex(tmp_path / "w", cpl_plugin, "muse_bias", *words, str(frames), MUSEDEEP_PYTHON=str(python))
    assert done.returncode == 0
    assert (tmp_path / "python.request").read_text().splitlines() == [
        f"plugin\t{musedeep.__version__}",
        "recipe\tmuse_bias",
        "parameter\tnifu\t7",
        "parameter\toverscan\tvpoly:3,1.01,1.01",
        "parameter\tlsigma\t2.1000000000000001",
        "parameter\tmerge\ttrue",
        *(f"frame\tBIAS\t{tmp_path / str(number)}.fits" for number in range(3)),
        "run",
    ]


def test_messages_appear_while_it_runs(cpl_plugin, frames, tmp_path):
    go, place = tmp_path / "go", tmp_path / "w"
    python = stand_in(
        tmp_path / "python",
        "say('info', 'trace_slices', 'IFU 1: 100%% of\\\\t48\\\\nslices')\n"
        "say('debug', 'trace_slices', 'nobody asks')\n"
        "say('warning', 'muse_bias', 'few frames')\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.1)\n"
        "say('error', 'combine', 'bad frame')\n"
        "print('what a library prints')\n"
        "say('end', 'done', '')",
    )
    place.mkdir()
    command = ["esorex", f"--recipe-dir={cpl_plugin}", "muse_bias", str(frames)]
    environment = {"MUSEDEEP_PYTHON": str(python), "HOME": str(place), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE, text=True) as running:
        try:
            logged = place / ".logfile"  # esorex names it esorex.log at its end
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and not (logged.exists() and "few frames" in logged.read_text()):
                time.sleep(0.1)
            assert running.poll() is None
            before = logged.read_text()
        finally:
            go.touch()
            running.communicate()
    assert running.returncode == 0
    assert "[ INFO  ] trace_slices: [tid=000] IFU 1: 100%% of\t48\nslices" in before and "bad frame" not in before
    lines = log_of(place)
    assert ("WARNING", "muse_bias", "few frames") in lines and ("ERROR", "combine", "bad frame") in lines
    assert not {"nobody asks", "what a library prints"} & {text for _, _, text in lines}


@pytest.mark.parametrize(
    ("answers", "status", "words"),
    [
        ("say('end', 'illegal-input', 'nlow=7 is too many')", 14, "nlow=7 is too many"),
        ("say('end', 'data-not-found', 'no BIAS')", 10, "no BIAS"),
        ("say('end', 'file-io', 'disk full')", 5, "disk full"),
        ("say('end', 'what is that', 'odd')", 1, "odd"),
        ("sys.exit('ImportError: no numpy')", 1, "musedeep ended with status 1: ImportError: no numpy"),
        ("sys.exit(0)", 1, "musedeep ended with status 0: it says nothing"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 1, "musedeep was ended by signal 9 (Killed), perhaps for want of"),
        ("sys.exit('No module named musedeep')", 9, "cannot be started by {python} (No module named musedeep)"),
    ],
)  # fmt: skip
def test_failures(answers, status, words, cpl_plugin, frames, tmp_path):
    """The reason arrives as one error message, and the status as the error of CPL."""
    python, place = stand_in(tmp_path / "python", answers), tmp_path / "w"
    done = esorex(place, cpl_plugin, "muse_bias", str(frames), MUSEDEEP_PYTHON=str(python))
    assert done.returncode == status
    errors = [text for level, function, text in log_of(place) if level == "ERROR" and function == "muse_bias"]
    assert len(errors) == 1 and words.format(python=python) in errors[0]
    assert left_in(place) == set()


def test_early_end(cpl_plugin, tmp_path):
    """A process that does not read a long request is no reason to end esorex by SIGPIPE."""
    names = [tmp_path / f"{'long' * 50}-{number}.fits" for number in range(3000)]
    for name in names:
        name.touch()
    frames = set_of_frames(tmp_path / "in.sof", [(name, "BIAS") for name in names])
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'no Python today' >&2\nexit 3\n")
    python.chmod(0o755)
    done = esorex(tmp_path / "w", cpl_plugin, "muse_bias", str(frames), MUSEDEEP_PYTHON=str(python))
    assert done.returncode == 1 and "musedeep ended with status 3: no Python today" in done.stderr


@pytest.mark.parametrize(
    ("python", "advice"),
    [("/nowhere/python", "No such file"), ("/usr/bin/python3", "No module named 'musedeep'")],
)
def test_without_musedeep(python, advice, cpl_plugin, frames, tmp_path):
    done = esorex(tmp_path / "w", cpl_plugin, "muse_bias", str(frames), MUSEDEEP_PYTHON=python, PYTHONPATH="")
    assert done.returncode == 9
    assert f"musedeep cannot be started by {python}" in done.stderr and advice in done.stderr
    assert "name in MUSEDEEP_PYTHON the Python that has musedeep" in done.stderr


def test_modules_in_the_working_directory_are_not_taken(cpl_plugin, frames, tmp_path):
    place = tmp_path / "w"
    (place / "musedeep").mkdir(parents=True)
    (place / "musedeep" / "__init__.py").write_text("raise SystemExit('not this one')")
    (place / "numpy.py").write_text("raise SystemExit('nor this one')")
    # what others have in Python's variables is of no use to musedeep
    done = esorex(place, cpl_plugin, "muse_bias", str(frames), PYTHONPATH=str(place), PYTHONHOME="/nowhere")
    assert done.returncode == 14 and "this one" not in done.stderr + (place / "esorex.log").read_text()
    assert f"{tmp_path}/0.fits" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--nifu=99",), 255, "outside the permitted range -1 to 24"),
        (("--combine=mean",), 255, "Input data do not match"),
        (("--merge=yes",), 255, "Type mismatch"),
        (("--nlow=-1",), 14, "muse_bias: nlow=-1 is out of range, at least 0; the default is 1"),
        (("--overscan=some",), 14, "overscan=some is not none, offset, vpoly or vpoly:ORDER,RMS,CHISQ"),
    ],
)
def test_bad_values(words, status, said, cpl_plugin, frames, tmp_path):
    done = esorex(tmp_path / "w", cpl_plugin, "muse_bias", *words, str(frames))
    assert done.returncode == status and said in done.stderr
    assert left_in(tmp_path / "w") == set()


def test_missing_frames(cpl_plugin, tmp_path):
    (tmp_path / "one.fits").touch()
    frames = set_of_frames(tmp_path / "in.sof", [(tmp_path / "one.fits", "BIAS"), (tmp_path / "gone.fits", "BIAS")])
    done = esorex(tmp_path / "w", cpl_plugin, "--check-sof-exist=false", "muse_bias", str(frames))
    assert done.returncode != 0
    assert "muse_bias needs at least 3 BIAS, found 1" in done.stderr
    assert f"'{tmp_path}/gone.fits' does not exist" in done.stdout


def test_another_cpl(cpl_plugin, frames, python_cpl, tmp_path):
    """A plugin that was built for another version of CPL says so, and runs nothing."""
    found = subprocess.run(
        ["cc", "-M", "-xc", "-"], input="#include <cpl.h>", capture_output=True, text=True, check=True
    )
    include = tmp_path / "cpl" / "include"
    include.mkdir(parents=True)
    for header in re.findall(r"\S+/cpl\w*\.h", found.stdout):
        text = Path(header).read_text()
        if header.endswith("/cpl_version.h"):
            text = re.sub(r"(STRING) .*", r'\1 "6.4.1"', text, count=1)
            text = re.sub(r"(CPL_VERSION_CODE) .*", rf"\1 {6 * 65536 + 4 * 256 + 1}", text, count=1)
        (include / Path(header).name).write_text(text)
    plugins = build(tmp_path, f"CPLDIR={tmp_path / 'cpl'}")

    said = "the plugin of musedeep was built for CPL 6.4.1, and this is CPL"
    done = esorex(tmp_path / "w", plugins, "muse_bias", str(frames))
    assert done.returncode == 13 and done.stderr.count(said) == 1
    program = (
        f"import cpl; cpl.Recipe.path = [{str(plugins)!r}]; cpl.Recipe('muse_bias')([{str(tmp_path / '0.fits')!r}])"
    )
    asked = subprocess.run([python_cpl, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert asked.returncode == 1 and said in asked.stderr.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_musedeep_ends_with_the_application(number, cpl_plugin, frames, tmp_path):
    """esorex ends at once; musedeep learns of it from its channel, and removes what it has begun."""
    place, alive = tmp_path / "w", tmp_path / "alive"
    place.mkdir()
    python = stand_in(
        tmp_path / "python",
        f"""
from pathlib import Path
from musedeep.esorex import plugin

def work(recipe, values, frames, place, channel):
    (place / "MASTER_BIAS-01.fits").write_text("half")
    Path({str(alive)!r}).write_text(str(os.getpid()))
    time.sleep(60)

plugin.outcome_of = work
channel = plugin.Channel(os.fdopen(os.dup(1), "wb"))
lines = open(__file__ + ".request", "rb")
request = plugin.Request.read(lines)
plugin.interrupt_once()
plugin.end_with_application(os.fdopen(os.dup(0), "rb"))
try:
    plugin.run(request, channel)
except KeyboardInterrupt:
    Path({str(alive)!r}).unlink()
""",
    )
    command = ["esorex", f"--recipe-dir={cpl_plugin}", "muse_bias", str(frames)]
    environment = {"MUSEDEEP_PYTHON": str(python), "HOME": str(place), "PATH": "/usr/bin:/bin"}
    environment["PYTHONPATH"] = ":".join(path for path in sys.path if path)
    running = subprocess.Popen(
        command, cwd=place, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(alive.exists)
        assert len(left_in(place)) == 1  # the directory of products in work
    finally:
        running.send_signal(number)
        running.wait()
    assert running.returncode == -number
    wait_until(lambda: not alive.exists())
    wait_until(lambda: left_in(place) == set())


def wait_until(condition, seconds=60.0):
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
