"""How long tasks take: a law for each kind of them, and its coefficients from the structured logs of real runs.

A task takes a fixed time and so much for each row, voxel, segment or exposure (`Rates`). The coefficients that are not
negative and fit the measured tasks best, in relative terms, are taken; what the logs do not tell apart is scaled
from the rates that musedeep brings along.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError, nearest
from musedeep.graph.workers.records import BOXES, COMPLETION, INDEXING

FORMAT = "musedeep rates"

ENOUGH = 8
"""Tasks from which a law of its own is fitted."""

Column = NDArray[np.float64]
Columns = tuple[Column, ...]


@dataclass(frozen=True)
class Rates:
    """Seconds that things take; all but `storage_...` and `conditions`.

    Attributes
    ----------
    start : from the start of the command until the client has its workers
    cluster : more, where the workers are processes of their own
    end : from the last box to the end, without the completion of products
    dispatch : of the client, for each task
    indexing, exposure : of the client before the first exposure is indexed, and for each exposure: headers, densities
    first_scan, first_box : more for the first tasks of a worker
    scan, scan_row, scan_segment : indexing an exposure; a row of a FITS file, a segment of 256 rows of any
    locate, locate_segment : placing the segments of an exposure in the cube
    read_exposure, read_row : finding and reading the rows of a box
    box, place_row, box_row, box_voxel : computing a box; placing a row read, which may lie outside; of rows and voxels
        with margins
    completion, completion_voxel, combined_row : making products of it; of the combined pixel table
    storage_bytes_per_second, storage_requests_per_second : what the storage delivers to all workers together, and the
        reads that it serves; None: as many as are needed
    conditions : under which this was measured
    """

    start: float = 0.96
    cluster: float = 2.5
    end: float = 0.01
    dispatch: float = 0.003
    indexing: float = 0.01
    exposure: float = 0.003
    first_scan: float = 0.05
    first_box: float = 0.4
    scan: float = 0.005
    scan_row: float = 8.4e-9
    scan_segment: float = 1.3e-7
    locate: float = 0.0023
    locate_segment: float = 4e-7
    read_exposure: float = 4.3e-4
    read_row: float = 6.3e-9
    box: float = 0.012
    place_row: float = 1.5e-9
    box_row: float = 6.4e-8
    box_voxel: float = 6.9e-8
    completion: float = 0.13
    completion_voxel: float = 1.6e-8
    combined_row: float = 2e-7
    storage_bytes_per_second: float | None = None
    storage_requests_per_second: float | None = None
    conditions: str = "two cores of a virtual machine, FITS pixel tables in the page cache, drizzle, rejection"

    def to_json(self) -> str:
        """As JSON, which `read_rates` reads."""
        values = asdict(self)
        seconds = {name: float(f"{values[name]:.4g}") for name in SECONDS}
        others = {name: values[name] for name in ("conditions", *STORAGE)}
        data = {"format": FORMAT, **others, "seconds": seconds}
        return json.dumps(data, indent=1) + "\n"


STORAGE = ("storage_bytes_per_second", "storage_requests_per_second")
SECONDS = tuple(f.name for f in fields(Rates) if f.name not in (*STORAGE, "conditions"))


def read_rates(path: Path) -> Rates:
    """Rates from a JSON file; what it does not give is as musedeep brings it along.

    Raises MusedeepError for no such file, no rates, an unknown name, a value that is negative or no number.
    """
    try:
        data = json.loads(path.read_text())
    except OSError as error:
        raise MusedeepError(
            f"{path}: cannot be read ({error.strerror}); `musedeep rates LOG` makes such a file"
        ) from None
    except ValueError:
        data = None
    if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("seconds"), dict):
        raise MusedeepError(f"{path}: no rates of musedeep; `musedeep rates LOG --output FILE` makes such a file")
    for name, value in data["seconds"].items():
        if name not in SECONDS:
            near = nearest(name, list(SECONDS))
            raise MusedeepError(
                f"{path}: unknown rate '{name}'; " + (f"did you mean {near}?" if near else "leave it out")
            )
        if not _number(value) or value < 0:
            raise MusedeepError(f"{path}: {name}: {value!r} is not right; it has to be a number of seconds, 0 or more")
    storage: dict[str, Any] = {name: data.get(name) for name in STORAGE}
    for name, value in storage.items():
        if value is not None and (not _number(value) or value <= 0):
            raise MusedeepError(f"{path}: {name}: {value!r} is not right; give a positive number or null")
    conditions = str(data.get("conditions", path.name))
    return replace(Rates(), **data["seconds"], **storage, conditions=conditions)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value and abs(value) != np.inf


@dataclass
class LoggedRun:
    """One start of a run, as its structured log tells it.

    Attributes
    ----------
    events : facts of start, ready, plan and end, with their time [s] as `time`; those that came
    stages : the same of the stages, by name
    tasks : of each stage
    """

    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def waited(runs: Sequence[LoggedRun]) -> float:
    """Share of the time of boxes in which they did not compute: they waited for storage, or for processors."""
    boxes = [task for run in runs for task in run.tasks.get(BOXES, ())]
    seconds = sum(task["seconds"] for task in boxes)
    return 1 - sum(task["cpu_seconds"] for task in boxes) / seconds if seconds else 0.0


def read_log(path: Path) -> list[LoggedRun]:
    """The runs in a structured log (`musedeep combine` writes it); lines that a killed run left torn are left out.

    Raises MusedeepError for no such file, or not a log.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise MusedeepError(f"{path}: cannot be read ({reason}); give a log of a run, as combine.jsonl") from None
    runs: list[LoggedRun] = []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            entry["time"] = datetime.fromisoformat(entry["time"]).timestamp()
            event = entry["event"]
        except (ValueError, KeyError, TypeError):
            continue
        if event == "start":
            runs.append(LoggedRun())
        if not runs:
            continue
        if event == "task":
            runs[-1].tasks.setdefault(entry["stage"], []).append(entry)
        elif event == "stage":
            runs[-1].stages[entry["stage"]] = entry
        else:
            runs[-1].events[event] = entry
    if not any(run.tasks for run in runs):
        raise MusedeepError(
            f"{path}: no structured log of a run; give the combine.jsonl that `musedeep combine` writes"
        )
    return runs


