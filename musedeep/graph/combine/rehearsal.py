"""The kernels of a combination compiled before it begins: a few rows are combined as the parameters say.

Numba compiles a kernel when it is first called, one after the other in a process. At the first run after an
installation, two processes rehearse different parts of a combination while the workers start; then none of its tasks
waits for kernels, and their times are those of every run. Where the rehearsal leaves something out, it is compiled when
it is needed.
"""

import logging
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any
from zlib import crc32

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.compiled import kernel_state, report
from musedeep.errors import debugging
from musedeep.instrument import DQ
from musedeep.kernels.cube.collapse import add_planes
from musedeep.kernels.cube.reject import NO_DIRECTION, empty_flags, reject, rejection_kind
from musedeep.kernels.cube.reject_stars import reject_sparing_stars
from musedeep.kernels.field.sources import bright_regions
from musedeep.processors import available_processors
from musedeep.progress import LOG
from musedeep.reduction.cube.box import Box, Reader, Resampling, combine_box
from musedeep.reduction.cube.grid import Limits, grid_from_limits
from musedeep.reduction.cube.job import Exposure, geometry
from musedeep.reduction.cube.scan import exposure_limits, locate_segments
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.pixel_tables.table import COLUMN_TYPES, SEGMENT, RowReader, Rows, read_blocks

N_ROWS = 600
POINTING = (150.0, 2.0)  # RA, DEC [deg]
WAVELENGTHS = (7000.0, 7008.0)  # Angstrom

EXPOSURE = Exposure(
    ("",), "2020-01-01T00:00:00", "WFM-NOAO-N", "", *POINTING, (0.0, 0.0), 1.0, 1.0, 1.0, 45.0, N_ROWS, True
)  # fmt: skip
"""The exposure that is combined, twice; by `CubeRecipe.resampling` it gets what is to be rehearsed."""


