"""Where the chunks of a store are: in the files of zarr's sharding codec, by what that says of itself."""

from pathlib import Path

import numpy as np
import zarr
from zarr.storage import LocalStore


def chunks_per_shard(array):
    """Chunks of one file."""
    return array.shards[0] // array.chunks[0]


def chunk_place(store: Path, name: str, number: int) -> tuple[Path, int, int]:
    """File, first byte and number of bytes of a chunk, read from the index at the end of its shard."""
    array = zarr.open_group(LocalStore(store, read_only=True), mode="r", zarr_format=3)[name]
    per = chunks_per_shard(array)
    file = store / name / "c" / str(number // per) / Path(*["0"] * (array.ndim - 1))
    raw = file.read_bytes()
    index = np.frombuffer(raw[-16 * per - 4 : -4], "<u8").reshape(per, 2)
    start, size = index[number % per]
    return file, int(start), int(size)


def read_chunk(store: Path, name: str, number: int) -> bytes:
    """The bytes of a chunk."""
    file, start, size = chunk_place(store, name, number)
    return file.read_bytes()[start : start + size]


def write_chunk(store: Path, name: str, number: int, content: bytes) -> None:
    """Other bytes in the place of a chunk, as many."""
    file, start, size = chunk_place(store, name, number)
    assert len(content) == size
    raw = file.read_bytes()
    file.write_bytes(raw[:start] + content + raw[start + size :])


def flip_chunk(store: Path, name: str, number: int) -> None:
    """Change one bit in the middle of a chunk."""
    raw = read_chunk(store, name, number)
    k = len(raw) // 2
    write_chunk(store, name, number, raw[:k] + bytes([raw[k] ^ 1]) + raw[k + 1 :])


def chunk_count(store: Path, name: str) -> int:
    """Chunks of an array."""
    array = zarr.open_group(LocalStore(store, read_only=True), mode="r", zarr_format=3)[name]
    return -(-array.shape[0] // array.chunks[0])
