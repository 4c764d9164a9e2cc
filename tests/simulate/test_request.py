"""A simulation that was interrupted keeps what is whole, and goes on to the same bits."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest

from musedeep.cli.main import run
from musedeep.errors import MusedeepError
from musedeep.selection.night.classify import classify_files, fits_files
from musedeep.simulate import night
from musedeep.simulate.job import Job
from musedeep.simulate.night import simulate_frames, simulate_night
from musedeep.simulate.optics import Instrument, stream
from musedeep.simulate.request import UNFINISHED
from musedeep.simulate.scene import make_scene
from musedeep.simulate.schedule import SMALL, night_schedule, single_frames
from musedeep.storage.lock import output_lock
from tests.makers.places import ROOT
from tests.simulate.test_night import MODE, Told, tiny  # noqa: F401
from tests.simulate.test_scene_cube import header, write

IFUS = (2, 9)


def noisy_images(exposures, ifu, instrument, effects, seed):
    for exposure in exposures:
        yield exposure, stream(seed, 5, exposure.index, ifu).integers(0, 60000, (20, 30)).astype(np.uint16)


@pytest.fixture(autouse=True)
def noisy(tiny, monkeypatch):  # noqa: F811
    monkeypatch.setattr(night, "simulate_ifu", noisy_images)
    monkeypatch.setattr(night, "check_space", lambda path, need: None)


def job(seed=4, ifus=IFUS, compress=False, **counts):
    exposures = night_schedule(MODE, make_scene("empty", seed=seed), seed, replace(SMALL, **counts), len(ifus))
    return Job(tuple(exposures), Instrument(MODE, seed, ifus), seed=seed, compress=compress)


def contents(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def times(directory):
    return {p.name: p.stat().st_mtime_ns for p in directory.glob("*.fits*")}


def interrupted(path, work, after, **options):
    with pytest.raises(KeyboardInterrupt):
        simulate_night(path, work, progress=Told(after), **options)


@pytest.mark.parametrize("compress", [False, True])
def test_the_rest_is_made_and_all_is_as_if_undisturbed(tmp_path, compress):
    work, path = job(compress=compress), tmp_path / "night"
    simulate_night(path, work)
    path.rename(tmp_path / "undisturbed")
    interrupted(path, work, 7)
    frames = times(path / "raw")
    assert len(frames) == 7 and sorted(p.name for p in path.iterdir()) == [UNFINISHED, "raw"]
    interrupted(path, work, 4)
    frames |= times(path / "raw")
    # what a killed process may leave
    some = next(e for e in work.exposures if work.file_name(e) not in frames)
    (path / "raw" / f"..{some.index}-02.part.4711.part").write_bytes(b"half")
    (path / "raw" / f".{work.file_name(some)}.4711.part").write_bytes(b"half")
    (path / ".finish" / "truth").mkdir(parents=True)
    told = Told()
    simulate_night(path, work, progress=told)
    assert told.begun[0] == (30, "frames", 11) and told.done == 19
    assert told.cost == pytest.approx(told.all_cost)
    assert frames.items() <= times(path / "raw").items()
    assert contents(path) == contents(tmp_path / "undisturbed")


def test_images_of_single_ifus_are_not_made_again(tmp_path, monkeypatch):
    work, path, made = job(), tmp_path / "night", []

    def counted(exposures, ifu, instrument, effects, seed):
        for exposure, image in noisy_images(exposures, ifu, instrument, effects, seed):
            if len(made) == 7:
                raise KeyboardInterrupt
            made.append((exposure.index, ifu))
            yield exposure, image

    monkeypatch.setattr(night, "simulate_ifu", counted)
    with pytest.raises(KeyboardInterrupt):
        simulate_night(path, work)
    made.append(None)
    simulate_night(path, work)
    assert len(made) == len(set(made)) == 2 * 30 + 1


def test_an_unfinished_night_holds_no_half_frame(tmp_path):
    interrupted(tmp_path / "night", job(), 5)
    (tmp_path / "night" / "raw" / ".half.fits").write_bytes(b"SIMPLE")
    found = classify_files(fits_files([tmp_path / "night"]))
    assert len(found) == 5 and all(frame.kind == "raw" and frame.ifus == IFUS for frame in found)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (job(seed=5), "seed 4, not 5"),
        (job(ifus=(2,)), "IFUs 2,9, not 2"),
        (job(compress=True), "compression no, not yes"),
        (job(exposure_time=120.0), r"SKY 1 of 300 s, not 1 of 60 s; OBJECT 2 of 600 s, not 2 of 120 s"),
        (replace(job(), instrument=Instrument("WFM-NOAO-E", 4, IFUS)), "mode WFM-NOAO-N, not WFM-NOAO-E"),
    ],
)
def test_other_options_are_refused_by_name_or_start_afresh(tmp_path, other, words):
    path = tmp_path / "night"
    interrupted(path, job(), 3)
    before = contents(path)
    with pytest.raises(MusedeepError, match=words) as caught:
        simulate_night(path, other)
    assert "--overwrite" in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(MusedeepError, match="kind night, not frames"):
        simulate_frames(path, job())
    assert contents(path) == before
    interrupted(path, other, 1, overwrite=True)
    assert len(times(path / "raw")) == 1
    with pytest.raises(MusedeepError, match="--overwrite"):
        simulate_night(path, job())
    assert [p.name for p in tmp_path.iterdir()] == ["night"]


def test_another_version_or_state_of_the_code_is_refused(tmp_path, monkeypatch):
    interrupted(tmp_path / "night", job(), 3)
    monkeypatch.setattr("musedeep.simulate.request.code_state", lambda: "0123abcd")
    with pytest.raises(MusedeepError, match=r"code [0-9a-f]{16}, not 0123abcd"):
        simulate_night(tmp_path / "night", job())
    monkeypatch.setattr("musedeep.simulate.request.__version__", "99")
    with pytest.raises(MusedeepError, match=r"version \d\S*, not 99; code "):
        simulate_night(tmp_path / "night", job())


def test_a_finished_night_is_completed_by_the_same_command_and_nothing_else(tmp_path):
    path = tmp_path / "night"
    simulate_night(path, job())
    before, frames = contents(path), times(path / "raw")
    simulate_night(path, job())
    assert times(path / "raw") == frames
    lost = sorted((path / "raw").iterdir())[3]
    lost.unlink()
    interrupted(path, job(), 1)
    assert (path / UNFINISHED).exists()
    simulate_night(path, job())
    assert contents(path) == before
    del frames[lost.name]
    assert frames.items() <= times(path / "raw").items()
    with pytest.raises(MusedeepError, match=r"exists already, made with other options \(seed 4, not 6\)"):
        simulate_night(path, job(seed=6))
    assert contents(path) == before


def test_what_is_replaced_stays_until_the_new_is_whole(tmp_path):
    path = tmp_path / "night"
    simulate_night(path, job(seed=7))
    path.rename(tmp_path / "undisturbed")
    path.mkdir()
    (path / "mine").write_text("kept")
    interrupted(path, job(seed=7), 12, overwrite=True)
    assert contents(path) == {"mine": b"kept"}
    told = Told()
    simulate_night(path, job(seed=7), overwrite=True, progress=told)
    assert told.begun[0] == (30, "frames", 12)
    assert contents(path) == contents(tmp_path / "undisturbed")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["night", "undisturbed"]


def test_frames_alone_go_on_too(tmp_path):
    exposures = tuple(single_frames("ARC", MODE, 2, 1, None, make_scene("empty")))
    work, path = Job(exposures, Instrument(MODE, 1, IFUS)), tmp_path / "arcs"
    simulate_frames(path, work)
    path.rename(tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        simulate_frames(path, work, progress=Told(2))
    assert len(times(path)) == 2
    simulate_frames(path, work)
    assert contents(path) == contents(tmp_path / "undisturbed")


def test_two_at_once_are_refused(tmp_path):
    interrupted(tmp_path / "night", job(), 2)
    with output_lock(tmp_path / "night"), pytest.raises(MusedeepError, match="another run is at work there"):
        simulate_night(tmp_path / "night", job())
    assert len(times(tmp_path / "night" / "raw")) == 2


def test_a_cube_that_has_changed_is_another_scene(tmp_path):
    path = write(tmp_path / "cube.fits", np.ones((4, 5, 6), np.float32), header())

    def looked_at():
        exposures = single_frames("OBJECT", MODE, 1, 1, None, make_scene(str(path)))
        return Job(tuple(exposures), Instrument(MODE, 1, (12,)))

    work = looked_at()
    with pytest.raises(KeyboardInterrupt):
        simulate_frames(tmp_path / "frames", work, progress=Told(1))
    simulate_frames(tmp_path / "frames", looked_at())
    path.unlink()
    write(path, np.full((4, 5, 6), 2.0, np.float32), header())
    with pytest.raises(MusedeepError, match=r"scene .*cube.fits at .*, not .*cube.fits at "):
        simulate_frames(tmp_path / "frames", looked_at())


SCRIPT = """
import sys, time
sys.path.insert(0, {root!r})
from astropy.io import fits
from musedeep.cli import progress
from musedeep.simulate import night
from tests.simulate.test_request import noisy_images
def slow_images(*arguments):
    for made in noisy_images(*arguments):
        time.sleep({wait})
        yield made
