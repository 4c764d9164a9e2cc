"""Plans and finished runs on the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from musedeep.cli.text import duration, size_text
from musedeep.storage.stores.location import Location, StoreUrl

if TYPE_CHECKING:
    from musedeep.graph.combine.run import Outcome
    from musedeep.graph.workers.records import StageSummary
    from musedeep.reduction.cube.job import Job

Facts = list[tuple[str, str]]

UNCUT = 500
"""Width of tables where the output is no terminal: no line is cut."""


def size_on_disk(path: Location) -> int:
    """Size of a file, of all files in a directory, or of a store in object storage [bytes]."""
    if isinstance(path, StoreUrl):
        from musedeep.storage.pixel_tables.open import open_pixel_table

        return open_pixel_table(path).nbytes
    if path.is_dir():
        return sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    return path.stat().st_size


def print_facts(title: str, facts: Facts) -> None:
    """Print names and values, one per line, under a title."""
    console = Console(highlight=False)
    console.print(Text(title, "bold cyan"), soft_wrap=True)
    width = max((len(name) for name, _ in facts), default=0)
    for name, value in facts:
        console.print(Text.assemble((name.ljust(width), "bold"), "  ", value), soft_wrap=True)


def as_data(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for JSON, which knows no NaN and no paths."""
    return {k: None if v != v else str(v) if isinstance(v, Path) else v for k, v in row.items()}


def table_of(left: Sequence[str], right: Sequence[str]) -> Table:
    """An empty table with columns flush left, then flush right, none of them wrapped."""
    table = Table(box=None, header_style="bold cyan", pad_edge=False)
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def print_table(table: Table, width: int) -> None:
    """Print a table; where the output is no terminal, in lines of this width."""
    console = Console(highlight=False)
    (console if console.is_terminal else Console(highlight=False, width=width)).print(table)


def _part_text(job: "Job") -> str:
    """Which part of the cube a piece is."""
    if not job.part:
        return ""
    names = "planes", "lines", "columns"
    parts = [
        f"{first + 1} to {last} of {total}" if name == "planes" else f"{name} {first + 1} to {last} of {total}"
        for name, (first, last), total in zip(names, job.part, job.grid.shape, strict=True)
        if (first, last) != (0, total)
    ]
    return "".join(f", {text}" for text in parts)


def plan_facts(outcome: "Outcome", memory: int) -> Facts:
    """A plan, line by line."""
    plan, job = outcome.plan, outcome.job
    nz, ny, nx = job.shape
    waves = job.grid.wavelengths()[job.start[0] :][:nz]
    boxes = [t.box for t in plan.tasks]
    planes = sorted({b.z1 - b.z0 for b in boxes})
    lines = sorted({b.y1 - b.y0 for b in boxes})
    largest = max(plan.tasks, key=lambda t: t.peak_bytes)

    def span(values: list[int], what: str) -> str:
        return f"{values[0]} {what}" if len(values) == 1 else f"{values[0]} to {values[-1]} {what}"

    return [
        ("exposures", f"{len(job.exposures)}, {sum(e.exptime for e in job.exposures):,.0f} s in all"),
        ("rows", f"{plan.rows:,} in the cube; {plan.rows_processed / max(plan.rows, 1):.2f} times that with margins"),
        ("reading", f"{plan.rows_read / max(plan.rows, 1):.2f} rows for each row needed"),
        ("cube", f"{nx} x {ny} spaxels, {nz} planes{_part_text(job)}"),
        ("spaxel", f"{abs(job.grid.cd[0]) * 3600:.4g} x {abs(job.grid.cd[3]) * 3600:.4g} arcsec"),
        ("wavelength", f"{waves[0]:.2f} to {waves[-1]:.2f} Angstrom, {job.grid.ctype3}, step {job.grid.step:g}"),
        ("cube on disk", f"{size_text(plan.cube_bytes)} (DATA and STAT)"),
        ("resampling", f"{job.how.method}, rejection {_rejection(outcome)}"),
        ("boxes", f"{len(boxes)}, of {span(planes, 'planes')} and {span(lines, 'lines')}; {plan.parallel} at once"),
        ("largest box", f"{largest.rows_with_margin:,} rows with margins, {size_text(largest.peak_bytes)}"),
        ("peak memory", f"{size_text(plan.peak_bytes)} estimated, of {size_text(memory)} allowed"),
    ]


def _rejection(outcome: "Outcome") -> str:
    how = outcome.job.how
    return f"{how.crtype} at {how.crsigma:g} sigma ({how.rejection})" if how.crsigma > 0 else "off"


def print_outcome(outcome: "Outcome", rows_done: int, peak_bytes: int) -> None:
    """Print the products of a finished run, its stages, and the time and memory it took.

    `rows_done` are those of the boxes done now, without those of an earlier start; `peak_bytes` is the largest memory
    of the process tree.
    """
    facts = [(p.name, f"{size_text(size_on_disk(p))}") for p in outcome.products]
    where = str(outcome.products[0].parent) if outcome.products else "no products"
    print_facts(f"{where}:", facts)
    print_stages(outcome.stages)
    rate = rows_done / max(outcome.seconds, 1e-3) / 1e6
    share = 100 * outcome.rejected / max(outcome.rows, 1)
    resumed = f", {outcome.resumed_boxes} boxes from an earlier start" if outcome.resumed_boxes else ""
    print(
        f"{len(outcome.job.exposures)} exposures, {outcome.rows:,} rows, {outcome.rejected:,} rejected "
        f"({share:.3f} %), in {duration(outcome.seconds)} ({rate:.1f} million rows/s), "
        f"peak memory {size_text(peak_bytes)}{resumed}"
    )


def print_stages(stages: "Sequence[StageSummary]") -> None:
    """Print a table of the stages of a run: their work, their time, and the largest memory of a worker."""
    table = table_of(["stage"], ("tasks", "rows", "million rows/s", "bytes read", "seconds", "peak memory"))
    for one in stages:
        rate = f"{one.rows / max(one.seconds, 1e-3) / 1e6:.1f}" if one.rows else ""
        rows = f"{one.rows:,}" if one.rows else ""
        table.add_row(
            one.name, f"{one.tasks:,}", rows, rate, size_text(one.bytes_read), f"{one.seconds:.1f}",
            size_text(one.peak_memory),
        )  # fmt: skip
    print_table(table, 120)
