"""What a campaign will take: tasks, time, memory and disk of each step, from what recipes declare and rates measured.

1. The sets-of-frames of all nights that are to be done are those of a real run. Each recipe declares what a call takes,
   as measured on frames of full size.
2. Calls on one IFU run as many at once as there are processors. A call on all IFUs has work for all processors; its
   time was measured with two.
3. The combination follows from the number of rows and voxels, by the rates of `graph.forecast`.
4. For a campaign of another size the sets of one night are repeated, for each IFU and exposure.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from musedeep.campaign.cascade.night_sets import CUBE, NightSets
from musedeep.campaign.cascade.nights import Nights, plan_nights, recipe_parameters, wanted_of
from musedeep.campaign.cascade.request import CascadeRequest
from musedeep.declaration import Scope
from musedeep.errors import MusedeepError
from musedeep.graph.forecast.rates import Rates
from musedeep.graph.night.discards import KINDS
from musedeep.graph.night.disk import as_in_night, products_of
from musedeep.graph.night.journal import Journal
from musedeep.graph.night.plan import FrameSet, plan_night
from musedeep.instrument import N_IFUS
from musedeep.recipes.registry import declared
from musedeep.selection.campaign.plan_file import Product, Target

ROWS: Final = 13_600_000
"""Rows of the pixel table of one IFU of one exposure: 48 slices of 77 pixels, 3680 wavelengths."""
VOXELS: Final = 320 * 320 * 3681
"""Of the cube of one pointing."""
MARGIN: Final = 1.2
"""Rows that are processed, over those there are: boxes overlap."""
SEGMENT: Final = 256
"""Rows of a segment of the index of a store."""
MEASURED_WITH: Final = 2
"""Processors with which recipes were measured."""
COMBINE: Final = "exp_combine"


@dataclass
class Step:
    """A step of all nights together.

    Attributes
    ----------
    tasks, done : to be done, and done already
    seconds : of all tasks to be done, wall clock
    memory : of the largest task [bytes]
    disk : of its products [bytes]
    """

    tasks: int = 0
    done: int = 0
    seconds: float = 0.0
    memory: int = 0
    disk: int = 0


@dataclass
class Expected:
    """What a campaign, or a part of it, will take.

    Attributes
    ----------
    nights, exposures, products : numbers
    steps : by name, in the order in which they run
    passing : bytes on disk that are removed when a night is done, of the night with most of them
    problems : what will fail, a line each
    """

    nights: int = 0
    exposures: int = 0
    products: int = 0
    steps: dict[str, Step] = field(default_factory=dict)
    passing: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return sum(one.seconds for one in self.steps.values())

    @property
    def disk(self) -> int:
        """Of all products that stay [bytes]."""
        return sum(one.disk for one in self.steps.values())


def expect(request: CascadeRequest, products: Sequence[tuple[Target, Product]], rates: Rates) -> Expected:
    """What some products of a plan will take."""
    expected = Expected()
    seen: set[tuple[Path, str]] = set()
    places: set[Path] = set()
    for target, product in products:
        wanted = wanted_of(request.archive, target, product)
        nights = plan_nights(request, wanted)
        expected.problems += [f"{name}: {why}" for name, why in nights.failed.items()]
        good = [one for one in wanted if one.name not in nights.failed]
        for sets in nights.sets.values():
            places.add(sets.place)
            posts = [post for post in sets.exposures.values() if post]
            new = [one for one in sets.needed(posts) if (sets.place, one.name) not in seen]
            seen.update((sets.place, one.name) for one in new)
            _count(request, expected, new, Journal(sets.place).records)
        expected.exposures += len(good)
        expected.products += 1
        _combination(request, expected, len(good), _ifus(nights), rates)
    expected.nights = len(places)
    return expected


def _ifus(nights: Nights) -> int:
    """IFUs of the exposures."""
    held = {one.ifu for sets in nights.sets.values() for one in sets.sets if one.step == "scibasic"}
    return max(len(held), 1)


def _count(request: CascadeRequest, expected: Expected, sets: Sequence[FrameSet], done: Mapping[str, object]) -> None:
    """Add sets to what is expected; those that an earlier run has recorded count as done."""
    if not sets:
        return
    common = recipe_parameters(request.settings)
    parallel = request.machine.workers or request.machine.threads
    passing = 0
    for task in plan_night(sets).tasks:
        one = task.frames
        step = expected.steps.setdefault(one.step, Step())
        if one.name in done:
            step.done += 1
            continue
        step.tasks += 1
        recipe = declared()[one.recipe]
        at_once = parallel if recipe.scope is Scope.IFU else parallel / MEASURED_WITH
        step.seconds += task.cost.seconds / at_once
        step.memory = max(step.memory, task.cost.memory)
        settings = one.settings(recipe.parse(as_in_night(recipe, common.get(one.recipe, {}))))
        sizes = products_of(one, settings.texts(), save_fits=False)
        gone = sum(nbytes for part, nbytes in sizes.items() if _passes(request, one, part))
        passing += gone
        step.disk += sum(sizes.values()) - gone
    expected.passing = max(expected.passing, passing)


def _passes(request: CascadeRequest, one: FrameSet, part: str) -> bool:
    """Whether products of a set, with this part in their names, are removed when their night is done."""
    if part == Path(CUBE).stem:
        return not request.settings.keep_single
    return bool(one.ifu) and any(part.startswith(KINDS[kind]) for kind in request.settings.discard)


def _combination(request: CascadeRequest, expected: Expected, exposures: int, ifus: int, rates: Rates) -> None:
    """Add the combination of a product of one pointing."""
    step = expected.steps.setdefault(COMBINE, Step())
    rows, voxels = exposures * ifus * ROWS, VOXELS * ifus / N_IFUS
    work = rows * MARGIN * (rates.read_row + rates.place_row + rates.box_row)
    work += rows / SEGMENT * (rates.scan_segment + rates.locate_segment) + exposures * (rates.scan + rates.locate)
    work += voxels * MARGIN * rates.box_voxel
    parallel = (request.machine.workers or 1) * (1 if request.machine.workers else request.machine.threads)
    step.tasks += 1
    step.seconds += rates.start + work / parallel + voxels * rates.completion_voxel + rates.completion + rates.end
    step.memory = request.machine.memory
    step.disk += int(voxels * (8 + 6))


def scaled(
    request: CascadeRequest, products: Sequence[tuple[Target, Product]], ifus: int, exposures: int, rates: Rates
) -> Expected:
    """What a target of another size would take, with nights like the first of the plan.

    Raises
    ------
    MusedeepError
        No exposure of the plan can be reduced, so that there is nothing to go by.
    """
    for target, product in products:
        wanted = wanted_of(request.archive, target, product)
        nights = plan_nights(request, wanted)
        found = next((sets for sets in nights.sets.values() if sets.exposures), None)
        if found is not None:
            break
    else:
        raise MusedeepError("no exposure of the plan can be reduced: there is nothing to go by")
    each = max(len(found.exposures), 1)
    expected = Expected(nights=-(-exposures // each), exposures=exposures, products=1)
    for night in range(expected.nights):
        number = min(each, exposures - night * each)
        _count(request, expected, list(_repeated(found, ifus, number)), {})
    _combination(request, expected, exposures, ifus, rates)
    return expected


def _repeated(sets: NightSets, ifus: int, exposures: int) -> Iterator[FrameSet]:
    """The sets of a night with so many IFUs and exposures, like the first of each."""
    first = min(one.ifu for one in sets.sets if one.ifu)
    post = next(iter(sets.exposures.values()))
    folder = post.directory
    for one in sets.needed([post]):
        for number in range(exposures if one.directory == folder else 1):
            named = _renamed(one, folder, f"{folder}.{number}") if one.directory == folder else one
            if one.ifu == first:
                yield from (_of_ifu(named, first, ifu) for ifu in range(1, ifus + 1))
            elif not one.ifu:
                yield _of_all(named, ifus)


def _renamed(one: FrameSet, before: str, after: str) -> FrameSet:
    frames = tuple((path.replace(f"/{before}/", f"/{after}/"), tag) for path, tag in one.frames)
    products = tuple(path.replace(f"/{before}/", f"/{after}/") for path in one.products)
    return replace(one, name=one.name.replace(before, after), frames=frames, products=products, directory=after)


def _of_ifu(one: FrameSet, before: int, after: int) -> FrameSet:
    def moved(path: str) -> str:
        return path.replace(f"-{before:02d}.", f"-{after:02d}.")

    frames = tuple((moved(path), tag) for path, tag in one.frames)
    name = re.sub(rf"-{before:02d}$", f"-{after:02d}", one.name)
    return replace(one, name=name, ifu=after, frames=frames, products=tuple(moved(path) for path in one.products))


_NUMBERED: Final = re.compile(r"-(\d\d)(\.\w+)$")


def _of_all(one: FrameSet, ifus: int) -> FrameSet:
    """A set of all IFUs, with the files of each."""
    frames: dict[tuple[str, str], None] = {}
    for path, tag in one.frames:
        if _NUMBERED.search(path):
            for ifu in range(1, ifus + 1):
                frames[_NUMBERED.sub(rf"-{ifu:02d}\2", path), tag] = None
        else:
            frames[path, tag] = None
    return replace(one, frames=tuple(frames))