@dataclass(frozen=True)
class Fit:
    """How well a law holds: seconds of all its tasks as measured, and as predicted.

    `scatter` is the median of the relative deviations of single tasks.
    """

    name: str
    tasks: int
    seconds: float
    predicted: float
    scatter: float


def measure_rates(runs: Sequence[LoggedRun], storage: float | None = None) -> tuple[Rates, list[Fit]]:
    """Rates from logged runs.

    Raises MusedeepError if too few boxes were computed in them, or their logs are of another version.
    """
    try:
        return _measure(runs, storage)
    except KeyError as error:
        raise MusedeepError(f"the logs are of another version of musedeep: {error} is missing; run again") from None


def _measure(runs: Sequence[LoggedRun], storage: float | None) -> tuple[Rates, list[Fit]]:
    """See `measure_rates`."""
    boxes = [task for run in runs for task in _later(run, BOXES)]
    if not boxes:
        raise MusedeepError("the logs hold too few boxes to measure rates from; run something larger")
    made: dict[str, Any] = {}
    fits: list[Fit] = []
    default = Rates()

    def fit(name: str, coefficients: Sequence[str], columns: Columns, seconds: Column) -> None:
        before = np.array([getattr(default, c) for c in coefficients])
        values = fit_law(np.stack(columns, axis=1), seconds, before)
        made.update(zip(coefficients, (float(v) for v in values), strict=True))
        predicted = np.stack(columns, axis=1) @ values
        with np.errstate(divide="ignore", invalid="ignore"):
            off = np.abs(predicted / seconds - 1)
        fits.append(Fit(name, seconds.size, float(seconds.sum()), float(predicted.sum()), float(np.median(off))))

    read = _column(boxes, "select_seconds") + _column(boxes, "read_seconds")
    one = np.ones(len(boxes))
    columns: Columns
    fit("reading", ("read_exposure", "read_row"), (_column(boxes, "exposures"), _column(boxes, "rows_read")), read)
    computing = _column(boxes, "seconds") - read
    laws = (one, *(_column(boxes, name) for name in ("rows_read", "rows_expected", "voxels")))
    fit("boxes", ("box", "place_row", "box_row", "box_voxel"), laws, computing)
    scans = [task for run in runs for task in _later(run, INDEXING, "scan ")]
    if scans:
        columns = (np.ones(len(scans)), _column(scans, "rows_scanned"), _column(scans, "segments"))
        fit("scan", ("scan", "scan_row", "scan_segment"), columns, _column(scans, "seconds"))
    places = [task for run in runs for task in _later(run, INDEXING, "locate ")]
    if places:
        columns = (np.ones(len(places)), _column(places, "segments"))
        fit("locate", ("locate", "locate_segment"), columns, _column(places, "seconds"))
    ends = [task for run in runs for task in run.tasks.get(COMPLETION, ()) if "end" in run.events]
    if ends:
        combined = _column(ends, "combined_seconds")
        columns = (np.ones(len(ends)), _column(ends, "voxels"))
        fit("completion", ("completion", "completion_voxel"), columns, _column(ends, "seconds") - combined)
        if combined.any():
            made["combined_row"] = float(combined.sum() / max(_column(ends, "rows").sum(), 1))
    rates = replace(default, **made)
    rates = replace(rates, **_overheads(runs, rates), storage_bytes_per_second=storage, conditions=_conditions(runs))
    return rates, fits


