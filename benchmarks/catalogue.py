#!/usr/bin/env python3
"""Catalogue and scan of large campaigns: rates, processor time, memory, and the grouping beside the truth.

    catalogue.py DIRECTORY [--exposures 10000] [--targets 200] [--rows 100000]

1. A simulated campaign of headers alone, `catalogue add` of it, and `campaign scan`: whole commands, their processor
   time and peak memory. Targets of the plan are compared with the truth.
2. A table of --rows exposures (the columns of ESO's archive, CSV), made of these with other dates and OBs, added to a
   catalogue of its own. Night logs of all OBs are put beside them; then each question of a scan is timed.

Prints a Markdown table for benchmarks/RESULTS.md. Processor time, as other work on the machine does not count in it.
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from sqlalchemy import create_engine, insert

from musedeep.selection.campaign.plan_file import read_plan
from musedeep.selection.catalogue import tables
from musedeep.selection.catalogue.archive_table import ESO_ARCHIVE
from musedeep.selection.catalogue.database import Catalogue
from musedeep.selection.catalogue.exposure import Exposure
from musedeep.selection.dates import date_of
from musedeep.selection.night.classify import RAW_TAGS

YEAR = 365.0


def command(*words: str) -> tuple[float, float]:
    """Processor time [s] and peak memory [MiB] of a command of musedeep."""
    program = (
        "import resource, sys; from musedeep.cli.main import run; status = run(sys.argv[1:]);"
        "mine = resource.getrusage(resource.RUSAGE_SELF);"
        "print(mine.ru_utime + mine.ru_stime, mine.ru_maxrss / 1024, file=sys.stderr); sys.exit(status or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stderr}")
    seconds, memory = done.stderr.split()[-2:]
    return float(seconds), float(memory)


def timed(question: Callable[[], object]) -> float:
    """Processor time of a question [s]."""
    start = time.process_time()
    question()
    return time.process_time() - start


def grouping(plan: Path, truth: Path) -> tuple[float, int]:
    """Part of the planned exposures that are with all others of their true target, and targets with several true ones.

    Exposures in narrow-field mode alone make no target of the plan.
    """
    with open(truth, encoding="utf-8") as file:
        true = {row["exposure"]: row["target"] for row in csv.DictReader(file) if row["type"] == "OBJECT"}
    whole = Counter(true.values())
    right = total = mixed = 0
    for target in read_plan(plan).targets:
        names = {name for product in target.products for name in product.inputs}
        names |= {one.exposure for one in (*target.rejected, *target.undecided)}
        found = Counter(true[name] for name in names)
        total += len(names)
        mixed += len(found) > 1
        right += sum(number for name, number in found.items() if len(found) == 1 and whole[name] == number)
    return right / max(total, 1), mixed


def repeated(exposures: list[Exposure], rows: int) -> Iterator[Exposure]:
    """Exposures again and again, each time five years later and of other OBs."""
    for number in range(rows):
        again, k = divmod(number, len(exposures))
        one = exposures[k]
        mjd = one.mjd + 5 * YEAR * again
        ob = f"{again}{one.ob_id}" if one.ob_id else ""
        yield replace(one, mjd=mjd, name=f"MUSE.{date_of(mjd)}", date_obs=date_of(mjd), ob_id=ob)


def write_table(path: Path, exposures: list[Exposure], rows: int) -> None:
    """A table as ESO's archive gives it."""
    kinds = {tag: words for words, tag in RAW_TAGS.items()}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(ESO_ARCHIVE.values())
        for one in repeated(exposures, rows):
            facts = {"category": kinds[one.tag][0], "type": kinds[one.tag][1], "technique": "IFU"}
            writer.writerow([facts.get(key) or getattr(one, key) for key in ESO_ARCHIVE])


