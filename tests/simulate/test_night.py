"""A night is made by many processes: in the right order, whole or not at all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from musedeep.errors import MusedeepError
from musedeep.progress import Silent
from musedeep.simulate import night
from musedeep.simulate.exposure import templates
from musedeep.simulate.job import Job
from musedeep.simulate.night import simulate_frames, simulate_night
from musedeep.simulate.optics import Instrument
from musedeep.simulate.scene import make_scene
from musedeep.simulate.schedule import SMALL, night_schedule
from musedeep.simulate.sets_of_frames import night_sets
from musedeep.simulate.truth import lines_table, sources_table
from tests.makers.tiny_nights import Here, tiny_images

MODE = "WFM-NOAO-N"


class Told(Silent):
    """Progress that remembers what it was told, and interrupts after so many frames."""

    def __init__(self, stop_at=None):
        self.begun, self.done, self.cost, self.all_cost, self.stop_at = [], 0, 0.0, 0.0, stop_at

    def begin(self, total, unit, done=0, cost=None):
        self.begun.append((total, unit, done))
        self.all_cost += cost or 0.0

    def advance(self, n=1, *, rows=0, cost=None, made=True):
        self.done += n
        self.cost += cost
        if n and self.done == self.stop_at:
            raise KeyboardInterrupt


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(night, "simulate_ifu", tiny_images)
    monkeypatch.setattr(night, "worker_processes", Here)
    monkeypatch.setattr(night, "guiding_extensions", lambda exposure, seed: [fits.ImageHDU(name="SGS_IMG")])


def job(ifus=(3, 7), scene="deep-field", **counts):
    exposures = night_schedule(MODE, make_scene(scene), 1, replace(SMALL, **counts), len(ifus))
    return Job(tuple(exposures), Instrument(MODE, 1, ifus))


def test_every_exposure_gets_its_own_images_and_header(tmp_path, tiny):
    work = job()
    told = Told()
    simulate_night(tmp_path / "night", work, progress=told)
    assert told.begun[0] == (30, "frames", 0) and told.done == 30 and told.cost == pytest.approx(told.all_cost)
    template = templates(work.exposures)
    for exposure in work.exposures:
        with fits.open(tmp_path / "night" / "raw" / work.file_name(exposure)) as hdus:
            assert [hdu.name for hdu in hdus][:3] == ["PRIMARY", "CHAN03", "CHAN07"]
            assert [hdus[name].data[0, 0] % 100 for name in ("CHAN03", "CHAN07")] == [exposure.index % 100] * 2
            assert [hdus[name].data[0, 0] // 100 for name in ("CHAN03", "CHAN07")] == [3, 7]
            assert hdus[0].header["DATE-OBS"] == exposure.date_obs
            assert hdus[0].header["ESO TPL EXPNO"] == template[exposure.index].number
            assert ("SGS_IMG" in hdus) == (exposure.kind in ("OBJECT", "SKY"))
    assert not list((tmp_path / "night" / "raw").glob(".*"))


def test_a_failure_leaves_nothing_and_keeps_what_was_there(tmp_path, tiny, monkeypatch):
    simulate_frames(tmp_path / "old", job())

    def failing(exposures, ifu, instrument, effects, seed):
        raise MusedeepError("no light")
        yield

    monkeypatch.setattr(night, "simulate_ifu", failing)
    before = sorted((tmp_path / "old").iterdir())
    for name in ("old", "new"):
        with pytest.raises(MusedeepError, match="no light"):
            simulate_frames(tmp_path / name, job(), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert sorted((tmp_path / "old").iterdir()) == before


def test_a_killed_process_is_one_line(tmp_path, tiny, monkeypatch):
    from concurrent.futures.process import BrokenProcessPool

    def killed(exposures, ifu, instrument, effects, seed):
        raise BrokenProcessPool
        yield

    monkeypatch.setattr(night, "simulate_ifu", killed)
    with pytest.raises(MusedeepError, match="fewer --workers"):
        simulate_frames(tmp_path / "new", job())
    assert not list(tmp_path.iterdir())


def test_space_is_enough_for_what_is_written(tmp_path):
    # real images of one IFU, and a guided frame
    work = job((5,))
    chosen = [next(e for e in work.exposures if e.kind == kind) for kind in ("BIAS", "SKY")]
    work = replace(work, exposures=tuple(replace(e, scene=make_scene("empty") if e.scene else None) for e in chosen))
    simulate_frames(tmp_path / "frames", work, workers=1)
    written = sum(path.stat().st_size for path in (tmp_path / "frames").rglob("*") if path.is_file())
    assert 0.4 * work.space() < written < work.space()


def test_tasks_cover_every_exposure_of_every_ifu_once():
    work = job((3, 7), masks=3, lsf_arcs=2)
    none = {e.index: () for e in work.exposures}
    tasks = [(e.index, ifu) for group, ifu in night._tasks(work, none) for e in group]
    assert len(tasks) == len(set(tasks)) == 2 * len(work.exposures)
    for group, _ in night._tasks(work, none):
        assert len({(e.kind, e.lamp) for e in group}) == 1


def test_sets_of_a_long_arc_series():
    exposures = night_schedule(MODE, make_scene("empty"), 1, replace(SMALL, lsf_arcs=2), 1)
    files = {e.index: Path(f"{e.index}.fits") for e in exposures}
    sets = night_sets(exposures, files, {"LINE_CATALOG": Path("line.fits")}, Path("reduced"), (4,))
    assert [tag for _, tag in sets["lsf-04"]].count("ARC_LSF") == 6 and "ARC" not in [tag for _, tag in sets["lsf-04"]]
    assert [tag for _, tag in sets["wavecal-04"]].count("ARC") == 9


def test_a_set_names_the_illumination_nearest_to_its_exposures():
    exposures = night_schedule(MODE, make_scene("empty"), 1, SMALL, 1)
    files = {e.index: Path(f"{e.index}.fits") for e in exposures}
    sets = night_sets(exposures, files, {}, Path("reduced"), (4,))
    for kind in ("STD", "ASTROMETRY", "SKY", "OBJECT"):
        (name,) = [path for path, tag in sets[f"scibasic-{kind}-04"] if tag == "ILLUM"]
        illumination = next(e for e in exposures if f"{e.index}.fits" == name)
        first = next(e for e in exposures if e.kind == kind)
        assert illumination.instrument_temperature == first.instrument_temperature
        assert abs(illumination.mjd - first.mjd) < 1 / 24


def test_truth_of_lines_belongs_to_the_sources():
    scene = make_scene("deep-field")
    sources, lines = sources_table(scene), lines_table(scene)
    assert set(lines["name"]) <= set(sources["name"]) and len(lines) > 100
    brightest = lines[np.argmax(lines["flux"])]
    source = next(s for s in scene.sources if s.name == brightest["name"])
    assert brightest["flux"] == source.line_flux.max() and brightest["dispersion"] == source.line_dispersion
    row = sources[sources["name"] == source.name][0]
    assert row["redshift"] == source.redshift
    assert isinstance(lines_table(make_scene("empty")), Table) and not len(lines_table(make_scene("empty")))
