"""Pixel-table stores: one zarr group (format 3) an exposure.

Columns are 1-D arrays of equal chunks. Rows are grouped by wavelength band, then IFU, then slice, and keep
their order within; so a range of wavelengths is one contiguous piece, and an IFU within it too.

=====================  =====================================================================================
`xpos` ... `weight`    the columns (manual A.3.2)
`order`                row of the source file, as difference to the row before (0 at the first of a run)
`index/runs`           int64 (runs, 6): band, IFU, slice, start, stop, row of the source file of the first
`index/edges`          int64 (segments + 1,): segments of at most 256 rows, none across two runs
`index/boxes`          float32 (segments, 6): box of each segment (`pixel_table.SEGMENT`)
`hdus/N`               bytes of HDU N of the source file where it is no column
attributes             raw header cards of all HDUs, units, the grid of bands; `unsigned` if the cards of
                       checksums are filled in only when a FITS file is written
=====================  =====================================================================================

Every chunk carries a checksum (crc32c), and chunks are written even where all values are equal, so that
damage and loss are found when they are read.
"""

from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
import zarr
from astropy.io import fits
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from musedeep.errors import MusedeepError
from musedeep.storage.headers import SharedHeader, parse_facts
from musedeep.storage.pixel_table import SEGMENT, RowReader, Rows, check_columns, clean_ranges
from musedeep.storage.pixel_table_fits import set_boxes

KIND, VERSION = "pixel table", 1
CHUNK_ROWS = 1 << 17
CHUNKS_AT_ONCE = 8
"""Chunks of a column decoded at a time while reading."""

BAND_ORIGIN, BAND_END, BAND_WIDTH = 4000.0, 10000.0, 20.0
"""Fixed grid of bands [Angstrom]: 16 pixels each; rows beyond count to the first or last band."""


