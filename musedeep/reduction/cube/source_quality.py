"""Quality control of the sources in a plane of a cube: where they are, and how wide (manual 9.9 to 9.14)."""

from collections.abc import Sequence

import numpy as np

from musedeep.kernels.field.sources import Source
from musedeep.reduction.headers.cards import Card


def source_cards(
    word: str, cube: str, sources: Sequence[Source], wavelength: float, scales: tuple[float, float]
) -> list[Card]:
    """The cards ESO QC WORD LAMBDA, NDET, POSk, FWHMk, FWHM NVALID, FWHM MEDIAN and FWHM MAD.

    Parameters
    ----------
    word : as in EXPCOMB
    cube : what the cube is called in the comments, as in combined
    wavelength : of the plane [Angstrom]
    scales : size of a pixel along x and y [arcsec]

    Returns
    -------
    list of (keyword without HIERARCH, value, comment)
        Positions count from 1; of a source whose widths cannot be measured all four values are -1. With fewer than
        three measured sources the median width and its deviation are 0.
    """
    qc = f"ESO QC {word} "
    cards: list[Card] = [
        (qc + "LAMBDA", np.float32(wavelength), "[Angstrom] Wavelength of plane in combined cube"),
        (qc + "NDET", len(sources), f"Number of detected sources in {cube} cube."),
    ]
    widths = []
    for number, source in enumerate(sources, 1):
        x, y, width = -1.0, -1.0, np.array([-1.0, -1.0])
        if source.valid:
            x, y, width = source.x + 1.0, source.y + 1.0, np.array([source.width_x, source.width_y]) * scales
            widths += list(width)
        cards += [
            (f"{qc}POS{number} X", x, "[pix] Position of source k in x-direction"),
            (f"{qc}POS{number} Y", y, "[pix] Position of source k in y-direction"),
            (f"{qc}FWHM{number} X", np.float32(width[0]), "[arcsec] FWHM of source k in x-direction"),
            (f"{qc}FWHM{number} Y", np.float32(width[1]), "[arcsec] FWHM of source k in y-direction"),
        ]
    n_valid = len(widths) // 2
    middle = float(np.median(widths)) if n_valid >= 3 else 0.0
    spread = float(np.median(np.abs(np.array(widths) - middle))) if n_valid >= 3 else 0.0
    return [
        *cards,
        (qc + "FWHM NVALID", n_valid, "Number of detected sources with valid FWHM"),
        (qc + "FWHM MEDIAN", np.float32(middle), "[arcsec] Median FWHM of all sources"),
        (qc + "FWHM MAD", np.float32(spread), "[arcsec] Median absolute deviation of the FWHM"),
    ]
