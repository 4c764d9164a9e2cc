"""Checksums of everything in a store, kept in the store, so that damage, loss and foreign data are found.

A store has an array `checksums`, which is written last. Its bytes are a line of JSON, the SHA-256 of the line and the
table as another line, and the table:

- `files`: for each object that has no chunks (the metadata) its CRC-32C;
- `bytes`: size of all objects together;
- `table`: for each array the number of its chunks, and the size of the largest [bytes];
- the table itself, little-endian uint32 (chunks, 2), has for each chunk of these arrays, in this order, the CRC-32C of
  its encoded bytes and their number, from which follows its position (`column_writer`).

The table of an exposure of the full range has 3 MB. It is checked when a store is opened; of a store on a disk, what is
needed is read again each time, so that hundreds of stores may be open.

Each chunk ends with its CRC-32C too (zarr's codec `crc32c`), by which other readers find damage. The list also finds a
chunk that is lost, or that comes from another place or store. CRC-32C runs at 32 GB/s where CRC-32 runs at 7: reading a
store takes 6 % less processor time; writing one takes the same.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError, reason
from musedeep.storage.stores.array_metadata import ArrayMetadata, parse_array, parse_group
from musedeep.storage.stores.location import Location
from musedeep.storage.stores.object_storage import RemoteObjects

CHECKSUMS = "checksums"
METADATA = "zarr.json"
"""Object with the metadata of a group or array."""

checksum: Callable[[Any], int] = google_crc32c.value
"""CRC-32C of bytes."""

_OWN = f"{CHECKSUMS}/c/0"
KIND = "crc32c"
_DIGEST = 64
"""Characters of a SHA-256."""
ENTRY = 8
"""Bytes of a checksum and a size."""
_AGAIN = "ingest the exposure again"


def chunk_key(name: str, number: int, dimensions: int) -> str:
    """Key of the object with a chunk or shard of an array that is cut along its first axis alone."""
    return f"{name}/c/{number}" + "/0" * (dimensions - 1)


@dataclass(frozen=True)
class ChunkSums:
    """Checksums and sizes of the chunks of an array.

    Attributes
    ----------
    number : int, of chunks
    largest : int, size of the largest, encoded, with its checksum [bytes]
    read : callable, takes the numbers of chunks [first, last) and gives uint32 (chunks, 2): CRC-32C and size of each
    """

    number: int
    largest: int
    read: Callable[[int, int], NDArray[np.uint32]]


NO_CHUNKS = ChunkSums(0, 0, lambda first, last: np.empty((0, 2), np.uint32))
"""Those of an array without values."""


@dataclass(frozen=True)
class Checksums:
    """Checksums and sizes of all contents of a store.

    Attributes
    ----------
    chunks : dict of ChunkSums
    files : dict of int
    identity : str, SHA-256 over all checksums, hexadecimal
    of_file : makes the checksum of a file
    """

    chunks: dict[str, ChunkSums]
    files: dict[str, int]
    nbytes: int
    identity: str
    of_file: Callable[[bytes], int]

    @staticmethod
    def parse(raw: bytes, read: Callable[[int, int], bytes] | None = None) -> "Checksums":
        """Parse the bytes of the array.

        Parameters
        ----------
        read : callable, optional, gives bytes of the array by the place of the first and their number: then they are
            not kept

        Raises
        ------
        ValueError
            The bytes are damaged.
        """
        line, _, rest = raw.partition(b"\n")
        digest, table = rest[:_DIGEST], rest[_DIGEST + 1 :]
        if hashlib.sha256(line + table).hexdigest().encode() != digest:
            raise ValueError("damaged")
        content = json.loads(line)
        # a store of an older version is refused when its attributes are read
        function = checksum if content.get("checksum") == KIND else zlib.crc32

        def kept(start: int, size: int) -> bytes:
            return raw[start : start + size]

        chunks, place = {}, len(raw) - len(table)
        for name, (number, largest) in content.get("table", {}).items():
            chunks[name] = ChunkSums(number, largest, partial(_entries, read or kept, place))
            place += ENTRY * number
        return Checksums(chunks, content["files"], content["bytes"], digest.decode(), function)


def _entries(read: Callable[[int, int], bytes], place: int, first: int, last: int) -> NDArray[np.uint32]:
    """Checksums and sizes of the chunks [first, last) of a table that begins at a place."""
    return np.frombuffer(read(place + ENTRY * first, ENTRY * (last - first)), "<u4").reshape(-1, 2)


class Directory:
    """The objects of a store on disk, which are files. Used by several threads, each with its own objects."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, key: str) -> int | None:
        """A descriptor of an object, to be closed; None if it is missing."""
        try:
            return os.open(f"{self._root}/{key}", os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, key: str, start: int, size: int | None) -> bytes | None:
        """Bytes of an object from `start` on: fewer than `size` at its end; None if it is missing. Size None: all."""
        descriptor = self.open(key)
        if descriptor is None:
            return None
        try:
            return os.pread(descriptor, os.fstat(descriptor).st_size if size is None else size, start)
        except IsADirectoryError:
            return None
        finally:
            os.close(descriptor)

    def write(self, key: str, content: bytes) -> None:
        """Make or replace an object."""
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def append(self, key: str, content: bytes) -> None:
        """Append to an object."""
        path = self._root / key
        try:
            stream = path.open("ab")
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = path.open("ab")
        with stream:
            stream.write(content)

    end = append
    """Append the last bytes of an object; with them it is whole."""


