"""LSF_PROFILE (manual A.3.9): line-spread functions of one IFU, as a cube of profiles or as a table of parameters."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.kernels.lsf.hermite import ORDERS, SCALE, hermite_profiles
from musedeep.storage.calibrations.ifu_files import OtherIfu, read_of_ifu
from musedeep.storage.fits.hdus import open_hdus, whole_numbers
from musedeep.storage.fits.header_cards import add
from musedeep.storage.fits.headers import number_of
from musedeep.storage.fits.table import Column, table_hdu, tables_with
from musedeep.storage.raw.file import extension_name

COLUMNS: Final = (
    Column("ifu", "1J"), Column("slice", "1J"),
    *(Column(name, "1D") for name in ("sensitivity", "offset", "refraction", "slit_width", "bin_width")),
    Column("lsf_width", "3D"), *(Column(f"hermit{order}", "2D") for order in ORDERS),
)  # fmt: skip
"""Columns of the table SLICE_PARAM, of one row per slice."""

_PARAMETERS: Final = (("lsf_width", 3), *((f"hermit{order}", 2) for order in ORDERS))

TABLE_WAVELENGTHS: Final = (4650.0, 9300.0, 30)
TABLE_REACH: Final = 7.5
TABLE_SIZE: Final = 151
"""First, last and number of wavelengths, and reach [Angstrom] and number of offsets of profiles made of a table."""


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


@dataclass(frozen=True)
class LsfProfile:
    """Line-spread functions of the slices of an IFU, pixel included.

    Attributes
    ----------
    path : Path
    ifu : int
    images : float64 (48, planes, size)
        By slice, wavelength of the line, offset of the pixel from the line; per Angstrom. 0 for slices without.
    offsets : float64 (size,), evenly spaced [Angstrom]
    wavelengths : float64 (planes,), of lines, evenly spaced [Angstrom]
    """

    path: Path
    ifu: int
    images: NDArray[np.float64]
    offsets: NDArray[np.float64]
    wavelengths: NDArray[np.float64]


def read_lsf_profiles(paths: Sequence[str | Path], ifus: Iterable[int]) -> dict[int, LsfProfile]:
    """The line-spread functions of some IFUs, from files of one IFU each, or of several.

    Raises
    ------
    MusedeepError
        An IFU is in none of the files; a file cannot be read, or is no LSF_PROFILE.
    """
    return {ifu: read_of_ifu(read_lsf_profile, paths, ifu, "LSF_PROFILE") for ifu in ifus}


def read_lsf_profile(path: str | Path, ifu: int) -> LsfProfile:
    """Read the line-spread functions of an IFU: a cube of profiles, or a table of parameters, of which they are made.

    Raises
    ------
    MusedeepError
        No FITS file, no LSF_PROFILE, that of another IFU, or profiles that are not finite or all 0.
    """
    path = Path(path)
    wanted = extension_name(ifu)
    with open_hdus(path, "LSF_PROFILE") as hdus:
        found = [
            hdu
            for hdu in hdus
            if (hdu.is_image and hdu.header.get("NAXIS") == 3) or tables_with([hdu], ("slice", "lsf_width", "hermit6"))
        ]
        if not found:
            category = hdus[0].header.get("ESO PRO CATG")
            what = f"is a {category}" if category and category != "LSF_PROFILE" else "no cube of profiles"
            raise MusedeepError(f"{path}: {what}, without line-spread functions; give an LSF_PROFILE")
        file_name = str(hdus[0].header.get("EXTNAME", ""))
        names = [_name(hdu, file_name if len(found) == 1 else "") for hdu in found]
        if wanted not in names and (len(found) > 1 or names[0]):
            held = ", ".join(sorted(names))
            raise OtherIfu(f"{path}: LSF_PROFILE of {held}, not of {wanted}; give that of IFU {ifu}", held)
        hdu = found[names.index(wanted) if wanted in names else 0]
        images, offsets, wavelengths = _table(hdu) if isinstance(hdu, fits.BinTableHDU) else _cube(hdu, path)
    if images.shape[0] != N_SLICES or not np.isfinite(images).all() or not images.any():
        raise MusedeepError(
            f"{path}: profiles of {images.shape[0]} slices, not finite or all 0, expected {N_SLICES}; make the "
            "LSF_PROFILE again"
        )
    return LsfProfile(path, ifu, images, offsets, wavelengths)


def _name(hdu: Any, file_name: str) -> str:
    own = str(hdu.header.get("EXTNAME", ""))
    return next((name for name in (own, file_name) if re.match(r"CHAN\d\d", name)), "")[:6]


def _cube(hdu: fits.ImageHDU, path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    data = np.asarray(hdu.data, np.float64)
    axes = []
    for axis in (1, 2):
        step, pixel, value = (
            number_of(hdu.header, key.format(axis), path) for key in ("CD{0}_{0}", "CRPIX{}", "CRVAL{}")
        )
        if not step > 0:
            raise MusedeepError(f"{path}: CD{axis}_{axis} is {step:g}, expected more than 0; give an LSF_PROFILE")
        axes.append(value + step * (np.arange(1, data.shape[-axis] + 1, dtype=np.float64) - pixel))
    return data, axes[0], axes[1]


def _table(hdu: fits.BinTableHDU) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    wavelengths, offsets = np.linspace(*TABLE_WAVELENGTHS), np.linspace(-TABLE_REACH, TABLE_REACH, TABLE_SIZE)
    images = np.zeros((N_SLICES, wavelengths.size, offsets.size))
    for row, number in enumerate(whole_numbers(hdu, "slice").tolist()):
        parts = [hdu.data[name][row] * SCALE ** np.arange(n) for name, n in _PARAMETERS]
        parameters = np.concatenate([[hdu.data["slit_width"][row]], *parts]).astype(np.float64)
        if 1 <= number <= N_SLICES and np.isfinite(parameters).all():
            images[number - 1] = hermite_profiles(parameters, wavelengths, offsets)
    return images, offsets, wavelengths
