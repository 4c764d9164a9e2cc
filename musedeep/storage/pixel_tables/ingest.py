"""FITS pixel tables into stores, streaming (`store_writer`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.progress import Progress
from musedeep.storage.fits.header_cards import checksum_cards
from musedeep.storage.fits.headers import HeaderUnit, header_cards, parse_cards, scan_file
from musedeep.storage.pixel_tables import zarr as store_format
from musedeep.storage.pixel_tables.export import MEMORY, export
from musedeep.storage.pixel_tables.fits import ImageFormatTable, TableFormatTable
from musedeep.storage.pixel_tables.open import JoinedPixelTable, open_exposure
from musedeep.storage.pixel_tables.store_writer import write_store
from musedeep.storage.pixel_tables.table import COLUMN_TYPES, PixelTable
from musedeep.storage.stores.location import Location, location
from musedeep.storage.stores.new_store import refuse_existing_store

__all__ = ["export", "ingest"]


def ingest(
    paths: Sequence[str | Path],
    store: str | Location,
    *,
    workers: int = 2,
    memory: int = MEMORY,
    overwrite: bool = False,
    progress: Progress | None = None,
    band_width: float = store_format.BAND_WIDTH,
    chunk_rows: int = store_format.CHUNK_ROWS,
) -> Location:
    """Turn the FITS pixel tables of one exposure into a store.

    Parameters
    ----------
    paths : sequence of path
        One file, or one an IFU, of any stage; image or binary-table format.
    store : path or StoreUrl
        The zarr group to make, on disk or in object storage. It is a store when it is whole.
    workers : int
        Threads.
    memory : int
        Working memory [bytes].
    overwrite : bool
        Replace an existing store, once the new one is whole.
    progress : Progress, optional
        Of rows; each counts in both passes.
    band_width : float
        [Angstrom]
    chunk_rows : int

    Returns
    -------
    Path or StoreUrl
        The store.

    Raises
    ------
    MusedeepError
        Bad input; positions or wavelengths that are not finite; the store exists; not enough disk space;
        a memory limit too small for one slice in one band.
    """
    store = location(store)
    refuse_existing_store(store, overwrite)
    table = open_exposure(paths)
    write_store(
        table, store, _source_layout(table), workers=workers, memory=memory, overwrite=overwrite, progress=progress,
        band_width=band_width, chunk_rows=chunk_rows,
    )  # fmt: skip
    return store


def _source_layout(table: PixelTable) -> dict[str, Any]:
    """Format and HDUs of the (first) source file; for several files with the header and length of all."""
    first = table.tables[0] if isinstance(table, JoinedPixelTable) else table
    joined = isinstance(table, JoinedPixelTable)
    if not isinstance(first, ImageFormatTable | TableFormatTable):
        raise MusedeepError(f"{first.path}: is a store already; give FITS pixel tables")
    hdus: list[dict[str, Any]] = []
    for number, unit in enumerate(scan_file(first.path)):
        role = _role(first, unit) if number else "primary"
        cards = unit.cards
        if joined:
            cards = header_cards(table.header) if number == 0 else _of_length(unit, role, first.n_rows, table.n_rows)
            cards = _with_places(unit, cards)
        hdu: dict[str, Any] = {"cards": list(cards), "role": role}
        if role == "other" or (role == "primary" and unit.data_bytes):
            hdu |= {"offset": unit.data_offset, "bytes": unit.end - unit.data_offset}
        hdus.append(hdu)
    record = first.record if isinstance(first, TableFormatTable) else None
    for name in (record.names or ()) if record is not None else first.names:
        scaled = name in first.stored and first.stored[name].scaled
        if scaled or (record is not None and COLUMN_TYPES.get(name) != record[name].newbyteorder("=")):
            what = "with a scale or zero" if scaled or record is None else f"of type {record[name]}"
            raise MusedeepError(
                f"{first.path}: column {name} {what} cannot be kept in a store; "
                "remove it or make the table again (manual A.3.2)"
            )
    kind = "table" if isinstance(first, TableFormatTable) else "image"
    return {"format": kind, "path": first.path, "hdus": hdus, **({"unsigned": True} if joined else {})}


def _role(table: ImageFormatTable | TableFormatTable, unit: HeaderUnit) -> str:
    """Name of the column that an HDU holds, 'rows' for the table of all, 'other'."""
    if isinstance(table, TableFormatTable):
        return "rows" if unit.data_offset == table.offset else "other"
    return next((name for name, offset in table.offsets.items() if offset == unit.data_offset), "other")


def _with_places(unit: HeaderUnit, cards: tuple[str, ...]) -> tuple[str, ...]:
    """The cards with places for the checksums that the HDU of the first file has; `export` fills them in."""
    header = parse_cards(cards)
    places = (fits.Card("DATAMD5", "0" * 32, "MD5 checksum"), *checksum_cards())
    gone = [one for one in places if one.keyword in unit.header and one.keyword not in header]
    for one in gone:
        header.append(one, end=True)
    return header_cards(header) if gone else cards


def _of_length(unit: HeaderUnit, role: str, old: int, new: int) -> tuple[str, ...]:
    if role == "other":
        return unit.cards
    header = parse_cards(unit.cards)
    for key in ("CHECKSUM", "DATASUM"):
        header.remove(key, ignore_missing=True)
    axis = max(range(1, header["NAXIS"] + 1), key=lambda i: header[f"NAXIS{i}"] == old)
    header["NAXIS2" if role == "rows" else f"NAXIS{axis}"] = new
    return header_cards(header)
