"""OBJECT_RESAMPLED: the rows of all slices side by side, x pseudo-spatial, y wavelength (manual 9.12, save=stacked).

1. The rows of each exposure are read for the range of x in each slice, which gives its number of columns.
2. They are read again for the columns of some IFUs at a time, as many as the memory allows; rows go to the nearest
   column, along the wavelength with weights of inverse distance.

On the sky a column has a width of STEP degrees of right ascension, whatever dx, dy and the declination: so it is in
cubes of the reference at declinations of 0, -28 and 60 degrees. In pixels of the field it has dx.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.instrument import DISPERSION
from musedeep.kernels.slices.stacked import slice_ranges, stack_rows
from musedeep.storage.fits.header_cards import extension_cards, header_of, sign
from musedeep.storage.fits.parts import header_bytes, padded, reserve
from musedeep.storage.outputs import write_at
from musedeep.storage.pixel_tables.table import RowSource, row_blocks

STEP: Final = 6.658e-5
"""Width of a column on the sky [deg of right ascension], from the number of columns in products of the reference."""

BYTES_PER_PIXEL: Final = 16
"""Of the columns in work: sums of values and of weights."""

_KEYS: Final = 2048


def stacked_columns(sources: Sequence[RowSource], width: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Where the columns of the slices are.

    Parameters
    ----------
    sources : sequence of RowSource, one per exposure
    width : of a column, in the unit of xpos

    Returns
    -------
    float64 (exposures, 2048), int64 (exposures, 2049)
        Lowest x of each slice (`origin & 2047`), and its first column; that of the next one follows its last.
    """
    lowest, number = np.zeros((len(sources), _KEYS)), np.zeros(len(sources) * _KEYS, np.int64)
    for k, source in enumerate(sources):
        ranges = np.tile([np.inf, -np.inf], (_KEYS, 1))
        for block in row_blocks(source.n_rows):
            rows = source.read(block, ("xpos", "origin"))
            slice_ranges(rows["xpos"], rows["origin"], ranges)
        there = np.isfinite(ranges).all(axis=1)
        lowest[k] = np.where(there, ranges[:, 0], 0.0)
        spans = ranges[there, 1] - ranges[there, 0]
        number[k * _KEYS : (k + 1) * _KEYS][there] = np.ceil(spans / width).astype(np.int64) + 1
    edges = np.concatenate([[0], np.cumsum(number)])
    return lowest, np.stack([edges[k * _KEYS : (k + 1) * _KEYS + 1] for k in range(len(sources))])


def write_stacked(
    path: Path,
    primary: fits.Header,
    sources: Sequence[RowSource],
    wavelengths: tuple[float, float],
    width: float,
    unit: str,
    memory: int,
    step: float = DISPERSION,
) -> None:
    """Write the image of the rows of exposures, side by side.

    Parameters
    ----------
    path : Path, a file that no one else looks at
    primary : primary header
    sources : sequence of RowSource, positioned, one per exposure
    wavelengths : (low, high), of all rows [Angstrom]
    width : of a column, in the unit of xpos
    unit : BUNIT
    memory : working memory [bytes]
    step : of the wavelengths [Angstrom]
    """
    lowest, edges = stacked_columns(sources, width)
    n_z, n_x = int(np.ceil((wavelengths[1] - wavelengths[0]) / step)) + 1, int(edges[-1, -1])
    header = header_of([
        ("CRPIX1", 1.0, ""), ("CRVAL1", 1.0, ""), ("CD1_1", 1.0, ""), ("CTYPE1", "PIXEL", ""), ("CUNIT1", "pixel", ""),
        ("CRPIX2", 1.0, ""), ("CRVAL2", wavelengths[0], ""), ("CD2_2", step, ""), ("CTYPE2", "AWAV", ""),
        ("CUNIT2", "Angstrom", ""), ("CD1_2", 0.0, ""), ("CD2_1", 0.0, ""), ("INHERIT", True, ""),
        *extension_cards("DATA", "DATA", {}), ("BUNIT", unit, ""),
    ])  # fmt: skip
    head = header_bytes(primary, False, 8, ()) + header_bytes(header, True, -32, (n_z, n_x))
    reserve(path, len(head) + padded(4 * n_z * n_x))
    room = max(memory // (n_z * BYTES_PER_PIXEL), 1)
    with path.open("r+b") as stream:
        stream.write(head)
        stream.flush()
        for k, source in enumerate(sources):
            first = 0
            while first < _KEYS:
                # slices of as many IFUs as there is room for; of one slice at least
                last = max(int(np.searchsorted(edges[k], edges[k, first] + room, side="right")) - 1, first + 1)
                last = min(last, _KEYS)
                start, stop = int(edges[k, first]), int(edges[k, last])
                if stop > start:
                    wanted = np.full(_KEYS, -1, np.int64)
                    wanted[first:last] = edges[k, first:last] - start
                    steps = width, wavelengths[0], step
                    # line by line: an image in memory, or a file mapped into it, would be as large again
                    for z, line in enumerate(_stacked(source, lowest[k], wanted, (n_z, stop - start), steps)):
                        raw = line.astype(">f4").view(np.uint8).data
                        write_at(stream.fileno(), len(head) + 4 * (z * n_x + start), raw)
                first = last
    sign(path)


def _stacked(
    source: RowSource,
    lowest: NDArray[np.float64],
    columns: NDArray[np.int64],
    shape: tuple[int, int],
    steps: tuple[float, float, float],
) -> NDArray[np.float64]:
    """Some columns of the image, float64 (wavelengths, columns); see `stack_rows`."""
    sums = np.zeros((*shape, 2))
    names = ("xpos", "lambda", "data", "dq", "origin")
    for block in row_blocks(source.n_rows):
        rows = source.read(block, names)
        x, wavelength, data, dq, origin = (rows[name] for name in names)
        stack_rows((x, wavelength, data, dq, origin), lowest, columns, steps, sums)
    total, weight = sums[..., 0], sums[..., 1]
    for line, norm in zip(total, weight, strict=True):  # 0 where there is no row
        np.divide(line, norm, out=line, where=norm > 0)
    return total
