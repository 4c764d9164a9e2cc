"""PIXTABLE_COMBINED: all rows of all exposures, positioned, scaled, weighted, and flagged where rejected."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep import instrument
from musedeep.kernels.projection import relative_positions, vacuum_wavelengths
from musedeep.recipes.exp_combine_job import Job
from musedeep.recipes.product_headers import pixel_table_cards, product_header, slice_offset_cards
from musedeep.storage.fits_parts import ArrayInFile, header_bytes, padded, reserve
from musedeep.storage.header_cards import sign
from musedeep.storage.pixel_table import open_exposure

ROWS_AT_ONCE = 1 << 19

_COLUMNS = (
    ("xpos", -32, "deg"),
    ("ypos", -32, "deg"),
    ("lambda", -32, "Angstrom"),
    ("data", -32, instrument.FLUX_UNIT),
    ("dq", 32, ""),
    ("stat", -32, instrument.VARIANCE_UNIT),
    ("origin", 32, ""),
)

Columns = dict[str, NDArray]


def _blocks(job: Job, number: int, flagged: NDArray[np.int64]) -> Iterator[Columns]:
    """The rows of one exposure as they go into the combined table, block by block."""
    exposure = job.exposures[number]
    geometry = job.geometries()[number]
    table = open_exposure(list(exposure.paths))
    names = [name for name, _, _ in _COLUMNS] + (["weight"] if job.how.use_weight_column else [])
    for first in range(0, table.n_rows, ROWS_AT_ONCE):
        last = min(first + ROWS_AT_ONCE, table.n_rows)
        rows = table.read(np.array([[first, last]], np.int64), names)
        ra, dec = np.empty((2, last - first), np.float32)
        relative_positions(rows["xpos"], rows["ypos"], geometry.declination, *geometry.shift, ra, dec)
        hits = flagged[np.searchsorted(flagged, first) : np.searchsorted(flagged, last)] - first
        rows["dq"][hits] |= instrument.DQ_COSMIC
        rows["xpos"], rows["ypos"] = ra, dec
        if geometry.flux_scale != 1.0:
            scale = geometry.flux_scale
            rows["data"] = (rows["data"].astype(np.float64) * scale).astype(np.float32)
            rows["stat"] = (rows["stat"].astype(np.float64) * (scale * scale)).astype(np.float32)
        if not job.how.use_weight_column:
            rows["weight"] = np.full(last - first, geometry.weight, np.float32)
        wavelength = rows["lambda"]
        keep = (wavelength >= job.how.lambda_low) & (wavelength <= job.how.lambda_high)
        if job.grid.ctype3.startswith("WAVE"):
            rows["lambda"] = vacuum_wavelengths(wavelength)
        yield rows if keep.all() else {name: column[keep] for name, column in rows.items()}


def _rejected(work: Path, n_exposures: int) -> list[NDArray[np.int64]]:
    """Row numbers of the rejected rows of each exposure, ascending."""
    files = sorted(glob.glob(str(work / "rejected-*.npy")))
    rows = np.concatenate([np.load(f) for f in files]) if files else np.empty((0, 2), np.int64)
    return [np.sort(rows[rows[:, 0] == k, 1]) for k in range(n_exposures)]


def write_combined_table(
    work: Path, path: Path, job: Job, first: fits.Header, texts: Sequence[tuple[str, str]], weighted: bool
) -> None:
    """Write the combined pixel table (manual A.3.2, image format), streaming.

    Parameters
    ----------
    work : Path
        Work directory with the rejected rows of all boxes.
    path : Path
        Written in place; the caller renames it.
    job : Job
    first : fits.Header
        Primary header of the first exposure.
    texts : sequence of (name, value)
        Parameters of the recipe.
    weighted : bool
        Whether the table gets a weight column.
    """
    flagged = _rejected(work, len(job.exposures))
    counts = []
    limits = np.array([np.inf, -np.inf] * 3)
    for number in range(len(job.exposures)):
        n = 0
        for rows in _blocks(job, number, flagged[number]):
            n += rows["xpos"].size
            for k, name in enumerate(("xpos", "ypos", "lambda")):
                if rows[name].size:
                    limits[2 * k] = min(limits[2 * k], rows[name].min())
                    limits[2 * k + 1] = max(limits[2 * k + 1], rows[name].max())
        counts.append(n)
    total = sum(counts)
    headers = []
    for exposure in job.exposures:
        table = open_exposure(list(exposure.paths))
        headers.append(table.header)
    prefix = "ESO DRS MUSE PIXTABLE LIMITS "
    offset = (job.reference[0], job.reference[0], job.reference[1], job.reference[1], 0.0, 0.0)
    cards = [*pixel_table_cards(counts), *slice_offset_cards(headers)]
    for k, name in enumerate(("X LOW", "X HIGH", "Y LOW", "Y HIGH", "LAMBDA LOW", "LAMBDA HIGH")):
        cards.append((prefix + name, np.float32(limits[k] + offset[k]), ""))
    cards += [("CRVAL1", job.reference[0], ""), ("CRVAL2", job.reference[1], "")]
    if not weighted:
        cards = [c for c in cards if not c[0].endswith("PIXTABLE WEIGHTED")]
    primary = product_header(first, job, "PIXTABLE_COMBINED", path.name, texts, cards, keep_pixel_table=True)
    columns = _COLUMNS + ((("weight", -32, ""),) if weighted else ())
    head = header_bytes(primary, False, 8, ())
    position = len(head)
    parts = []
    for name, bitpix, unit in columns:
        header = fits.Header([fits.Card("EXTNAME", name)] + ([fits.Card("BUNIT", unit)] if unit else []))
        part = header_bytes(header, True, bitpix, (total, 1))
        parts.append((name, part, ArrayInFile(path, position + len(part), (1, total, 1), bitpix)))
        position += len(part) + padded(total * 4)
    reserve(path, position)
    with open(path, "r+b") as stream:
        stream.write(head)
        for _, part, array in parts:
            stream.seek(array.offset - len(part))
            stream.write(part)
        done = 0
        for number in range(len(job.exposures)):
            for rows in _blocks(job, number, flagged[number]):
                for name, _, array in parts:
                    stream.seek(array.offset + done * 4)
                    stream.write(np.ascontiguousarray(rows[name], array.dtype).data)
                done += rows["xpos"].size
        stream.flush()
        os.fsync(stream.fileno())
    sign(path)
