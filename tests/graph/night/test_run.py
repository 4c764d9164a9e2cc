"""A night runs: the same products whatever the workers, only what is missing again, and around what fails."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from musedeep.cli.output import log_shown
from musedeep.errors import MusedeepError
from musedeep.graph.night import run as night_run
from musedeep.graph.night.journal import WORK
from musedeep.graph.night.run import NightRequest, reduce_night
from musedeep.progress import Silent
from musedeep.recipes.registry import declared, first_stage
from musedeep.selection.night.associate import Wish, associate
from musedeep.selection.night.classify import classify_files, fits_files
from tests.makers.made_up_recipe import MODULES
from tests.makers.places import ROOT
from tests.makers.tiny_nights import make_tiny_night


class Told(Silent):
    """Progress that remembers what it was told."""

    def __init__(self, stop_at=None):
        self.ended, self.stop_at = [], stop_at

    def begin(self, total, unit, done=0, cost=None):
        self.begun, self.seconds = (total, unit, done), cost

    def advance(self, n=1, *, rows=0, cost=None, made=True):
        self.ended.append((n, cost, made))
        if self.stop_at and len(self.ended) == self.stop_at:
            raise KeyboardInterrupt


@contextmanager
def logged():
    """The lines for the user, but for those that every run has."""
    lines = []
    with log_shown(lines.append):
        yield lines
    lines[:] = [line for line in lines if not line.startswith(("dashboard: ", "about "))]


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return make_tiny_night(tmp_path_factory.mktemp("made") / "night")


FIRST_STAGE = {recipe.step for recipe in first_stage()}


def all_sets_of(night, output, **wish):
    frames = classify_files(fits_files([night / "raw", night / "static"]))
    return associate(frames, Wish(output, darks=True, **wish)).sets


def sets_of(night, output):
    return [one for one in all_sets_of(night, output) if one.step in FIRST_STAGE]


def reduce_tiny(night, output, progress=None, dry_run=False, **options):
    parameters = options.pop("parameters", {})
    given = {recipe: parameters for recipe in MODULES if recipe != "muse_geometry"}
    request = NightRequest(sets_of(night, output), output, MODULES, given, **options)
    return reduce_night(request, progress or Silent(), dry_run)


def contents(output):
    return {str(p.relative_to(output)): p.read_text() for p in sorted(output.rglob("*.fits"))}


@pytest.fixture(scope="module")
def undisturbed(night, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / "reduced"
    progress = Told()
    outcome = reduce_tiny(night, output, progress)
    assert not outcome.failed and not outcome.skipped and len(outcome.made) == 19
    assert progress.begun == (19, "tasks", 0) and [n for n, _, made in progress.ended if made] == [1] * 19
    assert sum(seconds for _, seconds, _ in progress.ended) == pytest.approx(progress.seconds)
    return contents(output)


def test_all_products_are_there_and_depend_on_their_inputs(undisturbed):
    assert "PIXTABLE_OBJECT_0002-07.fits" in undisturbed and "TWILIGHT_CUBE.fits" in undisturbed
    # digests of different inputs differ
    assert undisturbed["MASTER_BIAS-03.fits"] != undisturbed["MASTER_DARK-03.fits"]


@pytest.mark.parametrize("options", [{"threads": 4}, {"workers": 2}])
def test_any_number_of_workers_makes_the_same(night, undisturbed, tmp_path, options):
    reduce_tiny(night, tmp_path / "reduced", **options)
    assert contents(tmp_path / "reduced") == undisturbed
    assert [p.name for p in (tmp_path / "reduced" / WORK).iterdir()] == ["done.jsonl"]


def test_a_running_scheduler(night, undisturbed, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=":0"
    ) as cluster:
        reduce_tiny(night, tmp_path / "reduced", scheduler=cluster.scheduler_address)
    assert contents(tmp_path / "reduced") == undisturbed


def test_a_second_start_does_nothing_and_a_changed_input_what_depends_on_it(night, undisturbed, tmp_path):
    output = tmp_path / "reduced"
    reduce_tiny(night, output)
    again = reduce_tiny(night, output)
    assert not again.made and len(again.earlier) == 19
    plan = reduce_tiny(night, output, dry_run=True)
    assert not plan.made and len(plan.earlier) == 19
    # a product that is gone is made again, what depends on it has it already
    (output / "WAVECAL_TABLE-03.fits").unlink()
    assert reduce_tiny(night, output).made == ["wavecal-03"]
    assert contents(output) == undisturbed
    # a raw arc that changes
    arc = next(p for one in sets_of(night, output) for p, tag in one.frames if tag == "ARC")
    before = os.stat(arc)
    os.utime(arc, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    try:
        made = set(reduce_tiny(night, output).made)
    finally:
        os.utime(arc, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert {"wavecal-03", "lsf-07", "twilight", "scibasic-STD-03"} <= made
    assert not made & {"bias-03", "dark-07", "flat-03"}


def test_changed_parameters_are_done_again(night, tmp_path):
    output = tmp_path / "reduced"
    reduce_tiny(night, output, until="dark")
    first = contents(output)
    outcome = reduce_tiny(night, output, until="dark", parameters={"order": "4"})
    assert len(outcome.made) == 4 and contents(output) != first


def test_tasks_wait_for_memory(night, tmp_path):
    from musedeep.graph.workers.memory import BASE_BYTES

    options = {"until": "bias", "threads": 4, "parameters": {"wait": "0.3"}}
    room = BASE_BYTES + declared()["muse_bias"].cost.memory
    outcome = reduce_tiny(night, tmp_path / "small", memory=room, **options)
    # one after the other
    assert outcome.seconds >= sum(outcome.took.values()) >= 0.6


def test_until_a_step(night, tmp_path):
    outcome = reduce_tiny(night, tmp_path / "reduced", until="flat")
    assert {name.split("-")[0] for name in outcome.made} == {"bias", "dark", "flat"}


def test_the_failure_of_one_ifu_stops_only_what_needs_it(night, undisturbed, tmp_path):
    output = tmp_path / "reduced"
    with logged() as lines:
        outcome = reduce_tiny(night, output, parameters={"failing": "flat-07"})
    assert list(outcome.failed) == ["flat-07"] and "no light" in outcome.failed["flat-07"]
    assert [line.partition(":")[0] for line in lines] == ["flat-07 failed"]
    assert outcome.skipped["wavecal-07"] == ["flat-07"]
    assert set(outcome.skipped) == {"wavecal-07", "lsf-07"} | {
        f"scibasic-{kind}-07" for kind in ("STD", "ASTROMETRY", "SKY", "OBJECT")
    }
    assert "twilight" in outcome.made and "scibasic-OBJECT-03" in outcome.made
    assert not (output / "MASTER_FLAT-07.fits").exists()
    # without the failure: the rest, and the twilight with all IFUs
    outcome = reduce_tiny(night, output, parameters={"failing": ""})
    assert not outcome.failed and "twilight" in outcome.made
    assert contents(output) == undisturbed


def test_what_a_task_of_all_ifus_goes_on_without_is_tried_again(night, tmp_path):
    output = tmp_path / "reduced"
    given = {"muse_twilight": {"losing": "7"}}
    request = NightRequest(sets_of(night, output), output, MODULES, given)
    with logged() as lines:
        outcome = reduce_night(request, Silent())
    assert len(outcome.made) == 19 and outcome.lost == {"twilight": "IFU 7: no light"}
    assert lines == ["twilight went on without: IFU 7: no light"]
    again = reduce_night(request, Silent())
    assert again.made == ["twilight"] and again.lost and len(again.earlier) == 18


def second_stage(night, output, **parameters):
    """A night to the combined cube; what the first stage and others make of calibrations is given."""
    table = night / "static" / "extinct_table.fits"
    wanted = ("scibasic", "scipost", "exp_align", "exp_combine")
    files = dict.fromkeys(("STD_RESPONSE", "STD_TELLURIC", "ASTROMETRY_WCS", "SKY_LINES"), table)
    first = {"bias", "dark", "flat", "wavecal", "lsf", "twilight"}
    sets = [one for one in all_sets_of(night, output, files=files) if one.step in {*wanted, *first}]
    given = {f"muse_{step}": {"losing": "0"} | parameters.get(step, {}) for step in {*wanted, *first}}
    return reduce_night(NightRequest(sets, output, MODULES, given), Silent())


def test_an_exposure_that_fails_is_left_out(night, tmp_path):
    output = tmp_path / "reduced"
    night = make_tiny_night(tmp_path / "night", objects=3)
    failing = {"failing": "scipost-2"}
    with logged() as lines:
        outcome = second_stage(night, output, scipost=failing)
    assert list(outcome.failed) == ["scipost-2"] and not outcome.skipped
    assert {"scipost-1", "scipost-3", "exp_align", "exp_combine"} <= set(outcome.made)
    assert lines[1:] == [
        "exp_align goes on without scipost-2/IMAGE_FOV_0001.fits, which could not be made",
        "exp_combine goes on without scipost-2/PIXTABLE_REDUCED_0001.fits, which could not be made",
    ]
    first = contents(output)
    outcome = second_stage(night, output)
    assert {"scipost-2", "exp_align", "exp_combine"} <= set(outcome.made) and not outcome.failed
    name = "exp_combine/DATACUBE_FINAL.fits"
    assert contents(output)[name] != first[name]


def test_too_few_exposures_are_not_combined(night, tmp_path):
    outcome = second_stage(night, tmp_path / "reduced", scipost={"failing": "scipost-2"})
    assert list(outcome.failed) == ["scipost-2"]
    assert outcome.skipped == {"exp_align": ["scipost-2"], "exp_combine": ["scipost-2", "exp_align"]}


def test_an_exposure_of_one_ifu_that_fails_is_left_out(night, tmp_path):
    """muse_scibasic makes the first exposure of each IFU, and not the second."""
    output = tmp_path / "reduced"
    scibasic = {"missing": "PIXTABLE_OBJECT_0002"}
    outcome = second_stage(night, output, scibasic=scibasic)
    assert not outcome.failed and {"scibasic-OBJECT-03", "scipost-1"} <= set(outcome.made)
    assert outcome.lost["scibasic-OBJECT-03"] == "IFU 3: no light in PIXTABLE_OBJECT_0002"
    assert outcome.skipped["scipost-2"] == ["scibasic-OBJECT-03", "scibasic-OBJECT-07"]
    outcome = second_stage(night, output)
    assert {"scibasic-OBJECT-03", "scipost-2", "exp_combine"} <= set(outcome.made) and not outcome.skipped


def test_what_nobody_expected_is_one_line_too(night, tmp_path):
    outcome = reduce_tiny(night, tmp_path / "reduced", until="flat", parameters={"breaking": "bias-03"})
    assert outcome.failed == {"bias-03": "unexpected ZeroDivisionError: division by zero"}
    assert set(outcome.skipped) == {"dark-03", "flat-03"} and "flat-07" in outcome.made


def test_an_interrupted_run_resumes(night, undisturbed, tmp_path):
    output = tmp_path / "reduced"
    with pytest.raises(KeyboardInterrupt):
        reduce_tiny(night, output, Told(stop_at=5))
    outcome = reduce_tiny(night, output)
    assert len(outcome.earlier) == 5 and len(outcome.made) == 14
    assert contents(output) == undisturbed


SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.graph.night.test_run import reduce_tiny
reduce_tiny(Path({night!r}), Path({output!r}), parameters={{"wait": "0.1"}})
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_resumes(night, tmp_path, how):
    output = tmp_path / "reduced"
    script = SCRIPT.format(root=str(ROOT), night=str(night), output=str(output))
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if output.exists() and len(list(output.glob("*.fits"))) >= 4:
            process.send_signal(how)
            break
        time.sleep(0.002)
    began = time.monotonic()
    assert process.wait() != 0
    assert time.monotonic() - began < 20
    outcome = reduce_tiny(night, output, parameters={"wait": "0.1"})
    assert outcome.earlier and outcome.made and not outcome.failed
    assert len(outcome.earlier) + len(outcome.made) == 19
    assert contents(output).keys() >= {"PIXTABLE_OBJECT_0002-07.fits"}


def test_products_of_another_program_are_not_replaced(night, tmp_path):
    output = tmp_path / "reduced"
    output.mkdir()
    (output / "TRACE_TABLE-03.fits").write_text("mine")
    with pytest.raises(MusedeepError, match=r"TRACE_TABLE-03\.fits: exists already"):
        reduce_tiny(night, output, until="flat")
    assert contents(output) == {"TRACE_TABLE-03.fits": "mine"}
    reduce_tiny(night, output, until="flat", overwrite=True)
    assert contents(output)["TRACE_TABLE-03.fits"] != "mine"
    # and one that was changed since
    (output / "MASTER_BIAS-03.fits").write_text("mine")
    with pytest.raises(MusedeepError, match=r"MASTER_BIAS-03\.fits: exists already"):
        reduce_tiny(night, output, until="flat")


def test_a_run_that_was_killed_while_it_named_its_products_goes_on(night, tmp_path):
    output = tmp_path / "reduced"
    (output / WORK).mkdir(parents=True)
    (output / WORK / "done.jsonl").write_text(
        '{"making": ["MASTER_FLAT-03.fits", "TRACE_TABLE-03.fits"]}\n{"task": "fl'
    )
    (output / "MASTER_FLAT-03.fits").write_text("named, and not recorded")
    outcome = reduce_tiny(night, output, until="flat")
    assert "flat-03" in outcome.made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"until": "flatt"}, "did you mean flat"),
        ({"memory": 2**20}, "--memory allows 0.0 GiB; give more"),
        ({"parameters": {"ordr": "4"}}, "did you mean order"),
    ],
)
def test_bad_requests_leave_nothing(night, tmp_path, change, message):
    with pytest.raises(MusedeepError, match=message):
        reduce_tiny(night, tmp_path / "reduced", **change)
    assert not (tmp_path / "reduced").exists()


def test_a_recipe_that_there_is_not(night, tmp_path):
    output = tmp_path / "reduced"
    modules = {name: module for name, module in MODULES.items() if name in ("muse_bias", "muse_dark")}
    with pytest.raises(MusedeepError, match="no recipe muse_flat, which step flat needs; end with --until dark"):
        reduce_night(NightRequest(sets_of(night, output), output, modules), Silent())


def test_too_little_disk_is_said_before_the_work(night, undisturbed, tmp_path, monkeypatch):
    output = tmp_path / "reduced"
    reduce_tiny(night, output, until="flat")
    monkeypatch.setattr("musedeep.graph.night.run.free_bytes", lambda path: 10**9)
    # masters are there already, and tables are small; four pixel tables of two IFUs are not
    reduce_tiny(night, output, until="lsf")
    before = contents(output)
    with pytest.raises(MusedeepError, match=r"1000000000 bytes are free, but about 1\d{9} bytes are needed .*scibasic"):
        reduce_tiny(night, output)
    assert contents(output) == before
    plan = reduce_tiny(night, output, dry_run=True)
    assert plan.disk.need == pytest.approx(1.45e9, rel=0.01) and plan.disk.free == 10**9
    assert set(plan.disk.by_step) == {"twilight", "scibasic"}
    monkeypatch.undo()
    reduce_tiny(night, output)
    assert contents(output) == undisturbed
    monkeypatch.setattr("musedeep.graph.night.run.free_bytes", lambda path: 0)
    assert len(reduce_tiny(night, output).earlier) == 19


def test_what_a_killed_run_has_left_is_gone_before_the_disk_is_looked_at(night, tmp_path, monkeypatch):
    output = tmp_path / "reduced"
    left = output / WORK / "bias-03" / ".MASTER_BIAS-03.fits.7.part"
    left.parent.mkdir(parents=True)
    left.write_text("half of it")
    monkeypatch.setattr("musedeep.graph.night.run.free_bytes", lambda path: 0 if left.exists() else 10**12)
    reduce_tiny(night, output, until="bias")


def test_another_version_of_the_code_does_all_again(night, tmp_path, monkeypatch):
    output = tmp_path / "reduced"
    reduce_tiny(night, output, until="flat")
    with logged() as lines:
        reduce_tiny(night, output, until="wavecal", parameters={"order": "5"})
    assert lines == []
    with monkeypatch.context() as patch:
        patch.setattr("musedeep.graph.night.journal.code_state", lambda: "upgraded")
        with logged() as lines:
            outcome = reduce_tiny(night, output, until="wavecal")
        n = len(outcome.made)
        assert n >= 6 and not outcome.earlier
        assert lines == [f"done again, made by another version of musedeep: {n} tasks"]
        assert len(reduce_tiny(night, output, until="wavecal").earlier) == n
    # names of few tasks, and another reason
    (output / "TRACE_TABLE-07.fits").unlink()
    monkeypatch.setattr("musedeep.graph.night.journal.code_state", lambda: "upgraded")
    with logged() as lines:
        reduce_tiny(night, output, until="flat")
    assert lines == ["done again, products are gone or have changed: flat-07"]


def test_images_that_nobody_takes_are_written_when_asked(night, tmp_path):
    modules = MODULES | {"muse_scibasic": "tests.makers.made_up_images"}
    request = NightRequest(sets_of(night, tmp_path / "reduced"), tmp_path / "reduced", modules)
    outcome = reduce_night(request, Silent())
    assert not outcome.failed and not list(request.output.glob("*_RED_*"))
    assert outcome.disk.images == {"muse_scibasic.saveimage": 10 * 202_150_000}
    request.parameters = {"muse_scibasic": {"saveimage": "true"}}
    outcome = reduce_night(request, Silent())
    assert {task.partition("-")[0] for task in outcome.made} == {"scibasic"} and not outcome.disk.images
    assert len(list(request.output.glob("OBJECT_RED_000?-0?.fits"))) == 4


@pytest.mark.parametrize("options", [{}, {"workers": 2}])
def test_a_piece_that_breaks_is_the_failure_of_its_task(night, tmp_path, options):
    output = tmp_path / "reduced"
    given = {"muse_twilight": {"breaking": "piece-07"}}
    request = NightRequest(sets_of(night, output), output, MODULES, given, **options)
    outcome = reduce_night(request, Silent())
    assert outcome.failed == {"twilight": "unexpected ZeroDivisionError: division by zero"}
    assert len(outcome.skipped) == 8 and [p.name for p in (output / WORK).iterdir()] == ["done.jsonl"]


def test_pieces_run_at_once_and_within_the_memory(night, tmp_path):
    from musedeep.graph.workers.memory import BASE_BYTES

    took = []
    for n in (1, 2):
        output = tmp_path / f"{n}"
        reduce_tiny(night, output, until="geometry")
        given = {"muse_twilight": {"wait": "0.6"}}
        room = BASE_BYTES + n * max(declared()["muse_twilight"].cost.piece, declared()["muse_wavecal"].cost.memory)
        request = NightRequest(sets_of(night, output), output, MODULES, given, "twilight", threads=4, memory=room)
        took.append(reduce_night(request, Silent()).took["twilight"])
    assert took[0] > 1.2 > took[1] > 0.6


def test_a_raw_frame_that_vanishes_fails_what_needs_it(night, tmp_path):
    output = tmp_path / "reduced"
    sets = sets_of(night, output)
    arc = Path(next(p for one in sets for p, tag in one.frames if tag == "ARC"))
    elsewhere = arc.rename(tmp_path / "elsewhere.fits")
    try:
        outcome = reduce_night(NightRequest(sets, output, MODULES), Silent())
        with pytest.raises(MusedeepError, match="is not there any more"):
            reduce_night(NightRequest(sets, output, MODULES), Silent(), dry_run=True)
    finally:
        elsewhere.rename(arc)
    assert {name: reason.partition(";")[0] for name, reason in outcome.failed.items()} == {
        name: f"{arc}: is not there any more" for name in ("wavecal-03", "wavecal-07")
    }
    assert "flat-07" in outcome.made and {"lsf-03", "twilight"} <= set(outcome.skipped)


def test_a_raw_frame_that_vanishes_between_two_looks(night, tmp_path, monkeypatch):
    """Ready to start when there was no place for it, gone when there is."""
    output, real, calls = tmp_path / "reduced", night_run.task_key, []

    def key(recipe, parameters, frames, keys):
        calls.append(recipe)
        # the first is that of the look at the disk, the second finds it startable
        if recipe == "muse_wavecal" and calls.count(recipe) > 4:
            raise MusedeepError("arc.fits: is not there any more")
        return real(recipe, parameters, frames, keys)

    monkeypatch.setattr(night_run, "task_key", key)
    outcome = reduce_tiny(night, output, threads=1)
    assert set(outcome.failed) & {"wavecal-03", "wavecal-07"} and "flat-03" in outcome.made


def test_a_disk_that_is_full_or_closed_fails_a_task_in_one_line(night, tmp_path, monkeypatch):
    output = tmp_path / "reduced"
    real = Path.mkdir

    def mkdir(path, *arguments, **options):
        if path.name == "flat-03":
            raise OSError(28, "No space left on device", str(path))
        if path.name == "bias-07":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    outcome = reduce_tiny(night, output, until="flat")
    work = re.escape(str(output / WORK)) + "/start-[0-9a-f]+"
    assert re.match(f"{work}: disk full while writing flat-03", outcome.failed["flat-03"])
    assert re.match(rf"{work}/bias-07: cannot be written \(Permission denied\)", outcome.failed["bias-07"])
