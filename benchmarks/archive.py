"""All inputs of MUSE-DEEP on paper: node hours, disk and traffic of each stage, from rates that were measured.

    python -m benchmarks.archive [--exposures 100000] [--per-cube 12] [--per-night 25] [--nodes 16]

Rates are those of RESULTS.md, each with the table it comes from; the combination is the plan of benchmarks/workers.py
for a cube of so many exposures, from stores. A node has 64 cores, each as fast as one of the benchmarks. Nothing is
added for muse_exp_align, cores that wait for others, transfers from the archive, or exposures that are reduced twice.
"""

import argparse
from dataclasses import dataclass

from benchmarks.workers import RATES, plan, survey
from musedeep.graph.forecast.rates import read_rates

CORES = 64
"""Of a node."""
GIB = 2**30

RAW = 11.0 / 32
"""A raw frame, packed [GB]: 32 frames ("A full night")."""
ROWS, OBJECT, CORRECTIONS = 455 / 125, 440 / 125, 9 / 125
"""Stores of an exposure [GB]: of reduced rows, of PIXTABLE_OBJECT, of corrections ("Reduced rows, or corrections")."""
MASTERS = 4.9 + 4.9
"""MASTER_BIAS and MASTER_FLAT of a night [GB] ("A full night")."""


@dataclass(frozen=True)
class Stage:
    """What one night, exposure or cube takes: seconds of a processor, GB read and GB written."""

    name: str
    seconds: float
    read: float
    written: float


def calibrations() -> Stage:
    """A night: "A full night" had 3, 3, 9, 9 and 3 frames; a real one has 11, 11, 15, 15 and 4."""
    seconds = 51 * 11 / 3 + 67 * 11 / 3 + 198 * 15 / 9 + 188 * 15 / 9 + 136 * 4 / 3
    return Stage("bias to twilight", seconds, RAW * (11 + 11 + 15 + 4), MASTERS)


SCIBASIC = Stage("scibasic, standard, sky", 654 / 7, 28.1 / 7, OBJECT)
"""An exposure: 4 of an object, standard star, sky, astrometric field ("A full night")."""

SCIPOST = Stage("scipost", 2 * 91.7, 2 * OBJECT, ROWS)
"""An exposure of 24 IFUs on two processors ("Recipes after muse_scibasic"); its table is read twice."""


def combination(exposures: int) -> tuple[Stage, float]:
    """A cube of so many exposures by 16 workers of 4 GiB, idle ones counted; and its size [GB]."""
    one = plan(survey(exposures, "stores"), 16, 4 * GIB, read_rates(RATES))
    assert one.traffic is not None
    cube = one.bytes_written / 1e9
    return Stage("exp_combine", 16 * one.simulation.seconds, one.traffic.bytes_in / 1e9, cube), cube


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exposures", type=int, default=100_000)
    parser.add_argument("--per-cube", type=int, default=12)
    parser.add_argument("--per-night", type=int, default=25)
    parser.add_argument("--nodes", type=int, default=16)
    options = parser.parse_args()
    exposures = options.exposures
    nights, cubes = -(-exposures // options.per_night), -(-exposures // options.per_cube)
    combine, cube = combination(options.per_cube)
    print(f"{exposures:,} exposures in {nights:,} nights, {cubes:,} cubes of {options.per_cube} exposures")
    print(f"{'stage':24}{'each [core s]':>14}{'times':>9}{'node hours':>12}{'read [TB]':>11}{'written [TB]':>14}")
    total = [0.0, 0.0, 0.0]
    for stage, times in ((calibrations(), nights), (SCIBASIC, exposures), (SCIPOST, exposures), (combine, cubes)):
        found = (stage.seconds * times / 3600 / CORES, stage.read * times / 1e3, stage.written * times / 1e3)
        total = [a + b for a, b in zip(total, found, strict=True)]
        print(f"{stage.name:24}{stage.seconds:14,.0f}{times:9,}{found[0]:12,.0f}{found[1]:11,.0f}{found[2]:14,.0f}")
    print(f"{'all':24}{'':14}{'':9}{total[0]:12,.0f}{total[1]:11,.0f}{total[2]:14,.0f}")
    hours = total[0] / options.nodes
    print(
        f"{options.nodes} nodes of {CORES} cores: {hours / 24:,.1f} days; on the average "
        f"{total[1] * 1e3 / hours / 3600:.1f} GB/s read, {total[2] * 1e3 / hours / 3600:.1f} GB/s written"
    )
    raw = RAW * (exposures + nights * (11 + 11 + 15 + 4)) / 1e3
    print(
        f"disk [TB]: {raw:,.0f} raw, {OBJECT * exposures / 1e3:,.0f} PIXTABLE_OBJECT, {ROWS * exposures / 1e3:,.0f} "
        f"reduced rows (or {CORRECTIONS * exposures / 1e3:,.0f} corrections), {cube * cubes / 1e3:,.0f} cubes"
    )


if __name__ == "__main__":
    main()
