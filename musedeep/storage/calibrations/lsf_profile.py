"""LSF_PROFILE (manual A.3.9): line-spread functions of one IFU, as a cube of profiles or as a table of parameters."""

from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.kernels.lsf.hermite import ORDERS, SCALE
from musedeep.storage.fits.header_cards import add
from musedeep.storage.fits.table import Column, table_hdu

COLUMNS: Final = (
    Column("ifu", "1J"), Column("slice", "1J"),
    *(Column(name, "1D") for name in ("sensitivity", "offset", "refraction", "slit_width", "bin_width")),
    Column("lsf_width", "3D"), *(Column(f"hermit{order}", "2D") for order in ORDERS),
)  # fmt: skip
"""Columns of the table SLICE_PARAM, of one row per slice."""


def profile_hdu(images: NDArray[np.float64], offsets: NDArray[np.float64], first: float, last: float) -> fits.ImageHDU:
    """The cube of profiles.

    Parameters
    ----------
    images : float64 (48, planes, size), per Angstrom
    offsets : float64 (size,), Angstrom
    first, last : wavelengths of the planes, Angstrom
    """
    hdu = fits.ImageHDU(images.astype(np.float32))
    cards = [
        ("WCSAXES", 2), ("CD1_1", float(offsets[1] - offsets[0])), ("CD1_2", 0.0), ("CD2_1", 0.0),
        ("CD2_2", (last - first) / (images.shape[1] - 1)), ("CRPIX1", 1.0), ("CRPIX2", 1.0),
        ("CRVAL1", float(offsets[0])), ("CRVAL2", first), ("CTYPE1", "PARAM"), ("CTYPE2", "AWAV"),
        ("CUNIT1", "Angstrom"), ("CUNIT2", "Angstrom"), ("EXTNAME", "LSF_PROFILE"),
    ]  # fmt: skip
    add(hdu.header, *cards)
    return hdu


def hermite_hdu(ifu: int, parameters: NDArray[np.float64]) -> fits.BinTableHDU:
    """The table of Gauss-Hermite parameters.

    Parameters
    ----------
    parameters : float64 (48, 12), of `kernels.lsf.hermite`; NaN for slices without profiles
    """
    n = parameters.shape[0]
    values: dict[str, NDArray[Any]] = {"ifu": np.full(n, ifu), "slice": np.arange(1, n + 1), "offset": np.zeros(n)}
    values |= {name: np.ones(n) for name in ("sensitivity", "refraction")}
    values |= {name: parameters[:, 0] for name in ("slit_width", "bin_width")}
    values["lsf_width"] = parameters[:, 1:4] / SCALE ** np.arange(3)
    for i, order in enumerate(ORDERS):
        values[f"hermit{order}"] = parameters[:, 4 + 2 * i : 6 + 2 * i] / SCALE ** np.arange(2)
    return table_hdu(COLUMNS, values, "SLICE_PARAM")
