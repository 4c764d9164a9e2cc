"""A whole night of raw frames, its static calibrations, sets-of-frames and truth, made by parallel processes.

Each frame gets its name when it is whole. A simulation that was interrupted goes on with what is missing.
"""

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from musedeep.errors import MusedeepError
from musedeep.processes import worker_processes
from musedeep.processors import available_processors
from musedeep.progress import Progress, Silent
from musedeep.simulate.exposure import Exposure, Template, templates
from musedeep.simulate.frame import DARK_KINDS, SCENE_KINDS, simulate_ifu
from musedeep.simulate.guiding import guiding_extensions
from musedeep.simulate.headers import extension_header, primary_header
from musedeep.simulate.job import GUIDED_KINDS, IMAGE_BYTES, Job, cost_of
from musedeep.simulate.optics import Instrument
from musedeep.simulate.request import (
    FINISHED,
    UNFINISHED,
    Request,
    directory_to_fill,
    read_request,
    request_of,
    write_request,
)
from musedeep.simulate.sets_of_frames import night_sets, write_sets
from musedeep.simulate.truth import write_truth
from musedeep.storage.lock import LOCK, output_lock
from musedeep.storage.outputs import appearing_whole, check_space, replace_directory
from musedeep.storage.raw.file import join_parts, write_extensions, write_part

HEIGHT_OF_IFU: Final = 2.4
STRIP_MARGIN: Final = 16.0
"""Height of what an IFU sees, and how far beyond astrometric reference stars are listed, arcsec."""
PARTS: Final = ".*-[0-9][0-9].part"
"""Images of single IFUs that are whole."""
GROUP: Final = 6
"""Exposures of the same light that one task makes."""


def simulate_night(
    outdir: Path, job: Job, workers: int | None = None, overwrite: bool = False, progress: Progress | None = None
) -> None:
    """Make a night: `raw/`, and when all raw frames are there, `static/`, `sof/` and `truth/`.

    The same job makes the same bits, whatever the number of workers, and whether it was interrupted or not. A process
    takes about 1 GiB.

    Parameters
    ----------
    outdir : directory to make; one in which the same job was interrupted is completed
    workers : processes; None: one per processor
    overwrite : an existing directory is replaced, once the new one is whole; an unfinished one of another job at once

    Raises
    ------
    MusedeepError
        The directory exists, or has a name that no set-of-frames can hold; too little disk; a file that cannot be
        written; a process that was killed. Frames that are whole stay.
    """
    if len(str(outdir.absolute()).split()) != 1:
        raise MusedeepError(
            f"{outdir.absolute()}: sets-of-frames cannot hold names with blanks; give another directory"
        )

    def finish(new: Path, final: Path) -> None:
        statics = night_statics(_made(new / "static"), job.instrument)
        names = {e.index: job.file_name(e) for e in job.exposures}
        write_truth(_made(new / "truth"), job.instrument, job.effects, job.seed, job.exposures, names)
        sets = night_sets(
            job.exposures,
            {index: final / "raw" / name for index, name in names.items()},
            {tag: final / "static" / path.name for tag, path in statics.items()},
            final / "reduced",
            job.instrument.ifus,
        )
        write_sets(_made(new / "sof"), sets)

    Simulation({"raw": job}, request_of(job, "night"), finish).run(outdir, workers, overwrite, progress or Silent())


def night_statics(directory: Path, instrument: Instrument) -> dict[str, Path]:
    """Write the static calibrations of a night into a directory that exists; the path of each tag."""
    from musedeep.simulate.statics import write_statics
    from musedeep.statics.fields import field_names, load_astrometric_field, strip_of

    half_height = 0.5 * HEIGHT_OF_IFU * len(instrument.ifus) + STRIP_MARGIN
    fields = [strip_of(load_astrometric_field(name), half_height) for name in field_names()]
    return write_statics(directory, instrument, fields=fields)


