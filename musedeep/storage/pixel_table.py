"""Pixel tables, whatever their format: the common view of one exposure's rows (manual A.3.2)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep import instrument
from musedeep.errors import MusedeepError

COLUMN_TYPES = {
    "xpos": np.dtype("f4"),
    "ypos": np.dtype("f4"),
    "lambda": np.dtype("f4"),
    "data": np.dtype("f4"),
    "dq": np.dtype("i4"),
    "stat": np.dtype("f4"),
    "origin": np.dtype("i4"),
    "weight": np.dtype("f4"),
}
"""Columns and their types in memory; `weight` is optional."""

REQUIRED = ("xpos", "ypos", "lambda", "data", "dq", "stat", "origin")

REDUCED_UNITS = {
    "xpos": "rad",
    "ypos": "rad",
    "lambda": "Angstrom",
    "data": instrument.FLUX_UNIT,
    "stat": instrument.VARIANCE_UNIT,
}

SEGMENT = np.dtype(
    [
        ("start", "i8"), ("stop", "i8"), ("lambda_min", "f4"), ("lambda_max", "f4"),
        ("x_min", "f4"), ("x_max", "f4"), ("y_min", "f4"), ("y_max", "f4"),
    ]
)  # fmt: skip
"""Rows [start, stop), their range of wavelengths [Angstrom], and their box in the tangent plane: xi (east) and
eta (north) about the exposure's pointing [rad]."""

Rows = dict[str, NDArray]


class PixelTable(Protocol):
    """The rows of one exposure. Several threads may read one table at the same time."""

    path: Path
    header: fits.Header
    n_rows: int
    names: tuple[str, ...]
    units: dict[str, str]

    def index(self) -> NDArray:
        """SEGMENT array: where contiguous runs of rows lie; together they hold every row once, in order."""
        ...

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """The rows of `ranges` (int64 (n, 2)), concatenated, in the types of COLUMN_TYPES."""
        ...

    def close(self) -> None:
        """Let go of the files."""
        ...


def open_pixel_table(path: str | Path) -> PixelTable:
    """Open a pixel table: FITS in image or binary-table format, or a zarr store.

    Raises
    ------
    MusedeepError
        The file does not exist, is no pixel table, lacks a column, or is truncated.
    """
    from musedeep.storage.pixel_table_fits import open_fits_pixel_table

    path = Path(path)
    if path.is_dir():
        from musedeep.storage.pixel_table_zarr import ZarrPixelTable

        return ZarrPixelTable(path)
    if not path.exists():
        raise MusedeepError(f"{path}: no such file; give a FITS pixel table or a pixel-table store")
    return open_fits_pixel_table(path)


def open_exposure(paths: Sequence[str | Path]) -> PixelTable:
    """Open all files of one exposure (one file, or one an IFU) as one table."""
    tables = [open_pixel_table(path) for path in paths]
    return tables[0] if len(tables) == 1 else JoinedPixelTable(tables)


class JoinedPixelTable:
    """Several pixel tables of one exposure, one after the other."""

    def __init__(self, tables: Sequence[PixelTable]) -> None:
        self.tables = list(tables)
        self.path = tables[0].path
        self.header = tables[0].header
        self.names = tuple(n for n in tables[0].names if all(n in t.names for t in tables))
        self.units = tables[0].units
        self.offsets = np.concatenate([[0], np.cumsum([t.n_rows for t in tables])]).astype(np.int64)
        self.n_rows = int(self.offsets[-1])

    def index(self) -> NDArray:
        """See `PixelTable.index`."""
        parts = []
        for table, offset in zip(self.tables, self.offsets[:-1], strict=True):
            part = table.index().copy()
            part["start"] += offset
            part["stop"] += offset
            parts.append(part)
        return np.concatenate(parts)

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """See `PixelTable.read`."""
        pieces: list[Rows] = []
        todo = np.asarray(ranges, np.int64)
        # runs of ranges within one table are read at once, in the order they were asked for
        cut = []
        for start, stop in todo:
            while start < stop:
                k = int(np.searchsorted(self.offsets, start, side="right")) - 1
                end = min(stop, self.offsets[k + 1])
                cut.append((k, start - self.offsets[k], end - self.offsets[k]))
                start = end
        i = 0
        while i < len(cut):
            j = i
            while j < len(cut) and cut[j][0] == cut[i][0]:
                j += 1
            pieces.append(self.tables[cut[i][0]].read(np.array([c[1:] for c in cut[i:j]], np.int64), names))
            i = j
        if not pieces:
            return {name: np.empty(0, COLUMN_TYPES[name]) for name in names}
        return {name: np.concatenate([p[name] for p in pieces]) for name in names}

    def close(self) -> None:
        """See `PixelTable.close`."""
        for table in self.tables:
            table.close()


def check_columns(path: Path, names: Sequence[str]) -> None:
    """Refuse a table that lacks a required column."""
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise MusedeepError(
            f"{path}: no column {', '.join(missing)}; a pixel table has {', '.join(REQUIRED)} (manual A.3.2)"
        )


def check_reduced(table: PixelTable) -> None:
    """Refuse a table that is not fully reduced, as muse_scipost leaves it.

    Raises
    ------
    MusedeepError
        Units of counts or pixels, a stage before the astrometric projection, or a missing keyword.
    """
    for name, expected in REDUCED_UNITS.items():
        unit = table.units.get(name, "")
        if unit != expected:
            raise MusedeepError(
                f"{table.path}: column {name} has unit '{unit}', expected '{expected}'; "
                "reduce it with muse_scipost --save=individual first"
            )
    stage = str(table.header.get("ESO DRS MUSE PIXTABLE WCS", ""))
    if not stage.startswith("projected"):
        raise MusedeepError(
            f"{table.path}: ESO DRS MUSE PIXTABLE WCS is '{stage}', expected 'projected ...'; "
            "reduce it with muse_scipost --save=individual first"
        )
    for key in ("RA", "DEC", "EXPTIME", "DATE-OBS"):
        if key not in table.header:
            raise MusedeepError(f"{table.path}: keyword {key} is missing from the primary header; restore it")
