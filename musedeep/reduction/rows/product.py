"""Pixel tables as products, from any source of rows: a store, a FITS file in one of two formats (manual A.3.2)."""

import io
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.reduction.rows.source import READERS
from musedeep.storage.fits.hdus import whole_file
from musedeep.storage.fits.header_cards import keep_checksum_places
from musedeep.storage.fits.headers import raw_cards
from musedeep.storage.fits.parts import BLOCK, header_bytes, padded
from musedeep.storage.fits.table import binary_table
from musedeep.storage.outputs import write_at
from musedeep.storage.pixel_tables.table import COLUMN_TYPES, RowSource, row_blocks
from musedeep.threads import in_threads

STORE_MEMORY: Final = 64 << 20
"""Working memory of the writing of a store, bytes."""


def saves_as_table() -> bool:
    """Whether MUSE_PIXTABLE_SAVE_AS_TABLE asks for FITS pixel tables in the binary-table format."""
    return os.environ.get("MUSE_PIXTABLE_SAVE_AS_TABLE", "0") not in ("", "0")


def wants_fits() -> bool:
    """Whether an environment variable of the manual asks for FITS pixel tables."""
    return saves_as_table() or os.environ.get("MUSE_PIXTABLE_SAVE_AS_IMAGE", "0") not in ("", "0")


@dataclass
class PixelTableProduct:
    """A pixel table, ready to be written in blocks as a store or as a FITS file.

    Attributes
    ----------
    header : primary header
    flat_field : spectrum of the flat (PIXTABLE_FLAT_FIELD), if there is one
    as_table : whether the FITS file is a binary table, not an image for each column
    """

    rows: RowSource
    header: fits.Header
    flat_field: fits.BinTableHDU | None = None
    as_table: bool = False

    def write_store(self, path: Path, workers: int, overwrite: bool, memory: int = STORE_MEMORY) -> None:
        """Write the store; `export` makes of it the FITS file that `write_fits` writes.

        Parameters
        ----------
        path : Path, the zarr group
        workers : int, threads
        overwrite : bool, replace an existing store
        memory : int, working memory [bytes]

        Raises
        ------
        MusedeepError
            The store exists and may not be replaced; no space; too little memory for one slice in one band.
        """
        # a seventh of a second, which muse_scibasic lets pass beside other work
        from musedeep.storage.pixel_tables.store_writer import write_store

        write_store(self.rows, path, self.layout(), workers=workers, memory=memory, overwrite=overwrite)

    def layout(self) -> dict[str, Any]:
        """What a store needs to know to become the FITS file (`store_writer.write_store`)."""
        hdus: list[dict[str, Any]] = [
            {"cards": list(raw_cards(head)), "role": role} for role, head in self._headers.items()
        ]
        if self._flat_field:
            head, data = self._flat_field
            hdus.append({"cards": list(raw_cards(head)), "role": "other", "raw": data})
        return {"format": "table" if self.as_table else "image", "hdus": hdus, "unsigned": True}

    def write_fits(self, path: Path, overwrite: bool) -> None:
        """Write the FITS file.

        Raises
        ------
        MusedeepError
            The file exists and may not be replaced; no space.
        """
        n, position = self.rows.n_rows, 0
        heads, columns = list[tuple[int, bytes]](), list[tuple[int, np.dtype[Any], tuple[str, ...]]]()
        for role, head in self._headers.items():
            heads.append((position, head))
            position += len(head)
            if role != "primary":
                names = self.rows.names if role == "rows" else (role,)
                record = np.dtype([(name, COLUMN_TYPES[name].newbyteorder(">")) for name in names])
                columns.append((position, record, names))
                position += padded(n * record.itemsize)
        if self._flat_field:
            heads.append((position, b"".join(self._flat_field)))
            position += len(heads[-1][1])
        with whole_file(path, position, overwrite) as stream:
            descriptor = stream.fileno()
            os.truncate(descriptor, position)
            for place, raw in heads:
                write_at(descriptor, place, raw)
            blocks = row_blocks(n)

            def write(k: int) -> None:
                rows = self.rows.read(blocks[k], self.rows.names)
                first, last = blocks[k][0].tolist()
                for place, record, names in columns:
                    values: NDArray[Any] = np.empty(last - first, record)
                    for name in names:
                        values[name] = rows[name]
                    write_at(descriptor, place + first * record.itemsize, values.view(np.uint8).data)

            in_threads(write, len(blocks), READERS)

    @cached_property
    def _headers(self) -> dict[str, bytes]:
        """Headers of the FITS file: of the primary HDU, and of each column or of the table of all."""
        names, units = self.rows.names, self.rows.units
        found = {"primary": header_bytes(self.header, False, 8, ())}
        if self.as_table:
            empty = [fits.Column(n, "1J" if COLUMN_TYPES[n].kind == "i" else "1E", units.get(n)) for n in names]
            header = binary_table(empty).header
            header["NAXIS2"] = self.rows.n_rows
            keep_checksum_places(header)
            return found | {"rows": header.tostring(sep="", endcard=True, padding=True).encode("ascii")}
        for name in names:
            header = fits.Header([fits.Card("EXTNAME", name)])
            if name in units:
                header["BUNIT"] = units[name]
            bitpix = 32 if COLUMN_TYPES[name].kind == "i" else -32
            found[name] = header_bytes(header, True, bitpix, (self.rows.n_rows, 1))
        return found

    @cached_property
    def _flat_field(self) -> tuple[bytes, bytes] | None:
        """Header and data of the spectrum of the flat, as they stand in the file."""
        if self.flat_field is None:
            return None
        keep_checksum_places(self.flat_field.header)
        buffer = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(), self.flat_field]).writeto(buffer)
        raw = buffer.getvalue()[BLOCK:]
        size = padded(len(self.flat_field.data.tobytes()))
        return raw[: len(raw) - size], raw[len(raw) - size :]
