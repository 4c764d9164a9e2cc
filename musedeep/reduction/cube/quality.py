"""QC EXPCOMB, QC SCIPOST: sources in one plane of a cube and their widths (manual 9.14.5).

Against the reference, on seven small cubes of simulated stars (five of three IFUs, two of one IFU): the plane is
the same; on three IFUs with and without rejection of cosmic rays the number of sources is the same (11), 53 of 55
positions are equal and the others one pixel off, the widths differ by 0.2 % (median) and at most 1.7 %, their median by
less than 0.2 %. On strips of a single IFU the reference lists further sources along the edges, most without a
valid width, that are not found here.
"""

import numpy as np

from musedeep.kernels.field.sources import find_sources
from musedeep.reduction.cube.grid import Grid
from musedeep.storage.cubes.cube_fits import CubeFile

THRESHOLD = 5.0
"""Detection threshold, in standard deviations of the background (the reference prints it in its log)."""


def source_cards(cube: CubeFile, grid: Grid, step: str) -> list[tuple[str, object, str]]:
    """The QC cards of a cube: sources in its central plane (number nz // 2, from 0).

    `step` is the word of the recipe in the keywords: EXPCOMB, SCIPOST.

    Returns
    -------
    list of (keyword without HIERARCH, value, comment)
        Positions count from 1; of a source whose widths cannot be measured all four values are -1. With fewer than
        three measured sources the median width and its deviation are 0.
    """
    plane = grid.shape[0] // 2
    image = cube.data.read_box(plane, plane + 1)[0]
    sources = find_sources(image, THRESHOLD)
    qc = f"ESO QC {step} "
    cards: list[tuple[str, object, str]] = [
        (qc + "LAMBDA", np.float32(grid.wavelengths()[plane]), "[Angstrom] Wavelength of plane in combined cube"),
        (qc + "NDET", len(sources), "Number of detected sources in combined cube."),
    ]
    scale = np.array([abs(grid.cd[0]), abs(grid.cd[3])]) * 3600.0
    widths = []
    for number, source in enumerate(sources, 1):
        x, y, width = -1.0, -1.0, np.array([-1.0, -1.0])
        if source.valid:
            x, y, width = source.x + 1.0, source.y + 1.0, np.array([source.width_x, source.width_y]) * scale
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
    cards += [
        (qc + "FWHM NVALID", n_valid, "Number of detected sources with valid FWHM"),
        (qc + "FWHM MEDIAN", np.float32(middle), "[arcsec] Median FWHM of all sources"),
        (qc + "FWHM MAD", np.float32(spread), "[arcsec] Median absolute deviation of the FWHM"),
    ]
    return cards
