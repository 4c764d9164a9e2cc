"""classify, associate and reduce on the command line: statuses, outputs, one line for every mistake."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from astropy.io import fits

import musedeep.cli.night
from musedeep.cli.main import run
from musedeep.storage.set_of_frames import read_set_of_frames
from tests.makers.made_up_recipe import MODULES
from tests.makers.places import ROOT
from tests.makers.raw_frames import write_biases
from tests.makers.tiny_nights import edit, make_tiny_night


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_tiny_night(tmp_path_factory.mktemp("made") / "night")


@pytest.fixture
def night(made, tmp_path):
    """A night of one's own, without what the simulator says of it."""
    directory = tmp_path / "night"
    for name in ("raw", "static"):
        shutil.copytree(made / name, directory / name)
    return directory


@pytest.fixture
def made_up(monkeypatch):
    monkeypatch.setattr(musedeep.cli.night, "modules", lambda: MODULES)


def error_lines(capsys):
    lines = capsys.readouterr().err.strip().splitlines()
    assert all(line.startswith("musedeep: ") for line in lines), lines
    return [line.removeprefix("musedeep: ") for line in lines if "DARK are not used" not in line]


def test_classify_prints_a_table(night, capsys):
    assert run(["classify", str(night)]) == 0
    out = capsys.readouterr().out.splitlines()
    (line,) = [line.split() for line in out if "T13:12:00" in line]
    assert line[0] == str(night / "raw" / "MUSE.2014-12-09T13:12:00.000.fits")
    assert line[1:6] == ["BIAS", "WFM-NOAO-N", "SCI1.0", "1x1", "3,7"]
    assert out[-1].startswith("41 files: 9 ARC, ")


