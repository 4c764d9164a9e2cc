"""Checksums of everything in a store, kept in the store: nothing damaged, lost or foreign is taken for data.

A store has an array `checksums`, the last that is written. Its bytes are a line of JSON and the SHA-256 of that line:

- `chunks`: for each array the CRC-32 of its encoded chunks in order, little-endian uint32 as base64;
- `sizes`: in the same form, the bytes of each, from which follows where it lies (`column_writer`);
- `files`: for each other object (the metadata) its CRC-32;
- `bytes`: size of all objects together.

A store without it was not finished (object storage has no renaming). The SHA-256 also is the identity of the store:
equal for equal contents.
"""

import base64
import hashlib
import json
import os
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest, RangeByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import LocalStore, WrapperStore

from musedeep.errors import MusedeepError, reason

CHECKSUMS = "checksums"
_OWN = f"{CHECKSUMS}/c/0"
_AGAIN = "ingest the exposure again"


def chunk_key(name: str, number: int, dimensions: int) -> str:
    """Of the object with a chunk or shard of an array that is cut along its first axis alone."""
    return f"{name}/c/{number}" + "/0" * (dimensions - 1)


@dataclass(frozen=True)
class ChunkSums:
    """What the chunks of an array have to be.

    Attributes
    ----------
    sums : uint32 (chunks,)
        CRC-32 of each, encoded.
    sizes : uint32 (chunks,)
        Bytes of each, encoded.
    """

    sums: NDArray[np.uint32]
    sizes: NDArray[np.uint32]


NO_CHUNKS = ChunkSums(np.empty(0, np.uint32), np.empty(0, np.uint32))
"""Those of an array without values."""


@dataclass(frozen=True)
class Checksums:
    """What a store has to hold.

    Attributes
    ----------
    chunks : dict of ChunkSums
    files : dict of int
    nbytes : int
    identity : str
        SHA-256 over all checksums, hexadecimal.
    """

    chunks: dict[str, ChunkSums]
    files: dict[str, int]
    nbytes: int
    identity: str

    @staticmethod
    def parse(raw: bytes) -> "Checksums":
        """From the bytes of the array.

        Raises
        ------
        ValueError
            The bytes are damaged.
        """
        line, _, digest = raw.partition(b"\n")
        if hashlib.sha256(line).hexdigest().encode() != digest:
            raise ValueError("damaged")
        content = json.loads(line)
        # a store of an older version has none; its version is refused when its attributes are read
        sizes = content.get("sizes", {})
        chunks = {name: ChunkSums(_unpacked(content["chunks"][name]), _unpacked(sizes[name])) for name in sizes}
        return Checksums(chunks, content["files"], content["bytes"], digest.decode())


class CheckedStore(WrapperStore[Store]):
    """A store to read from, which gives nothing but what was written: to zarr its metadata, to others parts of objects.

    Parameters
    ----------
    store : zarr.abc.store.Store
    name : str
        For messages.
    remote : bool
        Whether metadata are kept in memory, because reading them again takes long.

    Attributes
    ----------
    checksums : Checksums or None
        None for what is no whole store.

    Raises
    ------
    MusedeepError
        The store cannot be read; its checksums are damaged. Reading raises it for an object that is damaged, missing
        or another than was written.
    """

    def __init__(self, store: Store, name: str, remote: bool = False) -> None:
        super().__init__(store)
        self.name = name
        self._remote = remote
        self._metadata: dict[str, bytes] = {}
        self.checksums: Checksums | None = None
        found = sync(self._fetch(_OWN, default_buffer_prototype()))
        if found is not None:
            try:
                self.checksums = Checksums.parse(found.to_bytes())
            except (ValueError, KeyError, TypeError) as error:
                raise MusedeepError(f"{name}: its list of checksums ({_OWN}) is damaged; {_AGAIN}") from error

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """See `zarr.abc.store.Store`; metadata only, the arrays of a store are read by `column_reader`."""
        assert byte_range is None and "/c/" not in key, f"{key} is read by column_reader"
        if key in self._metadata:
            return prototype.buffer.from_bytes(zlib.decompress(self._metadata[key]))
        value = await self._get_checked(key, prototype)
        if self._remote and value is not None:
            self._metadata[key] = zlib.compress(_bytes(value), 1)  # the offsets of slices become small
        return value

    async def _get_checked(self, key: str, prototype: BufferPrototype) -> Buffer | None:
        value = await self._fetch(key, prototype)
        if self.checksums is None:  # only to tell what else it is
            return value
        expected = self.checksums.files.get(key)
        if expected is None:
            return None
        if value is None:
            raise self._file_problem(key, "is missing")
        if zlib.crc32(_bytes(value)) != expected:
            raise self._file_problem(key, "is damaged (its checksum is wrong)")
        return value

    async def _fetch(self, key: str, prototype: BufferPrototype) -> Buffer | None:
        try:
            return await self._store.get(key, prototype)
        except (NotADirectoryError, IsADirectoryError):
            return None
        except Exception as error:  # of every kind, from the clients of object storage
            raise self._unreadable(key, error) from error

    def read(self, key: str, start: int, size: int) -> Any:
        """Bytes of an object, not checked: less where it ends before, None where it is missing.

        Raises
        ------
        MusedeepError
            It cannot be read.
        """
        try:
            if not isinstance(self._store, LocalStore):
                asked = RangeByteRequest(start, start + size)
                found = sync(self._store.get(key, default_buffer_prototype(), asked))
                return None if found is None else _bytes(found)
            descriptor = os.open(self._store.root / key, os.O_RDONLY)
            try:
                return os.pread(descriptor, size, start)
            finally:
                os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except Exception as error:  # of every kind, from the clients of object storage
            raise self._unreadable(key, error) from error

    def _unreadable(self, key: str, error: Exception) -> MusedeepError:
        return MusedeepError(
            f"{self.name}: {key} cannot be read ({reason(error)}); check the path or URL, its rights, and the "
            "connection"
        )

    def chunk_problem(self, array: str, number: int, what: str) -> MusedeepError:
        """What to raise for a chunk."""
        return MusedeepError(f"{self.name}: chunk {number} of {array} {what}; {_AGAIN}")

    def array_problem(self, array: str) -> MusedeepError:
        """What to raise for an array that is not as this version writes them."""
        return MusedeepError(f"{self.name}: {array} does not agree with the checksums of the store; {_AGAIN}")

    def _file_problem(self, key: str, what: str) -> MusedeepError:
        column = key.removesuffix("/zarr.json")
        subject = f"the metadata of {column}" if column != key else f"the header ({key})"
        return MusedeepError(f"{self.name}: {subject} {what}; {_AGAIN}")


