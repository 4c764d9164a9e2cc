"""A pixel table whose rows come from any source, and whose header is in memory: rows corrected when they are read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.storage.pixel_tables.table import ROWS_AT_ONCE, RowReader, Rows, RowSource
from musedeep.storage.stores.location import Location


class GivenTable(RowReader):
    """Rows of an exposure as a pixel table (`table.PixelTable`); it is known in this process only.

    Parameters
    ----------
    rows : RowSource, of all IFUs
    header : primary header, as it would be in the file
    path : what to call it; others have other names
    flat_field : spectrum of the flat
    """

    rows_per_read = ROWS_AT_ONCE
    light = False
    nbytes = 0

    def __init__(
        self, rows: RowSource, header: fits.Header, path: Location, flat_field: fits.BinTableHDU | None = None
    ) -> None:
        self.rows, self.header, self.path = rows, header, path
        self.n_rows, self.names, self.units = rows.n_rows, rows.names, dict(rows.units)
        self.flat_field = flat_field
        self.identity = f"given {id(self)}"

    @property
    def facts(self) -> fits.Header:
        """See `PixelTable.facts`."""
        return self.header

    def read(self, ranges: NDArray[np.int64], names: Sequence[str]) -> Rows:
        """See `PixelTable.read`."""
        return self.rows.read(ranges, names)

    def read_into(self, ranges: NDArray[np.int64], rows: Rows) -> None:
        """See `PixelTable.read_into`."""
        for name, values in self.rows.read(ranges, list(rows)).items():
            rows[name][:] = values

    def index(self) -> NDArray[Any]:
        """There is none: `reduction.cube.row_survey` makes one."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""
