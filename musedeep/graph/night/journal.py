"""What is done of a night: a line a finished task, with a key of its inputs and parameters."""

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from musedeep.errors import MusedeepError
from musedeep.graph.night.plan import Frames
from musedeep.provenance_key import code_state
from musedeep.storage.outputs import write_error
from musedeep.storage.set_of_frames import existing_form

WORK = ".musedeep-night"
"""Directory of the journal and of products in the making, inside that of the products."""

Stamp = tuple[int, int | str]
"""Of a file its size and time of change [bytes, ns]; of a store its size and a hash that a copy has, too."""

NEW: Final = "not made yet"
OTHER_VERSION: Final = "made by another version of musedeep"
INCOMPLETE: Final = "made without some IFUs"
CHANGED: Final = "inputs or parameters have changed"
GONE: Final = "products are gone or have changed"

_WITHOUT: Final = "-without-"


@dataclass(frozen=True)
class Record:
    """A task that was done: key, stamps of its products by path below the output directory, state of the code."""

    key: str
    products: dict[str, Stamp]
    code: str = ""


def task_key(recipe: str, parameters: Mapping[str, Any], frames: Frames, keys: Mapping[str, str]) -> str:
    """A key that changes with whatever the products depend on, but for the code.

    `keys` has the key of the task that makes a path; other files are taken by their name, size and time of change,
    stores by what they hold. Raises MusedeepError if a file is missing.
    """
    inputs = []
    for path, tag in frames:
        if path in keys:
            inputs.append((tag, Path(path).name, keys[path]))
        else:
            inputs.append((tag, Path(path).name, "{}-{}".format(*_stamp(Path(existing_form(path))))))
    text = json.dumps([recipe, sorted((k, repr(v)) for k, v in parameters.items()), inputs])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def without(key: str, ifus: Iterable[int]) -> str:
    """The key of what was made without some IFUs: the next start tries again, and what depends on it follows."""
    return key + _WITHOUT + ",".join(str(ifu) for ifu in sorted(ifus))


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
        return _store_stamp(path) if stat.S_ISDIR(found.st_mode) else (found.st_size, found.st_mtime_ns)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise MusedeepError(f"{path}: is not there any more; put it back, or associate the night again") from None
        raise MusedeepError(f"{path}: cannot be read ({error.strerror}); check its rights") from None


def _store_stamp(directory: Path) -> Stamp:
    """From names and sizes of all files, and the content of metadata and checksums: parts change their times in copies.

    A part that is damaged and keeps its size is found by its checksum when it is read.
    """
    from musedeep.storage.stores.checked_store import CHECKSUMS

    digest, total = hashlib.sha256(), 0
    for path in sorted(directory.rglob("*")):
        found, name = path.stat(), str(path.relative_to(directory))
        if not stat.S_ISREG(found.st_mode):
            continue
        total += found.st_size
        digest.update(f"{name} {found.st_size}\n".encode(errors="surrogateescape"))
        if path.name == "zarr.json" or name.startswith(f"{CHECKSUMS}/"):
            digest.update(path.read_bytes())
    return total, digest.hexdigest()[:32]


