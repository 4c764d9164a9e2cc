"""QC EXPCOMB: sources in one plane of the combined cube and their widths (manual 9.14.5)."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from musedeep.recipes.exp_combine_grid import Grid
from musedeep.storage.cube_fits import CubeFile

THRESHOLD = 5.0
"""Detection threshold, in standard deviations of the background."""

HALF_WIDTH = 6
"""Half-width of the window in which a source is measured [pixel]."""


def find_sources(image: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Brightest pixels (y, x) of the regions above the threshold, brightest first.

    Parameters
    ----------
    image : float32 (ny, nx)
        NaN where there are no data.

    Notes
    -----
    Background and noise are the median and 1.4826 times the median absolute deviation of the 3 x 3 median
    filtered image, which also keeps single outliers from being sources.
    """
    finite = np.isfinite(image)
    if finite.sum() < 9:
        return []
    smooth = ndimage.median_filter(np.where(finite, image, np.nanmedian(image)), 3)
    background = float(np.median(smooth[finite]))
    noise = 1.4826 * float(np.median(np.abs(smooth[finite] - background)))
    if noise <= 0:
        return []
    labels, n = ndimage.label((smooth > background + THRESHOLD * noise) & finite)
    if n == 0:
        return []
    peaks = ndimage.maximum_position(np.where(finite, image, -np.inf), labels, range(1, n + 1))
    sizes = ndimage.sum_labels(np.ones_like(labels), labels, range(1, n + 1))
    found = [(int(y), int(x)) for (y, x), size in zip(peaks, sizes, strict=True) if size >= 4]
    return sorted(found, key=lambda p: -float(image[p]))


def fwhm(profile: NDArray[np.float64], peak: int) -> float:
    """Full width at half maximum of a background-subtracted profile [pixel]; -1 if a side never falls to half."""
    half = 0.5 * profile[peak]
    width = 0.0
    for direction in (-1, 1):
        i = peak
        while 0 <= i + direction < profile.size and math.isfinite(profile[i + direction]):
            here, there = profile[i], profile[i + direction]
            if there <= half:
                width += abs(i - peak) + (here - half) / (here - there)
                break
            i += direction
        else:
            return -1.0
    return width


def source_cards(cube: CubeFile, grid: Grid) -> list[tuple[str, object, str]]:
    """The QC cards of a cube: sources in its central plane."""
    plane = grid.shape[0] // 2
    image = cube.data.read_box(plane, plane + 1)[0]
    qc = "ESO QC EXPCOMB "
    sources = find_sources(image)
    cards: list[tuple[str, object, str]] = [
        (qc + "LAMBDA", float(np.float32(grid.wavelengths()[plane])), "[Angstrom] Wavelength of plane of detection"),
        (qc + "NDET", len(sources), "Number of detected sources in combined cube."),
    ]
    scale = (abs(grid.cd[0]) * 3600.0, abs(grid.cd[3]) * 3600.0)
    background = float(np.nanmedian(image)) if np.isfinite(image).any() else 0.0
    widths = []
    for number, (y, x) in enumerate(sources[:99], 1):
        x0, y0 = max(0, x - HALF_WIDTH), max(0, y - HALF_WIDTH)
        across = image[y, x0 : x + HALF_WIDTH + 1].astype(np.float64) - background
        along = image[y0 : y + HALF_WIDTH + 1, x].astype(np.float64) - background
        wx, wy = fwhm(across, x - x0), fwhm(along, y - y0)
        wx, wy = (wx * scale[0] if wx > 0 else -1.0), (wy * scale[1] if wy > 0 else -1.0)
        valid = wx > 0 and wy > 0
        if valid:
            widths += [wx, wy]
        cards += [
            (f"{qc}POS{number} X", float(x + 1) if valid else -1.0, "[pix] Position of source in x-direction"),
            (f"{qc}POS{number} Y", float(y + 1) if valid else -1.0, "[pix] Position of source in y-direction"),
            (f"{qc}FWHM{number} X", float(np.float32(wx)), "[arcsec] FWHM of source in x-direction"),
            (f"{qc}FWHM{number} Y", float(np.float32(wy)), "[arcsec] FWHM of source in y-direction"),
        ]
    n_valid = len(widths) // 2
    middle = float(np.median(widths)) if n_valid >= 3 else 0.0
    spread = float(np.median(np.abs(np.array(widths) - middle))) if n_valid >= 3 else 0.0
    cards += [
        (qc + "FWHM NVALID", n_valid, "Number of detected sources with valid FWHM"),
        (qc + "FWHM MEDIAN", float(np.float32(middle)), "[arcsec] Median FWHM of all sources"),
        (qc + "FWHM MAD", float(np.float32(spread)), "[arcsec] Median absolute deviation of the FWHM"),
    ]
    return cards