progress.QUIET_SECONDS = 1e9
night.simulate_ifu, night.check_space = slow_images, lambda path, need: None
night.guiding_extensions = lambda exposure, seed: [fits.ImageHDU(name="SGS_IMG")]
if __name__ == "__main__":
    from musedeep.cli.main import run
    sys.exit(run())
"""


def arguments(tmp_path):
    return ["simulate", "night", str(tmp_path / "night"), "--ifus", "2,9", "--small", "--scene", "empty"]


def start(tmp_path):
    """Start the command in a process of its own, and wait until it has made two frames more."""
    script = tmp_path / "run.py"
    script.write_text(SCRIPT.format(root=str(ROOT), wait=0.2))
    raw = tmp_path / "night" / "raw"
    before = len(times(raw)) if raw.exists() else 0
    command = [sys.executable, str(script), *arguments(tmp_path), "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 200
    while len(list(raw.glob("*.fits"))) < before + 2 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_signals_to_the_real_command(tmp_path):
    assert run(arguments(tmp_path)) == 0
    (tmp_path / "night").rename(tmp_path / "undisturbed")
    raw = tmp_path / "night" / "raw"
    # the process is killed: its helpers end, too
    process = start(tmp_path)
    helpers = psutil.Process(process.pid).children(recursive=True)
    assert len(helpers) >= 2
    process.kill()
    process.communicate(timeout=20)
    assert not psutil.wait_procs(helpers, timeout=20)[1]
    first = times(raw)
    # Ctrl-C, which all processes get
    process = start(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    error = process.communicate(timeout=20)[1].splitlines()
    second = times(raw)
    assert process.returncode == 130 and first.items() < second.items() and len(second) < 30
    assert error[0] == f"resuming: {len(first)} of 30 frames are done" and len(error) == 2
    # a frame may still get its name while this is said
    said = re.fullmatch(r"musedeep: interrupted; (\d+) of 30 frames are made; the same command goes on", error[1])
    assert said and len(first) <= int(said[1]) <= len(second)
    assert not list(raw.glob(".*.*.part"))
    # a helper is killed, as for want of memory
    process = start(tmp_path)
    next(p for p in psutil.Process(process.pid).children() if "spawn_main" in " ".join(p.cmdline())).kill()
    error = process.communicate(timeout=20)[1].splitlines()
    third = times(raw)
    assert process.returncode == 1 and len(error) == 2 and second.items() < third.items()
    assert "a process was killed, perhaps for want of memory" in error[1]
    assert f"{len(third)} of 30 frames are made" in error[1]
    # a batch system ends the job
    process = start(tmp_path)
    process.terminate()
    error = process.communicate(timeout=20)[1].splitlines()
    assert process.returncode == 130 and "frames are made; the same command goes on" in error[1]
    assert third.items() < times(raw).items()
    assert run(arguments(tmp_path)) == 0
    assert contents(tmp_path / "night") == contents(tmp_path / "undisturbed")


def test_a_full_disk_is_one_line_and_goes_on(tmp_path, monkeypatch, capsys):
    import errno

    from musedeep.storage.raw import file as raw

    command = ["simulate", "frame", "DARK", str(tmp_path / "darks"), "--ifus", "2,9", "--number", "3"]
    assert run(command) == 0
    (tmp_path / "darks").rename(tmp_path / "undisturbed")
    real, calls = raw.shutil.copyfileobj, []

    def full(source, target, length):
        calls.append(target)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target, length)

    with monkeypatch.context() as patch:
        patch.setattr(raw.shutil, "copyfileobj", full)
        capsys.readouterr()
        assert run(command) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "disk full" in line and "start again" in line
    frames = times(tmp_path / "darks")
    assert len(frames) == 2
    assert run(command) == 0
    assert frames.items() < times(tmp_path / "darks").items()
    assert contents(tmp_path / "darks") == contents(tmp_path / "undisturbed")
