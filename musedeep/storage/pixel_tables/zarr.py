"""Pixel-table stores: one zarr group (format 3) per exposure.

Columns are 1-D arrays of equal chunks. Rows are grouped by wavelength band, then IFU, then slice, and keep
their order within; so a range of wavelengths is one contiguous piece, and an IFU within it too.

=====================  =====================================================================================
`xpos` ... `weight`    the columns (manual A.3.2)
`order`                row of the source file, as difference to the row before (0 at the first of a run)
`index/runs`           int64 (runs, 6): band, IFU, slice, start, stop, row of the source file of the first
`index/edges`          int64 (segments + 1,): segments of at most 256 rows, none across two runs
`index/boxes`          float32 (segments, 6): box of each segment (`table.SEGMENT`)
`hdus/N`               bytes of HDU N of the source file where it is no column
`checksums`            of everything else (`checked_store`)
attributes             raw header cards of all HDUs, units, the grid of bands; `unsigned` if the cards of
                       checksums are filled in only when a FITS file is written
=====================  =====================================================================================

Chunks are written even where all values are equal; those of a column share files (`column_writer`). Chunks and metadata
have checksums (`checked_store`), so that damage and loss are found when they are read.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError, reason
from musedeep.storage.fits.headers import CARD, SharedHeader, parse_facts
from musedeep.storage.pixel_tables.requests import Chunks
from musedeep.storage.pixel_tables.table import (
    COLUMN_TYPES,
    SEGMENT,
    RowReader,
    Rows,
    check_columns,
    clean_ranges,
    cut_between_chunks,
    cut_ranges,
    set_boxes,
)
from musedeep.storage.stores.checked_store import CheckedStore
from musedeep.storage.stores.column_reader import ColumnReader, Part
from musedeep.storage.stores.location import Location
from musedeep.storage.stores.object_storage import exists

KIND, VERSION = "pixel table", 5
CHUNK_ROWS = 1 << 13
"""Rows of a chunk: a seventh of an IFU in a band, so that a box decodes little that it does not need. The checksums and
sizes of the chunks of an open store take 64 bytes of memory for so many rows."""

SHARD_ROWS = 1 << 23
"""Rows whose chunks share a file (or object), of about 25 MB then."""

ROWS_PER_READ = 1 << 17
"""Rows of a store on disk that stay in the processor's cache from reading to use."""

READS_AT_ONCE = 8
"""Requests to object storage at a time of a process; each takes 4 MiB (`column_reader`)."""

TABLE_BINS = 256
"""Bins of a table of spectra that are read together."""

BAND_ORIGIN, BAND_END, BAND_WIDTH = 4000.0, 10000.0, 20.0
"""Fixed grid of bands [Angstrom]: 16 pixels each; rows beyond count to the first or last band."""


Check = Callable[[Any], bool]
"""Says whether an attribute of a store has a value that it may have."""


def _blosc(cname: Literal["lz4", "zstd"], clevel: int, itemsize: int) -> Any:
    """A codec of zarr; items are split into bytes, and bytes of equal weight compressed together."""
    from zarr.codecs import BloscCodec  # takes long to load, and only writing needs it

    return BloscCodec(cname=cname, clevel=clevel, shuffle="shuffle", typesize=itemsize)


def compressors(name: str) -> tuple[Any, ...]:
    """Codecs of a column, as chosen by benchmarks/store_compression.py.

    Data are not encoded: all but their exponents are noise, and LZ4, the fastest codec, would make a store 3 % smaller.
    Of variances it leaves the bytes that are noise alone. Level 9 is the one that looks for most matches.
    """
    level = 0 if name in ("data", "weight") else 1 if name == "stat" else 9
    return (_blosc("lz4", level, 4),)


def create_column(group: Any, name: str, n: int, dtype: Any, chunk_rows: int) -> Any:
    """A new 1-D array of a store."""
    return _create(group, name, (n,), dtype, chunk_rows, compressors(name), ("row",))


