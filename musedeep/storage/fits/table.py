"""Tables of one IFU on disk: a primary header and a binary table; many IFUs in one file as extensions CHANnn."""

from collections.abc import Sequence
from pathlib import Path

from astropy.io import fits

from musedeep.storage.fits.hdus import write_hdus
from musedeep.storage.fits.header_cards import checksum_cards
from musedeep.storage.fits.image import join_images
from musedeep.storage.outputs import refuse_existing
from musedeep.storage.raw.file import extension_name


def write_table(
    path: Path, header: fits.Header, table: fits.BinTableHDU, ifu: int | None = None, overwrite: bool = False
) -> None:
    """Write a table; it appears under its name when it is whole.

    Parameters
    ----------
    path : Path
    header : fits.Header
        Primary header.
    table : fits.BinTableHDU
    ifu : int, optional
        Name the extension CHANnn and give it the cards of the header, for a file of many IFUs.
    overwrite : bool

    Raises
    ------
    MusedeepError
        The file exists and may not be replaced, or cannot be written.
    """
    refuse_existing(path, overwrite)
    if ifu is not None:
        kept = header.copy(strip=True)
        for key in ("EXTNAME", "CHECKSUM", "DATASUM", "DATAMD5", "PIPEFILE", "DATE"):
            kept.remove(key, ignore_missing=True)
        table.header["EXTNAME"] = extension_name(ifu)
        table.header.extend(kept, unique=True, update=False)
    for one in checksum_cards():
        table.header.append(one, end=True)
    write_hdus(path, fits.HDUList([fits.PrimaryHDU(header=header), table]), overwrite)


def join_tables(path: Path, parts: Sequence[Path], overwrite: bool = False) -> None:
    """Make one file of the tables of many IFUs; as `storage.image.join_images`."""
    join_images(path, parts, overwrite)
