"""PIXTABLE_COMBINED, PIXTABLE_POSITIONED: rows on the sky, as a FITS file and as a store."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.reduction.cube.combined_rows import combined_rows, placing
from musedeep.reduction.cube.headers import PIXTABLE, POSITIONED, pixel_table_cards, slice_offset_cards
from musedeep.reduction.cube.job import Job
from musedeep.reduction.rows.product import PixelTableProduct, saves_as_table
from musedeep.reduction.rows.source import RowsWithin, corrected
from musedeep.reduction.rows.sums import RowLimits, add_up
from musedeep.storage.fits.header_cards import Card
from musedeep.storage.pixel_tables.open_tables import OpenTables
from musedeep.storage.pixel_tables.table import RowSource


def _rejected(work: Path, n_exposures: int) -> list[NDArray[np.int64]]:
    """Row numbers of the rejected rows of each exposure, ascending."""
    files = sorted(work.glob("rejected-*.npy"))
    rows = np.concatenate([np.load(f) for f in files]) if files else np.empty((0, 2), np.int64)
    return [np.sort(rows[rows[:, 0] == k, 1]) for k in range(n_exposures)]


MakeHeader = Callable[[str, str, Sequence[Card]], fits.Header]
"""Makes the primary header of a pixel table of a category, file name and further cards."""


def combined_table(
    work: Path,
    name: str,
    job: Job,
    make_header: MakeHeader,
    weighted: bool,
    tables: OpenTables,
    flat_field: fits.BinTableHDU | None = None,
) -> PixelTableProduct:
    """The combined pixel table (manual A.3.2, image format), to be written in one form or another.

    Parameters
    ----------
    work : Path, work directory with the rejected rows of all boxes, if there are any
    name : str, file name of the FITS table, for its header
    make_header : MakeHeader
    weighted : bool, whether the table gets a weight column
    tables : OpenTables, opens the pixel tables of the exposures
    flat_field : spectrum of the flat, if it is to have one

    Raises
    ------
    MusedeepError
        A pixel table cannot be read any more.
    """
    rows = combined_rows(Path(name), job, _rejected(work, len(job.exposures)), weighted, tables)
    limits = RowLimits()
    add_up(rows.sources, [limits])
    headers = (tables.get(one.paths, one.identity).header for one in job.exposures)
    cards = [*pixel_table_cards([source.n_rows for source in rows.sources]), *slice_offset_cards(headers)]
    cards += limits.cards(job.reference)
    cards += [("CRVAL1", job.reference[0], ""), ("CRVAL2", job.reference[1], "")]
    if not weighted:
        cards = [c for c in cards if not c[0].endswith("PIXTABLE WEIGHTED")]
    return PixelTableProduct(rows, make_header("PIXTABLE_COMBINED", name, cards), flat_field, saves_as_table())


def placed_rows(number: int, job: Job, tables: OpenTables) -> RowSource:
    """The rows of one exposure (from 0) relative to its own pointing [deg]; in pixels of the field if they are so."""
    exposure, geometry = job.exposures[number], job.geometries()[number]
    table = tables.get(exposure.paths, exposure.identity)
    rows = RowsWithin(table, job.how.lambda_low, job.how.lambda_high)
    return corrected(rows, placing(replace(geometry, shift=(0.0, 0.0))))


def positioned_table(
    number: int,
    name: str,
    job: Job,
    make_header: MakeHeader,
    tables: OpenTables,
    flat_field: fits.BinTableHDU | None = None,
) -> PixelTableProduct:
    """The pixel table of one exposure (from 0), with positions on the sky; see `combined_table`."""
    exposure = job.exposures[number]
    reference = exposure.ra, exposure.dec
    rows = placed_rows(number, job, tables)
    limits = RowLimits()
    add_up([rows], [limits])
    cards = [(f"{PIXTABLE}WCS", *POSITIONED), *limits.cards(reference)]
    cards += [("CRVAL1", reference[0], ""), ("CRVAL2", reference[1], "")]
    return PixelTableProduct(rows, make_header("PIXTABLE_POSITIONED", name, cards), flat_field, saves_as_table())
