"""A whole night of raw frames, its static calibrations, sets-of-frames and truth, made by parallel processes."""

import multiprocessing
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from musedeep.errors import MusedeepError
from musedeep.processors import available_processors
from musedeep.simulate.detector import RAW_SHAPE
from musedeep.simulate.effects import Effects
from musedeep.simulate.exposure import Exposure, templates
from musedeep.simulate.frame import DARK_KINDS, SCENE_KINDS, simulate_ifu
from musedeep.simulate.guiding import guiding_extensions
from musedeep.simulate.headers import extension_header, primary_header
from musedeep.simulate.optics import Instrument
from musedeep.simulate.sets_of_frames import night_sets, write_sets
from musedeep.simulate.truth import write_truth
from musedeep.storage.outputs import Progress, check_space, partial_name, refuse_existing, replace_directory, silent
from musedeep.storage.raw import join_parts, write_extensions, write_part

IMAGE_BYTES: Final = 2 * RAW_SHAPE[0] * RAW_SHAPE[1] + 10 * 2880
"""Bytes of one IFU in a raw file; compressed ones are about half of it."""
OTHER_BYTES: Final = 2**25
"""Bytes of statics, truth and sets-of-frames."""
GUIDING_BYTES: Final = 2**24
"""Bytes of the guiding system's extensions in a science frame of ten minutes."""
GUIDED_KINDS: Final = ("OBJECT", "SKY")
HEIGHT_OF_IFU: Final = 2.4
STRIP_MARGIN: Final = 16.0
"""Height of what an IFU sees, and how far beyond astrometric reference stars are listed, arcsec."""
GROUP: Final = 6
"""Exposures of the same light that one task makes."""


@dataclass(frozen=True)
class Job:
    """What is to be simulated.

    Attributes
    ----------
    exposures : in the order of their times
    instrument : of which the IFUs are simulated
    effects : what is simulated
    seed : of the noise
    compress : tile-compressed files, .fits.fz
    """

    exposures: tuple[Exposure, ...]
    instrument: Instrument
    effects: Effects = field(default_factory=Effects)
    seed: int = 1
    compress: bool = False

    def file_name(self, exposure: Exposure) -> str:
        """Name of a raw file, as in the archive."""
        return f"MUSE.{exposure.date_obs}.fits" + (".fz" if self.compress else "")

    def space(self) -> int:
        """Bytes that everything takes at most, with the parts of a file that is being joined."""
        guided = sum(exposure.kind in GUIDED_KINDS for exposure in self.exposures)
        images = len(self.exposures) * len(self.instrument.ifus)
        joined = len(self.instrument.ifus) * IMAGE_BYTES + GUIDING_BYTES
        return images * IMAGE_BYTES + guided * GUIDING_BYTES + joined + OTHER_BYTES


def simulate_night(
    outdir: Path, job: Job, workers: int | None = None, overwrite: bool = False, progress: Progress = silent
) -> None:
    """Make a night: `raw/`, `static/`, `sof/` and `truth/` in a directory that appears when all is there.

    The same job makes the same bits, whatever the number of workers.  A process takes about 1 GiB.

    Parameters
    ----------
    outdir : directory to make
    job : what to simulate
    workers : processes; None: one a processor
    overwrite : an existing directory is replaced, once the new one is whole
    progress : called with the number of raw images done and to do

    Raises
    ------
    MusedeepError
        The directory exists, or has a name that no set-of-frames can hold; too little disk; a file that cannot be
        written; a process that was killed.
    """
    if len(str(outdir.absolute()).split()) != 1:
        raise MusedeepError(
            f"{outdir.absolute()}: sets-of-frames cannot hold names with blanks; give another directory"
        )
    from musedeep.statics.build import write_statics
    from musedeep.statics.fields import field_names, load_astrometric_field, strip_of

    def finish(new: Path, final: Path) -> None:
        half_height = 0.5 * HEIGHT_OF_IFU * len(job.instrument.ifus) + STRIP_MARGIN
        fields = [strip_of(load_astrometric_field(name), half_height) for name in field_names()]
        statics = write_statics(_made(new / "static"), job.instrument, fields=fields)
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

    _in_new_directory(outdir, job, "raw", workers, overwrite, progress, finish)


