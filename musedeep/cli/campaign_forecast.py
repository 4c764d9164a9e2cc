"""What `musedeep campaign run --dry-run` prints: nights, steps, time, memory and disk."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from musedeep.cli.errors import BAD_INPUT, OK, UsageProblem, complain
from musedeep.cli.report import UNCUT, print_table, table_of
from musedeep.cli.text import duration, size_text

if TYPE_CHECKING:
    from musedeep.campaign.cascade.forecast import Expected
    from musedeep.campaign.cascade.request import CascadeRequest, ProductOutcome

NAMED = 5
"""Problems that are named; the others are counted."""


def size_of(scale: str) -> tuple[int, int] | None:
    """IFUs and exposures of --scale; None without."""
    if not scale:
        return None
    found = re.fullmatch(r"(\d{1,2})x(\d{1,5})", scale)
    if found is None or not 1 <= int(found[1]) <= 24 or int(found[2]) < 2:
        raise UsageProblem(f"--scale {scale}: write IFUSxEXPOSURES, as in 24x125")
    return int(found[1]), int(found[2])


def print_forecast(
    request: "CascadeRequest", outcomes: "Sequence[ProductOutcome]", scale: str, rates: Path | None
) -> int:
    """Print what is to be done, and what it will take; status 1 if something will fail, or the disk is too small."""
    from musedeep.campaign.cascade.forecast import expect, scaled
    from musedeep.graph.forecast.rates import Rates, read_rates
    from musedeep.graph.night.disk import free_bytes

    size = size_of(scale)
    measured = read_rates(rates) if rates else Rates()
    for one in outcomes:
        print(f"{one.product}: {one.state}" + (f", {one.why}" if one.why else "") + f": {one.folder}")
    todo = {one.product for one in outcomes if one.state == "to do"}
    products = [(target, product) for target, product in request.products() if product.name in todo]
    bad = [f"{one.product}: {one.why}" for one in outcomes if one.state == "failed"]
    status = OK
    if products:
        expected = expect(request, products, measured)
        bad += expected.problems
        _print(expected)
        free = free_bytes(request.campaign)
        print(f"{size_text(free)} are free for {request.campaign}")
        if free < expected.disk + expected.passing:
            complain("the disk may not hold this; free some, set `discard` in the plan, or run target after target")
            status = BAD_INPUT
    for line in bad[:NAMED]:
        complain(line)
    if len(bad) > NAMED:
        complain(f"{len(bad) - NAMED} more")
    if size:
        print(f"\nA target of {size[1]} exposures with {size[0]} IFUs, in nights like the first of the plan:")
        _print(scaled(request, request.products(), *size, measured))
    return BAD_INPUT if bad else status


def _print(expected: "Expected") -> None:
    table = table_of(("step",), ("tasks", "done", "time", "memory of one", "disk"))
    for name, step in expected.steps.items():
        done = str(step.done or "")
        sizes = [size_text(step.memory) if step.memory else "", size_text(step.disk) if step.disk else ""]
        table.add_row(*(Text(word) for word in (name, str(step.tasks), done, duration(step.seconds), *sizes)))
    print_table(table, UNCUT)
    passing = f", and {size_text(expected.passing)} meanwhile" if expected.passing else ""
    print(
        f"{expected.nights} nights, {expected.exposures} exposures, {expected.products} products: about "
        f"{duration(expected.seconds)}, {size_text(expected.disk)} on disk{passing}"
    )
