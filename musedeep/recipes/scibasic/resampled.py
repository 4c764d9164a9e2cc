"""TAG_RESAMPLED: the slices of a pixel table side by side, wavelengths along the columns (manual 9.8)."""

from itertools import pairwise

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.kernels.slices.slit_image import resample_slice
from musedeep.recipes.run_ifus import RecipeCall, Writer, Written, product_name
from musedeep.reduction.rows.source import all_rows
from musedeep.storage.fits.hdus import write_hdus
from musedeep.storage.fits.header_cards import DATA_CLASS, IMAGE_CLASS, add
from musedeep.storage.pixel_tables.table import RowSource
from musedeep.threads import in_threads


def resampled_rows(table: RowSource, starts: NDArray[np.int64], step: float) -> tuple[NDArray[np.float32], float]:
    """The image, and its first wavelength.

    Parameters
    ----------
    table : rows of an IFU, slice by slice
    starts : int64 (slices + 1,), first row of each slice, and the row after the last
    step : float [Angstrom]

    Returns
    -------
    float32 (wavelengths, columns of all slices), float [Angstrom]
    """
    rows = all_rows(table)
    start = float(rows["lambda"].min())
    n_z = int(np.ceil((float(rows["lambda"].max()) - start) / step)) + 1
    slices = [slice(*ends) for ends in pairwise(starts.tolist())]
    lows = [float(rows["xpos"][at].min()) if at.stop > at.start else 0.0 for at in slices]
    highs = [float(rows["xpos"][at].max()) if at.stop > at.start else -1.0 for at in slices]
    widths = [int(np.ceil(high - low)) + 1 for low, high in zip(lows, highs, strict=True)]
    edges = np.concatenate([[0], np.cumsum(widths)]).astype(int)
    image = np.zeros((n_z, int(edges[-1])), np.float32)

    def one(k: int) -> None:
        at = slices[k]
        part = np.zeros((n_z, widths[k]), np.float32)
        resample_slice(
            rows["xpos"][at], rows["lambda"][at], rows["data"][at], rows["dq"][at], lows[k], start, step, part
        )
        image[:, edges[k] : edges[k + 1]] = part

    in_threads(one, len(slices))
    return image, start


def resampled_image(
    category: str, table: RowSource, starts: NDArray[np.int64], header: fits.Header, step: float
) -> Writer:
    """What writes the image of a pixel table (see `resampled_rows`); always one file an IFU."""

    def write(call: RecipeCall, ifu: int) -> Written:
        path = call.output / product_name(category, ifu)
        image, start = resampled_rows(table, starts, step)
        data = fits.ImageHDU(image, name="DATA")
        add(
            data.header,
            ("CRPIX1", 1.0), ("CRVAL1", 1.0), ("CD1_1", 1.0), ("CTYPE1", "PIXEL"), ("CUNIT1", "pixel"),
            ("CRPIX2", 1.0), ("CRVAL2", start), ("CD2_2", step), ("CTYPE2", "AWAV"), ("CUNIT2", "Angstrom"),
            ("CD1_2", 0.0), ("CD2_1", 0.0), ("INHERIT", True), ("BUNIT", "count"),
            *IMAGE_CLASS, DATA_CLASS,
        )  # fmt: skip
        write_hdus(path, fits.HDUList([fits.PrimaryHDU(header=header), data]), call.overwrite)
        return [(category, path)]

    return write
