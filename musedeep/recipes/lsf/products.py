"""PIXTABLE_SUBTRACTED of muse_lsf: pixels with the lines subtracted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.instrument import N_SLICES
from musedeep.kernels.slices.slice_pixels import x_offsets
from musedeep.recipes.lsf.samples import Sampler
from musedeep.storage.fits.hdus import write_hdus
from musedeep.storage.fits.header_cards import add

SLICE_SPACING: Final = 82.2
SLICE_WIDTH: Final = 75.0
"""Slices side by side in xpos of PIXTABLE_SUBTRACTED, pixels (found on the reference)."""

UNITS: Final = {
    "xpos": "pix",
    "ypos": "pix",
    "lambda": "Angstrom",
    "data": "count",
    "stat": "count**2",
    "orig": "count",
}


def model(
    images: NDArray[np.float64],
    offsets: NDArray[np.float64],
    limits: tuple[float, float],
    wavelength: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Profiles of a slice at offsets from lines, linear in both; 0 beyond the profiles.

    Parameters
    ----------
    images : float64 (planes, size); offsets : float64 (size,)
    limits : wavelengths of the first and the last plane, Angstrom
    wavelength, offset : float64 (n,), of the lines, and from them, Angstrom
    """
    place = np.clip((wavelength - limits[0]) / (limits[1] - limits[0]), 0.0, 1.0) * (images.shape[0] - 1)
    plane = np.minimum(place.astype(np.int64), images.shape[0] - 2)
    along = (offset - offsets[0]) / (offsets[1] - offsets[0])
    inside = (along >= 0) & (along <= offsets.size - 1)
    at = np.clip(along.astype(np.int64), 0, offsets.size - 2)
    s, t = place - plane, along - at
    value = (1 - s) * ((1 - t) * images[plane, at] + t * images[plane, at + 1])
    value += s * ((1 - t) * images[plane + 1, at] + t * images[plane + 1, at + 1])
    return np.asarray(np.where(inside, value, 0.0))


def _offsets(sampler: Sampler) -> NDArray[np.int64]:
    """Columns that x in `origin` counts from; of no meaning for slices without trace."""
    return x_offsets(np.nan_to_num(sampler.edges[:, :, :1]))


def _columns(
    ifu: int,
    sampler: Sampler,
    images: NDArray[np.float64],
    offsets: NDArray[np.float64],
    limits: tuple[float, float],
    width: int,
) -> dict[str, NDArray]:
    """Columns of PIXTABLE_SUBTRACTED, slice by slice, by wavelength."""
    starts = _offsets(sampler)
    names = ("xpos", "ypos", "lambda", "data", "dq", "stat", "origin", "line_lambda", "line_flux", "line_background",
             "orig")  # fmt: skip
    parts: dict[str, list[NDArray]] = {name: [] for name in names}
    for k, samples in enumerate(sampler.slices):
        for one in samples.lamps:
            rows, columns = np.divmod(one.where, width)
            left, right = sampler.edges[k][:, rows]
            across = (columns + 1 - 0.5 * (left + right)) / (right - left)
            background, flux = one.lines[one.line, 0], one.lines[one.line, 1]
            shape = model(images[k], offsets, limits, one.wavelength, one.offset)
            found = {
                "xpos": SLICE_SPACING * (k + 0.5) - SLICE_WIDTH * across,
                "ypos": np.zeros(rows.size),
                "lambda": one.wavelength + one.offset,
                "data": one.data - flux * shape,
                "dq": np.zeros(rows.size, np.int32),
                "stat": one.stat,
                "origin": (columns + 1 - starts[k]) << 24 | (rows + 1) << 11 | ifu << 6 | (k + 1),
                "line_lambda": one.wavelength,
                "line_flux": flux,
                "line_background": background,
                "orig": one.data,
            }
            for name in names:
                kind = np.int32 if name in ("dq", "origin") else np.float32
                parts[name].append(np.asarray(found[name]).astype(kind))
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    order = np.lexsort((joined["lambda"], joined["origin"] & 63))
    return {name: values[order] for name, values in joined.items()}


def _limits(columns: Mapping[str, NDArray], ifu: int) -> list[tuple[str, object, str]]:
    """ESO DRS MUSE PIXTABLE TYPE and LIMITS."""
    name = "ESO DRS MUSE PIXTABLE "
    cards: list[tuple[str, object, str]] = [(name + "TYPE", "SIMPLE", "pixel table without y coordinate")]
    for axis, column in (("X", "xpos"), ("Y", "ypos"), ("LAMBDA", "lambda")):
        cards.append((f"{name}LIMITS {axis} LOW", columns[column].min(), ""))
        cards.append((f"{name}LIMITS {axis} HIGH", columns[column].max(), ""))
    slices = columns["origin"] & 63
    for axis, low, high in (("IFU", ifu, ifu), ("SLICE", int(slices.min()), int(slices.max()))):
        cards += [(f"{name}LIMITS {axis} LOW", low, ""), (f"{name}LIMITS {axis} HIGH", high, "")]
    return cards


def write_subtracted(
    path: Path,
    header: fits.Header,
    ifu: int,
    sampler: Sampler,
    images: NDArray[np.float64],
    offsets: NDArray[np.float64],
    limits: tuple[float, float],
    shape: tuple[int, ...],
    overwrite: bool,
) -> list[tuple[str, Path]]:
    """Write PIXTABLE_SUBTRACTED: a pixel table (manual A.3.2, images) with columns of the lines.

    Raises
    ------
    MusedeepError
        The file exists and may not be replaced; no space.
    """
    columns = _columns(ifu, sampler, images, offsets, limits, shape[1])
    starts = _offsets(sampler)
    cards = _limits(columns, ifu)
    for k in range(N_SLICES):
        if sampler.valid[k]:
            key = f"ESO DRS MUSE PIXTABLE EXP0 IFU{ifu:02d} SLICE{k + 1:02d} XOFFSET"
            cards.append((key, int(starts[k]), f"x-offset of slice {k + 1}"))
    add(header, *cards)
    hdus = fits.HDUList([fits.PrimaryHDU(header=header)])
    for name, values in columns.items():
        hdu = fits.ImageHDU(values[:, None], name=None)
        hdu.header["EXTNAME"] = name
        if name in UNITS:
            hdu.header["BUNIT"] = UNITS[name]
        hdus.append(hdu)
    write_hdus(path, hdus, overwrite)
    return [("PIXTABLE_SUBTRACTED", path)]
