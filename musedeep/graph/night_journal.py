"""What is done of a night: a line a finished task, with a key of its inputs and parameters."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musedeep.errors import MusedeepError
from musedeep.graph.night_plan import Frames

WORK = ".musedeep-night"
"""Directory of the journal and of products in the making, inside that of the products."""

Stamp = tuple[int, int]
"""Size and time of change [bytes, ns]."""


@dataclass(frozen=True)
class Record:
    """A task that was done: key, stamps of its products by path below the output directory."""

    key: str
    products: dict[str, Stamp]


def task_key(recipe: str, parameters: Mapping[str, Any], frames: Frames, keys: Mapping[str, str]) -> str:
    """A key that changes with whatever the products depend on.

    Parameters
    ----------
    recipe : its name
    parameters : all, parsed
    frames : path and tag
    keys : of the task that makes a path; other files are taken by their name, size and time of change

    Raises
    ------
    MusedeepError
        A file is missing.
    """
    inputs = []
    for path, tag in frames:
        if path in keys:
            inputs.append((tag, Path(path).name, keys[path]))
        else:
            inputs.append((tag, Path(path).name, "{}-{}".format(*_stamp(Path(path)))))
    text = json.dumps([recipe, sorted((k, repr(v)) for k, v in parameters.items()), inputs])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        raise MusedeepError(f"{path}: is not there any more; put it back, or associate the night again") from None
    # a store is a directory, whose parts change their times when they are copied
    return (0, 0) if path.is_dir() else (found.st_size, found.st_mtime_ns)


class Journal:
    """The record of what is done, in the output directory; what a killed run was about to do is in it too.

    Parameters
    ----------
    output : directory of the products
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.path = output / WORK / "done.jsonl"
        self.records: dict[str, Record] = {}
        self._ours: set[str] = set()
        if self.path.exists():
            for line in self.path.read_text().split("\n")[:-1]:  # what follows the last newline was not finished
                self._take(line)

    def _take(self, line: str) -> None:
        try:
            entry = json.loads(line)
            if "making" in entry:
                self._ours.update(entry["making"])
            else:
                products = {name: (int(s), int(t)) for name, (s, t) in entry["products"].items()}
                self.records[entry["task"]] = Record(entry["key"], products)
                self._ours.difference_update(products)
        except (ValueError, KeyError, TypeError):
            return  # a line that a full disk has cut: its task is done again

    def _write(self, entry: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as stream:
            stream.write(json.dumps(entry) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def done(self, task: str, key: str) -> bool:
        """Whether a task was done with this key, and its products are as it left them."""
        record = self.records.get(task)
        return record is not None and record.key == key and all(self._unchanged(record, n) for n in record.products)

    def _unchanged(self, record: Record, name: str) -> bool:
        path = self.output / name
        return path.exists() and _stamp(path) == record.products[name]

    def ours(self, name: str) -> bool:
        """Whether an existing file was made here and not changed since."""
        if name in self._ours:
            return True
        return any(name in record.products and self._unchanged(record, name) for record in self.records.values())

    def check_existing(self, names: Iterable[str], overwrite: bool) -> None:
        """Raise MusedeepError for a file that exists, was not made here, and may not be replaced."""
        for name in names:
            path = self.output / name
            if path.exists() and not overwrite and not self.ours(name):
                raise MusedeepError(
                    f"{path}: exists already and is not what this command made; give --overwrite to replace it, or "
                    "another --output-dir"
                )

    def keep(self, task: str, key: str, source: Path, directory: str, overwrite: bool) -> list[Path]:
        """Give the products of a task, made in `source`, their names, and record it.

        Raises
        ------
        MusedeepError
            One exists that was not made here.
        """
        made = sorted(path.name for path in source.iterdir() if not path.name.startswith("."))
        names = [f"{directory}/{name}" if directory else name for name in made]
        self.check_existing(names, overwrite)
        self._write({"making": names})
        self._ours.update(names)
        (self.output / directory).mkdir(parents=True, exist_ok=True)
        stamps = {}
        for name, short in zip(names, made, strict=True):
            target = self.output / name
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(source / short, target)
            stamps[name] = _stamp(target)
        self._write({"task": task, "key": key, "products": stamps})
        self.records[task] = Record(key, stamps)
        self._ours.difference_update(names)
        shutil.rmtree(source)
        return [self.output / name for name in names]
