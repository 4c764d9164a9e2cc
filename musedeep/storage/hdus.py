"""FITS files that are written whole or not at all, with their checksums."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from astropy.io import fits

from musedeep.storage.header_cards import keep_checksum_places, sign
from musedeep.storage.outputs import appearing_whole, check_space, refuse_existing


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
    """Write HDUs that are in memory, all with checksums; see `whole_file`.

    Raises
    ------
    MusedeepError
        The file exists and may not be replaced, or cannot be written.
    """
    with whole_file(path, sum(hdu.size for hdu in hdus), overwrite) as stream:
        for hdu in hdus:
            keep_checksum_places(hdu.header)
        hdus.writeto(stream)
