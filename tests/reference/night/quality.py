"""Quality-control values of a simulated night beside those of the real instrument."""

import re
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from tests.reference.night.night_files import Night

REAL = Path(__file__).with_name("real_quality.ecsv")
NOT_MEASURED = -99.0
"""Zero points without the image of their filter."""


def quality_table(night: Night) -> Table:
    """One row a figure: unit, simulated median and range (2.5 to 97.5 percent), the real ones.

    Figures whose keyword no product of the night has are left out.
    """
    rows = []
    for real in Table.read(REAL, format="ascii.ecsv"):
        values = _values(night, str(real["product"]), str(real["keyword"]))
        if not values:
            continue
        low, median, high = np.percentile(values, [2.5, 50.0, 97.5])
        rows.append((real["figure"], real["unit"], median, low, high, real["median"], real["low"], real["high"]))
    names = ("figure", "unit", "simulated", "from", "to", "real", "real from", "real to")
    return Table(rows=rows, names=names)


def _values(night: Night, product: str, keyword: str) -> list[float]:
    """All numbers of a keyword in a product, of every IFU where it has one file each."""
    paths = [night.product(product), *(night.product(product, ifu) for ifu in night.ifus)]
    found: list[float] = []
    for path in paths:
        if not path.exists():
            continue
        with fits.open(path) as hdus:
            for hdu in hdus:
                for name, value in hdu.header.items():
                    known = isinstance(value, int | float) and value != NOT_MEASURED
                    if known and re.fullmatch("ESO " + keyword, name):
                        found.append(float(value))
    return found