def put_logs(place: Path) -> None:
    """A night log of each OB of a catalogue."""
    with Catalogue.open(place) as catalogue:
        exposures = catalogue.exposures()
    obs: dict[str, list[Exposure]] = {}
    for one in exposures:
        obs.setdefault(one.ob_id, []).append(one)
    engine = create_engine(f"sqlite:///{place}")
    with engine.begin() as connection:
        keys = [{"ob_id": ob, "ob_start": frames[0].ob_start or frames[0].date_obs} for ob, frames in obs.items()]
        connection.execute(insert(tables.EXECUTIONS), [key | {"grade": "A", "comments": "All well."} for key in keys])
        names = ("Seeing", "Sky transparency", "Airmass", "FLI", "Moon distance", "Twilight")
        said = {"fulfilled": "0.7", "requested": "0.8"}
        connection.execute(
            insert(tables.CONSTRAINTS), [key | said | {"constraint_name": name} for key in keys for name in names]
        )
        connection.execute(
            insert(tables.LOGGED),
            [key | {"name": one.name, "seeing": 0.7} for key in keys for one in obs[key["ob_id"]]],
        )
    engine.dispose()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--exposures", type=int, default=10_000)
    parser.add_argument("--targets", type=int, default=200)
    parser.add_argument("--rows", type=int, default=100_000)
    given = parser.parse_args()
    place = given.directory.absolute()
    place.mkdir(parents=True)
    request, archive, small, large = (place / name for name in ("c.yaml", "archive", "small.sqlite", "large.sqlite"))
    request.write_text(f"drawn: {{targets: {given.targets}, exposures: {given.exposures}}}\n")
    print("| what | processor time [s] | | peak memory [MiB] |\n|---|---|---|---|")

    def line(what: str, seconds: float, more: str = "", memory: float = 0.0) -> None:
        print(f"| {what} | {seconds:.2f} | {more} | {f'{memory:.0f}' if memory else ''} |", flush=True)

    seconds, memory = command("simulate", "campaign", str(request), str(archive), "--headers-only")
    line(f"simulate campaign, {given.exposures:,} exposures", seconds, "", memory)
    words = ["--database", str(small), "--programmes", str(archive / "programmes.csv")]
    for what in ("catalogue add of headers and night logs", "the same again"):
        seconds, memory = command("catalogue", "add", str(archive), *words)
        line(what, seconds, f"{given.exposures / seconds:,.0f} exposures/s", memory)
    plan = place / "plan.yaml"
    for what in (f"campaign scan, {given.targets} targets", "scan again"):
        seconds, memory = command("campaign", "scan", str(plan), "--database", str(small))
        line(what, seconds, f"plan of {plan.stat().st_size / 1e6:.1f} MB", memory)
    right, mixed = grouping(plan, archive / "truth/exposures.csv")
    seconds, memory = command("catalogue", "sets", "--database", str(small), "--json")
    line("catalogue sets", seconds, "", memory)
    with Catalogue.open(small) as catalogue:
        exposures = catalogue.exposures()
    table = place / "archive.csv"
    write_table(table, exposures, given.rows)
    for what in (f"catalogue add of a table of {given.rows:,} rows", "the same again"):
        seconds, memory = command("catalogue", "add", str(table), "--database", str(large))
        line(what, seconds, f"{given.rows / seconds:,.0f} exposures/s", memory)
    put_logs(large)
    with Catalogue.open(large) as catalogue:
        line("question: all exposures of targets and sky", timed(lambda: catalogue.exposures(tag=("OBJECT", "SKY"))))
        line("question: exposures of one target", timed(lambda: catalogue.exposures(target=exposures[0].target)))
        for name in ("executions", "constraints", "logged_files", "programmes", "products"):
            line(f"question: {name}, {catalogue.counts()[name]:,} rows", timed(partial(catalogue.rows, name)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{100 * right:.2f} % of exposures grouped as in the truth, {mixed} targets merged wrongly")
    print(f"{peak:.0f} MiB in this process; database of {os.path.getsize(large) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
