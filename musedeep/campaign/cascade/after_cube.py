"""The command of a plan on a finished cube, as for residuals of the sky: what it makes lies beside the cube.

1. It runs when the product has its name, in a folder of its own there, which is empty before. What it prints is kept.
2. It is never to change the product. If files of the product are not the same afterwards, the product counts as not
   made, and the next start makes it again.
3. Its words, what it made, and its failure are in the record of the product. A command that has failed, was
   interrupted, or has changed in the plan is run again at the next start; the cube is not made again for that.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from musedeep.campaign.cascade.facts import relative
from musedeep.errors import MusedeepError
from musedeep.progress import LOG
from musedeep.quality.record import PRODUCT, CommandRecord, ProductRecord, write_record
from musedeep.selection.campaign.cascade_settings import command_words
from musedeep.storage.outputs import make_directory, write_error

AFTER: Final = "after"
"""Folder of what the command makes, beside the cube."""
LOG_NAME: Final = "logs/after_cube.log"
TO_BE_RUN: Final = "the command on its cube has not been run, or has failed"
"""Why there is something to do for a product that is made."""

_Stamp = tuple[int, int, int, int]


def to_be_run(command: str, record: ProductRecord) -> bool:
    """Whether a plan has a command that has not ended well on this product."""
    before = record.after_cube
    return bool(command) and (before is None or before.command != command or bool(before.failure))


def run_after_cube(command: str, record: ProductRecord, folder: Path, campaign: Path) -> CommandRecord:
    """Run the command of a plan on a finished product, and keep in its record what came of it.

    Parameters
    ----------
    folder : of the product
    campaign : paths in records are relative to it

    Raises
    ------
    MusedeepError
        The command has changed the product; its folder or record cannot be written.
    """
    place, log = folder / AFTER, folder / LOG_NAME
    record.after_cube = None  # if it is interrupted, it is to be run again
    write_record(record, folder / PRODUCT)
    try:
        if place.exists():
            shutil.rmtree(place)
        make_directory(place)
        make_directory(log.parent)
    except OSError as error:
        raise write_error(place, error, 0) from error
    values = {
        "cube": str(campaign.absolute() / record.cube),
        "image": str(campaign.absolute() / record.images[0]) if record.images else "",
        "map": str(campaign.absolute() / record.exposure_map) if record.exposure_map else "",
        "folder": str(place.absolute()), "product": record.name, "target": record.target,
    }  # fmt: skip
    words = command_words(command, values)
    LOG.info(f"{record.name}: after_cube: {command}")
    before = _stamps(folder)
    began = time.monotonic()
    found = CommandRecord(command=command, words=words, log=relative(log, campaign))
    found.failure = _run(words, place, log)
    found.seconds = time.monotonic() - began
    found.files = sorted(relative(path, campaign) for path in place.rglob("*") if path.is_file())
    after = _stamps(folder)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        found.failure = f"it has changed {', '.join(changed[:3])}, and is to write into {{folder}} alone"
        record.key = ""
    record.after_cube = found
    write_record(record, folder / PRODUCT)
    if changed:
        raise MusedeepError(f"after_cube: {found.failure}; correct the command, the next start makes the cube again")
    return found


def _run(words: list[str], place: Path, log: Path) -> str:
    """What went wrong with a command, in a line; empty if it ended well."""
    try:
        with log.open("wb") as stream:
            stream.write(f"$ {subprocess.list2cmdline(words)}\n".encode(errors="surrogateescape"))
            stream.flush()
            done = subprocess.run(words, cwd=place, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, check=False)
    except OSError as error:
        return f"{words[0]} cannot be run ({error.strerror}); install it, or correct the command"
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()[1:] if line.strip()]
    ended = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
    return f"{words[0]} ended with {ended}" + (f": {lines[-1][:200]}" if lines else "")


def _stamps(folder: Path) -> dict[str, _Stamp]:
    """Of all files of a product, but for what the command makes: what changes with any change of them."""
    found: dict[str, _Stamp] = {}
    for directory, below, files in os.walk(folder):
        if Path(directory) == folder:
            below[:] = [name for name in below if name != AFTER]
        for name in files:
            path = Path(directory) / name
            if path != folder / LOG_NAME:
                one = path.stat()
                found[str(path.relative_to(folder))] = (one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns)
    return found