def _state(descriptor: int) -> tuple[int, int, int]:
    """What changes when another file takes the name of an open one, or when it is written."""
    status = os.fstat(descriptor)
    return status.st_ino, status.st_size, status.st_mtime_ns


def _objects(where: Location) -> Directory | RemoteObjects:
    return Directory(where) if isinstance(where, Path) else RemoteObjects(where)


class CheckedStore:
    """A store to read from. It returns only bytes that were written to it.

    Attributes
    ----------
    name : str, for messages
    checksums : Checksums or None, None if this is no whole store

    Raises
    ------
    MusedeepError
        The store cannot be read; its checksums are damaged. Reading raises it for an object that is damaged, missing
        or another than was written.
    """

    def __init__(self, where: Location) -> None:
        self.name = str(where)
        self._objects = _objects(where)
        self._keep_metadata = not isinstance(where, Path)  # reading them again takes long
        self._metadata: dict[str, bytes] = {}
        self.checksums: Checksums | None = None
        self._checked_file = self._own_state()
        content = self.read(_OWN)
        if content is not None:
            try:
                self.checksums = Checksums.parse(content, self._read_own if self.on_disk else None)
            except (ValueError, KeyError, TypeError) as error:
                raise MusedeepError(f"{self.name}: its list of checksums ({_OWN}) is damaged; {_AGAIN}") from error

    def attributes(self) -> dict[str, Any]:
        """Attributes of the root.

        Raises
        ------
        ValueError
            There is no root, or it is no group of zarr format 3.
        """
        root = self._metadata_of(METADATA)
        try:
            return parse_group(root)
        except ValueError as error:
            raise ValueError(f"its {METADATA} is that of no group") from error

    def array(self, path: str) -> ArrayMetadata:
        """The array at a path; `column_reader` reads its values."""
        try:
            return parse_array(path, self._metadata_of(f"{path}/{METADATA}"))
        except ValueError as error:
            raise self.array_problem(path) from error

    def _metadata_of(self, key: str) -> bytes:
        """An object with metadata, checked."""
        if key in self._metadata:
            return zlib.decompress(self._metadata[key])
        content = self._checked(key)
        if self._keep_metadata:
            self._metadata[key] = zlib.compress(content, 1)  # the offsets of slices become small
        return content

    def _checked(self, key: str) -> bytes:
        content = self.read(key)
        if self.checksums is None:  # read only for an error message
            if content is None:
                raise ValueError(f"it has no {key}")
            return content
        if key not in self.checksums.files:
            raise ValueError(f"its list of checksums has no {key}")
        if content is None:
            raise self._file_problem(key, "is missing")
        if self.checksums.of_file(content) != self.checksums.files[key]:
            raise self._file_problem(key, "is damaged (its checksum is wrong)")
        return content

    def read(self, key: str, start: int = 0, size: int | None = None) -> bytes | None:
        """Bytes of an object, not checked: see `Directory.read`.

        Raises
        ------
        MusedeepError
            It cannot be read.
        """
        try:
            return self._objects.read(key, start, size)
        except Exception as error:  # of every kind, from the clients of object storage
            raise self.unreadable(key, reason(error)) from error

    def _own_state(self) -> tuple[int, int, int] | None:
        """The file of the checksums; None if there is none."""
        descriptor = self.open(_OWN) if self.on_disk else None
        if descriptor is None:
            return None
        try:
            return _state(descriptor)
        finally:
            os.close(descriptor)

    def _read_own(self, start: int, size: int) -> bytes:
        """Bytes of the checksums, from the file that was checked."""
        descriptor = self.open(_OWN)
        try:
            if descriptor is not None and _state(descriptor) == self._checked_file:
                return os.pread(descriptor, size, start)
        except OSError as error:
            raise self.unreadable(_OWN, reason(error)) from error
        finally:
            if descriptor is not None:
                os.close(descriptor)
        raise MusedeepError(f"{self.name}: changed since it was opened; start again")

    def open(self, key: str) -> int | None:
        """A descriptor of an object of a store on disk, to be closed; None if it is missing.

        Raises
        ------
        MusedeepError
            It cannot be read.
        """
        assert isinstance(self._objects, Directory)
        try:
            return self._objects.open(key)
        except OSError as error:
            raise self.unreadable(key, reason(error)) from error

    @property
    def on_disk(self) -> bool:
        """Whether the objects are files."""
        return isinstance(self._objects, Directory)

    def unreadable(self, key: str, why: str) -> MusedeepError:
        """The error to raise for an object that cannot be read."""
        return MusedeepError(
            f"{self.name}: {key} cannot be read ({why}); check the path or URL, its rights, and the connection"
        )

    def chunk_problem(self, array: str, number: int, what: str) -> MusedeepError:
        """The error to raise for a chunk."""
        return MusedeepError(f"{self.name}: chunk {number} of {array} {what}; {_AGAIN}")

    def array_problem(self, array: str) -> MusedeepError:
        """The error to raise for an array that is not as this version writes them."""
        return MusedeepError(f"{self.name}: {array} does not agree with the checksums of the store; {_AGAIN}")

    def _file_problem(self, key: str, what: str) -> MusedeepError:
        column = key.removesuffix(f"/{METADATA}")
        subject = f"the metadata of {column}" if column != key else f"the header ({key})"
        return MusedeepError(f"{self.name}: {subject} {what}; {_AGAIN}")