class Journal:
    """The record of what is done, in the output directory; what a killed run was about to do is in it too.

    Raises MusedeepError if there is one that cannot be read.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.path = output / WORK / "done.jsonl"
        self.records: dict[str, Record] = {}
        self.discarded: set[str] = set()
        self._ours: set[str] = set()
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            content = b""
        except OSError as error:
            raise MusedeepError(
                f"{self.path}: cannot be read ({error.strerror}); make it readable, or give another --output-dir"
            ) from error
        self._torn = not content.endswith(b"\n") and content != b""
        for line in content.split(b"\n")[:-1]:  # what follows the last newline was not finished
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            if "making" in entry:
                self._ours.update(entry["making"])
            elif "discarded" in entry:
                self.discarded.update(entry["discarded"])
            else:
                products = {
                    name: (int(size), when if isinstance(when, str) else int(when))
                    for name, (size, when) in entry["products"].items()
                }
                self.records[entry["task"]] = Record(entry["key"], products, entry.get("code", ""))
                self._ours.difference_update(products)
                self.discarded.difference_update(products)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return  # a line that a full disk has cut: its task is done again

    def _write(self, entry: dict[str, Any]) -> None:
        """Append a line; OSError if the disk is full, or not to be written to."""
        line = json.dumps(entry).encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as stream:
            # half a line would spoil the next one
            line, self._torn = b"\n" * self._torn + line, True
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
        self._torn = False

    def why(self, task: str, key: str) -> str:
        """Why a task is to be done; empty if it was, with this key and code, and its products are as it left them.

        Those that `discard` has removed need not be there.
        """
        record = self.records.get(task)
        if record is None:
            return NEW
        if record.code != code_state():
            return OTHER_VERSION
        if record.key != key:
            return INCOMPLETE if record.key.startswith(key + _WITHOUT) else CHANGED
        return "" if all(self.lacks(name) or self._unchanged(record, name) for name in record.products) else GONE

    def lacks(self, name: str) -> bool:
        """Whether a product was discarded, and is not there."""
        return name in self.discarded and not os.path.lexists(self.output / name)

    def _unchanged(self, record: Record, name: str) -> bool:
        try:
            return _stamp(self.output / name) == record.products[name]
        except MusedeepError:
            return False

    def discard(self, names: Iterable[str]) -> list[Path]:
        """Remove those of some products that are there and were made here, and record that they were there.

        Nobody sees half a store. Raises MusedeepError if they cannot be recorded or removed.
        """
        found = [name for name in names if os.path.lexists(self.output / name) and self.ours(name)]
        if not found:
            return []
        try:
            self._write({"discarded": found})
            self.discarded.update(found)
            rubbish = self.output / WORK / "discarded"
            rubbish.mkdir(exist_ok=True)
            for k, name in enumerate(found):
                os.replace(self.output / name, rubbish / str(k))
            shutil.rmtree(rubbish)
        except OSError as error:
            raise write_error(Path(error.filename or self.path), error, 0) from error
        return [self.output / name for name in found]

    def replaced(self, task: str, kinds: Sequence[str]) -> int:
        """Bytes of the products that an earlier start has made of a task, of those in whose names one of these is."""
        record = self.records.get(task)
        if record is None:
            return 0
        names = [name for name in record.products if any(kind in name for kind in kinds)]
        return sum(record.products[name][0] for name in names if os.path.lexists(self.output / name))

    def ours(self, name: str) -> bool:
        """Whether an existing file was made here and not changed since."""
        if name in self._ours:
            return True
        return any(name in record.products and self._unchanged(record, name) for record in self.records.values())

    def check_existing(self, names: Iterable[str], overwrite: bool) -> None:
        """Raise MusedeepError for a file that exists, was not made here, and may not be replaced."""
        for name in names:
            path = self.output / name
            if not os.path.lexists(path):
                continue
            if path.is_dir() and path.suffix != ".zarr":
                raise MusedeepError(f"{path}: is a directory, where a product is to be; move it, or give --output-dir")
            if not overwrite and not self.ours(name):
                raise MusedeepError(
                    f"{path}: exists already and is not what this command made; give --overwrite to replace it, or "
                    "another --output-dir"
                )

    def keep(self, task: str, key: str, source: Path, directory: str, overwrite: bool) -> list[Path]:
        """Give the products of a task, made in `source`, their names, and record it.

        Raises MusedeepError if one exists that was not made here, or if they cannot be moved or recorded.
        """
        try:
            return self._keep(task, key, source, directory, overwrite)
        except OSError as error:
            named = Path(error.filename2 or error.filename or self.path)
            raise write_error(named, error, 0) from error

    def _keep(self, task: str, key: str, source: Path, directory: str, overwrite: bool) -> list[Path]:
        made = sorted(path.name for path in source.iterdir() if not path.name.startswith("."))
        names = [f"{directory}/{name}" if directory else name for name in made]
        self.check_existing(names, overwrite)
        self._write({"making": names})
        self._ours.update(names)
        (self.output / directory).mkdir(parents=True, exist_ok=True)
        stamps = {}
        for name, short in zip(names, made, strict=True):
            target = self.output / name
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            elif (source / short).is_dir():
                target.unlink(missing_ok=True)
            os.replace(source / short, target)
            stamps[name] = _stamp(target)
        self._write({"task": task, "key": key, "products": stamps, "code": code_state()})
        self.records[task] = Record(key, stamps, code_state())
        self._ours.difference_update(names)
        self.discarded.difference_update(names)
        shutil.rmtree(source)
        return [self.output / name for name in names]
