"""What the products of a night take on disk: a table of sizes, and whether there is room for what is to be made."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from musedeep.errors import MusedeepError
from musedeep.graph.night.plan import FrameSet, n_exposures, n_ifus

IMAGE: Final = 202_150_000
"""DATA, DQ and STAT of an IFU [bytes]."""


@dataclass(frozen=True)
class Size:
    """A product on disk, as measured on full-size frames.

    Attributes
    ----------
    product : part of its name
    nbytes : of one IFU, and of one exposure where it is written for each
    when : parameters with which it is written
    each : written for each exposure
    work : of one IFU after the other, while they are worked on
    """

    product: str
    nbytes: int
    when: Mapping[str, bool] = field(default_factory=dict)
    each: bool = False
    work: bool = False


FITS: Final = "save-fits"
"""In `Size.when`: pixel tables are written as FITS files, too."""

SIZES: Final = {
    "muse_bias": (Size("MASTER_BIAS", IMAGE),),
    "muse_dark": (Size("MASTER_DARK", IMAGE), Size("MODEL_DARK", IMAGE, {"model": True})),
    "muse_flat": (
        Size("MASTER_FLAT", IMAGE),
        Size("TRACE_TABLE", 43_000),
        Size("TRACE_SAMPLES", 150_000, {"samples": True}),
    ),
    "muse_wavecal": (
        Size("WAVECAL_TABLE", 104_000),
        Size("WAVECAL_RESIDUALS", 34_000_000, {"residuals": True}),
        Size("ARC_RED_LAMP", 3 * IMAGE, {"saveimages": True}),
        Size("ARC_RED_0", IMAGE, {"resample": True, "lampwise": False}),
        Size("ARC_RESAMPLED", 70_000_000, {"resample": True}),
        Size("WAVE_MAP", 67_000_000, {"wavemap": True}),
    ),
    "muse_lsf": (
        Size("LSF_PROFILE", 901_000),
        Size("PIXTABLE_SUBTRACTED", 230_000_000, {"save_subtracted": True}),
    ),
    "muse_geometry": (
        Size("MASK_REDUCED", IMAGE, {"saveimage": True}, each=True),
        Size("MASK_COMBINED", IMAGE),
        Size("SPOTS_TABLE", 10_000_000),
        Size("GEOMETRY_CHECK", 500_000),
        Size("raw frames", 36_000_000, each=True, work=True),
    ),
    "muse_twilight": (Size("DATACUBE_SKYFLAT", 530_000), Size("TWILIGHT_CUBE", 415_000)),
    "muse_scibasic": (
        Size("PIXTABLE", 145_000_000, each=True),
        Size("PIXTABLE", 376_000_000, {FITS: True}, each=True),
        Size("_RED_", IMAGE, {"saveimage": True}, each=True),
        Size("_RESAMPLED_", 54_000_000, {"resample": True}, each=True),
    ),
}
"""By recipe. A store is compressed: a crowded field takes some more."""

UNASKED: Final = {"muse_scibasic": "saveimage", "muse_geometry": "saveimage"}
"""Parameters of recipes that write images which no other recipe takes: off in a night, unless they are given."""


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


def products_of(one: FrameSet, parameters: Mapping[str, Any], save_fits: bool) -> dict[str, int]:
    """What a task writes: bytes by a part of the product's name, all IFUs and exposures together.

    Parameters
    ----------
    one : its set-of-frames
    parameters : of the recipe, parsed
    save_fits : write pixel tables as FITS files, too
    """
    given = {**parameters, FITS: save_fits}
    # sizes of cubes are those of the default of dlambda
    planes = 1.0
    if one.recipe == "muse_twilight" and given.get("dlambda", 0.0) > 0:  # others the recipe refuses
        planes = max((given["lambdamax"] - given["lambdamin"]) / given["dlambda"] / 16, 1.0)
    found: dict[str, int] = {}
    for size in SIZES.get(one.recipe, ()):
        if all(bool(given.get(name)) == value for name, value in size.when.items()):
            number = (1 if size.work else n_ifus(one)) * (n_exposures(one) if size.each else 1)
            found[size.product] = found.get(size.product, 0) + int(number * size.nbytes * planes)
    return found


def disk_of(
    todo: Iterable[tuple[FrameSet, Mapping[str, Any]]],
    save_fits: bool,
    replaced: Callable[[str, Sequence[str]], int],
    parallel: int,
) -> Disk:
    """What sets-of-frames take on disk; what is free there is not looked up.

    Parameters
    ----------
    todo : set-of-frames and parameters of each task that is to be done
    save_fits : write pixel tables as FITS files, too
    replaced : bytes that are there already, of a task and of products with one of these parts in their names
    parallel : tasks at once
    """
    disk, sizes = Disk(), []
    for one, parameters in todo:
        made = products_of(one, parameters, save_fits)
        total = sum(made.values())
        disk.by_step[one.step] = disk.by_step.get(one.step, 0) + total
        sizes.append((total, replaced(one.name, list(made))))
        name = UNASKED.get(one.recipe, "")
        if parameters.get(name) is False:
            more = sum(products_of(one, {**parameters, name: True}, save_fits).values()) - total
            disk.images[f"{one.recipe}.{name}"] = disk.images.get(f"{one.recipe}.{name}", 0) + more
    disk.need = needed(sizes, parallel)
    return disk


def check_room(output: Path, disk: Disk) -> None:
    """Raise MusedeepError if the file system of an output directory has less free than is needed."""
    if disk.free < disk.need:
        steps = ", ".join(f"{step} {nbytes / 1e9:.3g} GB" for step, nbytes in disk.by_step.items() if nbytes)
        raise MusedeepError(
            f"{output}: {disk.free} bytes are free, but about {disk.need} bytes are needed ({steps}); free "
            f"{disk.need - disk.free} bytes, or give another --output-dir, fewer --ifus, an earlier --until, or a "
            "--save-fits or --set less"
        )


def free_bytes(output: Path) -> int:
    """What a user may write on the file system where a directory is, or will be [bytes]; quotas are not known."""
    there = next((path for path in (output, *output.parents) if path.exists()), Path("/"))
    return shutil.disk_usage(there).free


def needed(tasks: Iterable[tuple[int, int]], parallel: int) -> int:
    """Bytes that are needed to make tasks, so many at once.

    Parameters
    ----------
    tasks : bytes of each, and of what it replaces, which goes only when the new products are there
    parallel : tasks at once
    """
    pairs = list(tasks)
    replaced = sorted((old for _, old in pairs), reverse=True)
    return max(sum(new for new, _ in pairs) - sum(replaced) + sum(replaced[:parallel]), 0)
