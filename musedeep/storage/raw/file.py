"""Raw MUSE files: a primary header and one 16-bit image per IFU (manual A.1)."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS
from musedeep.storage.fits.hdus import reading
from musedeep.storage.fits.headers import BLOCK, scan_units
from musedeep.storage.outputs import appearing_whole, write_error


def extension_name(ifu: int) -> str:
    """EXTNAME of an IFU's image."""
    return f"CHAN{ifu:02d}"


IFU_NAMES: Final = tuple(extension_name(ifu) for ifu in range(1, N_IFUS + 1))
"""EXTNAME of the images of all IFUs."""


def write_part(path: Path, image: NDArray[np.uint16], header: fits.Header, compress: bool) -> None:
    """Write the extension of one IFU into a file of its own, to be joined by `join_parts`.

    Parameters
    ----------
    path : file to write
    image : uint16 (n_rows, n_columns)
    header : of the extension, EXTNAME included
    compress : tile-compressed (RICE, lossless), rows as tiles, as in the archive's .fits.fz

    Raises
    ------
    MusedeepError
        The file cannot be written.
    """
    kind = fits.CompImageHDU if compress else fits.ImageHDU
    options = {"compression_type": "RICE_1"} if compress else {}
    write_extensions(path, [kind(image, header, **options)])


def write_extensions(path: Path, extensions: Sequence[fits.hdu.base.ExtensionHDU]) -> None:
    """Write extensions into a file of their own, to be joined by `join_parts`; raises MusedeepError if that fails."""
    try:
        # a compressed extension gets its sums afterwards: beforehand they would be those of the image
        packed = any(isinstance(unit, fits.CompImageHDU) for unit in extensions)
        _add_sums([] if packed else extensions)
        fits.HDUList([fits.PrimaryHDU(), *extensions]).writeto(path, overwrite=True)
        if packed:
            with fits.open(path, mode="update", disable_image_compression=True) as hdus:
                _add_sums(hdus[1:])
    except OSError as error:
        raise write_error(path, error, sum(unit.size for unit in extensions)) from error


def _add_sums(units: Sequence[fits.hdu.base._BaseHDU]) -> None:
    """CHECKSUM and DATASUM, without the date that astropy puts beside them: the same data make the same bits."""
    for unit in units:
        unit.add_checksum(when="ones' complement sum")


def join_parts(path: Path, header: fits.Header, parts: Sequence[Path]) -> None:
    """Make a raw file of a primary header and the parts of its IFUs; the parts are removed.

    The file appears under its name when it is whole.

    Raises
    ------
    MusedeepError
        The file cannot be written.
    """
    primary = fits.PrimaryHDU(header=header)
    primary.header["EXTEND"] = True
    _add_sums([primary])
    with appearing_whole(path, sum(part.stat().st_size for part in parts)) as partial, partial.open("wb") as out:
        out.write(primary.header.tostring().encode("ascii"))
        for part in parts:
            with part.open("rb") as piece:
                # the part's own empty primary header
                piece.seek(BLOCK)
                shutil.copyfileobj(piece, out, 2**22)
    for part in parts:
        part.unlink()


@dataclass(frozen=True)
class RawImage:
    """One IFU of a raw file: headers of the file and of its extension; uint16 (4240, 4224), with pre- and overscan."""

    primary: fits.Header
    header: fits.Header
    data: NDArray[np.uint16]


def raw_ifus(path: str | Path) -> list[int]:
    """The IFUs that a raw file holds, by the EXTNAME of its extensions.

    Raises
    ------
    MusedeepError
        Not a FITS file, or cut off.
    """
    held = {unit.name for unit in scan_units(Path(path), unpack=True)}
    return [ifu for ifu, name in enumerate(IFU_NAMES, 1) if name in held]


def read_raw(path: str | Path, ifu: int) -> RawImage:
    """Read one IFU of a raw file in any form: `.fits`, tile-compressed `.fits.fz`, packed by gzip; any type of number.

    Raises
    ------
    MusedeepError
        Not a FITS file, cut off, without the IFU, or with values that are no 16-bit counts.
    """
    path, name = Path(path), extension_name(ifu)
    with reading(path, "raw MUSE frame"), fits.open(path, memmap=False) as hdus:
        # one after the other: no more is read, and unpacked, than is needed
        for hdu in hdus:
            if hdu.name != name:
                continue
            if not hdu.is_image or hdu.data is None or hdu.data.ndim != 2:
                raise MusedeepError(f"{path}: {name} holds no image; give a raw MUSE frame")
            # astropy takes no notice of BLANK in unsigned integers
            blank = hdu.header.get("BLANK")
            counts = hdu.data
            if counts.dtype != np.uint16 or blank is not None:
                whole = (counts >= 0) & (counts <= 65535) & (counts == np.round(counts))
                if counts.dtype == np.uint16:
                    whole &= counts != blank + 32768
                if not whole.all():
                    raise MusedeepError(
                        f"{path}: {name} has {np.count_nonzero(~whole)} pixels that are no integers from 0 to 65535; "
                        "give the raw MUSE frame as it came from the archive"
                    )
            return RawImage(hdus[0].header.copy(), hdu.header.copy(), np.ascontiguousarray(counts, np.uint16))
    raise MusedeepError(f"{path}: no extension {name}; give a raw file that holds IFU {ifu}")
