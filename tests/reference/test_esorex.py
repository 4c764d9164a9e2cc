"""The same command lines through esorex and through ours: statuses, files, lists, lines on the terminal, logs."""

import os
import re
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from astropy.io import fits

from tests.makers.field_views import stars, write_views
from tests.makers.pixel_tables import write_dithers
from tests.makers.places import ROOT
from tests.makers.raw_frames import write_biases

pytestmark = pytest.mark.reference

OURS = [sys.executable, "-c", "import sys; from musedeep.esorex.main import run; sys.exit(run())"]
THEIRS = ["esorex"]
FREE = ("CHECKSUM", "DATASUM", "DATAMD5", "COMMENT", "")
"""Keywords that are compared apart, or not at all."""


@dataclass
class Done:
    """What a call has done."""

    status: int
    out: str
    err: str
    here: Path
    files: dict[str, Path] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A file, its directory called HERE."""
        return (self.here / name).read_text().replace(str(self.here), "HERE")

    def lines(self, text: str) -> list[str]:
        """Lines of esorex itself, without what differs from run to run."""
        plain = re.sub(r"\d\d:\d\d:\d\d", "TIME", text.replace(str(self.here), "HERE"))
        # paths that do not exist are no problem where recipes are not looked for in directories
        lines = [one for one in plain.splitlines() if one and "Unable to open directory" not in one]
        return [re.sub(r"(took|rate of) +[\d.e+]+", r"\1 N", one) for one in lines]


@pytest.fixture(scope="session")
def frames(tmp_path_factory, reference_installed):
    """Sets-of-frames: two small reduced exposures, two images of a field."""
    place = tmp_path_factory.mktemp("frames")
    tables = write_dithers(place, 2, ifus=(11, 12), wavelength=(7000.0, 7010.0))[0]
    (place / "views").mkdir()
    views = write_views(place / "views", stars(25, 1), [(0.0, 0.0), (1.31, -0.64)], dithers=((0, 0), (1.5, 0.7)))
    (place / "combine.sof").write_text("".join(f"{path} PIXTABLE_REDUCED\n" for path in tables))
    (place / "align.sof").write_text("".join(f"{path} IMAGE_FOV\n" for path in views))
    return place


@pytest.fixture
def both(frames, tmp_path, monkeypatch):
    """Runs a command line through both, each in a directory of its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MUSEDEEP_ESOREX", "")
    for name in [name for name in os.environ if name.startswith(("ESOREX_", "MUSE_"))]:
        monkeypatch.delenv(name)

    def run(words: str, prepared: str = "") -> tuple[Done, Done]:
        found = []
        for name, program in (("theirs", THEIRS), ("ours", OURS)):
            here = tmp_path / name
            here.mkdir()
            subprocess.run(prepared, shell=True, cwd=here, check=True, env={**os.environ, "FRAMES": str(frames)})
            command = [*program, *words.format(frames=frames, here=here).split()]
            done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
            files = {str(path.relative_to(here)): path for path in sorted(here.rglob("*")) if not path.is_dir()}
            found.append(Done(done.returncode, done.stdout, done.stderr, here, files))
        return found[0], found[1]

    return run


ALIGN = "muse_exp_align --iterations=3000 --expmap=TRUE {frames}/align.sof"
COMBINE = "muse_exp_combine --save=cube,combined {frames}/combine.sof"


@pytest.mark.parametrize(
    ("words", "prepared"),
    [
        (f"{COMBINE}", ""),
        (f"--output-dir=out/ --products-sof=x.json --no-checksum {COMBINE}", "mkdir out"),
        (f"--output-dir=out --suppress-prefix=FALSE --output-prefix=p --products-sof=x.sof {COMBINE}", "mkdir out"),
        (f"--suppress-prefix=FALSE --products-sof=x.sof --no-datamd5 --time=FALSE {COMBINE}", ""),
        (f"--suppress-link=FALSE --link-dir=l --output-readonly --output-dir={{here}}/out {COMBINE}", "mkdir l out"),
        (f"--output-dir=out {ALIGN}", "mkdir out; echo old > out/OFFSET_LIST.fits"),
        (f"--log-dir=out --log-file=a.log {ALIGN}", "mkdir out"),
    ],
)  # fmt: skip
def test_products_lists_and_messages(both, words, prepared):
    theirs, ours = both(words, prepared)
    assert (theirs.status, ours.status) == (0, 0), ours.out + ours.err
    assert list(theirs.files) == list(ours.files)
    for name, path in theirs.files.items():
        other = ours.files[name]
        if path.is_symlink():
            assert os.readlink(path).replace(str(theirs.here), "") == os.readlink(other).replace(str(ours.here), "")
            continue
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)
        if name in ("x.sof", "x.json"):
            place, escaped = str(ours.here).replace("/", "\\/"), str(theirs.here).replace("/", "\\/")
            text = other.read_text().replace(place, "HERE").replace(str(ours.here), "HERE")
            assert path.read_text().replace(escaped, "HERE").replace(str(theirs.here), "HERE") == text
        elif path.suffix == ".fits":
            compare_headers(path, other)
    assert not ours.err and not theirs.err
    assert own(theirs) == own(ours)
    log = next(name for name in theirs.files if name.endswith(".log"))
    assert logged(theirs, log) == logged(ours, log)


