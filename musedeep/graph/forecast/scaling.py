"""Where the time of the workers goes: what part of it is work that one worker would have, too, and what the rest is."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from musedeep.graph.combine.plan import Plan
from musedeep.graph.forecast.rates import Rates
from musedeep.graph.forecast.simulation import Machine, Simulation
from musedeep.graph.workers.records import BOXES, INDEXING


@dataclass(frozen=True)
class Shares:
    """Shares of the time of all workers, from the start of the command to its end; together 1.

    Attributes
    ----------
    rows : each row read and processed once, each voxel computed once
    margins : the same again, for the margins of boxes; rows read that lie beside them; exposures to be looked up
    storage : waiting for the storage
    idle : waiting for boxes: there are too few, or the client is at its limit
    start : the start of the workers and of the first boxes, which load code
    indexing : indexing exposures, and waiting meanwhile
    completion : the client completes the products alone
    """

    rows: float
    margins: float
    storage: float
    idle: float
    start: float
    indexing: float
    completion: float

    @property
    def bound(self) -> str:
        """The largest of the losses."""
        losses = [one.name for one in fields(self)][1:]
        return max(losses, key=lambda name: float(getattr(self, name)))


def needed_seconds(plan: Plan, voxels: int, rates: Rates) -> float:
    """Of processors, if each row were read and processed once, in one box."""
    return (rates.read_row + rates.place_row + rates.box_row) * plan.rows + rates.box_voxel * voxels


def shares(simulation: Simulation, machine: Machine, needed: float) -> Shares:
    """Where the time goes; `needed` as of `needed_seconds`."""
    slots = machine.workers * machine.threads
    whole = simulation.seconds * slots
    boxes = next(stage for stage in simulation.stages if stage.name == BOXES)
    computing = boxes.busy_seconds - boxes.waiting_seconds - boxes.loading_seconds
    rows = min(needed, computing)
    indexing = sum(stage.seconds for stage in simulation.stages if stage.name == INDEXING)
    start = machine.start_seconds * slots + boxes.loading_seconds
    parts = {
        "rows": rows,
        "margins": computing - rows,
        "storage": boxes.waiting_seconds,
        "idle": boxes.seconds * slots - boxes.busy_seconds,
        "start": start,
        "indexing": indexing * slots,
    }
    found = {name: seconds / whole if whole else 0.0 for name, seconds in parts.items()}
    return Shares(**found, completion=max(1 - sum(found.values()), 0.0))


def efficiencies(workers: Sequence[int], seconds: Sequence[float]) -> list[float]:
    """Of strong scaling: the time of the fewest workers times their number, over the same of each."""
    least = min(range(len(workers)), key=lambda k: workers[k])
    worth = workers[least] * seconds[least]
    return [worth / (n * s) if s > 0 else 1.0 for n, s in zip(workers, seconds, strict=True)]
