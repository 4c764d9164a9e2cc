"""Pieces of a cube as a combination writes them, without the combination."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from tests.makers import cubes

FIRST, STEP = 7000.0, 1.25
SHAPE = (24, 5, 7)
PARAMETERS = {
    "resample": "drizzle", "crsigma": "-1", "pixfrac": "0.6,0.6", "ld": "1", "weight": "exptime", "lambdamin": "4000",
    "lambdamax": "10000",
}  # fmt: skip


def primary(parameters: Mapping[str, Any] | None = None, **cards: Any) -> fits.Header:
    """A primary header with the record of muse_exp_combine; without parameters with None of them."""
    header = fits.Header()
    header["INSTRUME"], header["OBJECT"], header["DATE-OBS"], header["EXPTIME"] = "MUSE", "field", "2014-12-11", 600.0
    header["SPECSYS"] = "BARYCENT"
    header["HIERARCH ESO INS MODE"] = "WFM-NOAO-N"
    header["HIERARCH ESO PRO CATG"] = "DATACUBE_FINAL"
    header["HIERARCH ESO PRO REC1 ID"] = "muse_scipost"
    header["HIERARCH ESO PRO REC1 PARAM1 NAME"] = "lambdamin"
    header["HIERARCH ESO PRO REC1 PARAM1 VALUE"] = "1"
    header["HIERARCH ESO PRO REC2 ID"] = "muse_exp_combine"
    header["HIERARCH ESO PRO REC2 RAW1 NAME"] = "PIXTABLE_REDUCED_0001.fits"
    for k, (name, value) in enumerate((PARAMETERS if parameters is None else parameters).items(), 1):
        header[f"HIERARCH ESO PRO REC2 PARAM{k} NAME"] = name
        header[f"HIERARCH ESO PRO REC2 PARAM{k} VALUE"] = str(value)
    header["HIERARCH ESO DRS MUSE OFFSET1 DRA"] = 0.0001
    for key, value in cards.items():
        header[key] = value
    return header


def grid_cards(first: float = FIRST, **cards: Any) -> dict[str, Any]:
    """Coordinates of the third axis, and others."""
    return {"CTYPE3": "AWAV", "CUNIT3": "Angstrom", "CD3_3": STEP, "CRPIX3": 1.0, "CRVAL3": first, **cards}


def write_cube(
    path: Path,
    data: np.ndarray,
    stat: np.ndarray | None,
    head: fits.Header | None = None,
    grid: Mapping[str, Any] | None = None,
    further: Sequence[fits.ImageHDU] = (),
) -> Path:
    """A cube of the given arrays; `grid` has cards of DATA and STAT, None takes one away."""
    hdus = fits.HDUList([fits.PrimaryHDU(header=primary() if head is None else head)])
    for name, values in (("DATA", data), ("STAT", stat)):
        if values is None:
            continue
        hdu = fits.ImageHDU(values, name=name)
        for key, value, comment in cubes.wcs().spatial():
            hdu.header[key] = (value, comment)
        hdu.header["BUNIT"] = "(unit)**2" if name == "STAT" else "unit"
        for key, value in (grid_cards() if grid is None else grid).items():
            if value is None:
                hdu.header.remove(key, ignore_missing=True)
            else:
                hdu.header[key] = value
        hdus.append(hdu)
    hdus.extend(further)
    hdus.writeto(path, overwrite=True, checksum=True)
    return path


def with_limits(low: float | None = None, high: float | None = None, **changes: Any) -> dict[str, Any]:
    """The parameters with wavelength limits; those set to None are left out."""
    given = {**PARAMETERS, **changes}
    if low is not None:
        given["lambdamin"] = f"{low:g}"
    if high is not None:
        given["lambdamax"] = f"{high:g}"
    return {name: value for name, value in given.items() if value is not None}


def overlapping(directory: Path, data: np.ndarray, stat: np.ndarray, ends: Sequence[tuple[float, float]]) -> list[Path]:
    """One piece on the whole grid for each range of wavelengths: manual 7.3.3. Beyond its range a piece is empty."""
    waves = FIRST + STEP * np.arange(data.shape[0])
    paths = []
    for k, (low, high) in enumerate(ends):
        outside = (waves < low) | (waves > high)
        mine = data.copy(), stat.copy()
        for values in mine:
            values[outside] = np.nan
        paths.append(write_cube(directory / f"CUBE_{k}.fits", *mine, primary(with_limits(low, high))))
    return paths


def adjacent(directory: Path, data: np.ndarray, stat: np.ndarray, cuts: Sequence[int], margin: float = 3) -> list[Path]:
    """One piece for the planes between two cuts, each on its own grid: manual 7.3.4."""
    paths = []
    for k, (first, last) in enumerate(pairwise(cuts)):
        low, high = FIRST + STEP * (first - margin), FIRST + STEP * (last - 1 + margin)
        head = primary(with_limits(low if first else None, high if last < data.shape[0] else None))
        grid = grid_cards(FIRST + STEP * first)
        paths.append(write_cube(directory / f"PART_{k + 1}.fits", data[first:last], stat[first:last], head, grid))
    return paths
