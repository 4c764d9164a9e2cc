"""Pixel tables kept open, as many as is wise, for work that comes back to them."""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from musedeep.errors import MusedeepError
from musedeep.storage.pixel_tables.open import open_exposure
from musedeep.storage.pixel_tables.table import PixelTable

OPEN_TABLES = 300
"""Pixel tables kept open at most with all that they have read of headers and checksums."""

LIGHT_TABLES = 10_000
"""Pixel tables kept at most where those used longest ago take little memory: FITS files without their headers."""


class OpenTables:
    """The pixel tables opened last. May be used by several threads."""

    def __init__(self) -> None:
        self._tables: OrderedDict[tuple[str, ...], tuple[PixelTable, str]] = OrderedDict()
        self._closed: OrderedDict[tuple[str, ...], tuple[PixelTable, str]] = OrderedDict()
        self._lock = Lock()

    def get(self, paths: Sequence[str], identity: str | None = None) -> PixelTable:
        """The pixel table of these files of one exposure; see `open.open_exposure`.

        A table that is open and had another identity when it was opened is opened again: this process may live longer
        than the run that opened it.

        Raises
        ------
        MusedeepError
            The identity is another than expected: the table was replaced.
        """
        key = tuple(paths)
        with self._lock:
            for tables in (self._tables, self._closed):
                table, known = tables.get(key, (None, ""))
                if table is not None and identity in (None, known):
                    tables.move_to_end(key)
                    return table
        table = open_exposure(key)
        if identity is not None and table.identity != identity:
            raise MusedeepError(f"{table.path}: changed since the run began; start again")
        self.keep(key, table)
        return table

    def keep(self, paths: Sequence[str], table: PixelTable) -> None:
        """Have a table that is open already."""
        key = tuple(paths)
        with self._lock:
            self._closed.pop(key, None)
            self._tables[key] = table, table.identity
            while len(self._tables) > OPEN_TABLES:
                oldest, (other, identity) = self._tables.popitem(last=False)
                if other.light:
                    other.close()
                    self._closed[oldest] = other, identity
            while len(self._closed) > LIGHT_TABLES:
                self._closed.popitem(last=False)

    def forget(self) -> None:
        """Let go of all tables."""
        with self._lock:
            self._tables.clear()
            self._closed.clear()