class RecordedStore:
    """A store to write to, which keeps the checksums of its contents.

    Errors of writing are MusedeepErrors at a URL, and OSErrors at a path.

    Attributes
    ----------
    group : zarr.Group
        The root, to which groups, arrays and attributes are added: in memory until the store is finished. The values
        of arrays are written by `column_writer`.
    """

    def __init__(self, where: Location) -> None:
        import zarr  # takes long to load, and only writing needs it
        from zarr.storage import MemoryStore

        self._where, self._objects = where, _objects(where)
        self._metadata: dict[str, Any] = {}
        self._chunks: dict[str, list[tuple[int, int]]] = {}
        self._ends: list[int] = []
        self.group = zarr.create_group(MemoryStore(self._metadata), zarr_format=3)
        # from now on it is known as a store, though not as a whole one
        self._write(self._objects.write, METADATA, self._metadata[METADATA].to_bytes())

    def append_chunks(self, array: str, key: str, content: bytes, sizes: Sequence[int], sums: Sequence[int]) -> None:
        """Append the next chunks of an array, each of which ends with its checksum, to an object."""
        self._chunks.setdefault(array, []).extend(zip(sums, sizes, strict=True))
        self._write(self._objects.append, key, content)

    def end_chunks(self, key: str, content: bytes) -> None:
        """Append the bytes after the chunks of an object; with them it is whole."""
        self._ends.append(len(content))  # by several threads
        self._write(self._objects.end, key, content)

    def _write(self, write: Callable[[str, bytes], None], key: str, content: bytes) -> None:
        try:
            write(key, content)
        except Exception as error:
            if isinstance(self._where, Path):
                raise
            raise MusedeepError(
                f"{self._where}: cannot be written ({reason(error)}); check the URL, your rights, and the connection"
            ) from error

    def finish(self) -> None:
        """Write the metadata, then the checksums; with them the store is whole."""
        files = {key: value.to_bytes() for key, value in self._metadata.items()}
        chunks = {name: np.array(self._chunks[name], "<u4") for name in sorted(self._chunks)}
        in_chunks = sum(int(values[:, 1].sum()) for values in chunks.values())
        content = {
            "bytes": in_chunks + sum(map(len, files.values())) + sum(self._ends),
            "table": {name: [values.shape[0], int(values[:, 1].max())] for name, values in chunks.items()},
            "files": {key: checksum(files[key]) for key in sorted(files)},
            "checksum": KIND,
        }
        line = json.dumps(content).encode()
        table = b"".join(values.tobytes() for values in chunks.values())
        digest = hashlib.sha256(line + table).hexdigest().encode()
        raw = np.frombuffer(line + b"\n" + digest + b"\n" + table, np.uint8)
        array: Any = self.group.create_array(
            CHECKSUMS, shape=raw.shape, chunks=raw.shape, dtype=raw.dtype, fill_value=0, compressors=None,
            filters=None, config={"write_empty_chunks": True},
        )  # fmt: skip
        array[...] = raw
        last = self._metadata.pop(_OWN)
        for key, value in (*self._metadata.items(), (_OWN, last)):
            self._write(self._objects.write, key, value.to_bytes())
