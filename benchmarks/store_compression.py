#!/usr/bin/env python3
"""Codecs for the columns of a pixel-table store: bytes a row, and rows a second written and read.

    store_compression.py [--ifus 2] [--wavelength 7000 7400] [--directory DIR] [--threads 1]

Makes one exposure of the tests' star field, brings its rows into store order, and writes and reads each
column with each candidate through zarr, as ingest and read do. Then times a whole ingest, read and export, and
reading with and without checksums.
Prints Markdown tables for RESULTS.md. The `chosen` column of the first table is what the store uses now.
"""

import argparse
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import BloscCodec, ZstdCodec

from musedeep.storage.pixel_tables.export import export
from musedeep.storage.pixel_tables.ingest import ingest
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.pixel_tables.zarr import CHUNK_ROWS, compressors
from tests.makers.pixel_tables import write_exposure


def blosc(cname, level, shuffle):
    """One candidate."""
    return BloscCodec(cname=cname, clevel=level, shuffle=shuffle, typesize=4)


CANDIDATES = {
    "none": None,
    "lz4-0": blosc("lz4", 0, "shuffle"),
    "lz4-1 byte": blosc("lz4", 1, "shuffle"),
    "lz4-9 byte": blosc("lz4", 9, "shuffle"),
    "blosclz-5 byte": blosc("blosclz", 5, "shuffle"),
    "lz4-1 bit": blosc("lz4", 1, "bitshuffle"),
    "lz4-5 bit": blosc("lz4", 5, "bitshuffle"),
    "zstd-1 bit": blosc("zstd", 1, "bitshuffle"),
    "zstd-3 bit": blosc("zstd", 3, "bitshuffle"),
    "zstd-1 byte": blosc("zstd", 1, "shuffle"),
    "zstd-3 byte": blosc("zstd", 3, "shuffle"),
    "zstd-6 bit": blosc("zstd", 6, "bitshuffle"),
    "plain zstd-1": ZstdCodec(level=1),
}


def stored_bytes(folder):
    """Bytes of the chunks of an array."""
    return sum(f.stat().st_size for f in (folder / "c").rglob("*") if f.is_file())


def measure(folder, name, values, codec, threads):
    """Bytes a row, million rows/s written and read, of one column with one codec."""
    group = zarr.open_group(folder, mode="w", zarr_format=3)
    codecs = () if codec is None else (codec,)
    array = group.create_array(
        name, shape=values.shape, chunks=(CHUNK_ROWS,), dtype=values.dtype, fill_value=0, compressors=codecs,
        config={"write_empty_chunks": True},
    )  # fmt: skip
    step = 4 * CHUNK_ROWS
    starts = range(0, values.size, step)

    def write(a):
        array[a : a + step] = values[a : a + step]

    def read(a):
        return array[a : a + step].size

    with ThreadPoolExecutor(threads) as pool:
        t0 = time.perf_counter()
        list(pool.map(write, starts))
        t1 = time.perf_counter()
        list(pool.map(read, starts))
        t2 = time.perf_counter()
    n = values.size
    return stored_bytes(folder / name) / n, n / (t1 - t0) / 1e6, n / (t2 - t1) / 1e6


def read_pieces(read, n, step):
    """Seconds of processor time to read n rows in the pieces that a table is read in."""
    began = time.process_time()
    for a in range(0, n, step):
        read(a, min(a + step, n))
    return time.process_time() - began


def read_cost(store):
    """Million rows a second of processor time, all columns: by zarr, and checked, as musedeep reads them."""
    table = open_pixel_table(store)
    group = zarr.open_group(store, mode="r")
    arrays = [group[name] for name in table.names]
    ways = {
        "zarr, without the checksums of the store": lambda a, b: [array[a:b] for array in arrays],
        "musedeep": lambda a, b: table.read(np.array([[a, b]]), table.names),
    }
    step = 1 << 20
    rounds = [{what: read_pieces(read, table.n_rows, step) for what, read in ways.items()} for _ in range(15)]
    return {what: table.n_rows / min(r[what] for r in rounds) / 1e6 for what in ways}


def main():
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ifus", type=int, default=2)
    parser.add_argument("--wavelength", type=float, nargs=2, default=(7000.0, 7400.0))
    parser.add_argument("--directory", type=Path, help="where to work (default: a temporary directory)")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.directory))
    try:
        ifus = tuple(range(12, 12 + arguments.ifus))
        write_exposure(folder / "a.fits", ifus=ifus, wavelength=tuple(arguments.wavelength), posang=33.0)
        store = ingest([folder / "a.fits"], folder / "warm.zarr")  # compiles
        times = [time.perf_counter()]
        store = ingest([folder / "a.fits"], folder / "a.zarr")
        times.append(time.perf_counter())
        table = open_pixel_table(store)
        n = table.n_rows
        rows = table.read(np.array([[0, n]]), table.names)
        times.append(time.perf_counter())
        export(store, folder / "b.fits")
        times.append(time.perf_counter())
        assert (folder / "a.fits").read_bytes() == (folder / "b.fits").read_bytes()
        rows["order"] = table.order(0, n)
        print(f"{n} rows of {arguments.ifus} IFUs, chunks of {CHUNK_ROWS} rows, {arguments.threads} thread(s).")
        print("Each cell: bytes a row / million rows/s written / million rows/s read.\n")
        print("| column | chosen | " + " | ".join(CANDIDATES) + " |")
        print("|---" * (len(CANDIDATES) + 2) + "|")
        for name, values in rows.items():
            cells = []
            for codec in CANDIDATES.values():
                size, write, read = measure(folder / "try.zarr", name, values, codec, arguments.threads)
                cells.append(f"{size:.2f} / {write:.0f} / {read:.0f}")
            now = compressors(name)[0]
            chosen = f"{now.cname.value}-{now.clevel} {now.shuffle.value}"
            print(f"| {name} | {chosen} | " + " | ".join(cells) + " |", flush=True)
        steps = np.diff(times)
        print("\n| step | million rows/s |\n|---|---|")
        for step, seconds in zip(("ingest", "read all columns", "export"), steps, strict=True):
            print(f"| {step} | {n / seconds / 1e6:.2f} |")
        print("\n| read by | million rows a second of processor time |\n|---|---|")
        for what, rate in read_cost(store).items():
            print(f"| {what} | {rate:.2f} |")
        print(f"\nStore: {table.nbytes / n:.2f} bytes a row; FITS: {(folder / 'a.fits').stat().st_size / n:.2f}.")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
