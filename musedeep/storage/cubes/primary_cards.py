"""Cards in the primary header of a finished cube, and images beside its arrays: a file or store is whole or as before.

A FITS cube is copied, with the new cards in the copy, which then takes the place of the cube, or gets another name;
the copy is made by the kernel, and the checksums of all HDUs are renewed (`StreamedFits`). Of a store only its
metadata are replaced, in one step. An image becomes an image extension of 32-bit integers, or an array on (y, x).
"""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError, reason
from musedeep.storage.cubes.open_cube import OpenCube
from musedeep.storage.fits.header_cards import Card, card, header_of
from musedeep.storage.fits.headers import BLOCK, CARD, raw_bytes
from musedeep.storage.fits.streamed import StreamedFits, without_md5
from musedeep.storage.outputs import appearing_whole, check_space, partial_name, replace_directory

Image = tuple[Sequence[Card], NDArray[np.int32]]
"""Cards of an image, without EXTNAME, and its pixels, int32 (lines, columns)."""


def with_cards(
    cube: OpenCube, target: Path, cards: Sequence[Card], former: re.Pattern[str], images: Mapping[str, Image | None]
) -> None:
    """Write cards into the primary header of a cube, and images beside its arrays.

    Parameters
    ----------
    target : the cube itself, which is replaced, or another file or store; replaced if it exists
    cards : to be added
    former : matches the raw cards that are left out
    images : by EXTNAME; None: there is to be none of this name

    Raises
    ------
    MusedeepError
        The disk is full, or the target cannot be written.
    """
    if cube.is_store:
        _store(cube, target, cards, former, images)
    else:
        _file(cube, target.resolve(), cards, former, images)


def _file(
    cube: OpenCube, target: Path, cards: Sequence[Card], former: re.Pattern[str], images: Mapping[str, Image | None]
) -> None:
    size = cube.path.stat()
    need = min(size.st_size, size.st_blocks * 512) + sum(image[1].nbytes for image in images.values() if image)
    check_space(target, need)
    with appearing_whole(target, need) as partial, StreamedFits(partial) as made:
        for unit in cube.units:
            if unit.offset and unit.name in images:
                continue
            made.begin(raw_bytes(unit.cards if unit.offset else _replaced(unit.cards, cards, former)))
            made.copy(cube.path, unit.data_offset, unit.data_bytes)
        for name, image in images.items():
            if image is not None:
                made.begin_image(header_of([("EXTNAME", name, ""), *image[0]]), 32, image[1].shape)
                made.write(image[1].astype(">i4"))
        made.finish()
        partial.chmod(size.st_mode & 0o7777)


def _replaced(raw: Sequence[str], cards: Sequence[Card], former: re.Pattern[str]) -> list[str]:
    """Raw cards of a header in whole blocks: those that stay as they are, then the new ones."""
    end = "END".ljust(CARD)
    kept = [one for one in without_md5(raw[: raw.index(end)]) if not former.match(one)]
    while kept and not kept[-1].strip():
        kept.pop()
    made = [*kept, *(str(card(*one)) for one in cards), end]
    return made + [" " * CARD] * (-len(made) % (BLOCK // CARD))


def _store(
    cube: OpenCube, target: Path, cards: Sequence[Card], former: re.Pattern[str], images: Mapping[str, Image | None]
) -> None:
    partial = partial_name(target)
    same = target.resolve() == cube.path.resolve()
    try:
        if same:
            _store_metadata(target, cards, former, images)
            return
        check_space(target, sum(file.stat().st_size for file in cube.path.rglob("*") if file.is_file()))
        shutil.copytree(cube.path, partial)
        _store_metadata(partial, cards, former, images)
        replace_directory(partial, target)
    except OSError as error:
        raise MusedeepError(f"{target}: cannot be written ({reason(error)}); free space or check its rights") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _store_metadata(
    path: Path, cards: Sequence[Card], former: re.Pattern[str], images: Mapping[str, Image | None]
) -> None:
    import zarr

    from musedeep.storage.cubes.cube_zarr import PRIMARY

    file = path / "zarr.json"
    content: dict[str, Any] = json.loads(file.read_text())
    listed = content.get("consolidated_metadata", {}).get("metadata")
    for name, image in images.items():
        member = name.lower()
        if image is None:
            if listed is not None:
                listed.pop(member, None)
            continue
        group = zarr.open_group(path, mode="r+")
        array = group.create_array(
            member, shape=image[1].shape, dtype=np.int32, chunks=image[1].shape, dimension_names=("y", "x"),
            attributes={key.lower(): str(value) for key, value, _ in image[0]}, overwrite=True,
        )  # fmt: skip
        array[...] = image[1]
        if listed is not None:
            listed[member] = json.loads((path / member / "zarr.json").read_text())
    header = str(content["attributes"].get(PRIMARY, ""))
    kept = [line for line in header.split("\n") if line.strip() and not former.match(line)]
    added = fits.Header([card(*one) for one in cards])
    text = added.tostring(sep="\n", endcard=False, padding=False)
    content["attributes"][PRIMARY] = "\n".join([*kept, *text.split("\n")])
    with appearing_whole(file) as partial:
        partial.write_text(json.dumps(content, indent=2))
    for name, image in images.items():
        if image is None:
            shutil.rmtree(path / name.lower(), ignore_errors=True)
