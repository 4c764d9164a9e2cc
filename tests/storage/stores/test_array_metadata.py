"""What a store says of its arrays: as zarr understands it, and without loading zarr."""

import json
import subprocess
import sys

import numpy as np
import pytest
import zarr

from musedeep.storage.pixel_tables.ingest import ingest
from musedeep.storage.stores.array_metadata import parse_array, parse_group
from tests.makers.pixel_tables import SMALL, write_exposure


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    here = tmp_path_factory.mktemp("metadata")
    write_exposure(here / "a.fits", **SMALL)
    return ingest([here / "a.fits"], here / "a.zarr", chunk_rows=4000)


@pytest.mark.parametrize("name", ["xpos", "dq", "order", "index/runs", "index/edges", "index/boxes"])
def test_an_array_is_as_zarr_understands_it(store, name):
    found, array = parse_array(name, (store / name / "zarr.json").read_bytes()), zarr.open_group(store, mode="r")[name]
    assert (found.name, found.shape, found.dtype) == (name, array.shape, array.dtype)
    assert found.chunk_rows == array.chunks[0] and found.chunks_per_shard * found.chunk_rows == array.shards[0]


def test_attributes_are_as_zarr_understands_them(store):
    assert parse_group((store / "zarr.json").read_bytes()) == dict(zarr.open_group(store, mode="r").attrs)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("zarr_format",), 2), (("node_type",), "group"), (("data_type",), "complex64"), (("shape",), None),
        (("codecs",), []), (("codecs", 0, "name"), "zstd"), (("chunk_grid",), {}),
        (("codecs", 0, "configuration", "codecs", 1, "name"), "gzip"),
        (("codecs", 0, "configuration", "chunk_shape"), [4001]), (("codecs", 0, "configuration", "chunk_shape"), [0]),
        (("chunk_grid", "configuration", "chunk_shape"), [8000, 2]),
    ],
)  # fmt: skip
def test_other_arrays_are_refused(store, keys, value):
    content = json.loads((store / "data" / "zarr.json").read_bytes())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    with pytest.raises(ValueError, match=r"other codecs|no metadata|unpack"):
        parse_array("data", json.dumps(content).encode())


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"zarr_format": 3, "node_type": "array"}'])
def test_other_groups_are_refused(content):
    with pytest.raises(ValueError, match=r"no group|Expecting"):
        parse_group(content)


def test_a_store_is_read_without_zarr(store):
    code = (
        "import sys, numpy as np\n"
        "from musedeep.storage.pixel_tables.open import open_pixel_table\n"
        f"table = open_pixel_table({str(store)!r})\n"
        "table.index(), table.header\n"
        "print(table.read(np.array([[0, table.n_rows]]), table.names)['data'].size, 'zarr' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(zarr.open_group(store, mode="r").attrs["rows"]), "False"]
    assert np.dtype(zarr.open_group(store, mode="r")["data"].dtype) == np.float32