def test_pixel_tables_in_one_table(both, monkeypatch):
    monkeypatch.setenv("MUSE_PIXTABLE_SAVE_AS_TABLE", "1")
    theirs, ours = both("--output-dir=. muse_exp_combine --save=combined {frames}/combine.sof")
    name = "PIXTABLE_COMBINED.fits"
    compare_headers(theirs.files[name], ours.files[name])
    with fits.open(theirs.files[name]) as a, fits.open(ours.files[name]) as b:
        assert [(c.name, c.format, c.unit) for c in a[1].columns] == [(c.name, c.format, c.unit) for c in b[1].columns]
        assert len(a[1].data) == len(b[1].data)


def own(done: Done) -> list[str]:
    """Lines of esorex itself on standard output, and the banner."""
    lines = done.lines(done.out)
    assert all(re.match(r"TIME (\[ INFO  \]|\[WARNING\]) \w+: ", one) for one in lines[1:])
    return [lines[0], *(one for one in lines if " esorex: " in one)]


def logged(done: Done, name: str) -> list[str]:
    """Lines of esorex itself in a log, and its head; all of them have the form of a log."""
    lines = done.lines(done.text(name))
    assert all(re.match(r"TIME \[( INFO  |WARNING| ERROR )\] \w*: \[tid=\d\d\d\] ", one) for one in lines[3:])
    lines[0] = re.sub(r"\d{4}-\d\d-\d\d", "DATE", lines[0])
    lines = [re.sub("(libraries|line was): .*", r"\1", one) for one in lines]
    return [*lines[:3], *(one for one in lines[3:] if "] : " in one)]


def compare_headers(path: Path, other: Path) -> None:
    """The same HDUs, with the same keywords but those of sources and slices; sums where the other has sums."""
    with fits.open(path) as a, fits.open(other, checksum=True) as b:
        b.verify("exception")
        assert [hdu.name for hdu in a] == [hdu.name for hdu in b]
        assert a[0].header["PIPEFILE"] == b[0].header["PIPEFILE"]
        assert a[0].header["ESO PRO CATG"] == b[0].header["ESO PRO CATG"]
        for one, two in zip(a, b, strict=True):
            for key in ("CHECKSUM", "DATASUM", "DATAMD5"):
                assert (key in one.header) == (key in two.header), (path.name, one.name, key)
            missing = {key for key in one.header if key not in two.header and key not in FREE}
            assert not {key for key in missing if not re.match(r"ESO QC EXP\w+ (POS|FWHM)\d", key)}, (
                path.name,
                one.name,
            )
            assert one.header.get("BUNIT") == two.header.get("BUNIT")
        parameters = [key for key in a[0].header if re.match(r"ESO PRO REC\d+ PARAM\d+ NAME", key)]
        given = {a[0].header[key]: a[0].header[key.replace("NAME", "VALUE")] for key in parameters}
        recorded = {b[0].header[key]: b[0].header[key.replace("NAME", "VALUE")] for key in parameters}
        assert given.keys() <= {
            b[0].header[key] for key in b[0].header if re.match(r"ESO PRO REC\d+ PARAM\d+ NAME", key)
        }
        assert recorded


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--version",
        "nosuch x.sof",
        "--help nosuch",
        "--man-page nosuch",
        "muse_bias --help",
        "muse_bias x.sof",
        "muse_bias x.sof y.sof",
        "muse_bias --nifu 3 x.sof",
        "muse_bias --nifu",
        "muse_bias x.sof --nifu=3",
        "muse_bias -- --nifu=3",
        "muse_bias - x.sof",
        "muse_bias -nifu=3 x.sof",
        "muse_bias --nif=3 x.sof",
        "muse_bias --n=3 x.sof",
        "muse_bias --ov=3 x.sof",
        "muse_bias --nifu=99 x.sof",
        "muse_bias --nifu=3.7 x.sof",
        "muse_bias --nifu=3x x.sof",
        "muse_bias --nifu=abc x.sof",
        "muse_bias --nifu= x.sof",
        "muse_bias --merge=yes x.sof",
        "muse_bias --merge=True x.sof",
        "muse_bias --merge= x.sof",
        "muse_bias --combine=Median x.sof",
        "muse_bias --overscan= x.sof",
        "muse_bias --lsigma=1e0x x.sof",
        "muse_bias --nooption=3 x.sof",
        "muse_bias --muse.muse_bias.nifu=3 x.sof",
        "muse_bias",
        "muse_bias empty.sof",
        "muse_bias out",
        "muse_bias missing.sof",
        "muse_bias group.sof",
        "muse_bias quoted.sof",
        "muse_exp_combine one.sof",
        "--check-sof-exist=FALSE muse_exp_combine missing.sof",
        "--check-sof-exist=FALSE muse_bias x.sof",
        "--nosuch=3 muse_bias x.sof",
        "--suppress=FALSE muse_bias x.sof",
        "--suppress-pre=FALSE muse_bias x.sof",
        "--suppress-prefix=1 muse_bias x.sof",
        "--output-dir muse_bias x.sof",
        "--output-dir=nope muse_bias x.sof",
        "--log-dir=nope muse_bias x.sof",
        "--log-dir= muse_bias x.sof",
        "--log-file= muse_bias x.sof",
        "--suppress-link=FALSE --link-dir=nope muse_bias x.sof",
        "--suppress-prefix=FALSE --output-prefix= muse_bias x.sof",
        "--msg-level=foo muse_bias x.sof",
        "--log-level=foo muse_bias x.sof",
        "--log-level=off --msg-level=off muse_bias x.sof",
        "--log-level=error --msg-level=error muse_bias x.sof",
        "--msg-level=debug --log-level=debug muse_bias x.sof",
        "--config=none.rc muse_bias x.sof",
        "--recipe-config=none.rc muse_bias x.sof",
        "--recipe-config=short.rc muse_bias x.sof",
        "--recipe-config=range.rc muse_bias x.sof",
        "--recipe-config=words.rc muse_bias x.sof",
        "--config=short.rc muse_bias x.sof",
        "--help=muse_bias",
        "--products-sof= muse_bias x.sof",
        "--recipe-config= muse_bias x.sof",
        "--config muse_bias x.sof",
        "--suppress-prefix=FALSE --output-prefix=none/p muse_exp_align --iterations=3000 {frames}/align.sof",
    ],
)
def test_refusals(both, words):
    prepared = (
        "mkdir out; touch empty.sof; echo 'not.fits BIAS' > missing.sof; echo 'not.fits BIAS RAW' > group.sof; "
        """echo "'$FRAMES/combine.sof' BIAS" > quoted.sof; head -n 1 $FRAMES/combine.sof > one.sof; """
        "echo nifu=3 > short.rc; echo muse.muse_bias.nifu=99 > range.rc; echo hello > words.rc"
    )
    theirs, ours = both(words, prepared)
    assert theirs.status == ours.status, ours.out + ours.err
    assert list(theirs.files) == list(ours.files)
    assert theirs.out.splitlines()[1] == ours.out.splitlines()[1]
    assert bool(theirs.err) == bool(ours.err)
    # where esorex knows the time, and its mark
    first = [re.match(r"(TIME )?\[ ERROR \] \w+: (: )?", one.lines(one.err)[0]) for one in (theirs, ours) if one.err]
    assert len({one and one[0] for one in first}) <= 1


