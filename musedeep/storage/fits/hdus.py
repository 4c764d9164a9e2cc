"""FITS files that are read by astropy, and such that are written whole or not at all, with their checksums."""

import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.fits.header_cards import keep_checksum_places, sign
from musedeep.storage.fits.headers import scan_units, unreadable
from musedeep.storage.outputs import appearing_whole, check_space, refuse_existing


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn what astropy raises for a damaged file into one line that names the file; for reading only.

    Parameters
    ----------
    what : what is expected in the file

    Raises
    ------
    MusedeepError
        The file cannot be read, or is damaged.
    """
    try:
        with warnings.catch_warnings():
            # of cards that break the standard; what matters of them is checked by the readers
            warnings.simplefilter("ignore", AstropyWarning)
            yield
    except MusedeepError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error
    except Exception as error:
        # astropy has no type for damage: it raises whatever its parsers meet, and a private type of its C code
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MusedeepError(f"{path}: no valid {what} ({reason}); copy or make it again, or give another") from error


@contextmanager
def open_hdus(path: Path, what: str, memmap: bool = False) -> Iterator[fits.HDUList]:
    """The HDUs of a FITS file, packed by gzip or not, to be read inside `with`; see `reading`.

    Parameters
    ----------
    what : what is expected in the file
    memmap : map large data that are not packed, which are not to be kept in memory all at once

    Raises
    ------
    MusedeepError
        There is no such file, or it is packed by another program, a table compressed by fpack, no FITS file, cut off
        or damaged.
    """
    if not path.is_file():
        raise MusedeepError(f"{path}: no such file; give a {what}")
    for unit in scan_units(path, unpack=True):
        # astropy takes the bytes of a compressed table for its rows
        if any(card.startswith("ZTABLE  =") for card in unit.cards):
            raise MusedeepError(f"{path}: a table compressed by fpack; uncompress it with funpack and give the result")
    with reading(path, what), fits.open(path, memmap=memmap) as hdus:
        yield hdus


def column(table: fits.BinTableHDU, name: str) -> NDArray[Any]:
    """A column in native byte order, scaled as the header says; with NaN where TNULL says that there is no value."""
    values = np.asarray(table.data[name])
    values = values.astype(values.dtype.newbyteorder("="), copy=True)
    null = table.columns[name].null
    if null is None or values.dtype.kind not in "iuf":
        return values
    stored = np.recarray.field(table.data, name)
    return np.where(stored == int(null), np.nan, values)


def numbers(table: fits.BinTableHDU, name: str) -> NDArray[np.float64]:
    """A column of one number per row; raises ValueError if it is none."""
    values = column(table, name)
    if values.dtype.kind not in "iuf" or values.ndim != 1:
        raise ValueError(f"column {name} is not one number per row")
    return values.astype(np.float64)


def whole_numbers(table: fits.BinTableHDU, name: str) -> NDArray[np.int64]:
    """A column of one 32-bit integer per row, however it is stored; raises ValueError if a value is none."""
    values = numbers(table, name)
    if not ((values >= -(2**31)) & (values < 2**32) & (values == np.round(values))).all():
        raise ValueError(f"column {name} has values that are no integers of 32 bits")
    return values.astype(np.int64)


@contextmanager
def whole_file(path: Path, need: int, overwrite: bool) -> Iterator[BinaryIO]:
    """A file to write HDUs of about `need` bytes into.

    At the end DATAMD5, CHECKSUM and DATASUM are filled in, and the file appears under its name.

    Raises
    ------
    MusedeepError
        The file exists and may not be replaced, or cannot be written.
    """
    refuse_existing(path, overwrite)
    check_space(path, need)
    with appearing_whole(path, need) as partial:
        with partial.open("wb") as stream:
            yield stream
        sign(partial)


def write_hdus(path: Path, hdus: fits.HDUList, overwrite: bool = False) -> None:
    """Write HDUs that are in memory, all with checksums; raises as `whole_file`."""
    with whole_file(path, sum(hdu.size for hdu in hdus), overwrite) as stream:
        for hdu in hdus:
            keep_checksum_places(hdu.header)
        hdus.writeto(stream)
