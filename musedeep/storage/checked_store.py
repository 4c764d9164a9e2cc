"""Checksums of everything in a store, kept in the store: nothing damaged, lost or foreign is taken for data.

A store has an array `checksums`, the last that is written. Its bytes are a line of JSON and the SHA-256 of that line:

- `chunks`: for each array the CRC-32 of its chunks in order, little-endian uint32 as base64;
- `files`: for each other object (the metadata) its CRC-32;
- `bytes`: size of all objects together.

A store without it was not finished (object storage has no renaming). The SHA-256 also is the identity of the store:
equal for equal contents.
"""

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import LocalStore, WrapperStore

from musedeep.errors import MusedeepError
from musedeep.storage import scratch

CHECKSUMS = "checksums"
_OWN = f"{CHECKSUMS}/c/0"
_AGAIN = "ingest the exposure again"


def split_key(key: str) -> tuple[str, int | None]:
    """Array and number (along the first axis) of a chunk; for other objects the key and None."""
    name, found, index = key.partition("/c/")
    return (name, int(index.split("/")[0])) if found else (key, None)


@dataclass(frozen=True)
class Checksums:
    """What a store has to hold.

    Attributes
    ----------
    chunks : dict of uint32 (chunks,)
    files : dict of int
    nbytes : int
    identity : str
        SHA-256 over all checksums, hexadecimal.
    """

    chunks: dict[str, NDArray[np.uint32]]
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
        chunks = {k: np.frombuffer(base64.b64decode(v), "<u4") for k, v in content["chunks"].items()}
        return Checksums(chunks, content["files"], content["bytes"], digest.decode())

    def of(self, key: str) -> int | None:
        """The checksum that an object has to have; None if the store has no such object."""
        name, number = split_key(key)
        if number is None:
            return self.files.get(key)
        values = self.chunks.get(name)
        return int(values[number]) if values is not None and number < values.size else None


class CheckedStore(WrapperStore[Store]):
    """A zarr store to read from, which gives nothing but what was written.

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
        """See `zarr.abc.store.Store`; whole objects only."""
        assert byte_range is None, "the arrays of a store are read in whole chunks"
        array, number = split_key(key)
        if number is None:
            return await self._get_metadata(key, prototype)
        cache = scratch.active() if self.checksums and "/" not in array else None
        if cache is None or cache.stopped or self.checksums is None:
            return await self._get_checked(key, prototype)
        store = self.checksums.identity
        async with cache.turn(store, key):  # boxes side by side want the same chunk at the same time
            kept = await cache.get(store, key)
            if kept is not None and zlib.crc32(kept) == self.checksums.of(key):
                return prototype.buffer.from_bytes(kept)
            value = await self._get_checked(key, prototype)
            if value is not None:
                await cache.put(store, key, _bytes(value))
            return value

    async def _get_metadata(self, key: str, prototype: BufferPrototype) -> Buffer | None:
        if key in self._metadata:
            return prototype.buffer.from_bytes(zlib.decompress(self._metadata[key]))
        value = await self._get_checked(key, prototype)
        if self._remote and value is not None:
            self._metadata[key] = zlib.compress(_bytes(value), 1)  # the offsets of slices become small
        return value

    async def _get_checked(self, key: str, prototype: BufferPrototype) -> Buffer | None:
        value = await self._fetch(key, prototype)
        chunk = split_key(key)[1] is not None
        if self.checksums is None:  # only to tell what else it is
            return value
        expected = self.checksums.of(key)
        if expected is None:
            if value is not None and chunk:
                raise self._problem(key, "is none of this store")
            return None
        if value is None:
            raise self._problem(key, "is missing")
        if zlib.crc32(_bytes(value)) != expected:
            raise self._problem(key, "is damaged (its checksum is wrong)")
        return value

    async def _fetch(self, key: str, prototype: BufferPrototype) -> Buffer | None:
        try:
            return await self._store.get(key, prototype)
        except (NotADirectoryError, IsADirectoryError):
            return None
        except Exception as error:  # of every kind, from the clients of object storage
            raise MusedeepError(
                f"{self.name}: {key} cannot be read ({reason(error)}); check the path or URL, its rights, and the "
                "connection"
            ) from error

    def _problem(self, key: str, what: str) -> MusedeepError:
        array, number = split_key(key)
        if number is not None:
            return MusedeepError(f"{self.name}: chunk {number} of {array} {what}; {_AGAIN}")
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
        self.sums: dict[str, tuple[int, int]] = {}

    async def set(self, key: str, value: Buffer) -> None:
        """See `zarr.abc.store.Store`."""
        content = _bytes(value)
        self.sums[key] = zlib.crc32(content), content.nbytes
        await self._guarded(self._store.set(key, value))

    def put(self, key: str, content: bytes) -> None:
        """Write an object that is not there yet, at once."""
        if not isinstance(self._store, LocalStore):
            sync(self.set(key, default_buffer_prototype().buffer.from_bytes(content)))
            return
        self.sums[key] = zlib.crc32(content), len(content)
        path = self._store.root / key
        try:
            path.write_bytes(content)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """See `zarr.abc.store.Store`; the store is new, and all that it has went through here."""
        if key not in self.sums:
            await self.set(key, value)

    async def delete(self, key: str) -> None:
        """See `zarr.abc.store.Store`."""
        self.sums.pop(key, None)
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
        chunks: dict[str, dict[int, int]] = {}
        files = {}
        for key, (crc, _) in self.sums.items():
            name, number = split_key(key)
            if number is None:
                files[key] = crc
            else:
                chunks.setdefault(name, {})[number] = crc
        content = {
            "bytes": sum(size for _, size in self.sums.values()),
            "chunks": {name: _packed(chunks[name]) for name in sorted(chunks)},
            "files": {name: files[name] for name in sorted(files)},
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


def _packed(values: dict[int, int]) -> str:
    assert sorted(values) == list(range(len(values))), "a chunk was never written"
    return base64.b64encode(np.array([values[k] for k in range(len(values))], "<u4").tobytes()).decode()


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split())
    return text or type(error).__name__
