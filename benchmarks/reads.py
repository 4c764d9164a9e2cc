"""Rows processed and read for each row needed, as the plan has them, at the full range of wavelengths.

    python -m benchmarks.reads [--memory 2,4,8] [--parallel 1,2] [--planes 3681]

The indexes of a few simulated exposures (24 IFUs, 32 planes, position angles in steps of 90 degrees, dithers; a mosaic
of nine fields and a deeper one in their centre) stand for all exposures and planes. Nothing is written or combined. Of
stores, whose rows are in the order of bands, IFUs and slices, rows of segments are counted, not of chunks.
"""

import argparse
import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from musedeep.graph.combine.plan import make_plan, with_reads
from musedeep.graph.combine.reads import ReadRows
from musedeep.graph.forecast.forecast import Survey
from musedeep.kernels.rows.segments import row_keys, segment_boxes
from musedeep.reduction.cube.grid import Limits, grid_from_limits
from musedeep.reduction.cube.scan import Extent, _corner_positions, locate_segments, row_density
from musedeep.storage.pixel_tables.store_writer import segment_edges
from musedeep.storage.pixel_tables.table import ROWS_PER_SEGMENT, SEGMENT, set_boxes
from musedeep.storage.pixel_tables.zarr import BAND_END, BAND_ORIGIN, BAND_WIDTH
from tests.makers.boxes import how
from tests.makers.pixel_tables import CENTRE, DISPERSION, SPAXEL, detector_rows

PLANES, FIRST = 32, 7000.0
IFUS, SLICES = range(1, 25), range(1, 49)
ARCSEC = 3600.0

FIELDS = {
    "one field": list(range(8)),
    "mosaic": [*range(9), 243, 244],
}
"""Numbers of the exposures that stand for all, as `benchmarks.run` has them."""


def index_of(number: int, store: bool) -> NDArray:
    """SEGMENT array of a simulated exposure."""
    x, y, wavelength, origin = detector_rows(IFUS, SLICES, (FIRST, FIRST + DISPERSION * PLANES), number)
    angle = np.deg2rad(90.0 * number % 360)
    xi = (-x * np.cos(angle) + y * np.sin(angle)) * SPAXEL
    eta = (x * np.sin(angle) + y * np.cos(angle)) * SPAXEL
    rows = [np.mod(np.arctan2(xi, -eta), 2 * np.pi), -np.arctan(np.hypot(xi, eta)), wavelength]
    columns = [column.astype(np.float32) for column in rows]
    edges = np.append(np.arange(0, x.size, ROWS_PER_SEGMENT), x.size)
    if store:
        keys = np.empty(x.size, np.int64)
        row_keys(columns[2], origin, BAND_ORIGIN, BAND_WIDTH, math.ceil((BAND_END - BAND_ORIGIN) / BAND_WIDTH), keys)
        order = np.argsort(keys, kind="stable")
        columns = [column[order] for column in columns]
        edges = segment_edges(np.unique(keys, return_counts=True)[1])
    boxes = np.empty((edges.size - 1, 6), np.float32)
    segment_boxes(*columns, edges, True, boxes)
    index = np.empty(boxes.shape[0], SEGMENT)
    index["start"], index["stop"] = edges[:-1], edges[1:]
    set_boxes(index, boxes)
    return index


def survey(numbers: list[int], store: bool, mosaic: bool) -> Survey:
    """What a plan needs to know of exposures."""
    found, corners = [], []
    for number in numbers:
        offset = np.array([(number % 3 - 1) * 0.5, (number % 4 - 1.5) * 0.4])
        if mosaic:
            field = number % 9 if number < 243 else 4
            offset += np.array([field % 3 - 1, field // 3 - 1]) * 55.0
        shift = (offset[0] / ARCSEC / math.cos(math.radians(CENTRE[1])), offset[1] / ARCSEC)
        where = (math.radians(CENTRE[1] + shift[1]), shift)
        index = index_of(number, store)
        found.append((index, where))
        corners.append([(v.min(), v.max()) for v in _corner_positions(index, *where)])
    ends = np.array(corners)
    ra, dec = ((float(ends[:, k, 0].min()), float(ends[:, k, 1].max())) for k in range(2))
    limits = Limits(ra, dec, (FIRST, FIRST + DISPERSION * PLANES))
    grid = grid_from_limits(limits, CENTRE, 0.0, 0.0, 0.0, False)
    parts = [locate_segments(index, grid, *where) for index, where in found]
    density = np.sum([row_density(part, grid).astype(np.float64) for part in parts], axis=0)
    extent = Extent.of_segments(np.concatenate(parts), grid.shape[1])
    rows = np.array([float(index["stop"][-1]) for index, _ in found])
    reads = ReadRows.of_segments(parts, grid.shape)
    return Survey(grid, how(crsigma=10.0), density, extent, reads, rows, 0 * rows, 0 * rows)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", default="2,4,8", help="GiB")
    parser.add_argument("--parallel", default="1,2", help="boxes at once")
    parser.add_argument("--planes", type=int, default=3681)
    options = parser.parse_args()
    print("| rows of | exposures | GiB | boxes at once | boxes | planes | windows | processed | read | peak [MiB] |")
    print("|---" * 10 + "|")
    for store in (False, True):
        for name, numbers in FIELDS.items():
            few = survey(numbers, store, name == "mosaic").of_planes(options.planes)
            for exposures in (8, 125) if name != "mosaic" else (275,):
                many = few.of_exposures(exposures)
                many = replace(many, how=replace(many.how, exposure_map=True))
                for memory in map(float, options.memory.split(",")):
                    for parallel in map(int, options.parallel.split(",")):
                        plan = make_plan(
                            many.density, many.grid, many.how, exposures, int(memory * 2**30), parallel,
                            extent=many.extent,
                        )  # fmt: skip
                        plan = with_reads(plan, many.reads, many.how.margin, many.grid.shape)
                        middle = plan.tasks[len(plan.tasks) // 2]
                        what = f"{exposures}{', mosaic' if name == 'mosaic' else ''}"
                        print(
                            f"| {'stores' if store else 'FITS'} | {what} | "
                            f"{memory:g} | {parallel} | {len(plan.tasks)} | {middle.box.z1 - middle.box.z0} | "
                            f"{len(middle.edges) + 1} | {plan.rows_processed / plan.rows:.2f} | "
                            f"{plan.rows_read / plan.rows:.2f} | {plan.peak_bytes / 2**20:.0f} |",
                            flush=True,
                        )


if __name__ == "__main__":
    main()
