"""PIXTABLE_COMBINED: all rows of all exposures in one table, as a FITS file and as a store."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.recipes.exp_combine.headers import pixel_table_cards, product_header, slice_offset_cards
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.recipes.exp_combine.rows import combined_rows
from musedeep.reduction.cube.job import Job
from musedeep.reduction.rows.product import PixelTableProduct
from musedeep.reduction.rows.sums import RowLimits, add_up
from musedeep.storage.pixel_tables.open_tables import OpenTables


def _rejected(work: Path, n_exposures: int) -> list[NDArray[np.int64]]:
    """Row numbers of the rejected rows of each exposure, ascending."""
    files = sorted(work.glob("rejected-*.npy"))
    rows = np.concatenate([np.load(f) for f in files]) if files else np.empty((0, 2), np.int64)
    return [np.sort(rows[rows[:, 0] == k, 1]) for k in range(n_exposures)]


def combined_table(
    work: Path, name: str, job: Job, first: fits.Header, texts: Sequence[tuple[str, str]], weighted: bool
) -> PixelTableProduct:
    """The combined pixel table (manual A.3.2, image format), to be written in one form or another.

    Parameters
    ----------
    work : Path, work directory with the rejected rows of all boxes
    name : str, file name of the FITS table, for its header
    first : fits.Header, primary header of the first exposure
    texts : sequence of (name, value), parameters of the recipe that were given
    weighted : bool, whether the table gets a weight column

    Raises
    ------
    MusedeepError
        A pixel table cannot be read any more.
    """
    tables = OpenTables()
    rows = combined_rows(Path(name), job, _rejected(work, len(job.exposures)), weighted, tables)
    limits = RowLimits()
    add_up(rows.sources, [limits])
    headers = (tables.get(one.paths, one.identity).header for one in job.exposures)
    cards = [*pixel_table_cards([source.n_rows for source in rows.sources]), *slice_offset_cards(headers)]
    cards += limits.cards(job.reference)
    cards += [("CRVAL1", job.reference[0], ""), ("CRVAL2", job.reference[1], "")]
    if not weighted:
        cards = [c for c in cards if not c[0].endswith("PIXTABLE WEIGHTED")]
    primary = product_header(RECIPE, first, job, "PIXTABLE_COMBINED", name, dict(texts), cards, keep_pixel_table=True)
    return PixelTableProduct(rows, primary)
