"""A recipe on raw frames, IFU by IFU: one, all in turn, or all in parallel processes; products apart or merged."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic

from astropy.io import fits

from musedeep.allocation import keep_freed_memory
from musedeep.declaration import GIB, P, Recipe
from musedeep.errors import MusedeepError
from musedeep.processes import worker_processes
from musedeep.processors import available_processors
from musedeep.progress import Progress, Silent
from musedeep.storage.fits.image import MuseImage, join_images, write_images
from musedeep.storage.fits.table import write_table
from musedeep.storage.outputs import refuse_existing
from musedeep.storage.raw.frames import raw_ifus


@dataclass(frozen=True)
class RecipeCall(Generic[P]):
    """What a recipe is called with.

    Attributes
    ----------
    frames : files of each tag
    parameters : all of the recipe, parsed
    output : directory of the products
    overwrite : replace existing products
    workers : processes with nifu=-1, IFUs at once of muse_twilight; None: one per processor
    save_fits : write pixel tables as FITS files, too
    save_store : write pixel tables as stores
    plots : draw pictures beside the products
    memory : limit of the process [bytes]
    progress : is told of the IFUs
    """

    frames: Mapping[str, Sequence[str]]
    parameters: P
    output: Path
    overwrite: bool = False
    workers: int | None = None
    save_fits: bool = False
    progress: Progress = field(default_factory=Silent)
    plots: bool = False
    memory: int = 4 * GIB
    save_store: bool = True

    @property
    def table_endings(self) -> tuple[str, ...]:
        """Endings of the names of pixel tables that are written."""
        from musedeep.reduction.rows.product import wants_fits  # loads kernels, which a plan does without

        fits = self.save_fits or wants_fits()
        return (".zarr",) * self.save_store + (".fits",) * fits


Written = list[tuple[str, Path]]
"""Files that were written, with their categories."""

Writer = Callable[[RecipeCall, int], Written]
"""Writes products of its own kind for an IFU."""


@dataclass
class IfuProducts:
    """Products of one IFU: images, and tables with their primary headers, by category; others' writers; what to say."""

    images: dict[str, MuseImage] = field(default_factory=dict)
    tables: dict[str, tuple[fits.Header, fits.BinTableHDU]] = field(default_factory=dict)
    writers: list[Writer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


Process = Callable[[RecipeCall, int], IfuProducts | Iterator[IfuProducts]]
"""Makes the products of one IFU, all at once or one after the other, each written while the next is made; a function
of a module, so that other processes find it."""


@dataclass
class Outcome:
    """Files that were written, and what went wrong, IFU by IFU; notes are on what is missing in the products."""

    paths: list[Path] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def chosen_ifus(recipe: Recipe, call: RecipeCall) -> list[int]:
    """The IFUs to work on; raises MusedeepError if the raw files hold none."""
    number = call.parameters.nifu
    if number > 0:
        return [number]
    tag = recipe.inputs[0].name
    found = sorted({ifu for path in call.frames[tag] for ifu in raw_ifus(path)})
    if not found:
        raise MusedeepError(f"{call.frames[tag][0]}: no extension CHANnn; give raw MUSE frames")
    return found


def product_name(category: str, ifu: int) -> str:
    """File name of a product of one IFU."""
    return f"{category}-{ifu:02d}.fits"


def by_ifu(recipe: Recipe[P], process: Process) -> Callable[[RecipeCall[P]], Outcome]:
    """`run` of a recipe that makes all that it declares, IFU by IFU."""

    def run(call: RecipeCall[P]) -> Outcome:
        return run_ifus(recipe, process, call, recipe.categories(call.parameters))

    return run


def run_ifus(
    recipe: Recipe, process: Process, call: RecipeCall, categories: Sequence[str], ifus: Sequence[int] | None = None
) -> Outcome:
    """Make the products of some categories of every chosen IFU; the failure of one does not stop the others.

    Parameters
    ----------
    ifus : IFUs to work on; None: those of `chosen_ifus`

    Raises
    ------
    MusedeepError
        A product exists already, or nothing could be done at all.
    """
    ifus = chosen_ifus(recipe, call) if ifus is None else ifus
    merge = call.parameters.merge and len(ifus) > 1
    for category in categories:
        for ifu in ifus:
            name = f"{category}.fits" if merge else product_name(category, ifu)
            refuse_existing(call.output / name, call.overwrite)
    outcome = Outcome()
    parts: dict[str, list[Path]] = {}
    try:
        for category, path in _results(process, call, ifus, merge, outcome):
            if merge and path.name.endswith(".part"):
                parts.setdefault(category, []).append(path)
            else:
                outcome.paths.append(path)
        for category, paths in parts.items():
            join_images(call.output / f"{category}.fits", paths, call.overwrite)
            outcome.paths.append(call.output / f"{category}.fits")
    finally:
        for paths in parts.values():
            for path in paths:
                path.unlink(missing_ok=True)
    if not outcome.paths:
        raise MusedeepError("; ".join(outcome.failures.values()))
    return outcome


def _results(process: Process, call: RecipeCall, ifus: Sequence[int], merge: bool, outcome: Outcome) -> Written:
    # what shows the progress stays in this process
    tasks = [(process, replace(call, progress=Silent()), ifu, merge) for ifu in ifus]
    workers = min(call.workers or available_processors(), len(ifus))
    call.progress.begin(len(ifus), "IFUs")
    found = {}
    if call.parameters.nifu == -1 and workers > 1:
        try:
            with worker_processes(workers, call.output) as pool:
                futures = {pool.submit(_one, task): task[2] for task in tasks}
                for future in as_completed(futures):
                    found[futures[future]] = future.result()
                    call.progress.advance()
        except BrokenProcessPool:
            raise MusedeepError(
                "a process was killed, perhaps for want of memory; give fewer --workers, or nifu=0 for one IFU after "
                "the other"
            ) from None
    else:
        for task in tasks:
            found[task[2]] = _one(task)
            call.progress.advance()
    call.progress.stop()
    every: Written = []
    for ifu in ifus:
        written, failure, notes = found[ifu]
        outcome.notes += [f"IFU {ifu}: {note}" for note in notes]
        if failure:
            outcome.failures[ifu] = failure
        every += written
    return every


def _one(task: tuple[Process, RecipeCall, int, bool]) -> tuple[Written, str, list[str]]:
    process, call, ifu, merge = task
    keep_freed_memory()
    written: Written = []
    notes: list[str] = []
    try:
        made = process(call, ifu)
        # products are written while the next ones are made: an image and a pixel table at once, no more for the memory
        with ThreadPoolExecutor(2) as pool:
            writing: deque[Future[Written]] = deque()
            try:
                for products in [made] if isinstance(made, IfuProducts) else made:
                    while len(writing) > 1:
                        written += writing.popleft().result()
                    writing.append(pool.submit(_write, products, call, ifu, merge))
                    notes += products.notes
                    del products
            finally:
                while writing:
                    written += writing.popleft().result()
    except MusedeepError as error:
        return written, f"IFU {ifu}: {error}", notes
    return written, "", notes


def _write(products: IfuProducts, call: RecipeCall, ifu: int, merge: bool) -> Written:
    """Write the products of one IFU; to be merged, as parts with hidden names."""
    written: Written = []
    number, overwrite = (ifu, True) if merge else (None, call.overwrite)
    for category, made in (products.images | products.tables).items():
        path = call.output / product_name(category, ifu)
        if merge:
            path = path.with_name(f".{path.name}.{os.getpid()}.part")
        if isinstance(made, MuseImage):
            write_images(path, made.header, [(number, made)], overwrite)
        else:
            write_table(path, *made, number, overwrite)
        written.append((category, path))
    for writer in products.writers:
        written += writer(call, ifu)
    return written
