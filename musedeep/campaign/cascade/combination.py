"""The cube of a product: muse_exp_combine in bounded memory, and the names and categories of a deep product."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.campaign.cascade.logs import logged
from musedeep.campaign.cascade.request import CascadeRequest
from musedeep.errors import MusedeepError
from musedeep.graph.combine.exp_combine import Request, combine
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.selection.campaign.cascade_settings import texts
from musedeep.storage.cubes.field_view import FieldView
from musedeep.storage.fits.header_cards import sign
from musedeep.storage.fits.headers import number_of, text_of
from musedeep.storage.offset_list import OffsetRow, write_offset_list

OFFSETS: Final = "OFFSET_LIST.fits"
LOG_NAME: Final = "combine.jsonl"
CUBE, IMAGE, MAP = "DATACUBE_FINAL.fits", "IMAGE_FOV_{:04d}.fits", "EXPOSURE_MAP.fits"
DONE: Final = ".combined"
"""Says that the combination has ended, in the folder where a product is made."""


def write_offsets(
    path: Path, views: Sequence[FieldView], offsets: NDArray[np.float64], scales: Sequence[float | None]
) -> None:
    """Write the offsets with which exposures are combined."""
    rows = [
        OffsetRow(
            text_of(view.header, "DATE-OBS", view.path), float(ra), float(dec), scale,
            number_of(view.header, "MJD-OBS", view.path),
        )
        for view, (ra, dec), scale in zip(views, offsets, scales, strict=True)
    ]  # fmt: skip
    write_offset_list(path, rows)


def combine_exposures(
    request: CascadeRequest, tables: Sequence[Path], filters: Path | None, place: Path
) -> list[list[str]]:
    """Combine pixel tables into the cube in a folder that has the offsets; the set-of-frames.

    A combination that was interrupted goes on.

    Raises
    ------
    MusedeepError
        As `graph.combine.exp_combine.combine`.
    """
    given = texts(request.settings.combine)
    frames = [[str(path), "PIXTABLE_REDUCED"] for path in tables] + [[str(place / OFFSETS), "OFFSET_LIST"]]
    frames += [[str(filters), "FILTER_LIST"]] if filters else []
    if (place / DONE).exists():
        return frames
    machine = request.machine
    wanted = Request(
        pixel_tables=list(tables), parameters=RECIPE.parse(given), parameter_texts=tuple(given.items()), output=place,
        offset_list=place / OFFSETS, filter_list=filters, overwrite=True, workers=machine.workers,
        threads=machine.threads, memory=machine.memory, scheduler=machine.scheduler, cluster=machine.cluster,
    )  # fmt: skip
    with logged(place / LOG_NAME):
        combine(wanted, request.progress)
    (place / DONE).touch()
    return frames


def deep_names(place: Path, category: str) -> tuple[str, list[str], str]:
    """Give cube and images the names and PRO CATG of a product; names of cube, images and exposure map.

    It may have been interrupted before.
    """
    kind = category.removeprefix("DATACUBE_")
    cube = _named(place, CUBE, f"{category}.fits", category)
    images = []
    for number in range(1, 100):
        suffix = "" if number == 1 else f"_{number:04d}"
        name = _named(place, IMAGE.format(number), f"IMAGE_FOV_{kind}{suffix}.fits", f"IMAGE_FOV_{kind}")
        if not name:
            break
        images.append(name)
    if not cube:
        raise MusedeepError(f"{place / CUBE}: muse_exp_combine has made no cube; let `combine: save:` have cube")
    return cube, images, MAP if (place / MAP).exists() else ""


def _named(place: Path, before: str, after: str, category: str) -> str:
    if (place / before).exists():
        set_category(place / before, category, after)
        os.replace(place / before, place / after)
    return after if (place / after).exists() else ""


def set_category(path: Path, category: str, name: str) -> None:
    """Write PRO CATG and PIPEFILE into the primary header of a file, and its checksum; the data stay in their place.

    Raises MusedeepError if the header would become longer.
    """
    with open(path, "r+b") as stream:
        header = fits.Header.fromfile(stream, endcard=True)
        size = stream.tell()
        header["ESO PRO CATG"] = category
        if "PIPEFILE" in header:
            header["PIPEFILE"] = name
        raw = header.tostring().encode("ascii")
        if len(raw) != size:
            raise MusedeepError(f"{path}: PRO CATG does not fit into its header; combine again")
        stream.seek(0)
        stream.write(raw)
    sign(path)


def remove_made(place: Path) -> None:
    """Remove what only the making of a product needs."""
    (place / DONE).unlink(missing_ok=True)
    for path in place.glob(".musedeep-*"):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