@pytest.mark.parametrize(
    ("words", "prepared", "variables"),
    [
        ("--params", "", {}),
        ("--params --time=FALSE --output-prefix=x -log-file=y muse_bias --nifu=3 --merge", "", {}),
        ("--params muse_scipost", "", {}),
        ("--config=c.rc --params --time=FALSE", "printf 'esorex.caller.output-prefix=file\\n# x\\n' > c.rc", {}),
        ("--params", "", {"ESOREX_OUTPUT_PREFIX": "variable", "ESOREX_TIME": "false", "ESOREX_PLUGIN_DIR": "a:b"}),
        ("--params --output-prefix=given", "", {"ESOREX_OUTPUT_PREFIX": "variable"}),
        ("--params muse_bias", "mkdir -p $HOME/.esorex; echo muse.muse_bias.nlow=4 > $HOME/.esorex/muse_bias.rc", {}),
        (
            "--recipe-config=r.rc --params muse_bias --nhigh=7",
            "mkdir -p $HOME/.esorex; echo muse.muse_bias.nlow=4 > $HOME/.esorex/muse_bias.rc; "
            "printf 'muse.muse_bias.nhigh=5\\nmuse.muse_bias.nkeep=6\\n' > r.rc",
            {},
        ),
        ("--params", "mkdir -p $HOME/.esorex; echo esorex.caller.output-prefix=u > $HOME/.esorex/esorex.rc", {}),
    ],
)
def test_values_of_options_and_parameters(both, monkeypatch, words, prepared, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    theirs, ours = both(words, prepared)
    assert theirs.status == ours.status == 0

    def listed(done: Done) -> set[str]:
        return {one for one in done.out.splitlines() if re.match(r"  [\w-]+ +:", one)}

    assert len(listed(theirs)) > 20
    assert listed(theirs) <= listed(ours)


def test_raw_frames_of_full_size(both, tmp_path_factory):
    place = tmp_path_factory.mktemp("raw")
    sof, _ = write_biases(place, ifus=(2,), nx=2048, ny=2056)
    theirs, ours = both(f"--output-dir=out --no-checksum --products-sof=x.sof muse_bias --nifu=2 {sof}", "mkdir out")
    assert (theirs.status, ours.status) == (0, 0), ours.out + ours.err
    assert list(theirs.files) == list(ours.files)
    assert theirs.text("x.sof") == ours.text("x.sof") == "out/MASTER_BIAS-02.fits     MASTER_BIAS"
    compare_headers(theirs.files["out/MASTER_BIAS-02.fits"], ours.files["out/MASTER_BIAS-02.fits"])
    assert own(theirs) == own(ours)
