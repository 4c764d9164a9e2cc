"""GEOMETRY_TABLE (manual A.3.9): where the slices lie in the field of view."""

from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.storage.fits.hdus import numbers, open_hdus, whole_numbers

COLUMNS: Final = ("SubField", "SliceCCD", "x", "y", "angle", "width")


def read_geometry(path: str | Path, ifu: int) -> NDArray[np.float64]:
    """Places of the slices of one IFU.

    Parameters
    ----------
    path : str or Path
    ifu : int
        From 1.

    Returns
    -------
    float64 (48, 4)
        x, y [pixel of the field of view], angle [rad] and width [pixel] of each slice, in the order on the CCD.

    Raises
    ------
    MusedeepError
        No FITS file, no geometry table, or not every slice of the IFU, once.
    """
    path = Path(path)
    with open_hdus(path, "GEOMETRY_TABLE") as hdus:
        tables = [h for h in hdus if isinstance(h, fits.BinTableHDU) and set(COLUMNS) <= set(h.columns.names)]
        if not tables:
            raise MusedeepError(f"{path}: no table with the columns {', '.join(COLUMNS)}; give a GEOMETRY_TABLE")
        mine = whole_numbers(tables[0], "SubField") == ifu
        slices = whole_numbers(tables[0], "SliceCCD")[mine]
        columns = [numbers(tables[0], name)[mine] for name in ("x", "y", "angle", "width")]
    if sorted(slices) != list(range(1, N_SLICES + 1)):
        missing = sorted(set(range(1, N_SLICES + 1)) - set(slices.tolist()))
        what = f"slices {', '.join(map(str, missing))} are missing" if missing else "slices stand there twice"
        raise MusedeepError(f"{path}: IFU {ifu}: {what}; give a GEOMETRY_TABLE with its {N_SLICES} slices")
    order = np.argsort(slices)
    places = np.stack([values[order] for values in columns], axis=1)
    if not np.isfinite(places).all():
        raise MusedeepError(f"{path}: IFU {ifu}: a place is not finite; make the GEOMETRY_TABLE again")
    places[:, 2] = np.radians(places[:, 2])
    return places
