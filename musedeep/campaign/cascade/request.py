"""What a campaign run is asked for, and what came of each product."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from musedeep.campaign.cascade.archive import Archive
from musedeep.graph.workers.cluster_profile import ClusterProfile
from musedeep.processors import available_processors
from musedeep.progress import Progress, Silent
from musedeep.quality.record import CommandRecord
from musedeep.selection.campaign.cascade_settings import CascadeSettings
from musedeep.selection.campaign.plan_file import Plan, Product, Target

State = Literal["made", "up to date", "failed", "to do"]


@dataclass(frozen=True)
class Machine:
    """Where a campaign runs: as in `graph.workers.executor.Resources`."""

    workers: int | None = None
    threads: int = field(default_factory=available_processors)
    memory: int = 4 * 2**30
    scheduler: str | None = None
    cluster: ClusterProfile | None = None


@dataclass
class CascadeRequest:
    """A campaign to be run.

    Attributes
    ----------
    plan : as the file says
    archive : what the catalogue has
    campaign : folder of the campaign
    targets : names; empty: all
    machine : where it runs
    progress : is told of tasks and boxes
    leave : called when a person interrupts a night, before threads are waited for
    """

    plan: Plan
    archive: Archive
    campaign: Path
    targets: Sequence[str] = ()
    machine: Machine = field(default_factory=Machine)
    progress: Progress = field(default_factory=Silent)
    leave: Callable[[], None] | None = None

    @property
    def settings(self) -> CascadeSettings:
        """Of the cascade."""
        return self.plan.settings.cascade

    def products(self) -> list[tuple[Target, Product]]:
        """Those that are to be made, in the order of the plan."""
        return [
            (target, product)
            for target in self.plan.targets
            if not self.targets or target.name in self.targets
            for product in target.products
        ]


@dataclass
class ProductOutcome:
    """What came of a product.

    Attributes
    ----------
    exposures, used : number of inputs, and of those in the cube
    left_out : why others are not, by name
    why : it failed, or is to be done
    aligned : whether all offsets have passed the tests
    notes : what a person should know
    after_cube : of the command on the finished cube, if it was run now
    """

    target: str
    product: str
    state: State
    folder: Path
    exposures: int = 0
    used: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    why: str = ""
    aligned: bool = False
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    after_cube: CommandRecord | None = None
