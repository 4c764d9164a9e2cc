"""Combinations of full-range exposures on many workers, planned without data: time, memory, file system, scaling.

    python -m benchmarks.workers [--exposures 125,275] [--workers 16,32,64,128,256] [--threads 1] [--worker-memory 4GiB]
        [--files FITS,stores] [--storage 20GB/s] [--storage-requests 200000]

Nothing is read and no data are made: the exposures are those of benchmarks/run.py with all 24 IFUs and 4750 to 9350
Angstrom, of which the index is computed from where slices and pixels lie. Up to 125 exposures are one field, dithered
and turned by 90 degrees; more are a mosaic of nine fields and a deeper one. All else is `musedeep plan`: the plan
of a real run, its rates, and the simulation. Stores hold their rows as `musedeep ingest` puts them; bytes of a row are
those of the stores of benchmarks/run.py.

Columns: memory of the worker with most [GiB]; time of the whole run; efficiency against the fewest workers; rows
processed and read for each row of the cube, and bytes read over those of all rows once; what the file system delivers,
serves (reads and writes of pixel tables and cube, and files opened for them) and takes while boxes are computed; and
where the time of the workers goes (`musedeep.graph.forecast.scaling.Shares`).
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.run import DEGREE
from musedeep.cli.resources import parse_amount
from musedeep.cli.text import duration
from musedeep.graph.combine.reads import ReadRows
from musedeep.graph.forecast.forecast import Forecast, Survey, forecast
from musedeep.graph.forecast.rates import Rates, read_rates
from musedeep.graph.forecast.requests import SampledExposure, sampled
from musedeep.graph.forecast.scaling import efficiencies
from musedeep.graph.workers.records import BOXES
from musedeep.instrument import N_IFUS, N_SLICES
from musedeep.kernels.rows.projection import relative_positions
from musedeep.reduction.cube.grid import Limits, grid_from_limits
from musedeep.reduction.cube.scan import locate_segments, row_density
from musedeep.storage.pixel_tables import fits, zarr
from musedeep.storage.pixel_tables.requests import Chunks, Columns, Layout
from musedeep.storage.pixel_tables.table import ROWS_PER_SEGMENT, SEGMENT
from musedeep.storage.stores.column_reader import RUN_BYTES
from tests.makers.boxes import how
from tests.makers.pixel_tables import CENTRE, DISPERSION, SPAXEL

Integers = NDArray[np.int64]

WIDTH = 76
"""Pixels of a slice, across."""
RANGE = (4750.0, 9350.0)
"""Angstrom."""
LINES = int((RANGE[1] - RANGE[0]) / DISPERSION)
"""Pixels of a slice along the wavelength."""
BEND = 0.25 * (37.5 / 38) ** 2
"""Wavelength of the first column of a slice over that of its middle [Angstrom]."""

ENOUGH = 0.5
"""Efficiency below which more workers are of no use."""

RATES = Path(__file__).with_name("rates-stores.json")
"""Of stores, by `musedeep rates`, see RESULTS.md; those of FITS files are what musedeep brings along."""

STORED = {"xpos": 1.25, "ypos": 1.54, "lambda": 0.93, "data": 4.01, "stat": 3.01, "dq": 0.03}
"""Bytes of a row in a store, of the 8 exposures of benchmarks/run.py."""

DECODED = 1.35
"""Rows that were decoded for each row read in the runs of RATES: time of reading is theirs."""


@dataclass(frozen=True)
class Pointing:
    """Where exposures look: offsets [arcsec], position angle [deg]."""

    right: float
    up: float
    angle: int


def pointings(exposures: int, mosaic: bool) -> Counter[Pointing]:
    """How many exposures have each pointing, as benchmarks/run.py makes them."""
    found: Counter[Pointing] = Counter()
    for k in range(exposures):
        right, up = (k % 3 - 1) * 0.5, (k % 4 - 1.5) * 0.4
        if mosaic:
            field = k % 9 if k < 243 else 4
            right, up = right + (field % 3 - 1) * 55.0, up + (field // 3 - 1) * 55.0
        found[Pointing(right, up, 90 * k % 360)] += 1
    return found


class Rows:
    """Where the rows of an exposure of tests/makers/pixel_tables.py lie: by slice, and by their number within it.

    Attributes
    ----------
    slices : of all IFUs
    lines, slice_rows : pixels along the wavelength, and rows, of a slice
    n_rows : of all slices
    """

    def __init__(self, angle: int, seed: int, ifus: int = N_IFUS, lines: int = LINES) -> None:
        self.slices, self.lines, self.slice_rows = ifus * N_SLICES, lines, lines * WIDTH
        self.n_rows = self.slices * self.slice_rows
        ifu, number = np.divmod(np.arange(self.slices), N_SLICES)
        stack, line = np.divmod(number, 12)
        self.x, self.y = (stack - 1.5) * 75.6, 12.0 * (ifu + 1 - 12.5) + line - 5.5
        inclination, self.first = np.random.default_rng(seed).uniform(0, 1, (self.slices, 2)).T
        self.trace = 4e-4 * (2 * inclination - 1)
        self.cosine, self.sine = round(np.cos(np.deg2rad(angle))), round(np.sin(np.deg2rad(angle)))

    def wavelength(self, which: Integers, lines: Integers) -> NDArray[np.float64]:
        """Of the middle of a line of slices."""
        return RANGE[0] + DISPERSION * (lines + self.first[which]) - 1e-6 * lines**2

    def boxes(self, which: Integers, first: Integers, last: Integers) -> NDArray[np.float64]:
        """The boxes of rows first to last of slices, float64 (n, 6): wavelength, x and y on the sky."""
        begin, column = np.divmod(first, WIDTH)
        end = last // WIDTH
        low = self.wavelength(which, begin) + 0.25 * (np.maximum(column - 37.5, 0) / 38) ** 2
        high = self.wavelength(which, end) + BEND
        traces = np.sort(np.stack([self.trace[which] * begin, self.trace[which] * end]), axis=0)
        x = self.x[which] + traces[0] - 37.25, self.x[which] + traces[1] + 37.25
        y = self.y[which] - 0.0148, self.y[which] + 0.0148
        sky = []
        for u, v in ((-self.cosine, self.sine), (self.sine, self.cosine)):
            ends = np.sort(np.stack([[u * e for e in x], [v * e for e in y]]), axis=1).sum(axis=0)
            sky += [ends[0] * SPAXEL, ends[1] * SPAXEL]
        return np.stack([low, high, *sky], axis=1)


def fits_index(rows: Rows) -> NDArray:
    """The index that musedeep makes of a FITS pixel table: 256 rows each, also across the end of a slice."""
    start = np.arange(0, rows.n_rows, ROWS_PER_SEGMENT)
    stop = np.minimum(start + ROWS_PER_SEGMENT, rows.n_rows)
    which, first = np.divmod(start, rows.slice_rows)
    other, last = np.divmod(stop - 1, rows.slice_rows)
    found = rows.boxes(which, first, np.where(which == other, last, rows.slice_rows - 1))
    across = np.flatnonzero(which != other)
    rest = rows.boxes(other[across], np.zeros(across.size, np.int64), last[across])
    found[across, ::2] = np.minimum(found[across, ::2], rest[:, ::2])
    found[across, 1::2] = np.maximum(found[across, 1::2], rest[:, 1::2])
    return _index(start, stop, found)


def store_index(rows: Rows) -> NDArray:
    """The index of a store: bands of wavelength, in each the slices in order, in each segments of 256 rows."""
    number = rows.slices
    edges = np.arange(zarr.BAND_ORIGIN, zarr.BAND_END, zarr.BAND_WIDTH)[1:]
    lines = np.arange(rows.lines)
    # the first line of each slice in each band
    cuts = np.stack([np.searchsorted(rows.wavelength(np.full(lines.size, k), lines), edges) for k in range(number)])
    cuts = np.concatenate([np.zeros((number, 1), np.int64), cuts, np.full((number, 1), rows.lines)], axis=1)
    first, n = cuts[:, :-1].T.ravel() * WIDTH, np.diff(cuts, axis=1).T.ravel() * WIDTH
    which = np.tile(np.arange(number), edges.size + 1)
    begin = np.cumsum(n) - n
    pieces = -(-n // ROWS_PER_SEGMENT)
    run = np.repeat(np.arange(n.size), pieces)
    place = (np.arange(run.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * ROWS_PER_SEGMENT
    length = np.minimum(n[run] - place, ROWS_PER_SEGMENT)
    found = rows.boxes(which[run], first[run] + place, first[run] + place + length - 1)
    return _index(begin[run] + place, begin[run] + place + length, found)


def _index(start: Integers, stop: Integers, boxes: NDArray[np.float64]) -> NDArray:
    index = np.empty(start.size, SEGMENT)
    index["start"], index["stop"] = start, stop
    for k, name in enumerate(("lambda_min", "lambda_max", "x_min", "x_max", "y_min", "y_max")):
        index[name] = boxes[:, k]
    return index


def layout(files: str, n_rows: int) -> Layout:
    """How the rows of an exposure lie in its files."""
    if files == "FITS":
        return Columns(n_rows, fits.ROWS_PER_READ, fits.GAP, fits.SCRATCH)
    chunks = -(-n_rows // zarr.CHUNK_ROWS)
    sizes = {name: np.full(chunks, round(each * zarr.CHUNK_ROWS)) for name, each in STORED.items()}
    per_file = zarr.SHARD_ROWS // zarr.CHUNK_ROWS
    return Chunks(n_rows, zarr.ROWS_PER_READ, zarr.CHUNK_ROWS, RUN_BYTES, per_file, sizes)


def limits_of(index: NDArray, declination: float, shift: tuple[float, float]) -> Limits:
    """Limits of the corners of all segments."""
    found = []
    for x in (index["x_min"], index["x_max"]):
        for y in (index["y_min"], index["y_max"]):
            xi, eta = x.astype(np.float64), y.astype(np.float64)
            native = np.mod(np.arctan2(xi, -eta), 2 * np.pi), -np.arctan(np.hypot(xi, eta))
            ra, dec = np.empty(x.size, np.float32), np.empty(x.size, np.float32)
            relative_positions(*(v.astype(np.float32) for v in native), declination, *shift, ra, dec)
            found.append((ra.min(), ra.max(), dec.min(), dec.max()))
    low, high = np.min(found, axis=0), np.max(found, axis=0)
    waves = float(index["lambda_min"].min()), float(index["lambda_max"].max())
    return Limits((float(low[0]), float(high[1])), (float(low[2]), float(high[3])), waves)


def survey(exposures: int, files: str, ifus: int = N_IFUS, lines: int = LINES) -> Survey:
    """What `musedeep plan` would know of the exposures; those of the same pointing have the same rows."""
    found = pointings(exposures, exposures > 125)
    make = fits_index if files == "FITS" else store_index
    resampling = how(crsigma=10.0, exposure_map=False)
    parts = []
    for seed, one in enumerate(found):
        ra, dec = CENTRE[0] + one.right / DEGREE, CENTRE[1] + one.up / DEGREE
        parts.append(
            (make(Rows(one.angle, seed, ifus, lines)), float(np.radians(dec)), (ra - CENTRE[0], dec - CENTRE[1]))
        )
    grid = grid_from_limits(Limits.union([limits_of(*part) for part in parts]), CENTRE, 0.0, 0.0, 0.0, False)
    n_rows, n_segments = Rows(0, 0, ifus, lines).n_rows, parts[0][0].size
    density = np.zeros((1, 1))
    corners: NDArray[np.float64] = np.zeros(())
    samples = []
    chosen = sampled(len(parts), 4)
    for k, ((index, declination, shift), number) in enumerate(zip(parts, found.values(), strict=True)):
        segments = locate_segments(index, grid, declination, shift)
        density = density + number * row_density(segments, grid).astype(np.float64)
        corners = corners + number * ReadRows.of_segments([segments], grid.shape).corners
        if k in chosen:
            samples.append(SampledExposure(segments, layout(files, n_rows)))
    each = np.full(exposures, float(n_rows))
    return Survey(
        grid, resampling, density, ReadRows(corners), each, each if files == "FITS" else 0 * each,
        np.full(exposures, float(n_segments)), tuple(samples),
    )  # fmt: skip


def plan(known: Survey, workers: int, memory: int, rates: Rates, threads: int = 1) -> Forecast:
    """The forecast for so many workers of so many bytes; reading stores takes time for each row that is decoded."""
    found = forecast(known, workers, threads, workers * memory, rates)
    if isinstance(known.sample[0].layout, Columns):
        return found
    assert found.traffic is not None
    decoded = found.traffic.bytes_in / sum(STORED.values()) / found.plan.rows_read
    rates = replace(rates, read_row=rates.read_row * decoded / DECODED)
    return forecast(known, workers, threads, workers * memory, rates)


NAMES = (
    "exposures", "files", "workers", "memory", "time", "efficiency", "boxes", "processed", "read", "bytes", "GB/s",
    "requests/s", "MB/s out", "rows", "margins", "storage", "idle", "start", "indexing", "completion",
)  # fmt: skip


def line(one: Forecast, files: str, efficiency: float) -> list[str]:
    """A forecast as a row of the table."""
    seconds = max(sum(stage.seconds for stage in one.simulation.stages if stage.name == BOXES), 1e-3)
    asked, spent = one.traffic, asdict(one.shares)
    assert asked is not None
    return [
        f"{one.exposures}", files, f"{one.workers}", f"{one.simulation.worker_peak_memory / 2**30:.1f}",
        duration(one.simulation.seconds), f"{efficiency:.2f}", f"{len(one.plan.tasks)}",
        f"{one.plan.rows_processed / one.plan.rows:.2f}", f"{one.plan.rows_read / one.plan.rows:.2f}",
        f"{asked.bytes_in / (one.plan.rows * (24.0 if files == 'FITS' else sum(STORED.values()))):.2f}",
        f"{asked.bytes_in / seconds / 1e9:.1f}", f"{asked.requests / seconds:,.0f}",
        f"{asked.bytes_out / seconds / 1e6:.0f}",
        *(f"{100 * spent[name]:.0f} %" for name in NAMES[13:]),
    ]  # fmt: skip


def print_lines(lines: Sequence[Sequence[str]]) -> None:
    """Print rows under NAMES, in columns."""
    every = [NAMES, *lines]
    widths = [max(len(row[k]) for row in every) for k in range(len(NAMES))]
    for row in every:
        print("  ".join(word.rjust(width) for word, width in zip(row, widths, strict=True)))


def ends(made: Sequence[Forecast], found: Sequence[float]) -> str:
    """Where strong scaling ends, and what bounds it."""
    below = next((k for k, efficiency in enumerate(found) if efficiency < ENOUGH), None)
    if below is None:
        return f"above {100 * ENOUGH:.0f} % up to {made[-1].workers} workers"
    one, before = made[below], made[below - 1]
    return f"below {100 * ENOUGH:.0f} % between {before.workers} and {one.workers} workers: {one.shares.bound}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exposures", default="125,275")
    parser.add_argument("--workers", default="16,32,64,128,256")
    parser.add_argument("--threads", type=int, default=1, help="of each worker")
    parser.add_argument("--worker-memory", default="4GiB")
    parser.add_argument("--files", default="FITS,stores")
    parser.add_argument("--storage", help="what the storage delivers to all workers together, as in 20GB/s")
    parser.add_argument("--storage-requests", type=float, help="requests that it serves in a second")
    parser.add_argument("--rates", type=Path, help="rates of another machine (musedeep rates)")
    options = parser.parse_args()
    memory = parse_amount("--worker-memory", options.worker_memory)
    lines, notes = [], []
    for exposures in map(int, options.exposures.split(",")):
        for files in options.files.split(","):
            rates = Rates() if files == "FITS" else read_rates(RATES)
            if options.rates:
                rates = read_rates(options.rates)
            if options.storage:
                rates = replace(
                    rates, storage_bytes_per_second=float(parse_amount("--storage", options.storage.removesuffix("/s")))
                )
            if options.storage_requests:
                rates = replace(rates, storage_requests_per_second=options.storage_requests)
            known = survey(exposures, files)
            made = [plan(known, n, memory, rates, options.threads) for n in map(int, options.workers.split(","))]
            found = efficiencies([one.workers for one in made], [one.simulation.seconds for one in made])
            lines += [line(one, files, efficiency) for one, efficiency in zip(made, found, strict=True)]
            notes.append(f"{exposures} exposures from {files}: {ends(made, found)}")
    print_lines(lines)
    print("\n".join(notes))


if __name__ == "__main__":
    main()
