"""Large products of single IFUs that are removed when the night needs them no more: pixel tables, masters.

1. A product has readers: the sets-of-frames that list it.
2. It is removed when all of them have their products, and these lack nothing: a reader that went on without an IFU
   is tried again at the next start, and then needs the products of the others.
3. The journal knows what was removed. Its maker counts as done, until a reader is to be done again.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from musedeep.declaration import Parameters
from musedeep.errors import MusedeepError
from musedeep.graph.night.journal import Journal
from musedeep.graph.night.plan import Frames, FrameSet, NightPlan, Task
from musedeep.storage.set_of_frames import other_form

AGAIN: Final = "discarded products are needed again"

KINDS: Final = {"pixel-tables": "PIXTABLE_", "masters": "MASTER_"}
"""Kinds of products that can be discarded, and how their names begin."""


def readers_of(sets: Sequence[FrameSet], kinds: Collection[str] = tuple(KINDS)) -> dict[str, tuple[str, ...]]:
    """Names of the sets that list each product of some kinds that a set of a single IFU makes, by its path."""
    starts = tuple(KINDS[kind] for kind in kinds)
    made = {path for one in sets if one.ifu for path in one.products if Path(path).name.startswith(starts)}
    readers: dict[str, list[str]] = {}
    for one in sets:
        for path in dict.fromkeys(path for path, _ in one.frames if path in made):
            readers.setdefault(path, []).append(one.name)
    return {path: tuple(names) for path, names in readers.items()}


def check_not_needed(kinds: Collection[str], parameters: Mapping[str, Parameters]) -> None:
    """Refuse to discard pixel tables that reduced ones are the corrections of.

    Parameters
    ----------
    parameters : of the recipes of the night, by name

    Raises
    ------
    MusedeepError
        A recipe writes stores of corrections, and pixel tables are to be discarded.
    """
    for name, one in parameters.items():
        if "pixel-tables" in kinds and getattr(one, "reduced", "rows") == "corrections":
            raise MusedeepError(
                f"--discard pixel-tables: {name} with reduced=corrections needs them as long as its products are used; "
                "leave one of the two out"
            )


class Discards:
    """Which products may go, and which have gone.

    Parameters
    ----------
    sets : all of the night; a product that a set beyond the plan reads stays
    kinds : what to remove
    """

    def __init__(self, plan: NightPlan, sets: Sequence[FrameSet], journal: Journal, kinds: Collection[str]) -> None:
        self.plan, self.journal = plan, journal
        self.all_readers, self.readers = readers_of(sets), readers_of(sets, kinds)
        self.again: set[str] = set()
        self._whole: set[str] = set()

    def _forms(self, path: str) -> list[str]:
        """A product below the output directory, as a file and as a store; none of another place."""
        if not Path(path).is_relative_to(self.journal.output):
            return []
        name = str(Path(path).relative_to(self.journal.output))
        return [name, other_form(name)]

    def ask_again(self, reasons: dict[str, str]) -> None:
        """Give tasks that are done a reason to be done again, where one to be done reads what was removed of them."""
        for task in reversed(self.plan.tasks):
            needed = [p for p in task.frames.products if any(map(reasons.get, self.all_readers.get(p, ())))]
            if not reasons[task.name] and any(self.journal.lacks(name) for p in needed for name in self._forms(p)):
                reasons[task.name] = AGAIN
                self.again.add(task.name)

    def ended(self, task: Task, frames: Frames, lacking: bool = False) -> list[Path]:
        """Remove what nobody reads after a task; `frames` it was made of, `lacking` if without some IFUs.

        Returns what was removed. Raises MusedeepError if that cannot be recorded.
        """
        if lacking or frames != task.frames.frames or not self._whole.issuperset(task.needs):
            return []
        self._whole.add(task.name)
        paths = [path for path, _ in frames if self._whole.issuperset(self.readers.get(path, (path,)))]
        return self.journal.discard([name for path in paths for name in self._forms(path)])


def freed_by(todo: Mapping[str, Mapping[str, int]], readers: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Bytes that go when each task has ended.

    Parameters
    ----------
    todo : bytes of such products that tasks make, by path, by task, in the order in which they run
    readers : as of `readers_of`
    """
    place = {name: k for k, name in enumerate(todo)}
    freed: dict[str, int] = {}
    for products in todo.values():
        for path, nbytes in products.items():
            names = readers.get(path, ())
            if names and all(name in place for name in names):
                last = max(names, key=place.__getitem__)
                freed[last] = freed.get(last, 0) + nbytes
    return freed