class RecordedStore(WrapperStore[Store]):
    """A zarr store to write to, which keeps the checksums of what is written.

    Parameters
    ----------
    store : zarr.abc.store.Store
    name : str or None
        For messages, where errors are not left to the caller.
    """

    def __init__(self, store: Store, name: str | None = None) -> None:
        super().__init__(store)
        self.name = name
        self.files: dict[str, tuple[int, int]] = {}
        self.chunks: dict[str, list[tuple[int, int]]] = {}
        self._parts: dict[str, bytearray] = {}
        self._ends: list[int] = []

    async def set(self, key: str, value: Buffer) -> None:
        """See `zarr.abc.store.Store`; metadata only, the arrays of a store are written by `column_writer`."""
        assert "/c/" not in key or key == _OWN, f"{key} is written by column_writer"
        content = _bytes(value)
        self.files[key] = zlib.crc32(content), content.nbytes
        await self._guarded(self._store.set(key, value))

    def append_chunk(self, array: str, key: str, content: bytes) -> None:
        """Append the next chunk of an array to an object; one that is not on disk is in memory until it ends."""
        self.chunks.setdefault(array, []).append((zlib.crc32(content), len(content)))
        self._append(key, content)

    def end_chunks(self, key: str, content: bytes) -> None:
        """Append what comes after the chunks of an object; with it the object is whole."""
        self._ends.append(len(content))  # by several threads
        self._append(key, content)
        whole = self._parts.pop(key, None)
        if whole is not None:
            sync(self._guarded(self._store.set(key, default_buffer_prototype().buffer.from_bytes(bytes(whole)))))

    def _append(self, key: str, content: bytes) -> None:
        if not isinstance(self._store, LocalStore):
            self._parts.setdefault(key, bytearray()).extend(content)
            return
        path = self._store.root / key
        try:
            stream = path.open("ab")
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = path.open("ab")
        with stream:
            stream.write(content)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """See `zarr.abc.store.Store`; the store is new, and all that it has went through here."""
        if key not in self.files:
            await self.set(key, value)

    async def delete(self, key: str) -> None:
        """See `zarr.abc.store.Store`."""
        self.files.pop(key, None)
        await self._guarded(self._store.delete(key))

    async def _guarded(self, call: Any) -> None:
        try:
            await call
        except Exception as error:
            if self.name is None:
                raise
            raise MusedeepError(
                f"{self.name}: cannot be written ({reason(error)}); check the URL, your rights, and the connection"
            ) from error

    def finish(self) -> None:
        """Write the checksums; with them the store is whole."""
        chunks = {name: np.array(self.chunks[name], "<u4") for name in sorted(self.chunks)}
        in_chunks = sum(int(values[:, 1].sum()) for values in chunks.values())
        nbytes = in_chunks + sum(size for _, size in self.files.values()) + sum(self._ends)
        content = {
            "bytes": nbytes,
            "chunks": {name: _packed(values[:, 0]) for name, values in chunks.items()},
            "sizes": {name: _packed(values[:, 1]) for name, values in chunks.items()},
            "files": {name: self.files[name][0] for name in sorted(self.files)},
        }
        line = json.dumps(content).encode()
        raw = np.frombuffer(line + b"\n" + hashlib.sha256(line).hexdigest().encode(), np.uint8)
        array: Any = zarr.create_array(
            self, name=CHECKSUMS, shape=raw.shape, chunks=raw.shape, dtype=raw.dtype, fill_value=0, compressors=None,
            filters=None, config={"write_empty_chunks": True},
        )  # fmt: skip
        array[...] = raw


def _bytes(value: Buffer) -> memoryview:
    return memoryview(value.as_numpy_array())  # type: ignore[arg-type]


def _packed(values: NDArray[np.uint32]) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _unpacked(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(base64.b64decode(text), "<u4")
