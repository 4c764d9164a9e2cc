"""Pixel tables of one IFU as products: a store, and a FITS file in one of the two formats (manual A.3.2)."""

import io
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.reduction.rows.image_rows import UNITS, ImageRows
from musedeep.storage.fits.hdus import whole_file
from musedeep.storage.fits.header_cards import keep_checksum_places
from musedeep.storage.fits.headers import raw_cards
from musedeep.storage.fits.parts import BLOCK, header_bytes, padded
from musedeep.storage.pixel_tables.table import COLUMN_TYPES, REQUIRED, Rows

STORE_MEMORY: Final = 64 << 20
"""Working memory of the writing of a store, bytes."""

_ROWS: Final = 1 << 19


def saves_as_table() -> bool:
    """Whether MUSE_PIXTABLE_SAVE_AS_TABLE asks for FITS pixel tables in the binary-table format."""
    return os.environ.get("MUSE_PIXTABLE_SAVE_AS_TABLE", "0") not in ("", "0")


def wants_fits() -> bool:
    """Whether an environment variable of the manual asks for FITS pixel tables."""
    return saves_as_table() or os.environ.get("MUSE_PIXTABLE_SAVE_AS_IMAGE", "0") not in ("", "0")


@dataclass
class PixelTableProduct:
    """A pixel table, ready to be written.

    Attributes
    ----------
    rows : ImageRows
    header : primary header
    flat_field : spectrum of the flat (PIXTABLE_FLAT_FIELD), if there is one
    """

    rows: ImageRows
    header: fits.Header
    flat_field: fits.BinTableHDU | None = None

    def write_store(self, path: Path, workers: int, overwrite: bool) -> None:
        """Write the store; `export` makes of it the FITS file that `write_fits` writes.

        Raises
        ------
        MusedeepError
            The store exists and may not be replaced; no space.
        """
        # a seventh of a second, which muse_scibasic lets pass beside other work
        from musedeep.storage.pixel_tables.store_writer import write_store

        as_table = saves_as_table()
        hdus: list[dict[str, Any]] = [
            {"cards": list(raw_cards(head)), "role": role} for role, head in self._headers(as_table).items()
        ]
        if self._flat_field:
            head, data = self._flat_field
            hdus.append({"cards": list(raw_cards(head)), "role": "other", "raw": data})
        layout = {"format": "table" if as_table else "image", "hdus": hdus, "unsigned": True}
        write_store(self.rows, path, layout, workers=workers, memory=STORE_MEMORY, overwrite=overwrite)

    def write_fits(self, path: Path, overwrite: bool) -> None:
        """Write the FITS file, as images or, with MUSE_PIXTABLE_SAVE_AS_TABLE=1, as a binary table.

        Raises
        ------
        MusedeepError
            The file exists and may not be replaced; no space.
        """
        as_table = saves_as_table()
        columns = self.rows.whole().rows
        with whole_file(path, 4 * len(REQUIRED) * self.rows.n_rows, overwrite) as stream:
            for role, head in self._headers(as_table).items():
                stream.write(head)
                if role != "primary":
                    self._write_rows(stream, columns, REQUIRED if role == "rows" else (role,))
            if self._flat_field:
                stream.write(b"".join(self._flat_field))

    def _write_rows(self, stream: Any, columns: Rows, names: tuple[str, ...]) -> None:
        record = np.dtype([(name, COLUMN_TYPES[name].newbyteorder(">")) for name in names])
        for start in range(0, self.rows.n_rows, _ROWS):
            stop = min(start + _ROWS, self.rows.n_rows)
            block: NDArray[Any] = np.empty(stop - start, record)
            for name in names:
                block[name] = columns[name][start:stop]
            stream.write(block.data)
        size = record.itemsize * self.rows.n_rows
        stream.write(b"\0" * (padded(size) - size))

    def _headers(self, as_table: bool) -> dict[str, bytes]:
        """Headers of the file: of the primary HDU, and of each column or of the table of all."""
        found = {"primary": header_bytes(self.header, False, 8, ())}
        if as_table:
            empty = [fits.Column(n, "1J" if COLUMN_TYPES[n].kind == "i" else "1E", UNITS.get(n)) for n in REQUIRED]
            header = fits.BinTableHDU.from_columns(empty).header
            header["NAXIS2"] = self.rows.n_rows
            keep_checksum_places(header)
            return found | {"rows": header.tostring(sep="", endcard=True, padding=True).encode("ascii")}
        for name in REQUIRED:
            header = fits.Header([fits.Card("EXTNAME", name)])
            if name in UNITS:
                header["BUNIT"] = UNITS[name]
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
