"""A recipe on the pixel tables of exposures: all IFUs of one exposure, rows streamed, with sums over the IFUs.

1. `exposures_of` opens the pixel tables of each exposure, and brings its IFUs to the level of the first.
2. `ExposureRows.corrected` puts corrections on the rows of all IFUs. Nothing is changed before it is read.
3. `ExposureRows.add_up` reads the rows once, in blocks, for any number of sums: each IFU by itself, the sums of IFUs
   merged in the order of IFUs.
4. What the sums say (a sky spectrum, offsets of slices) makes further corrections: 2 and 3 again.
5. `ExposureRows.product` is the corrected pixel table, to be written as a store or FITS file, in blocks.

Memory is that of some blocks of rows, and does not grow with the exposure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from astropy.io import fits

from musedeep.progress import Progress
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.rows.product import PixelTableProduct, saves_as_table
from musedeep.reduction.rows.source import Correction, JoinedRows, RowsWithin, corrected, scaled_flux
from musedeep.reduction.rows.sums import RowLimits, RowSums, add_up
from musedeep.storage.fits.header_cards import add
from musedeep.storage.pixel_tables.open import JoinedPixelTable, tables_of_exposures
from musedeep.storage.pixel_tables.table import RowSource
from musedeep.storage.stores.location import Location


@dataclass(frozen=True)
class ExposureRows:
    """The rows of one exposure, and the corrections made so far.

    Attributes
    ----------
    sources : one per pixel table, in the order of IFUs
    header : primary header of the exposure, without what the corrections say
    cards : tuple of (keyword, value, comment), those of the corrections
    moved : whether the limits of positions and wavelengths in the header hold no more
    """

    sources: tuple[RowSource, ...]
    header: fits.Header
    cards: tuple[Card, ...] = ()
    moved: bool = False

    @property
    def n_rows(self) -> int:
        """Rows of all IFUs."""
        return sum(source.n_rows for source in self.sources)

    def corrected(
        self, corrections: Sequence[Correction], wavelengths: tuple[float, float] | None = None
    ) -> "ExposureRows":
        """The exposure with corrections on top of those made so far.

        Parameters
        ----------
        corrections : in the order in which they are applied
        wavelengths : (low, high), optional
            Corrected wavelengths to keep, both limits inside [Angstrom]. The wavelengths of all rows are read at once.
        """
        sources = list(self.sources)
        margin = sum(one.margin for one in corrections)
        if wavelengths:
            # rows that no correction brings within the limits need not be corrected
            sources = [RowsWithin(one, wavelengths[0] - margin, wavelengths[1] + margin) for one in sources]
        sources = [corrected(one, corrections) for one in sources]
        if wavelengths and margin:
            sources = [RowsWithin(one, *wavelengths) for one in sources]
        moved = self.moved or bool(wavelengths) or any(set(RowLimits.columns) & set(c.changes) for c in corrections)
        cards = (*self.cards, *(card for one in corrections for card in one.cards()))
        return replace(self, sources=tuple(sources), cards=cards, moved=moved)

    def add_up(self, sums: Sequence[RowSums], workers: int | None = None, progress: Progress | None = None) -> None:
        """Add all rows, as corrected so far, to the sums; see `reduction.rows.sums.add_up`."""
        add_up(self.sources, sums, workers, progress)

    def product(self, cards: Sequence[Card] = (), workers: int | None = None) -> PixelTableProduct:
        """The pixel table of all IFUs, to be written; its limits are found first where they have changed.

        Parameters
        ----------
        cards : sequence of (keyword without HIERARCH, value, comment)
            For the primary header, each in the place of an earlier one.
        workers : threads
        """
        header = self.header.copy()
        limits = RowLimits()
        if self.moved and self.n_rows:
            self.add_up([limits], workers)
            add(header, *limits.cards())
        add(header, *self.cards, *cards)
        return PixelTableProduct(JoinedRows(self.sources[0].path, self.sources), header, as_table=saves_as_table())


def exposures_of(paths: Sequence[str | Location]) -> list[ExposureRows]:
    """The exposures of pixel tables (FITS files or stores, one per exposure or one per IFU), by date.

    Raises
    ------
    MusedeepError
        A pixel table cannot be read; two hold the same IFU of an exposure; columns or units differ between IFUs.
    """
    exposures = []
    for tables in tables_of_exposures(paths):
        joined = JoinedPixelTable(tables)
        levelled = [corrected(one, scaled_flux(f)) for one, f in zip(tables, joined.factors, strict=True)]
        exposures.append(ExposureRows(tuple(levelled), joined.header))
    return exposures
