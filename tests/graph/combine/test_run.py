"""Whole combinations: the same bits however they are run, resumed, or disturbed; bad input in one line."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.graph.combine import tasks
from musedeep.graph.combine.exp_combine import Request, combine
from musedeep.graph.combine.run import WORK
from musedeep.progress import Silent
from musedeep.recipes.exp_combine.recipe import RECIPE
from tests.makers.pixel_tables import write_dithers, write_exposure

SMALL = 4 << 20
"""Memory of boxes of which there are many [bytes]."""

OPTIONS = {"ifus": (11, 12), "wavelength": (7000.0, 7030.0), "cosmics": 1e-3}


@pytest.fixture(scope="module")
def exposures(tmp_path_factory):
    return write_dithers(tmp_path_factory.mktemp("exposures"), 4, step=50.0, **OPTIONS)


def run(paths, output, progress=None, parameters=None, **options):
    request = Request(
        [Path(p) for p in paths], RECIPE.parse({"crsigma": 5, **(parameters or {})}), Path(output), **options
    )
    return combine(request, progress)


def voxels(output):
    with fits.open(Path(output) / "DATACUBE_FINAL.fits") as hdus:
        return hdus["DATA"].data.copy(), hdus["STAT"].data.copy()


@pytest.fixture(scope="module")
def undisturbed(exposures, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    outcome = run(exposures[0], output)
    return outcome, voxels(output)


def assert_same(output, expected):
    for a, b in zip(voxels(output), expected, strict=True):
        np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32))


def test_the_stars_come_out_where_they_are(exposures, undisturbed):
    outcome, (data, stat) = undisturbed
    assert outcome.rows == sum(int((t.rows["dq"] == 0).sum()) for t in exposures[1])
    flux = np.concatenate([t.flux for t in exposures[1]])
    assert np.nanmedian(data) == pytest.approx(np.median(flux), rel=0.1)
    assert np.nanmax(data) < 1.3 * flux.max()
    assert (stat[np.isfinite(stat)] > 0).all()


@pytest.mark.parametrize("options", [{"threads": 1}, {"box_bytes": SMALL}, {"threads": 2, "box_bytes": 3 * SMALL}])
def test_threads_and_box_sizes_do_not_matter(exposures, undisturbed, tmp_path, options):
    run(exposures[0], tmp_path / "out", **options)
    assert_same(tmp_path / "out", undisturbed[1])


def test_order_of_files_does_not_matter(exposures, undisturbed, tmp_path):
    run(exposures[0][::-1], tmp_path / "out")
    assert_same(tmp_path / "out", undisturbed[1])


def test_worker_processes_one_of_which_is_killed(exposures, undisturbed, tmp_path):
    class Killer(Silent):
        killed = False

        def advance(self, rows):
            if not self.killed:
                import psutil

                workers = [
                    p for p in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(p.cmdline())
                ]
                if workers:
                    workers[-1].send_signal(signal.SIGKILL)
                    Killer.killed = True

    run(exposures[0], tmp_path / "out", Killer(), workers=2, threads=2, box_bytes=SMALL)
    assert Killer.killed
    assert_same(tmp_path / "out", undisturbed[1])


def test_dask_in_this_process(exposures, undisturbed, tmp_path):
    pytest.importorskip("bokeh")
    run(exposures[0], tmp_path / "out", dashboard=True, box_bytes=3 * SMALL)
    assert_same(tmp_path / "out", undisturbed[1])


def test_a_running_scheduler(exposures, undisturbed, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=":0"
    ) as cluster:
        run(exposures[0], tmp_path / "out", scheduler=cluster.scheduler_address, box_bytes=3 * SMALL)
    assert_same(tmp_path / "out", undisturbed[1])


def test_no_scheduler_is_one_line(exposures, tmp_path):
    with pytest.raises(MusedeepError, match="no scheduler at"):
        run(exposures[0], tmp_path / "out", scheduler="tcp://127.0.0.1:9")
    assert not (tmp_path / "out").exists()


def test_an_interrupted_run_resumes(exposures, undisturbed, tmp_path):
    class Stop(Silent):
        boxes = 0

        def advance(self, rows):
            self.boxes += 1
            if self.boxes == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(exposures[0], tmp_path / "out", Stop(), box_bytes=SMALL)
    assert not (tmp_path / "out" / "DATACUBE_FINAL.fits").exists()
    outcome = run(exposures[0], tmp_path / "out", box_bytes=SMALL)
    assert outcome.resumed_boxes == 3
    assert_same(tmp_path / "out", undisturbed[1])
    assert not (tmp_path / "out" / WORK).exists()


def test_a_killed_process_resumes(exposures, undisturbed, tmp_path):
    selection = tmp_path / "selection.yaml"
    selection.write_text(
        f"exposures: [{', '.join(str(p) for p in exposures[0])}]\nparameters: {{crsigma: 5}}\noutput: out\n"
    )
    script = (
        "import musedeep.graph.combine.plan as p\n"
        f"p.make_plan.__defaults__ = p.make_plan.__defaults__[:-1] + ({SMALL},)\n"
        "from musedeep.cli.main import run; run()"
    )
    process = subprocess.Popen([sys.executable, "-c", script, "combine", str(selection)], stderr=subprocess.DEVNULL)
    journal = tmp_path / "out" / WORK / "done.txt"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if journal.exists() and len(journal.read_text().splitlines()) > 2:
            process.kill()
            break
        time.sleep(0.005)
    process.wait()
    done = subprocess.run([sys.executable, "-c", script, "combine", str(selection)], capture_output=True, text=True)
    if process.returncode == 0:
        pytest.skip("the run was over before it could be killed")
    assert done.returncode == 0, done.stderr
    assert_same(tmp_path / "out", undisturbed[1])


@pytest.mark.parametrize("form", ["xCube", "Euro3D"])
def test_an_interrupted_completion_resumes(exposures, tmp_path, monkeypatch, form):
    def stop(*_):
        raise KeyboardInterrupt

    parameters = {"format": form, "save": "cube,zarr", "lambdamax": 7005}
    monkeypatch.setattr("musedeep.reduction.cube.products.give_name", stop)
    with pytest.raises(KeyboardInterrupt):
        run(exposures[0], tmp_path / "out", parameters=parameters)
    monkeypatch.undo()
    assert run(exposures[0], tmp_path / "out", parameters=parameters).resumed_boxes > 0
    run(exposures[0], tmp_path / "undisturbed", parameters=parameters)
    outputs = [tmp_path / name for name in ("out", "undisturbed")]
    with fits.open(outputs[0] / "DATACUBE_FINAL.fits") as a, fits.open(outputs[1] / "DATACUBE_FINAL.fits") as b:
        assert [hdu.name for hdu in a] == [hdu.name for hdu in b]
        assert [hdu.data.tobytes() for hdu in a[1:]] == [hdu.data.tobytes() for hdu in b[1:]]
    names = [sorted(path.name for path in output.iterdir()) for output in outputs]
    assert names[0] == names[1]


def test_other_parameters_start_afresh(exposures, tmp_path):
    class Stop(Silent):
        def advance(self, rows):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(exposures[0], tmp_path / "out", Stop(), box_bytes=SMALL)
    outcome = run(exposures[0], tmp_path / "out", parameters={"pixfrac": "0.8"}, box_bytes=SMALL)
    assert outcome.resumed_boxes == 0


def test_existing_output_is_refused_and_replaced_only_on_success(exposures, undisturbed, tmp_path):
    run(exposures[0], tmp_path / "out")
    with pytest.raises(MusedeepError, match="--overwrite"):
        run(exposures[0], tmp_path / "out")
    broken = tmp_path / "broken.fits"
    shutil.copy(exposures[0][0], broken)
    with fits.open(broken, mode="update") as hdus:
        hdus["data"].data[5000] = np.nan
        hdus["dq"].data[5000] = 0
    with pytest.raises(MusedeepError, match=r"broken\.fits.*NaN"):
        run([broken, *exposures[0][1:]], tmp_path / "out", overwrite=True)
    assert_same(tmp_path / "out", undisturbed[1])


@pytest.mark.parametrize("column", ["xpos", "lambda", "stat"])
def test_not_finite_values_are_named(exposures, tmp_path, column):
    broken = tmp_path / "broken.fits"
    shutil.copy(exposures[0][0], broken)
    with fits.open(broken, mode="update") as hdus:
        hdus["dq"].data[5000] = 0
        hdus[column].data[5000] = np.inf
    with pytest.raises(MusedeepError, match=r"broken\.fits"):
        run([broken, *exposures[0][1:]], tmp_path / "out")
    assert not (tmp_path / "out" / "DATACUBE_FINAL.fits").exists()


def test_the_same_exposure_twice_is_refused(exposures, tmp_path):
    copy = tmp_path / "copy.fits"
    shutil.copy(exposures[0][0], copy)
    with pytest.raises(MusedeepError, match="same exposure"):
        run([*exposures[0], copy], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_mixed_field_modes_are_refused(exposures, tmp_path):
    write_exposure(tmp_path / "nfm.fits", mode="NFM-AO-N", date_obs="2015-01-01T00:00:00.000", **OPTIONS)
    with pytest.raises(MusedeepError, match="NFM"):
        run([*exposures[0], tmp_path / "nfm.fits"], tmp_path / "out")


def test_an_empty_wavelength_range_is_refused(exposures, tmp_path):
    with pytest.raises(MusedeepError, match="lambdamin=8000"):
        run(exposures[0], tmp_path / "out", parameters={"lambdamin": 8000, "lambdamax": 8100})


def test_too_little_memory_says_what_would_do(exposures, tmp_path):
    with pytest.raises(MusedeepError, match="would do"):
        run(exposures[0], tmp_path / "out", memory=2**20)


def test_a_full_disk_is_one_line(exposures, tmp_path, monkeypatch):
    def full(descriptor, offset, length):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(MusedeepError, match="no space"):
        run(exposures[0], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("when", ["indexing", "boxes"])
def test_a_disk_that_becomes_full_while_working(exposures, undisturbed, tmp_path, monkeypatch, when):
    save, calls = tasks._save, []

    def full(path, array):
        calls.append(path)
        if when == "indexing" or (path.name.startswith("rejected") and len(calls) > 2 * len(exposures[0]) + 1):
            raise OSError(28, "No space left on device")
        save(path, array)

    parameters = {"save": "cube,combined"}
    options = {"parameters": parameters, "box_bytes": SMALL, "threads": 1}
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "_save", full)
        with pytest.raises(MusedeepError, match=r"(No space|cannot write).*start again") as error:
            run(exposures[0], tmp_path / "out", **options)
    assert "\n" not in str(error.value)
    assert (tmp_path / "out").exists() == (when == "boxes")
    outcome = run(exposures[0], tmp_path / "out", **options)
    assert (outcome.resumed_boxes > 0) == (when == "boxes")
    assert_same(tmp_path / "out", undisturbed[1])


def test_a_second_run_is_refused_and_disturbs_nothing(exposures, undisturbed, tmp_path):
    class Second(Silent):
        refused = None

        def advance(self, rows):
            if self.refused is None:
                with pytest.raises(MusedeepError) as error:
                    run(exposures[0], tmp_path / "out", box_bytes=SMALL)
                self.refused = str(error.value)
                # nor does a plan
                request = Request(list(exposures[0]), RECIPE.parse({}), tmp_path / "out")
                assert combine(request, dry_run=True).plan.rows > 0

    second = Second()
    run(exposures[0], tmp_path / "out", second, box_bytes=SMALL)
    assert f"another run is at work there (process {os.getpid()}" in second.refused
    assert_same(tmp_path / "out", undisturbed[1])
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["DATACUBE_FINAL.fits", "IMAGE_FOV_0001.fits"]


def test_dry_run_keeps_what_an_interrupted_run_has(exposures, tmp_path):
    class Stop(Silent):
        def advance(self, rows):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(exposures[0], tmp_path / "out", Stop(), box_bytes=SMALL)
    combine(Request(list(exposures[0]), RECIPE.parse({}), tmp_path / "out"), dry_run=True)
    outcome = run(exposures[0], tmp_path / "out", box_bytes=SMALL)
    assert outcome.resumed_boxes == 1


def test_dry_run_leaves_nothing(exposures, tmp_path):
    request = Request(list(exposures[0]), RECIPE.parse({}), tmp_path / "out")
    outcome = combine(request, dry_run=True)
    assert outcome.plan.rows > 0
    assert not (tmp_path / "out").exists()