def create_rows(group: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """A new array of a store that is no column, chunked along its first axis."""
    codecs = (_blosc("zstd", 3, np.dtype(dtype).itemsize),)
    return _create(group, name, shape, dtype, 1 << 18, codecs, None)


def create_table(group: Any, name: str, shape: tuple[int, ...]) -> Any:
    """A new array of spectra of slices, float32 (bins, slices), of which small ranges of bins are read."""
    codecs = (_blosc("lz4", 1, 4),)
    return _create(group, name, shape, np.float32, TABLE_BINS, codecs, None)


def _create(
    group: Any, name: str, shape: tuple[int, ...], dtype: Any, chunk_rows: int, codecs: Any, dimensions: Any
) -> Any:
    from zarr.codecs import Crc32cCodec

    size = max(min(chunk_rows, shape[0]), 1)
    shard = min(max(SHARD_ROWS // size, 1), max(-(-shape[0] // size), 1)) * size
    return group.create_array(
        name, shape=shape, chunks=(size, *shape[1:]), shards=(shard, *shape[1:]), dtype=dtype, fill_value=0,
        compressors=(*codecs, Crc32cCodec()), dimension_names=dimensions, config={"write_empty_chunks": True},
    )  # fmt: skip


def open_store(where: Location) -> CheckedStore:
    """The zarr store at a location.

    Raises
    ------
    MusedeepError
        There is none; it cannot be read.
    """
    store = CheckedStore(where)
    if store.checksums is None and not isinstance(where, Path) and not exists(where):
        raise MusedeepError(f"{where}: there is no store; correct the URL, or make the store with musedeep ingest")
    return store


def has_columns(store: CheckedStore) -> bool:
    """Whether a store holds columns of rows, or is none that is known."""
    files = store.checksums.files if store.checksums else {}
    return "index/boxes/zarr.json" not in files or "xpos/zarr.json" in files


def _attributes(store: CheckedStore, kind: str, version: int, checks: Mapping[str, Check]) -> dict[str, Any]:
    """Attributes of the group of a store, read from it."""
    path = store.name
    try:
        attributes = store.attributes()
    except ValueError as error:
        raise MusedeepError(f"{path}: not a pixel-table store ({reason(error)}); ingest it again") from error
    if attributes.get("kind") != kind and (store.checksums or attributes):
        raise MusedeepError(f"{path}: not a pixel-table store; give a FITS pixel table or a store of ingest")
    found = attributes.get("version")
    if found != version and attributes:
        raise MusedeepError(f"{path}: store of version {found}, expected {version}; {again(kind)}")
    if store.checksums is None:
        raise MusedeepError(f"{path}: the store is not complete (it has no checksums); {again(kind)}")
    for name, good in checks.items():
        if name not in attributes or not good(attributes[name]):
            raise MusedeepError(f"{path}: attribute {name} of the store is missing or damaged; {again(kind)}")
    return attributes


def again(kind: str) -> str:
    """How to make a store of a kind again."""
    return "ingest it again" if kind == KIND else "reduce the exposure again"


def _hdus(value: Any) -> bool:
    if not (isinstance(value, list) and value and all(isinstance(hdu, dict) for hdu in value)):
        return False
    return all(isinstance(hdu.get("role"), str) and isinstance(hdu.get("cards"), list) for hdu in value) and all(
        isinstance(card, str) and len(card) == CARD and max(card) <= "\xff" for hdu in value for card in hdu["cards"]
    )


OF_ROWS: Final[Mapping[str, Check]] = {
    "rows": lambda v: type(v) is int and v >= 0,
    "columns": lambda v: isinstance(v, list) and all(name in COLUMN_TYPES for name in v),
    "units": lambda v: isinstance(v, dict) and all(isinstance(unit, str) for unit in v.values()),
    "hdus": _hdus,
}
"""The attributes that are read of every store of rows, with their checks."""

_OF_BANDS: Final[Mapping[str, Check]] = {
    "band_origin": lambda v: isinstance(v, int | float),
    "band_width": lambda v: isinstance(v, int | float) and v > 0,
    "bands": lambda v: type(v) is int and v > 0,
}


class StoreOfRows(RowReader):
    """What stores of the rows of an exposure share: attributes, headers, index; to be subclassed.

    Parameters
    ----------
    path : of the store
    store : the same, if it is open already

    Raises
    ------
    MusedeepError
        There is no such store, or a damaged one.
    """

    format = "zarr store"
    kind: ClassVar[str] = KIND
    version: ClassVar[int] = VERSION
    checks: ClassVar[Mapping[str, Check]] = OF_ROWS

    def __init__(self, path: Location, store: CheckedStore | None = None) -> None:
        self.path = path
        self._store = open_store(path) if store is None else store
        self._header = SharedHeader(lambda: self.attributes()["hdus"][0]["cards"])
        attributes = self.attributes()
        assert self._store.checksums is not None  # else it would have been refused
        self._checksums = self._store.checksums
        self.n_rows = int(attributes["rows"])
        self.rows_per_read = max(self.n_rows, 1)
        self.names = tuple(attributes["columns"])
        self.units: dict[str, str] = dict(attributes["units"])
        check_columns(path, self.names)

    def attributes(self) -> dict[str, Any]:
        """Attributes of the group, read from disk."""
        return _attributes(self._store, self.kind, self.version, self.checks)

    @property
    def light(self) -> bool:
        """See `PixelTable.light`."""
        return self._store.on_disk

    @property
    def identity(self) -> str:
        """See `PixelTable.identity`; equal for equal contents."""
        return self._checksums.identity

    @property
    def facts(self) -> fits.Header:
        """See `PixelTable.facts`."""
        return parse_facts(self.attributes()["hdus"][0]["cards"])

    @property
    def header(self) -> fits.Header:
        """Primary header (`SharedHeader`)."""
        return self._header.get()

    @property
    def nbytes(self) -> int:
        """Bytes of all files or objects of the store."""
        if not isinstance(self.path, Path):
            return self._checksums.nbytes
        return sum(f.stat().st_size for f in self.path.rglob("*") if f.is_file())

    def whole(self, name: str) -> NDArray[Any]:
        """All values of one of the smaller arrays (`index/...`, `hdus/...`)."""
        column = ColumnReader(self._store.array(name), self._store)
        return column.values(0, -(-column.shape[0] // column.chunk_rows))

    def index(self) -> NDArray[Any]:
        """See `PixelTable.index`; as stored."""
        edges, boxes = self.whole("index/edges"), self.whole("index/boxes")
        index = np.empty(boxes.shape[0], SEGMENT)
        index["start"], index["stop"] = edges[:-1], edges[1:]
        set_boxes(index, boxes)
        return index

    def close(self) -> None:
        """Nothing stays open between reads."""


class ZarrPixelTable(StoreOfRows):
    """A pixel-table store; see `table.PixelTable`."""

    checks = MappingProxyType({**OF_ROWS, **_OF_BANDS})

    def __init__(self, path: Location, store: CheckedStore | None = None) -> None:
        super().__init__(path, store)
        store = self._store
        names = (*self.names, "order")
        arrays = map(store.array, names) if isinstance(path, Path) else _requests().map(store.array, names)
        self._columns = {name: ColumnReader(array, store, keep=True) for name, array in zip(names, arrays, strict=True)}
        for name, array in self._columns.items():
            if array.shape != (self.n_rows,):
                raise MusedeepError(f"{path}: column {name} has shape {array.shape}; ingest the exposure again")
        self.chunk_rows = self._columns["lambda"].chunk_rows
        if isinstance(path, Path):
            self.rows_per_read = min(ROWS_PER_READ, self.rows_per_read)

    def read_into(self, ranges: NDArray[np.int64], rows: Rows) -> None:
        """See `PixelTable.read_into`; decodes each chunk that holds a wanted row once."""
        ranges = clean_ranges(ranges, self.n_rows)
        if ranges.shape[0] == 0:
            return
        parts = _parts(ranges, self._columns["lambda"].seams(), self.chunk_rows)
        reads = (read for name, out in rows.items() for read in self._columns[name].reads(parts, out))
        if isinstance(self.path, Path):
            for read in reads:
                read()
        else:
            # a request takes long, however small: many at a time
            list(_requests().map(lambda read: read(), reads))

    def pieces(self, ranges: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """See `RowReader.pieces`; cut between chunks, so that none is decoded twice."""
        ranges = clean_ranges(ranges, self.n_rows)
        if (ranges[1:, 0] < ranges[:-1, 1]).any():
            return [ranges]
        return cut_between_chunks(ranges, self.rows_per_read, self.chunk_rows)

    @property
    def layout(self) -> Chunks | None:
        """See `requests.layout_of`; None in object storage, whose requests are others."""
        if not isinstance(self.path, Path):
            return None
        sizes = {name: column.chunk_bytes() for name, column in self._columns.items()}
        column = self._columns["lambda"]
        return Chunks(self.n_rows, self.rows_per_read, self.chunk_rows, column.room, column.chunks_per_shard, sizes)

    def order(self, start: int, stop: int) -> NDArray[Any]:
        """The `order` column of rows [start, stop)."""
        size = self.chunk_rows
        values = self._columns["order"].values(start // size, -(-stop // size))
        return values[start - start // size * size :][: stop - start]


@lru_cache(maxsize=1)
def _requests() -> ThreadPoolExecutor:
    """Threads of this process that wait for object storage."""
    return ThreadPoolExecutor(READS_AT_ONCE, "object-storage")


def _parts(ranges: NDArray[np.int64], seams: NDArray[np.int64], chunk_rows: int) -> list[Part]:
    """Ranges of rows by what is read together (`ColumnReader.seams`), in the order of the chunks."""
    which = None
    if seams.size > 2:
        which, ranges = cut_ranges(ranges, seams * chunk_rows)
    start, length = ranges[:, 0].copy(), ranges[:, 1] - ranges[:, 0]
    place = np.cumsum(length) - length
    if (ranges[1:, 0] < ranges[:-1, 1]).any():
        # so that each chunk is decoded once
        order = np.argsort(start, kind="stable")
        start, length, place = start[order], length[order], place[order]
        which = None if which is None else which[order]
    if which is None:
        return [Part(0, int(seams[-1]), start, length, place)]
    bounds = np.flatnonzero(np.r_[True, which[1:] != which[:-1], True])
    return [
        Part(int(seams[which[a]]), int(seams[which[a] + 1]), start[a:b], length[a:b], place[a:b])
        for a, b in pairwise(bounds)
    ]