class Rehearsal:
    """Processes that rehearse, unless these kernels are compiled already.

    Parameters
    ----------
    stores : bool, whether pixel tables are stores, and not FITS files
    wanted : bool, whether to rehearse at all
    """

    def __init__(self, how: Resampling, stores: bool, wanted: bool = True) -> None:
        self.since = time.time()
        self.done = _mark(how, stores)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.lines: IO[str] | None = None
        if not wanted or self.done.exists():
            return
        both = [[scan_and_resample], [reject_and_all]]
        if available_processors() < 2:
            both = [[scan_and_resample, reject_and_all]]
        read, write = os.pipe()
        self.lines = os.fdopen(read)
        quiet = None if debugging() else subprocess.DEVNULL
        # with the same places to import from
        code = f"import sys; sys.path[:] = {sys.path!r}; from musedeep.graph.combine.rehearsal import main; main()"
        command = [sys.executable, "-c", code]
        try:
            for parts in both:
                process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=write, stderr=quiet)
                self.processes.append(process)
                assert process.stdin is not None
                with process.stdin as stream:
                    pickle.dump((parts, how, stores), stream)
        except OSError:  # no more processes, or one has ended already: kernels are compiled when they are needed
            self.stop()
            self.processes, self.lines = [], None
        finally:
            os.close(write)

    def wait(self) -> None:
        """Wait until the kernels are compiled, and tell the user about it."""
        if self.lines is None:
            return
        with self.lines:
            for line in self.lines:  # until both have ended
                LOG.info(line.rstrip("\n"))
        if not any([process.wait() for process in self.processes]):
            try:
                self.done.touch()
            except OSError:
                pass
        report(self.since)

    def stop(self) -> None:
        """End the processes."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        if self.lines is not None:
            self.lines.close()


@contextmanager
def rehearsal(how: Resampling, stores: bool, wanted: bool) -> Iterator[Rehearsal]:
    """A rehearsal that begins; its processes end with the context."""
    made = Rehearsal(how, stores, wanted)
    try:
        yield made
    finally:
        made.stop()


def _mark(how: Resampling, stores: bool) -> Path:
    """A file that tells that the kernels for such parameters were compiled for this processor."""
    import numba
    from numba.core.registry import cpu_target

    rejection = "none" if how.crsigma <= 0 else "stars" if how.rejection == "stars" else str(how.crtype == "median")
    method = how.method if how.method in ("drizzle", "nearest") else ""
    target = cpu_target.target_context.codegen().magic_tuple()
    kinds = (stores, method, rejection, kernel_state(), numba.__version__, target)
    return Path(os.environ["NUMBA_CACHE_DIR"]) / f"combine-{crc32(repr(kinds).encode()):08x}"


def main() -> None:
    """Rehearse the parts that standard input names; what is to be said goes to standard output."""
    parts, how, stores = pickle.load(sys.stdin.buffer)
    LOG.addHandler(logging.StreamHandler(sys.stdout))
    LOG.setLevel(logging.INFO)
    for part in parts:
        part(how, stores)


def rehearse(how: Resampling, stores: bool) -> None:
    """Rehearse everything in this process."""
    scan_and_resample(how, stores)
    reject_and_all(how, stores)


def reject_and_all(how: Resampling, stores: bool) -> None:
    """The rejection first, which takes the longest; then all of a combination."""
    if how.crsigma > 0:
        _reject(how)
    _combine(how, 10.0 if how.crsigma > 0 else 0.0)


def scan_and_resample(how: Resampling, stores: bool) -> None:
    """Everything but the rejection."""
    rows = _rows()
    if stores:
        _read_chunks()
    else:
        _index(rows)
    _combine(how, 0.0)
    add_planes(np.zeros((1, 2, 2), np.float32), np.zeros(1), np.zeros((2, 2)), np.zeros((2, 2)))
    bright_regions(np.zeros((3, 3)), 0.0)


class _Table(RowReader):
    """Rows in memory."""

    rows_per_read = N_ROWS

    def __init__(self, rows: Rows) -> None:
        self.rows, self.n_rows, self.names = rows, N_ROWS, tuple(rows)

    def read_into(self, ranges: NDArray[np.int64], rows: Rows) -> None:
        for name, column in rows.items():
            column[:] = np.concatenate([self.rows[name][first:last] for first, last in ranges])


def _rows() -> Rows:
    """Rows all over a square arcsecond; a cosmic ray among them."""
    rng = np.random.default_rng(1)
    rows = {name: np.zeros(N_ROWS, dtype) for name, dtype in COLUMN_TYPES.items()}
    rows["xpos"][:] = rng.uniform(0, 2 * np.pi, N_ROWS)
    rows["ypos"][:] = -rng.uniform(0, 5e-6, N_ROWS)
    rows["lambda"][:] = rng.uniform(*WAVELENGTHS, N_ROWS)
    rows["data"][:] = rng.normal(size=N_ROWS)
    rows["data"][N_ROWS // 2] = 1e4
    rows["dq"][::50] = DQ.COSMIC  # which are kept, and marked
    rows["stat"][:] = rows["weight"][:] = 1.0
    return rows


def _index(rows: Rows) -> None:
    """Index a FITS pixel table, and read all of it."""
    with TemporaryDirectory(prefix="musedeep-") as directory:
        path = Path(directory) / "PIXTABLE_REDUCED.fits"
        images = [fits.ImageHDU(column[:, None], name=name) for name, column in rows.items()]
        images[0].header["BUNIT"] = "rad"
        fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)
        table = open_pixel_table(path)
        table.index()
        table.read(np.array([[0, N_ROWS]]), ("data", "dq"))


def _read_chunks() -> None:
    """Read no rows of the chunks of a store."""
    from musedeep.storage.stores.chunk_kernels import read_rows

    none, word = np.empty(0, np.int64), np.frombuffer(bytes(4), np.uint32)  # not to be written, as the sums of a store
    read_rows(-1, np.empty(1, np.uint8), word, word, 1, none, none, none, word.copy(), word.copy())


def _reject(how: Resampling) -> None:
    """Reject among the rows of a box of 3 x 3 x 3 cells."""
    values, shape = _rows()["data"], (3, 3, 3)
    start, core, flags = np.linspace(0, N_ROWS, 28).astype(np.int64), np.array([1, 2, 1, 2]), empty_flags(N_ROWS)
    if how.rejection == "stars":
        exposure = np.zeros(N_ROWS, np.uint16)
        reject_sparing_stars(values, values, values, exposure, start, shape, core, 10.0, flags)
    else:
        kind = rejection_kind(how.crtype)
        reject(values, values, values, start, shape, core, NO_DIRECTION, kind, 10.0, flags)


def _combine(how: Resampling, crsigma: float) -> None:
    """From the limits of a table to a box, on the usual grid."""
    table: Any = _Table(_rows())
    index = np.zeros(1, SEGMENT)
    index["stop"], index["lambda_min"], index["lambda_max"] = N_ROWS, *WAVELENGTHS
    own = geometry(EXPOSURE, POINTING)
    how = replace(how, crsigma=crsigma, lambda_low=WAVELENGTHS[0] - 1, lambda_high=WAVELENGTHS[1] + 1)
    limits = exposure_limits(table, index, own.declination, own.shift, how.lambda_low, how.lambda_high)
    assert isinstance(limits, Limits)
    grid = grid_from_limits(limits, POINTING, 0.0, 0.0, 0.0, False)
    locate_segments(index, grid, own.declination, own.shift)
    every_row = np.array([[0, N_ROWS]])
    reader = Reader(0, N_ROWS, lambda names, array: read_blocks(table, every_row, names, array))
    combine_box(Box(0, grid.shape[0], 0, grid.shape[1]), grid, how, [own, own], [reader, replace(reader, number=1)])
