"""Static calibrations as files: tables after a primary header that says what the file is."""

from typing import Any

from astropy.io import fits

from musedeep import __version__


def static_file(category: str, *tables: fits.BinTableHDU, source: Any = None) -> fits.HDUList:
    """A static calibration in memory.

    Parameters
    ----------
    category : product category
    tables : its extensions
    source : one text or several, where the figures come from
    """
    primary = fits.PrimaryHDU()
    # no date: the same tables make the same bytes
    primary.header["INSTRUME"] = ("MUSE", "Instrument used")
    primary.header["ORIGIN"] = (f"musedeep {__version__}", "Program that wrote the file")
    primary.header["HIERARCH ESO PRO CATG"] = (category, "Product category")
    for line in [source] if isinstance(source, str) else source or ():
        primary.header.add_history(str(line))
    return fits.HDUList([primary, *tables])