def test_classify_prints_and_writes_json(night, tmp_path, capsys):
    assert run(["classify", str(night / "raw"), str(night / "static"), "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert len(entries) == 41
    first = entries[0]
    assert first["tag"] == "BIAS" and first["ifus"] == [3, 7] and first["mjd"] == pytest.approx(57000.55)
    assert {e["exposure_time"] for e in entries if e["tag"] == "LINE_CATALOG"} == {None}
    assert run(["classify", str(night), "--output", str(tmp_path / "x.json")]) == 0
    assert len(json.loads((tmp_path / "x.json").read_text())) == 41
    assert run(["classify", str(night), "--output", str(tmp_path / "x.json")]) == 1
    assert "--overwrite" in error_lines(capsys)[-1]


def test_unknown_and_truncated_files_are_named(night, capsys):
    raw = sorted((night / "raw").iterdir())
    edit(raw[0], ESO_DPR_TYPE="BIASS")
    raw[1].write_bytes(raw[1].read_bytes()[:9000])
    assert run(["classify", str(night)]) == 1
    first, second = error_lines(capsys)
    assert first == f"{raw[0]}: unknown: DPR TYPE BIASS is none of MUSE; nearest is BIAS"
    assert str(raw[1]) in second and "truncated" in second


def test_associate_writes_sets_that_recipes_read(night, capsys):
    assert run(["associate", str(night)]) == 0
    assert "24 sets-of-frames" in capsys.readouterr().out
    assert len(list((night / "sof").glob("*.sof"))) == 24
    frames = read_set_of_frames(night / "sof" / "bias-07.sof")
    assert [tag for _, tag in frames] == ["BIAS"] * 3 + ["BADPIX_TABLE"] and Path(frames[0][0]).is_absolute()
    assert run(["associate", str(night)]) == 1
    assert "--overwrite" in error_lines(capsys)[-1]
    assert run(["associate", str(night), "--overwrite", "--ifus", "7", "--reduced", "/elsewhere"]) == 0
    assert "/elsewhere/MASTER_BIAS-07.fits MASTER_BIAS" in (night / "sof" / "flat-07.sof").read_text()


def test_associate_elsewhere_or_not_at_all(night, tmp_path, capsys):
    parts = [str(night / "raw"), str(night / "static")]
    assert run(["associate", *parts, "--dry-run"]) == 0
    assert sorted(p.name for p in night.iterdir()) == ["raw", "static"] and not (night / "raw" / "sof").exists()
    assert "scibasic-OBJECT-03" in capsys.readouterr().out
    assert run(["associate", *parts, "--output-dir", str(tmp_path / "a" / "b")]) == 0
    assert (tmp_path / "a" / "b" / "twilight.sof").exists()


def test_associate_names_what_is_missing_and_writes_the_rest(night, capsys):
    raw = sorted((night / "raw").iterdir())
    for path in raw[6:8]:  # flats
        path.unlink()
    raw[-1].write_bytes(raw[-1].read_bytes()[:9000])
    assert run(["associate", str(night)]) == 1
    unread, problem = error_lines(capsys)
    assert str(raw[-1]) in unread and "truncated" in unread and unread.endswith("left out")
    assert problem.startswith("1 FLAT of mode WFM-NOAO-N with read-out SCI1.0 1x1, muse_flat needs 3; add them; ")
    assert sorted(p.name for p in (night / "sof").iterdir())[:2] == ["bias-03.sof", "bias-07.sof"]


def test_a_file_is_used_for_a_tag(night, tmp_path, capsys):
    grid = tmp_path / "grid.fits"
    grid.touch()
    assert run(["associate", str(night), "--use", f"OUTPUT_WCS={grid}"]) == 0
    for name in ("scipost-1", "scipost-2", "exp_combine"):
        assert f"{grid} OUTPUT_WCS" in (night / "sof" / f"{name}.sof").read_text()
    assert "OUTPUT_WCS" not in (night / "sof" / "standard.sof").read_text()


@pytest.mark.parametrize("command", ["classify", "associate", "reduce"])
def test_empty_and_missing_directories(command, tmp_path, capsys):
    assert run([command, str(tmp_path)]) == 1
    assert "no FITS files" in error_lines(capsys)[-1]
    assert run([command, str(tmp_path / "none")]) == 1
    assert "no such directory" in error_lines(capsys)[-1]


def test_reduce_from_beginning_to_end_and_again(night, made_up, capsys):
    assert run(["reduce", str(night), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "scibasic-OBJECT-07" in out and "after bias-07, flat-07, wavecal-07, twilight" in out
    assert not (night / "reduced").exists()
    assert run(["reduce", str(night)]) == 0
    assert "17 tasks, 17 done now, 0 earlier, 0 failed, 0 skipped" in capsys.readouterr().out
    # what it made is none of its inputs
    assert run(["reduce", str(night)]) == 0
    assert "17 tasks, 0 done now, 17 earlier" in capsys.readouterr().out
    assert run(["reduce", str(night), "--dry-run", "--set", "muse_flat.order=3"]) == 0
    assert "2 tasks, 2 done already" not in capsys.readouterr().out


def test_reduce_logs_every_task_once_when_asked(night, made_up, capsys, tmp_path):
    options = ["--log", str(tmp_path / "night.log")]
    assert run(["reduce", str(night), "--until", "flat", *options]) == 0
    assert run(["reduce", str(night), *options]) == 0
    assert not (tmp_path / "reduced").exists() and not list((night / "reduced").glob("*.jsonl"))
    entries = [json.loads(line) for line in (tmp_path / "night.jsonl").read_text().splitlines()]
    assert [e["event"] for e in entries if e["event"] != "task"] == ["plan", "end"] * 2
    tasks = [e for e in entries if e["event"] == "task"]
    assert len({t["task"] for t in tasks}) == len(tasks) == 17
    assert all(t["seconds"] >= 0 and t["peak_memory"] > 0 and t["frames"] > 0 for t in tasks)
    assert len((tmp_path / "night.log").read_text().splitlines()) == len(entries)


def test_reduce_some_ifus_and_steps(night, made_up, capsys, tmp_path):
    options = ["--ifus", "7", "--until", "flat", "--output-dir", str(tmp_path / "out")]
    assert run(["reduce", str(night), *options]) == 0
    names = sorted(p.name for p in (tmp_path / "out").glob("*.fits"))
    assert names == ["MASTER_BIAS-07.fits", "MASTER_FLAT-07.fits", "TRACE_TABLE-07.fits"]


def test_ifus_that_are_not_wanted_are_not_missed(night, made_up, capsys):
    # the twilight flats hold IFU 7, too, which has no calibrations here
    command = ["reduce", str(night), "--ifus", "3", "--until", "twilight", "--set", "muse_twilight.losing=7"]
    for words in ("5 tasks, 5 done now, 0 earlier, 0 failed", "5 tasks, 0 done now, 5 earlier, 0 failed"):
        assert run(command) == 0
        captured = capsys.readouterr()
        assert words in captured.out and "went on without" not in captured.err


def test_a_failure_is_reported_with_what_it_stops(night, made_up, capsys):
    assert run(["reduce", str(night), "--until", "wavecal", "--set", "muse_flat.failing=flat-03"]) == 1
    captured = capsys.readouterr()
    assert "6 tasks, 4 done now, 0 earlier, 1 failed, 1 skipped" in captured.out
    lines = captured.err.strip().splitlines()
    assert [line for line in lines if line.startswith("flat-03 failed: ")]
    assert lines[-2:] == [
        "musedeep: wavecal-03 skipped: needs flat-03",
        f"musedeep: flat-03 failed: {night}/static/badpix_table.fits: no light",
    ]


def test_darks_are_made_and_used_where_they_are_asked_for(night, made_up, capsys):
    assert run(["reduce", str(night), "--until", "flat"]) == 0
    captured = capsys.readouterr()
    assert "3 DARK are not used; --darks makes master darks and subtracts them" in captured.err
    assert not list((night / "reduced").glob("MASTER_DARK*"))
    assert run(["reduce", str(night), "--until", "flat", "--darks"]) == 0
    captured = capsys.readouterr()
    # the flats are made again, after the darks
    assert "6 tasks, 4 done now, 2 earlier" in captured.out and "DARK" not in captured.err
    assert sorted(p.name for p in (night / "reduced").glob("MASTER_DARK*")) == [
        "MASTER_DARK-03.fits", "MASTER_DARK-07.fits",
    ]  # fmt: skip
    assert run(["reduce", str(night), "--until", "dark", "--dry-run"]) == 0
    assert "dark          0 tasks, 2 done already" in capsys.readouterr().out
    assert run(["associate", str(night), "--darks"]) == 0
    assert "MASTER_DARK-03.fits MASTER_DARK" in (night / "sof" / "scibasic-OBJECT-03.sof").read_text()
    assert (night / "sof" / "dark-07.sof").exists()


def test_a_frame_without_a_time_is_told(night, made_up, capsys):
    raw = sorted((night / "raw").iterdir())
    edit(raw[0], MJD__OBS="57000.55")
    edit(raw[1], MJD__OBS=-5.0, DATE__OBS="then")
    assert run(["associate", str(night), "--dry-run"]) == 1
    told = error_lines(capsys)
    assert told[0] == f"{raw[0]}: MJD-OBS is no number; its DATE-OBS 2014-12-09T13:12:00.000 is used"
    assert told[1].startswith(f"{raw[1]}: MJD-OBS is -5, DATE-OBS is then: when it was taken is not known, left out")
    assert told[2].startswith("2 BIAS with read-out SCI1.0 1x1, muse_bias needs 3")
    assert run(["reduce", str(night), "--until", "bias"]) == 1
    assert error_lines(capsys) == [*told[:2], told[2].partition("; left out")[0] + "; left out: bias"]


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--until", "flatt"], 2, "--until: no step 'flatt'; did you mean flat?"),
        (["--set", "muse_flat.ordr=3"], 1, "no parameter 'ordr'; did you mean order?"),
        (["--set", "muse_falt.order=3"], 1, "no recipe 'muse_falt' to set a parameter of; did you mean muse_flat?"),
        (["--set", "order=3"], 2, "write RECIPE.PARAMETER=VALUE"),
        (["--use", "OUTPUT_WCS"], 2, "--use OUTPUT_WCS: write TAG=FILE, as in OUTPUT_WCS=grid.fits"),
        (["--use", "OUTPUT_WSC=a.fits"], 2, "no recipe takes OUTPUT_WSC; did you mean OUTPUT_WCS?"),
        (["--use", "OUTPUT_WCS=nowhere.fits"], 2, "no such file; correct the path"),
        (["--until", "combin"], 2, "no step 'combin'; did you mean combine?"),
        (["--set", "muse_flat.nifu=3"], 2, "the run sets nifu itself"),
        (["--memory", "1MiB"], 1, "give more"),
        (["--memory", "lots"], 2, "not an amount of memory"),
        (["--ifus", "25"], 1, "outside 1 to 24"),
        (["--ifus", "4"], 1, "IFU 4: no raw frame holds it; there are 3, 7"),
        (["--mode", "WFM-NOAO"], 1, "did you mean WFM-NOAO-N"),
        (["--night", "2014-12-10"], 1, "there are 2014-12-09"),
    ],
)
def test_wrong_options_are_one_line(night, made_up, capsys, options, status, message):
    assert run(["reduce", str(night), *options]) == status
    (line,) = error_lines(capsys)
    assert message in line
    assert not (night / "reduced").exists()


def test_missing_biases_and_mixed_modes_are_one_line(night, made_up, capsys):
    raw = sorted((night / "raw").iterdir())
    raw[0].unlink()
    assert run(["reduce", str(night)]) == 1
    (line,) = error_lines(capsys)
    assert line.startswith("2 BIAS with read-out SCI1.0 1x1, muse_bias needs 3; add them; left out: bias, flat-03")
    edit(raw[-1], ESO_INS_MODE="WFM-AO-N")
    assert run(["reduce", str(night)]) == 1
    assert (
        "mixed modes of OBJECT/SKY frames: WFM-NOAO-N (2), WFM-AO-N (1); choose one with --mode"
        in error_lines(capsys)[-1]
    )


def test_a_truncated_frame_is_left_out_and_named(night, made_up, capsys):
    raw = sorted((night / "raw").iterdir())[-1]
    raw.write_bytes(raw.read_bytes()[:9000])
    assert run(["reduce", str(night)]) == 1
    captured = capsys.readouterr()
    assert "17 done now" in captured.out and f"{raw}: truncated" in captured.err
    assert not (night / "reduced" / "PIXTABLE_OBJECT_0002-03.fits").exists()


@pytest.mark.parametrize("name", ["run[1]", "[bold]nacht[/bold]", "[/x]", "ночь-μ", "a{b}*?%s"])
def test_nights_and_outputs_of_any_name(made, made_up, tmp_path, capsys, name):
    directory, output = tmp_path / name, tmp_path / "out" / name
    for kind in ("raw", "static"):
        shutil.copytree(made / kind, directory / kind)
    assert run(["classify", str(directory)]) == 0
    assert f"{directory}/raw/MUSE.2014-12-09T13:12:00.000.fits " in capsys.readouterr().out
    assert run(["associate", str(directory)]) == 0
    assert f"sets-of-frames in {directory}/sof: " in capsys.readouterr().out
    options = [str(directory), "--output-dir", str(output), "--until", "flat", "--ifus", "3"]
    assert run(["reduce", *options, "--dry-run"]) == 0
    assert f"products      {output}\n" in capsys.readouterr().out
    assert run(["reduce", *options]) == 0
    assert capsys.readouterr().out.startswith(f"{output}:\n")
    assert (output / "TRACE_TABLE-03.fits").exists()
    assert run(["reduce", *options, "--set", "muse_flat.failing=flat-03", "--set", "muse_flat.order=4"]) == 1
    captured = capsys.readouterr()
    assert f"musedeep: flat-03 failed: {directory}/static/badpix_table.fits: no light" in captured.err


def test_a_plan_says_what_it_takes_on_disk_and_is_refused(night, made_up, capsys, monkeypatch):
    options = ["--ifus", "7", "--until", "flat"]
    assert run(["reduce", str(night), *options, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "flat          1 tasks, about 0.202 GB\n" in out and "\ndisk          about 0." in out
    monkeypatch.setattr("musedeep.graph.night.run.free_bytes", lambda path: 10**8)
    for more in [], ["--dry-run"]:
        assert run(["reduce", str(night), *options, *more]) == 1
        line = error_lines(capsys)[-1]
        assert line.startswith(f"{night}/reduced: 100000000 bytes are free, but about ")
        assert "flat 0.202 GB" in line and "another --output-dir" in line
    assert not (night / "reduced").exists()


@pytest.mark.parametrize("what", ["file", "work", "journal", "product", "link"])
def test_outputs_that_are_something_else_are_one_line(night, made_up, capsys, what):
    reduced = night / "reduced"
    if what == "file":
        reduced.write_text("a file")
    elif what == "work":
        reduced.mkdir()
        (reduced / ".musedeep-night").write_text("a file")
    elif what == "journal":
        (reduced / ".musedeep-night" / "done.jsonl").mkdir(parents=True)
    elif what == "product":
        (reduced / "MASTER_FLAT-03.fits" / "mine").mkdir(parents=True)
    else:
        reduced.symlink_to(night / "nowhere" / "at" / "all")
    for option in ([], ["--overwrite"]):
        assert run(["reduce", str(night), *option]) == 1
        (line,) = error_lines(capsys)
        assert str(reduced) in line and "unexpected" not in line
    if what == "product":
        assert (reduced / "MASTER_FLAT-03.fits" / "mine").is_dir()


SCRIPT = """
import sys
sys.path.insert(0, {root!r})
if __name__ == "__main__":
    import musedeep.cli.night
    from tests.makers.made_up_recipe import MODULES
    musedeep.cli.night.modules = lambda: MODULES
    from musedeep.cli.main import run
    sys.exit(run())
"""


@pytest.mark.parametrize(("workers", "how"), [("1", signal.SIGINT), ("2", signal.SIGTERM)])
def test_an_interrupted_run_ends_at_once_and_resumes(night, made_up, tmp_path, capsys, workers, how):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT.format(root=str(ROOT)))
    arguments = ["reduce", str(night), "--set", "muse_flat.wait=60", "--workers", workers]
    process = subprocess.Popen([sys.executable, str(script), *arguments], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list((night / "reduced").glob("MASTER_BIAS-*.fits")):
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(how)
    began = time.monotonic()
    error = process.communicate()[1]
    assert process.returncode == 130 and time.monotonic() - began < 15
    assert error.strip().splitlines()[-1] == "musedeep: interrupted; the same command resumes where it stopped"
    assert run(["reduce", str(night), "--set", "muse_flat.wait=0"]) == 0
    out = capsys.readouterr().out
    assert "17 tasks" in out and ", 0 earlier" not in out
    left = sorted(p.name for p in (night / "reduced" / ".musedeep-night").iterdir())
    assert left == ["done.jsonl"] and not (night / "reduced" / ".musedeep-lock").exists()


def test_real_biases_of_two_ifus_one_of_which_is_bad(tmp_path, capsys):
    """The real recipe: an IFU of another chip fails, the other one is reduced."""
    raw = tmp_path / "night" / "raw"
    raw.mkdir(parents=True)
    sof, paths = write_biases(raw, ifus=(1, 2))
    sof.unlink()
    for k, path in enumerate(paths):
        edit(
            path, ESO_DPR_CATG="CALIB", ESO_DPR_TYPE="BIAS", ESO_DPR_TECH="IFU", MJD__OBS=57000.0 + k / 1440,
            DATE__OBS=f"2014-12-08T00:0{k}:00.000", ESO_DET_READ_CURNAME="SCI1.0",
        )  # fmt: skip
    with fits.open(paths[2], mode="update") as hdus:
        hdus["CHAN02"].header["ESO DET CHIP ID"] = "another"
    assert run(["reduce", str(tmp_path / "night"), "--until", "bias"]) == 1
    captured = capsys.readouterr()
    assert "1 done now, 0 earlier, 1 failed" in captured.out
    assert "bias-02 failed" in captured.err and "CHIP ID is another" in captured.err
    reduced = tmp_path / "night" / "reduced"
    assert [p.name for p in reduced.glob("*.fits")] == ["MASTER_BIAS-01.fits"]
    with fits.open(paths[2], mode="update") as hdus:
        hdus["CHAN02"].header["ESO DET CHIP ID"] = "chip2"
    before = os.stat(reduced / "MASTER_BIAS-01.fits").st_mtime_ns
    # the frame has changed for both
    assert run(["reduce", str(tmp_path / "night"), "--until", "bias"]) == 0
    assert "2 done now" in capsys.readouterr().out
    assert os.stat(reduced / "MASTER_BIAS-01.fits").st_mtime_ns != before