def fit_law(
    columns: NDArray[np.float64], seconds: NDArray[np.float64], before: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Coefficients, none negative, with the smallest relative deviations; from few tasks, `before` times a factor.

    Their sum over all tasks is that of the measured seconds. Columns are float64 (tasks, coefficients), seconds float64
    (tasks,); `before`, float64 (coefficients,), is what is known already; it also stays for what these tasks do not
    have at all.
    """
    known = columns @ before
    scaled = before * (seconds.sum() / known.sum() if known.sum() > 0 else 1.0)
    used = columns.any(axis=0) & (before > 0)
    if seconds.size < ENOUGH or not used.any():
        return np.where(used, scaled, before)
    expected = scaled[used]
    # relative deviations; of tasks shorter than a millisecond absolute ones
    weights = 1 / np.maximum(seconds, 1e-3)
    shares = columns[:, used] * expected * weights[:, None]
    scatter = 0.1
    for _ in range(3):
        factors = _factors(shares, seconds * weights, scatter)
        scatter = float(np.sqrt(np.mean((shares @ factors - seconds * weights) ** 2)))
    result = before.copy()
    result[used] = factors * expected
    # single tasks may be off, their sum should not
    return result * np.where(used, seconds.sum() / max(float((columns[:, used] @ result[used]).sum()), 1e-300), 1.0)


def _factors(shares: NDArray[np.float64], measured: NDArray[np.float64], scatter: float) -> NDArray[np.float64]:
    """Factors of coefficients, none negative, that fit measured tasks of this scatter best.

    Each is expected to be near 1, within a factor of two or so: which decides only where the tasks do not, as when all
    boxes have the same size.
    """
    from scipy.optimize import nnls

    n = shares.shape[1]
    matrix = np.vstack([shares, scatter * np.eye(n)])
    factors: NDArray[np.float64] = nnls(matrix, np.append(measured, np.full(n, scatter)))[0]
    return factors


def _column(tasks: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    return np.array([float(task[name]) for task in tasks])


def _first(run: LoggedRun, stage: str, prefix: str = "") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The first tasks of each worker, which load code, and the later ones."""
    ready = run.events.get("ready", {})
    threads = -(-int(ready.get("parallel", 1)) // max(int(ready.get("processes", 1)), 1))
    seen: dict[str, int] = {}
    first: list[dict[str, Any]] = []
    later: list[dict[str, Any]] = []
    tasks = [task for task in run.tasks.get(stage, ()) if task["task"].startswith(prefix)]
    for task in sorted(tasks, key=lambda task: task["time"] - task["seconds"]):
        seen[task["worker"]] = seen.get(task["worker"], 0) + 1
        (first if seen[task["worker"]] <= threads else later).append(task)
    return first, later


def _later(run: LoggedRun, stage: str, prefix: str = "") -> list[dict[str, Any]]:
    return _first(run, stage, prefix)[1]


def _overheads(runs: Sequence[LoggedRun], rates: Rates) -> dict[str, float]:
    """What is not the time of later tasks: starts, first tasks, the client's own work, the end."""
    found: dict[str, list[float]] = {}
    serial: list[tuple[float, float, float]] = []

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(max(value, 0.0))

    for run in runs:
        start, ready, plan, end = (run.events.get(name) for name in ("start", "ready", "plan", "end"))
        if start and ready and "compiled" not in run.events:  # which slows the start
            own = start["process_seconds"] + ready["seconds"]
            note("start" if ready["processes"] == 1 else "with_cluster", own)
        for task in _first(run, BOXES)[0]:
            note("first_box", task["seconds"] - box_seconds(rates, task))
        for task in _first(run, INDEXING, "scan ")[0]:
            law = rates.scan + rates.scan_row * task["rows_scanned"] + rates.scan_segment * task["segments"]
            note("first_scan", task["seconds"] - law)
        if plan and INDEXING in run.stages:
            spent = sum(_span(run, prefix) for prefix in ("scan ", "locate "))
            several = bool(ready and ready["processes"] > 1)
            serial.append((float(plan["exposures"]), float(several), run.stages[INDEXING]["seconds"] - spent))
        if end and ready and plan and not plan["resumed"] and len(run.stages) == 3:
            layout = plan["time"] - run.stages[INDEXING]["time"]
            note("end", end["seconds"] - ready["seconds"] - layout - sum(s["seconds"] for s in run.stages.values()))
    values = {name: median(numbers) for name, numbers in found.items()}
    with_cluster = values.pop("with_cluster", None)
    if with_cluster is not None:
        alone = values.get("start", rates.start)
        values["start"] = min(alone, with_cluster)
        values["cluster"] = with_cluster - values["start"]
    values["indexing"], values["exposure"], more = _serial_indexing(serial, rates)
    values["cluster"] = values.get("cluster", rates.cluster) + more
    return values


def _serial_indexing(runs: Sequence[tuple[float, float, float]], rates: Rates) -> tuple[float, float, float]:
    """What the client does alone while it indexes: fixed, for each exposure, and more with processes of their own [s].

    A run gives its exposures, 1 with processes of their own or 0, and seconds.
    """
    if not runs:
        return rates.indexing, rates.exposure, 0.0
    exposures, several, seconds = np.array(runs).T
    if np.unique(exposures).size == 1:
        factor = float(np.median(seconds / (rates.indexing + rates.exposure * exposures)))
        return factor * rates.indexing, factor * rates.exposure, 0.0
    from scipy.optimize import nnls

    columns = np.stack([np.ones(seconds.size), exposures, several], axis=1)
    fixed, each, more = (float(value) for value in nnls(columns, np.maximum(seconds, 0))[0])
    return fixed, each, more


def _span(run: LoggedRun, prefix: str) -> float:
    """From the beginning of the first of these tasks to the end of the last [s]."""
    tasks = [task for task in run.tasks.get(INDEXING, ()) if task["task"].startswith(prefix)]
    if not tasks:
        return 0.0
    return float(max(t["time"] for t in tasks) - min(t["time"] - t["seconds"] for t in tasks))


def box_seconds(rates: Rates, box: Mapping[str, Any]) -> float:
    """What a box takes, of the numbers that its line in the log has."""
    return float(
        rates.read_exposure * box["exposures"]
        + (rates.read_row + rates.place_row) * box["rows_read"]
        + rates.box
        + rates.box_row * box["rows_expected"]
        + rates.box_voxel * box["voxels"]
    )


def _conditions(runs: Sequence[LoggedRun]) -> str:
    """What the runs had in common, or not, in words."""
    plans = [run.events["plan"] for run in runs if "plan" in run.events]
    starts = [run.events["start"] for run in runs if "start" in run.events]

    def words(facts: Sequence[Mapping[str, Any]], name: str) -> str:
        return "/".join(dict.fromkeys(str(fact[name]) for fact in facts if name in fact))

    return (
        f"{len(runs)} runs on {words(starts, 'processors')} processors, {words(plans, 'exposures')} exposures, "
        f"{words(plans, 'parallel')} boxes at once, resample={words(plans, 'resample')}, "
        f"crsigma={words(plans, 'crsigma')}"
    )