def simulate_frames(
    outdir: Path, job: Job, workers: int | None = None, overwrite: bool = False, progress: Progress = silent
) -> None:
    """Make raw frames alone, with their `truth/`; parameters and errors as in `simulate_night`."""

    def finish(new: Path, final: Path) -> None:
        names = {e.index: job.file_name(e) for e in job.exposures}
        write_truth(_made(new / "truth"), job.instrument, job.effects, job.seed, job.exposures, names)

    _in_new_directory(outdir, job, ".", workers, overwrite, progress, finish)


def _in_new_directory(
    outdir: Path,
    job: Job,
    raw: str,
    workers: int | None,
    overwrite: bool,
    progress: Progress,
    finish: Callable[[Path, Path], None],
) -> None:
    """Make the raw files and the rest in a hidden directory, which gets its name when it is whole."""
    final = outdir.absolute()
    refuse_existing(final, overwrite)
    check_space(final, job.space())
    new = partial_name(final)
    new.mkdir()
    try:
        _make_raw(_made(new / raw), job, workers or available_processors(), progress)
        finish(new, final)
        replace_directory(new, final)
    except BrokenProcessPool:
        raise MusedeepError(
            f"{outdir}: a process was killed, perhaps for want of memory (each takes about 1 GiB); give fewer --workers"
        ) from None
    except OSError as error:
        raise MusedeepError(f"{outdir}: cannot be written ({error.strerror or error}); check the disk") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _made(directory: Path) -> Path:
    """The directory, made."""
    directory.mkdir(exist_ok=True)
    return directory


def _make_raw(directory: Path, job: Job, workers: int, progress: Progress) -> None:
    """Make all raw files: tasks of some exposures of one IFU, joined when all IFUs of an exposure are there."""
    ifus = job.instrument.ifus
    parts: dict[int, dict[int, Path]] = {e.index: {} for e in job.exposures}
    by_index = {e.index: e for e in job.exposures}
    total, done = len(job.exposures) * len(ifus), 0
    progress(0, total)
    tasks, template = _tasks(job), templates(job.exposures)
    # a task takes the scenes of its own exposures only
    bare = replace(job, exposures=())
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(min(workers, total), mp_context=context) as pool:
        waiting: set[Future[list[tuple[int, int, Path]]]] = set()
        try:
            for exposures, ifu in tasks:
                waiting.add(pool.submit(_make_parts, directory, bare, exposures, ifu))
            while waiting:
                ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ready:
                    for index, ifu, part in future.result():
                        parts[index][ifu] = part
                        done += 1
                        if len(parts[index]) == len(ifus):
                            exposure = by_index[index]
                            pieces = [parts[index][number] for number in sorted(ifus)]
                            if exposure.kind in GUIDED_KINDS:
                                guiding = directory / f".{index}-sgs.part"
                                write_extensions(guiding, guiding_extensions(exposure, job.seed))
                                pieces.append(guiding)
                            header = primary_header(exposure, template[index])
                            join_parts(directory / job.file_name(exposure), header, pieces)
                    progress(done, total)
        except BaseException:
            # an interrupted night is thrown away: nobody waits for what is being made
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            pool.shutdown(cancel_futures=True)
            raise


def _tasks(job: Job) -> Iterator[tuple[list[Exposure], int]]:
    """Exposures that are made together, by IFU: several of the same light, one of the sky."""
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
            yield group, ifu


def _make_parts(directory: Path, job: Job, exposures: Sequence[Exposure], ifu: int) -> list[tuple[int, int, Path]]:
    """One task: the images of some exposures of one IFU, each in a file of its own."""
    header = extension_header(ifu, job.instrument.ifu(ifu).detector)
    made = []
    for exposure, image in simulate_ifu(exposures, ifu, job.instrument, job.effects, job.seed):
        part = directory / f".{exposure.index}-{ifu:02d}.part"
        write_part(part, image, header, job.compress)
        made.append((exposure.index, ifu, part))
    return made
