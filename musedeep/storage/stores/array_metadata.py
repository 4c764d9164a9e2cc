"""What a store says of an array, read without zarr, which takes longer to load than most stores to read.

Only arrays that `column_writer` writes are known: chunked along the first axis, in shards, with the codecs blosc and
crc32c. zarr reads them, too.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

_DTYPES = {name: np.dtype(name) for name in ("uint8", "int16", "uint16", "int32", "int64", "float32", "float64")}


@dataclass(frozen=True)
class ArrayMetadata:
    """Metadata of an array.

    Attributes
    ----------
    name : str, path in the store
    shape : tuple of int
    dtype : numpy.dtype
    chunk_rows : int, length of a chunk along the first axis
    chunks_per_shard : int
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk_rows: int
    chunks_per_shard: int


def parse_array(name: str, content: bytes) -> ArrayMetadata:
    """Metadata of an array from its `zarr.json`.

    Raises
    ------
    ValueError
        They are not those of an array that `column_writer` writes.
    """
    try:
        found = json.loads(content)
        shape = tuple(int(n) for n in found["shape"])
        dtype = _DTYPES[found["data_type"]]
        shard = found["chunk_grid"]["configuration"]["chunk_shape"]
        (sharding,) = found["codecs"]
        inner = sharding["configuration"]
        chunk = inner["chunk_shape"]
        codecs = [codec["name"] for codec in inner["codecs"]]
        known = (found["zarr_format"], found["node_type"], sharding["name"]) == (3, "array", "sharding_indexed")
        known = known and codecs in (["bytes", "blosc", "crc32c"],) and shard[0] % chunk[0] == 0
        if not known or tuple(chunk[1:]) != shape[1:] or tuple(shard[1:]) != shape[1:]:
            raise ValueError("other codecs or chunks")
        return ArrayMetadata(name, shape, dtype, int(chunk[0]), shard[0] // chunk[0])
    except (KeyError, TypeError, IndexError, ZeroDivisionError) as error:
        raise ValueError(f"no metadata of an array: {error}") from error


def parse_group(content: bytes) -> dict[str, Any]:
    """Attributes of a group from its `zarr.json`.

    Raises
    ------
    ValueError
        It is that of no group.
    """
    found = json.loads(content)
    if not isinstance(found, dict) or (found.get("zarr_format"), found.get("node_type")) != (3, "group"):
        raise ValueError("no group of zarr format 3")
    attributes = found.get("attributes", {})
    if not isinstance(attributes, dict):
        raise ValueError("attributes are no mapping")
    return attributes
