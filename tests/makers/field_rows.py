"""Small pixel tables in pixels of the field, as muse_scibasic leaves them, of known light."""

import re
from pathlib import Path

import numpy as np
from astropy.io import fits

from tests.makers.pixel_tables import detector_rows, primary_header, write_rows
from tests.makers.row_sources import RowsInMemory

UNITS = {"xpos": "pix", "ypos": "pix", "lambda": "Angstrom", "data": "count", "stat": "count**2"}


def field_rows(ifus=(12,), slices=range(1, 49), wavelength=(7000.0, 7060.0), seed=0, cosmics=0.0, star=(0.0, -6.0)):
    """Columns of rows: a background of 10, a star of known place [pixel], noise of 1, and cosmic rays of 1000."""
    x, y, w, origin = detector_rows(ifus, slices, wavelength, seed)
    rng = np.random.default_rng(seed + 1)
    flux = 10.0 + 100.0 * np.exp(-((x - star[0]) ** 2 + (y - star[1]) ** 2) / 8.0)
    data = flux + rng.normal(size=x.size)
    data[rng.random(x.size) < cosmics] += 1000.0
    dq = np.where(rng.random(x.size) < 0.001, 256, 0)
    return {
        "xpos": x.astype("f4"), "ypos": y.astype("f4"), "lambda": w.astype("f4"), "data": data.astype("f4"),
        "dq": dq.astype("i4"), "stat": np.ones(x.size, "f4"), "origin": origin,
    }  # fmt: skip


def field_sources(ifus=(12, 13), **options):
    """One source per IFU."""
    return tuple(RowsInMemory(field_rows((ifu,), seed=ifu, **options), dict(UNITS)) for ifu in ifus)


def write_field(directory: Path, ifus=(12, 13), *, date_obs="2014-09-20T03:00:00.000", **options) -> list[Path]:
    """Pixel tables of the IFUs of an exposure, as FITS files."""
    paths = []
    for ifu in ifus:
        rows = field_rows((ifu,), seed=ifu, **options)
        header = primary_header(rows, ra=150.1, dec=2.2, posang=0.0, date_obs=date_obs, exptime=100.0)
        for key in [k for k in header if re.match(r"C(TYPE|D|RVAL|RPIX|UNIT)\d|ESO DRS MUSE PIXTABLE WCS", k)]:
            del header[key]
        header["EXTNAME"] = f"CHAN{ifu:02d}"
        path = directory / f"PIXTABLE_OBJECT_{date_obs[8:10]}-{ifu:02d}.fits"
        write_rows(path, fits.Header(header.cards), rows, units=UNITS)
        paths.append(path)
    return paths
