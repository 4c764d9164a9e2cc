"""Requests to the file system: those that are counted without reading are those that reading makes."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.storage.pixel_tables import fits, zarr
from musedeep.storage.pixel_tables.ingest import ingest
from musedeep.storage.pixel_tables.open import open_exposure
from musedeep.storage.pixel_tables.requests import Columns, Requests, layout_of, requests_of
from musedeep.storage.pixel_tables.table import read_blocks
from musedeep.storage.stores import column_reader
from tests.makers.pixel_tables import ifu_paths, write_exposure

NAMES = ("xpos", "lambda", "data", "dq")
IO = Path("/proc/thread-self/io")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """One exposure in every format; chunks and reads are small, so that there are many."""
    made = tmp_path_factory.mktemp("tables")
    options = {"ifus": (9, 10), "wavelength": (7000.0, 7060.0)}
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in (
            (zarr, "CHUNK_ROWS", 1 << 12), (zarr, "SHARD_ROWS", 3 << 12), (zarr, "ROWS_PER_READ", 1 << 15),
            (column_reader, "RUN_BYTES", 1 << 15),
            (fits, "ROWS_PER_READ", 1 << 14), (fits, "SCRATCH", 1 << 12),
            (fits.FitsPixelTable, "rows_per_read", 1 << 14),
        ):  # fmt: skip
            patch.setattr(module, name, value)
        write_exposure(made / "images.fits", **options)
        write_exposure(made / "table.fits", fmt="table", **options)
        write_exposure(made / "one.fits", fmt="per-ifu", **options)
        ingest([made / "images.fits"], made / "store.zarr")
        parts = ifu_paths(made / "one.fits", options["ifus"])
        yield {
            "images": open_exposure([made / "images.fits"]), "records": open_exposure([made / "table.fits"]),
            "joined": open_exposure(parts), "store": open_exposure([made / "store.zarr"]),
        }  # fmt: skip


def counted(monkeypatch, table, ranges):
    """What the operating system has been asked for."""
    opened = []
    plain = os.open

    def count(*arguments, **options):
        opened.append(arguments[0])
        return plain(*arguments, **options)

    def so_far():
        lines = dict(line.split(": ") for line in IO.read_text().splitlines())
        return int(lines["syscr"]), int(lines["rchar"])

    def read():
        for _ in read_blocks(table, ranges, NAMES, lambda name, n, dtype: np.empty(n, dtype)):
            pass

    read()  # kernels and modules are loaded from files, too
    before, idle = so_far(), so_far()
    began = so_far()
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", count)
        read()
    ended = so_far()
    own = [b - a for a, b in zip(before, idle, strict=True)]
    reads, nbytes = (b - a - n for a, b, n in zip(began, ended, own, strict=True))
    return Requests(len(opened), reads, nbytes)


def some(n_rows):
    """Ranges of rows of all kinds: short and long, near and far, one row, and all."""
    rng = np.random.default_rng(5)
    edges = np.sort(rng.choice(n_rows, 60, replace=False)).reshape(-1, 2)
    near = np.array([[k, k + 400] for k in range(5000, 40000, 1000)])
    return {"scattered": edges, "near": near, "one": np.array([[77, 78]]), "all": np.array([[0, n_rows]])}


@pytest.mark.skipif(not IO.exists(), reason="this system does not count what threads read")
@pytest.mark.parametrize("kind", ["scattered", "near", "one", "all"])
@pytest.mark.parametrize("name", ["images", "records", "joined", "store"])
def test_counts_are_those_of_the_operating_system(tables, monkeypatch, name, kind):
    table = tables[name]
    ranges = some(table.n_rows)[kind]
    layout = layout_of(table)
    assert layout.n_rows == table.n_rows
    assert [piece.tolist() for piece in layout.pieces(ranges)] == [piece.tolist() for piece in table.pieces(ranges)]
    expected = requests_of(layout, ranges, NAMES)
    found = counted(monkeypatch, table, ranges)
    # the list of what a thread has read is a few digits longer after it
    assert (found.opens, found.reads) == (expected.opens, expected.reads)
    assert found.nbytes == pytest.approx(expected.nbytes, abs=16)
    assert expected.reads >= len(NAMES) or name == "records"


def test_a_store_of_corrections_is_not_counted():
    assert layout_of(object()) is None


@given(st.lists(st.integers(1, 500), min_size=2, max_size=60), st.integers(0, 300), st.integers(1, 2000))
def test_every_row_is_in_one_read(lengths, gap, at_once):
    edges = np.cumsum(lengths[: len(lengths) // 2 * 2]).reshape(-1, 2)
    layout = Columns(int(edges[-1, 1]), 1 << 30, gap, at_once)
    found = requests_of(layout, edges, ("data",))
    wanted = int((edges[:, 1] - edges[:, 0]).sum())
    assert 4 * wanted <= found.nbytes <= 4 * (edges[-1, 1] - edges[0, 0])
    assert found.reads >= -(-wanted // at_once)
    assert found.opens == 1
