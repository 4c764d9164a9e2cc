"""`musedeep plan` and `musedeep rates`: how long a combination will take on any number of workers, before it is run."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musedeep.cli.errors import BAD_INPUT, OK, UsageProblem, complain
from musedeep.cli.progress import TerminalProgress
from musedeep.cli.report import print_facts, print_table, table_of
from musedeep.cli.resources import parse_amount
from musedeep.cli.text import duration, size_text
from musedeep.errors import MusedeepError
from musedeep.processors import available_processors
from musedeep.progress import LOG

if TYPE_CHECKING:
    from musedeep.graph.forecast.forecast import Forecast, Survey
    from musedeep.graph.forecast.rates import Rates
    from musedeep.selection.campaign.selection_file import Selection

WORKER_MEMORY = "4GiB"
"""Of each worker, if nothing is said."""

MUCH_WAITING = 0.25
"""Share of the time of boxes above which rates deserve a warning."""


@dataclass(frozen=True)
class PlanChoice:
    """What to simulate, as given on the command line."""

    workers: str
    threads: int
    memory: str | None
    worker_memory: str | None
    exposures: str | None
    lambdamin: float | None
    lambdamax: float | None
    rates: Path | None
    storage: str | None
    storage_requests: float | None = None

    def memory_of(self, workers: int) -> int:
        """Limit for all processes of a run together [bytes]."""
        if self.memory is not None:
            return parse_amount("--memory", self.memory)
        return workers * parse_amount("--worker-memory", self.worker_memory or WORKER_MEMORY)

    def check(self) -> None:
        """Refuse what cannot be meant, before any work."""
        if self.memory is not None and self.worker_memory is not None:
            raise UsageProblem("--memory and --worker-memory: give one of them; the former is for all workers together")
        self.memory_of(1)
        parse_numbers("--workers", self.workers)
        if self.exposures is not None:
            parse_numbers("--exposures", self.exposures)
        if self.storage is not None:
            _bandwidth(self.storage)


def _bandwidth(text: str) -> float:
    """Bytes per second of --storage."""
    return float(parse_amount("--storage", text.removesuffix("/s")))


def parse_numbers(option: str, text: str) -> list[int]:
    """Numbers of 1,2,16."""
    try:
        numbers = [int(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise UsageProblem(f"{option} {text}: not right; give numbers from 1 on, as in 1,2,16")
    return numbers


def plan_command(selection: Path, choice: PlanChoice, as_json: bool) -> int:
    """Simulate runs of a selection; status 1 if there is none that fits its memory."""
    choice.check()
    from musedeep.graph.forecast.forecast import forecast
    from musedeep.graph.forecast.rates import Rates, read_rates
    from musedeep.selection.campaign.selection_file import load_selection

    rates = read_rates(choice.rates) if choice.rates else Rates()
    if choice.storage is not None:
        rates = replace(rates, storage_bytes_per_second=_bandwidth(choice.storage))
    if choice.storage_requests is not None:
        rates = replace(rates, storage_requests_per_second=choice.storage_requests)
    chosen = load_selection(selection)
    survey = _survey(chosen, choice)
    made: list[Forecast] = []
    refused: list[str] = []
    numbers = parse_numbers("--exposures", choice.exposures) if choice.exposures else [survey.rows.size]
    for exposures in numbers:
        scaled = survey.of_exposures(exposures)
        for workers in parse_numbers("--workers", choice.workers):
            try:
                made.append(forecast(scaled, workers, choice.threads, choice.memory_of(workers), rates))
            except MusedeepError as error:
                refused.append(f"{exposures} exposures, {workers} workers: {error}")
    if as_json:
        print(json.dumps({"rates": rates.conditions, "runs": [_as_data(one) for one in made], "refused": refused}))
    elif made:
        _print_forecasts(made, survey, rates)
    for line in refused if made else refused[:-1]:
        complain(line)
    if not made:
        raise MusedeepError(refused[-1])
    return BAD_INPUT if refused else OK


def _survey(chosen: "Selection", choice: PlanChoice) -> "Survey":
    """Index the exposures, in the range of wavelengths asked for; a wider one than they have repeats them."""
    from musedeep.graph.combine.exp_combine import Request
    from musedeep.graph.forecast.forecast import survey_exposures

    given = {"lambdamin": choice.lambdamin, "lambdamax": choice.lambdamax}
    given = {name: value for name, value in given.items() if value is not None}
    parameters = chosen.parameters.model_copy(update=given)
    low, high = parameters.lambdamin, parameters.lambdamax
    if not low < high:
        raise UsageProblem(f"--lambdamin {low:g} is not below --lambdamax {high:g}")
    request = Request(
        pixel_tables=chosen.exposures,
        parameters=parameters,
        output=chosen.output,
        offset_list=chosen.offset_list,
        output_wcs=chosen.output_wcs,
        threads=available_processors(),
    )
    with TerminalProgress(request.memory) as progress:
        survey = survey_exposures(request, progress)
        if len(given) < 2:
            return survey
        wanted = math.ceil((high - low) / survey.grid.step) + 1
        if wanted <= survey.grid.shape[0] + 1:
            return survey
        if chosen.output_wcs is not None:
            raise MusedeepError(
                f"{chosen.path}: output_wcs fixes the range of wavelengths, which --lambdamin and --lambdamax exceed; "
                "leave them out"
            )
        LOG.info(f"{survey.grid.shape[0]} planes of the data stand for {wanted}")
        return survey.of_planes(wanted)


def _as_data(one: "Forecast") -> dict[str, Any]:
    """A forecast for JSON."""
    run, plan = one.simulation, one.plan
    return {
        "exposures": one.exposures,
        "workers": one.workers,
        "threads": one.threads,
        "memory": one.memory,
        "rows": plan.rows,
        "rows_processed": plan.rows_processed,
        "rows_read": plan.rows_read,
        "boxes": len(plan.tasks),
        "seconds": round(run.seconds, 3),
        "busy": round(run.busy, 4),
        "bytes_read": round(run.bytes_read),
        "bytes_written": one.bytes_written,
        "peak_memory": run.peak_memory,
        "worker_peak_memory": run.worker_peak_memory,
        "stages": {name: round(seconds, 3) for name, seconds in _stage_seconds(one).items()},
        "shares": {name: round(share, 4) for name, share in asdict(one.shares).items()},
        "file_system": asdict(one.traffic) if one.traffic else None,
    }


def _stage_seconds(one: "Forecast") -> dict[str, float]:
    seconds: dict[str, float] = {}
    for stage in one.simulation.stages:
        seconds[stage.name] = seconds.get(stage.name, 0.0) + stage.seconds
    return seconds


def _print_forecasts(made: "Sequence[Forecast]", survey: "Survey", rates: "Rates") -> None:
    nz, ny, nx = survey.grid.shape
    storage, served = rates.storage_bytes_per_second, rates.storage_requests_per_second
    facts = [
        ("cube", f"{nx} x {ny} spaxels, {nz} planes, {size_text(8 * survey.grid.n_voxels)}"),
        ("resampling", f"{survey.how.method}, rejection at {survey.how.crsigma:g} sigma"
         if survey.how.crsigma > 0 else f"{survey.how.method}, no rejection"),
        ("rates", rates.conditions),
        ("storage", f"{size_text(storage)}/s for all workers" if storage else "as fast as is needed"),
        *([("requests", f"{served:,.0f} in a second for all workers")] if served else []),
    ]  # fmt: skip
    print_facts("Simulated", facts)
    names = ("exposures", "workers", "threads", "boxes", "time", "speed-up", "busy", "indexing", "boxes", "completion",
             "read", "of each row", "memory", "of a worker")  # fmt: skip
    table = table_of((), names)
    alone: dict[int, Forecast] = {}
    for one in made:
        first = alone.setdefault(one.exposures, one)
        stages = _stage_seconds(one)
        run = one.simulation
        table.add_row(
            f"{one.exposures}", f"{one.workers}", f"{one.threads}", f"{len(one.plan.tasks):,}", duration(run.seconds),
            f"{first.simulation.seconds / run.seconds:.2f}", f"{100 * run.busy:.0f} %",
            *(duration(stages.get(name, 0.0)) for name in ("indexing", "boxes", "completion")),
            size_text(run.bytes_read), f"{one.plan.rows_read / max(one.plan.rows, 1):.2f} times",
            size_text(run.peak_memory), size_text(run.worker_peak_memory),
        )  # fmt: skip
    print_table(table, 160)
    print()
    _print_scaling(made)


def _print_scaling(made: "Sequence[Forecast]") -> None:
    """Where the time of the workers goes, and what the file system is asked for while boxes are computed."""
    from musedeep.graph.forecast.scaling import efficiencies

    parts = ("rows", "margins", "storage", "idle", "start", "indexing", "completion")
    table = table_of(
        (), ("exposures", "workers", "efficiency", *parts, "processed", "requests/s", "read/s", "written/s")
    )
    for exposures in dict.fromkeys(one.exposures for one in made):
        group = [one for one in made if one.exposures == exposures]
        found = efficiencies([one.workers for one in group], [one.simulation.seconds for one in group])
        for one, efficiency in zip(group, found, strict=True):
            seconds = max(_stage_seconds(one).get("boxes", 0.0), 1e-3)
            asked = one.traffic
            table.add_row(
                f"{exposures}", f"{one.workers}", f"{efficiency:.2f}",
                *(f"{100 * getattr(one.shares, part):.0f} %" for part in parts),
                f"{one.plan.rows_processed / max(one.plan.rows, 1):.2f} times",
                f"{asked.requests / seconds:,.0f}" if asked else "?",
                size_text(asked.bytes_in / seconds) if asked else "?",
                size_text(asked.bytes_out / seconds) if asked else "?",
            )  # fmt: skip
    print("Time of the workers, and the file system while boxes are computed")
    print_table(table, 160)


def rates_command(logs: Sequence[Path], output: Path | None, storage: str | None, overwrite: bool) -> int:
    """Measure rates from logs, and say how well they hold."""
    from musedeep.graph.forecast.rates import measure_rates, read_log, waited
    from musedeep.storage.outputs import appearing_whole, refuse_existing

    bandwidth = _bandwidth(storage) if storage else None
    if output is not None:
        refuse_existing(output, overwrite)
    runs = [run for path in logs for run in read_log(path)]
    rates, fits = measure_rates(runs, bandwidth)
    share = waited(runs)
    if share > MUCH_WAITING:
        complain(
            f"the boxes waited {100 * share:.0f} % of their time, for storage or for processors that others used; "
            "rates of a busy machine hold for a busy machine"
        )
    if output is not None:
        with appearing_whole(output) as partial:
            partial.write_text(rates.to_json())
        facts = []
        for fit in fits:
            law = f"{duration(fit.seconds)} measured, {duration(fit.predicted)} by the law"
            facts.append((fit.name, f"{fit.tasks} tasks, {law}; a task is off by {100 * fit.scatter:.0f} % (median)"))
        print_facts(f"{output}:", facts)
    else:
        print(rates.to_json(), end="")
    return OK
