"""FITS files of a few HDUs in memory, written whole or not at all."""

from pathlib import Path

from astropy.io import fits

from musedeep.storage.header_cards import sign
from musedeep.storage.outputs import check_space, partial_name, refuse_existing, write_error


def write_hdus(path: Path, hdus: fits.HDUList, overwrite: bool = False) -> None:
    """Write HDUs and fill in DATAMD5, CHECKSUM and DATASUM; the file appears under its name when it is whole.

    Raises
    ------
    MusedeepError
        The file exists and may not be replaced, or cannot be written.
    """
    refuse_existing(path, overwrite)
    need = sum(hdu.size for hdu in hdus)
    check_space(path, need)
    partial = partial_name(path)
    try:
        with partial.open("wb") as stream:
            hdus.writeto(stream)
        sign(partial)
        partial.replace(path)
    except OSError as error:
        raise write_error(path, error, need) from error
    finally:
        partial.unlink(missing_ok=True)