def compressors(name: str) -> tuple[Any, ...]:
    """Codecs of a column, as chosen by benchmarks/store_compression.py.

    The last bits of data and variances are noise: there the fastest codec takes what there is to gain. Higher levels
    of zstd save a twentieth of a store and take three times as long.
    """
    noisy = name in ("data", "stat", "weight")
    if noisy:
        return (BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle", typesize=4), Crc32cCodec())
    return (BloscCodec(cname="zstd", clevel=1, shuffle="shuffle", typesize=4), Crc32cCodec())


def create_column(group: Any, name: str, n: int, dtype: Any, chunk_rows: int) -> Any:
    """A new 1-D array of a store."""
    return group.create_array(
        name, shape=(n,), chunks=(max(min(chunk_rows, n), 1),), dtype=dtype, fill_value=0,
        compressors=compressors(name), dimension_names=("row",), config={"write_empty_chunks": True},
    )  # fmt: skip


def create_rows(group: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """A new array of a store that is no column, chunked along its first axis."""
    chunks = (max(min(1 << 18, shape[0]), 1), *shape[1:])
    codecs = (BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=np.dtype(dtype).itemsize), Crc32cCodec())
    return group.create_array(
        name, shape=shape, chunks=chunks, dtype=dtype, fill_value=0, compressors=codecs,
        config={"write_empty_chunks": True},
    )  # fmt: skip


def _attributes(path: Path) -> dict[str, Any]:
    """Attributes of the group of a store, read from disk."""
    try:
        attributes = dict(zarr.open_group(path, mode="r").attrs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).split("\n")[0]
        raise MusedeepError(f"{path}: not a pixel-table store ({reason}); ingest it again") from error
    if attributes.get("kind") != KIND:
        raise MusedeepError(f"{path}: not a pixel-table store; give a FITS pixel table or a store of ingest")
    if attributes.get("version") != VERSION:
        raise MusedeepError(
            f"{path}: store of version {attributes.get('version')}, expected {VERSION}; ingest it again"
        )
    return attributes


class ZarrPixelTable(RowReader):
    """A pixel-table store; see `pixel_table.PixelTable`.

    Raises
    ------
    MusedeepError
        The directory is no pixel-table store.
    """

    format = "zarr store"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._header = SharedHeader(lambda: _attributes(path)["hdus"][0]["cards"])
        attributes = self.attributes()
        self.n_rows = int(attributes["rows"])
        self.names = tuple(attributes["columns"])
        self.units: dict[str, str] = dict(attributes["units"])
        check_columns(path, self.names)
        group: Any = zarr.open_group(path, mode="r")
        try:
            self._arrays = {name: group[name] for name in (*self.names, "order")}
        except (KeyError, ValueError, FileNotFoundError) as error:
            raise MusedeepError(f"{path}: column {error} is missing or damaged; ingest the exposure again") from error
        for name, array in self._arrays.items():
            if array.shape != (self.n_rows,):
                raise MusedeepError(f"{path}: column {name} has shape {array.shape}; ingest the exposure again")
        self.chunk_rows = int(self._arrays["lambda"].chunks[0])

    def attributes(self) -> dict[str, Any]:
        """Attributes of the group, read from disk."""
        return _attributes(self.path)

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
        """Bytes of all files of the store."""
        return sum(f.stat().st_size for f in self.path.rglob("*") if f.is_file())

    def whole(self, name: str) -> NDArray[Any]:
        """All values of one of the smaller arrays (`index/...`, `hdus/...`)."""
        try:
            array: Any = zarr.open_group(self.path, mode="r")[name]
        except (KeyError, ValueError, OSError) as error:
            raise MusedeepError(f"{self.path}: {name} is missing or damaged; ingest the exposure again") from error
        return self._decode(array, name, 0, -(-array.shape[0] // array.chunks[0]))

    def index(self) -> NDArray[Any]:
        """See `PixelTable.index`; as stored."""
        edges, boxes = self.whole("index/edges"), self.whole("index/boxes")
        index = np.empty(boxes.shape[0], SEGMENT)
        index["start"], index["stop"] = edges[:-1], edges[1:]
        set_boxes(index, boxes)
        return index

    def read_into(self, ranges: NDArray[np.int64], rows: Rows) -> None:
        """See `PixelTable.read_into`; decodes each chunk that holds a wanted row once."""
        ranges = clean_ranges(ranges, self.n_rows)
        if ranges.shape[0] == 0:
            return
        size = self.chunk_rows
        # pieces of ranges, each within one chunk
        first, last = ranges[:, 0] // size, (ranges[:, 1] - 1) // size
        number = last - first + 1
        source = np.repeat(np.arange(ranges.shape[0]), number)
        step = np.arange(source.size) - np.repeat(np.cumsum(number) - number, number)
        chunk = first[source] + step
        start = np.maximum(ranges[source, 0], chunk * size)
        length = np.minimum(ranges[source, 1], (chunk + 1) * size) - start
        place = np.cumsum(length) - length
        order = np.argsort(chunk, kind="stable")
        chunk, start, length, place = chunk[order], start[order], length[order], place[order]
        # chunks that follow each other are decoded together
        wanted = np.unique(chunk)
        group = np.cumsum(np.r_[0, np.diff(wanted) != 1])
        for g in range(group[-1] + 1):
            members = wanted[group == g]
            for k in range(0, members.size, CHUNKS_AT_ONCE):
                c0, c1 = int(members[k]), int(members[min(k + CHUNKS_AT_ONCE, members.size) - 1]) + 1
                a, b = np.searchsorted(chunk, [c0, c1])
                for name, column in rows.items():
                    values = self._decode(self._arrays[name], name, c0, c1)
                    copy_pieces(values, start[a:b] - c0 * size, length[a:b], place[a:b], column)

    def order(self, start: int, stop: int) -> NDArray[Any]:
        """The `order` column of rows [start, stop)."""
        size = self.chunk_rows
        values = self._decode(self._arrays["order"], "order", start // size, -(-stop // size))
        return values[start - start // size * size :][: stop - start]

    def _decode(self, array: Any, name: str, c0: int, c1: int) -> NDArray[Any]:
        """Values of the chunks [c0, c1) along the first axis."""
        size = array.chunks[0]
        folder = self.path / name / "c"
        tail = "/0" * (len(array.shape) - 1)
        for k in range(c0, c1):
            # zarr would take a chunk that is not there for fill values
            if not (folder / f"{k}{tail}").exists():
                raise MusedeepError(f"{self.path}: chunk {k} of {name} is missing; ingest the exposure again")
        try:
            return np.asarray(array[c0 * size : min(c1 * size, array.shape[0])])
        except (ValueError, RuntimeError, OSError, TypeError) as error:
            reason = str(error).split(". ")[0].split("\n")[0]
            raise MusedeepError(
                f"{self.path}: chunks {c0} to {c1 - 1} of {name} are damaged ({reason}); ingest the exposure again"
            ) from error

    def close(self) -> None:
        """Nothing stays open between reads."""


@nb.njit(nogil=True, cache=True)
def copy_pieces(values, start, length, place, out):  # type: ignore[no-untyped-def]
    """out[place : place + length] = values[start : start + length], for each piece."""
    for k in range(start.size):
        s, p = start[k], place[k]
        for i in range(length[k]):
            out[p + i] = values[s + i]