def simulate_frames(
    outdir: Path,
    job: Job,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Make raw frames alone, with their `truth/`; parameters and errors as in `simulate_night`."""

    def finish(new: Path, final: Path) -> None:
        names = {e.index: job.file_name(e) for e in job.exposures}
        write_truth(_made(new / "truth"), job.instrument, job.effects, job.seed, job.exposures, names)

    Simulation({".": job}, request_of(job, "frames"), finish).run(outdir, workers, overwrite, progress or Silent())


def _made(directory: Path) -> Path:
    """The directory, made."""
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@dataclass(frozen=True)
class Simulation:
    """Jobs, by the directory of their raw frames below that of all, and the request that they come from.

    `finish` makes all the rest in an empty directory, for the final one, when all frames are there.
    """

    jobs: Mapping[str, Job]
    request: Request
    finish: Callable[[Path, Path], None]

    @property
    def total(self) -> int:
        """Number of the frames."""
        return sum(len(job.exposures) for job in self.jobs.values())

    def run(self, outdir: Path, workers: int | None, overwrite: bool, progress: Progress) -> None:
        """Make what is missing in a directory that belongs to this request, or shall do so."""
        final = outdir.absolute()
        home = directory_to_fill(final, self.request, overwrite)
        try:
            with output_lock(home):
                self._fill(home, final, overwrite, workers or available_processors(), progress)
            if home != final:
                replace_directory(home, final)
        except BrokenProcessPool:
            made = self.total - _number(self._missing(home))
            raise MusedeepError(
                f"{outdir}: a process was killed, perhaps for want of memory (each takes about 1 GiB); {made} of "
                f"{self.total} frames are made, the same command with fewer --workers goes on"
            ) from None
        except OSError as error:
            raise MusedeepError(f"{outdir}: cannot be written ({error.strerror or error}); check the disk") from error
        finally:
            # nothing is there
            with suppress(OSError):
                home.rmdir()

    def _fill(self, home: Path, final: Path, overwrite: bool, workers: int, progress: Progress) -> None:
        """See `run`; the directory is there, and ours alone."""
        found, finished = read_request(home)
        if found != self.request:
            # unfinished, of another request, and to be overwritten; or somebody has made it in this moment
            if not overwrite and any(path.name != LOCK for path in home.iterdir()):
                raise MusedeepError(f"{home}: exists already; give another name, or --overwrite to replace it")
            _empty(home)
        missing = self._missing(home)
        if found == self.request and finished and not _number(missing):
            return
        rest = {raw: replace(job, exposures=tuple(missing[raw])) for raw, job in self.jobs.items()}
        check_space(final, sum(job.space() for job in rest.values()) - sum(p.stat().st_size for p in self._parts(home)))
        write_request(home / UNFINISHED, self.request)
        try:
            done, cost = self.total - _number(missing), sum(job.cost() for job in rest.values())
            progress.begin(self.total, "frames", done, cost)
            for raw, job in rest.items():
                _make_raw(_made(home / raw), job, templates(self.jobs[raw].exposures), workers, progress)
            progress.begin(0, "writing the truth and what belongs to the frames")
            new = home / ".finish"
            shutil.rmtree(new, ignore_errors=True)
            self.finish(_made(new), final)
            write_request(new / FINISHED, self.request)
            for path in sorted(new.iterdir()):
                if path.is_dir():
                    replace_directory(path, home / path.name)
                else:
                    path.replace(home / path.name)
            new.rmdir()
            (home / UNFINISHED).unlink()
            progress.stop()
        except BaseException:
            if _number(self._missing(home)) == self.total and not self._parts(home):
                _empty(home)
            raise

    def _missing(self, home: Path) -> dict[str, list[Exposure]]:
        """The exposures whose frames are not there, by their directory."""
        return {
            raw: [e for e in job.exposures if not (home / raw / job.file_name(e)).exists()]
            for raw, job in self.jobs.items()
        }

    def _parts(self, home: Path) -> list[Path]:
        """Images of single IFUs that are whole."""
        return [path for raw in self.jobs for path in (home / raw).glob(PARTS)]


def _number(exposures: Mapping[str, Sequence[Exposure]]) -> int:
    """How many there are in all directories."""
    return sum(len(some) for some in exposures.values())


def _empty(home: Path) -> None:
    """Remove all but the lock."""
    for path in home.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def _part(directory: Path, exposure: Exposure, ifu: int) -> Path:
    """Where the image of one IFU is until all are there."""
    return directory / f".{exposure.index}-{ifu:02d}.part"


def _make_raw(directory: Path, job: Job, template: Mapping[int, Template], workers: int, progress: Progress) -> None:
    """Make raw files: tasks of some exposures of one IFU, joined when all IFUs of an exposure are there."""
    ifus = sorted(job.instrument.ifus)
    made = {e.index: {ifu for ifu in ifus if _part(directory, e, ifu).exists()} for e in job.exposures}
    whole = {_part(directory, e, ifu) for e in job.exposures for ifu in made[e.index]}
    for path in {*directory.glob(".*.part")} - whole:
        path.unlink()

    def join(exposure: Exposure) -> None:
        if len(made[exposure.index]) < len(ifus):
            return
        pieces = [_part(directory, exposure, ifu) for ifu in ifus]
        if exposure.kind in GUIDED_KINDS:
            guiding = directory / f".{exposure.index}-sgs.part"
            write_extensions(guiding, guiding_extensions(exposure, job.seed))
            pieces.append(guiding)
        join_parts(directory / job.file_name(exposure), primary_header(exposure, template[exposure.index]), pieces)
        progress.advance(cost=0.0)

    for exposure in job.exposures:
        progress.advance(0, cost=len(made[exposure.index]) * cost_of(exposure), made=False)
        join(exposure)
    tasks = list(_tasks(job, made))
    if not tasks:
        return
    # a task takes the scenes of its own exposures only
    bare = replace(job, exposures=())
    with worker_processes(min(workers, len(tasks)), directory) as pool:
        futures = {pool.submit(_make_parts, directory, bare, group, ifu): (group, ifu) for group, ifu in tasks}
        for future in as_completed(futures):
            future.result()
            group, ifu = futures[future]
            for exposure in group:
                made[exposure.index].add(ifu)
                progress.advance(0, cost=cost_of(exposure))
                join(exposure)


def _tasks(job: Job, made: Mapping[int, Collection[int]]) -> Iterator[tuple[list[Exposure], int]]:
    """Exposures that are made together, by IFU: several of the same light, one of the sky.

    IFUs of which there is an image of an exposure are left out; `made` has them by its index.
    """
    groups: list[list[Exposure]] = []
    for exposure in job.exposures:
        together = (
            groups
            and len(groups[-1]) < GROUP
            and exposure.kind not in (*SCENE_KINDS, "SKYFLAT", "MASK")
            and (groups[-1][0].kind, groups[-1][0].lamp) == (exposure.kind, exposure.lamp)
        )
        if together:
            groups[-1].append(exposure)
        else:
            groups.append([exposure])
    # the slow ones first, so that no worker is left with one at the end
    groups.sort(key=lambda group: (group[0].kind not in SCENE_KINDS, group[0].kind in DARK_KINDS))
    for group in groups:
        for ifu in job.instrument.ifus:
            if wanted := [exposure for exposure in group if ifu not in made[exposure.index]]:
                yield wanted, ifu


def _make_parts(directory: Path, job: Job, exposures: Sequence[Exposure], ifu: int) -> None:
    """One task: the images of some exposures of one IFU, each in a file of its own."""
    header = extension_header(ifu, job.instrument.ifu(ifu).detector)
    for exposure, image in simulate_ifu(exposures, ifu, job.instrument, job.effects, job.seed):
        with appearing_whole(_part(directory, exposure, ifu), IMAGE_BYTES) as partial:
            write_part(partial, image, header, job.compress)
