"""What the products of a night take on disk: a table of sizes, and whether there is room for what is to be made."""

import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from musedeep.declaration import Parameters, Recipe
from musedeep.errors import MusedeepError
from musedeep.graph.night.discards import freed_by
from musedeep.graph.night.plan import FrameSet, n_exposures, n_ifus
from musedeep.recipes.registry import declared
from musedeep.reduction.parameters import SAVE_FITS

MEASURED: Final = (4750.0, 9350.0)
"""Wavelengths of the frames on which sizes of products were measured [Angstrom]."""


@dataclass
class Disk:
    """What the tasks that are to be done take on disk.

    Attributes
    ----------
    by_step : bytes of the products of each step
    need : bytes in all, with what is replaced only when new products are there
    free : bytes
    images : bytes of images that are not written, by the parameter that would have them written
    """

    by_step: dict[str, int] = field(default_factory=dict)
    need: int = 0
    free: int = 0
    images: dict[str, int] = field(default_factory=dict)


def as_in_night(recipe: Recipe[Any], given: Mapping[str, str]) -> dict[str, str]:
    """Parameters of a recipe as given, and else as a night has them."""
    own = {one.name: str(one.in_night) for one in recipe.parameters if one.in_night is not None}
    return {**own, **given}


def unasked(recipe: Recipe[Any]) -> tuple[str, ...]:
    """Parameters that are false in a night unless they are given: images that no other recipe takes."""
    return tuple(one.name for one in recipe.parameters if one.in_night is False)


def products_of(one: FrameSet, parameters: Mapping[str, Any], save_fits: bool) -> dict[str, int]:
    """What a task on a set-of-frames writes: bytes by a part of the product's name, all IFUs and exposures together."""
    given, recipe = {**parameters, SAVE_FITS: save_fits}, declared()[one.recipe]
    # sizes of cubes are those of the default of dlambda
    planes = 1.0
    if one.recipe == "muse_twilight" and given.get("dlambda", 0.0) > 0:  # others the recipe refuses
        planes = max((given["lambdamax"] - given["lambdamin"]) / given["dlambda"] / 16, 1.0)
    if one.recipe == "muse_scipost":
        low = max(given.get("lambdamin", 0.0), MEASURED[0])
        high = max(min(given.get("lambdamax", MEASURED[1]), MEASURED[1]), low)
        planes = (high - low) / (MEASURED[1] - MEASURED[0])
    sizes: dict[str, int] = {}
    for product in recipe.products:
        if product.nbytes and product.made_with(given):
            number = n_ifus(one) * (n_exposures(one) if product.each else 1)
            part = max(re.split(r"TAG|eeee|kkkk|-nn|\.", product.name), key=len)
            sizes[part] = sizes.get(part, 0) + int(number * product.size_with(given) * planes)
    if recipe.cost.work_per_exposure:
        sizes["raw frames"] = n_exposures(one) * recipe.cost.work_per_exposure
    return sizes


def disk_of(
    todo: Iterable[tuple[FrameSet, Parameters]],
    save_fits: bool,
    replaced: Callable[[str, Sequence[str]], int],
    parallel: int,
    readers: Mapping[str, Sequence[str]] | None = None,
) -> Disk:
    """What sets-of-frames that are to be reduced take on disk; what is free there is not looked up.

    `replaced` gives the bytes that are there already, of a task and of products with one of these parts in their names;
    `parallel` is the number of tasks at once. `readers` has the readers of the products that are discarded after
    them, as of `discards.readers_of`.
    """
    disk, sizes = Disk(), []
    passing: dict[str, dict[str, int]] = {}
    for one, settings in todo:
        parameters = settings.texts()
        made = products_of(one, parameters, save_fits)
        total = sum(made.values())
        disk.by_step[one.step] = disk.by_step.get(one.step, 0) + total
        sizes.append((total, replaced(one.name, list(made))))
        passing[one.name] = {}
        for part, nbytes in made.items():
            paths = [path for path in one.products if path in (readers or {}) and part in path]
            passing[one.name] |= {path: nbytes // len(paths) for path in paths}
        for name in unasked(declared()[one.recipe]):
            if parameters.get(name) is False:
                more = sum(products_of(one, {**parameters, name: True}, save_fits).values()) - total
                disk.images[f"{one.recipe}.{name}"] = disk.images.get(f"{one.recipe}.{name}", 0) + more
    freed = freed_by(passing, readers or {})
    disk.need = needed(sizes, parallel, [freed.get(name, 0) for name in passing])
    return disk


def check_room(output: Path, disk: Disk) -> None:
    """Raise MusedeepError if the file system of an output directory has less free than is needed."""
    if disk.free < disk.need:
        steps = ", ".join(f"{step} {nbytes / 1e9:.3g} GB" for step, nbytes in disk.by_step.items() if nbytes)
        raise MusedeepError(
            f"{output}: {disk.free} bytes are free, but about {disk.need} bytes are needed ({steps}); free "
            f"{disk.need - disk.free} bytes, or give another --output-dir, fewer --ifus, an earlier --until, "
            "--discard pixel-tables,masters, or a --save-fits or --set less"
        )


def free_bytes(output: Path) -> int:
    """What a user may write on the file system where a directory is, or will be [bytes]; quotas are not known."""
    there = next((path for path in (output, *output.parents) if path.exists()), Path("/"))
    return shutil.disk_usage(there).free


def needed(tasks: Iterable[tuple[int, int]], parallel: int, freed: Sequence[int] = ()) -> int:
    """Bytes that are needed to make tasks, `parallel` at once.

    A task has its own bytes, and those of what it replaces, which goes only when the new products are there. `freed`
    has the bytes of other products that go when each task has ended, in the same order.
    """
    pairs = list(tasks)
    new, after = [size for size, _ in pairs], [*freed] or [0] * len(pairs)
    replaced = sorted((old for _, old in pairs), reverse=True)
    # before the end of task k, with what is made beside it
    largest = max((sum(new[: k + parallel]) - sum(after[:k]) for k in range(len(new))), default=0)
    return max(largest - sum(replaced) + sum(replaced[:parallel]), 0)
