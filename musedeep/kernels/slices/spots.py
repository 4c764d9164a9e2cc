"""Images of the holes of the multi-pinhole mask on the CCD: found on a combined image, measured on every exposure.

1. Around an arc line in a slice, connected pixels above a limit are pieces of light (`find_spots`).
2. The three brightest pieces are the spots of the slice, unless one is faint or anything else is nearly as bright.
3. On each exposure, a frame around each spot gives its background, and the sum within the frame its flux.
4. Moments above the background, or a Gaussian, give position and width of spots that are not faint (`measure_spots`).

Method: manual 9.6; Weilbacher et al. 2020, A&A 641, A28.
"""

from typing import Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.lines.gaussian_fit import fit_gaussian_2d

SPOTS_PER_SLICE: Final = 3
"""Holes of a row of the mask that a slice sees."""
SEARCH_ROWS: Final = 8
"""Rows on either side of a line in which spots are searched."""
LEAST_PIXELS: Final = 7
"""A spot has at least so many pixels above the limit; noise seldom has."""
LEAST_LIGHT: Final = 0.2
"""Light of the faintest of the three spots of a slice over that of the brightest."""
OTHER_LIGHT: Final = 0.1
"""Light of anything else in the window over that of the faintest spot, above which a line is left out."""
MOST_OFF: Final = 1.5
"""Rows that the spots of a slice may lie off their line."""
HALF_FLUX: Final = 5
HALF_BACKGROUND: Final = 7
"""The flux of a spot is the sum over 11 x 11 pixels, its background the median of the frame around them to 15 x 15."""
FAINT: Final = 5.0
"""Signal to noise of a spot below which its place and width are not measured."""
FWHM: Final = 2.0 * np.sqrt(2.0 * np.log(2.0))

XC, YC, XFWHM, YFWHM, FLUX, BACKGROUND = range(6)


@nb.njit(nogil=True, cache=True)
def _deviation_limit(values, sigma):
    """Median of values plus sigma times their median absolute deviation."""
    middle = np.median(values)
    return middle + sigma * np.median(np.abs(values - middle))


@nb.njit(nogil=True, cache=True)
def _take_piece(values, free, start, columns, rows, stack, level):
    """Take a piece of connected free pixels away: its number of pixels, light, and light times x and y."""
    stack[0] = start
    free[start] = False
    depth, size = 1, 0
    total, sum_x, sum_y = 0.0, 0.0, 0.0
    while depth > 0:
        depth -= 1
        place = stack[depth]
        y, x = place // columns, place % columns
        light = values[place] - level
        size += 1
        total += light
        sum_x += light * x
        sum_y += light * y
        for step in range(4):
            yy = y + (step == 0) - (step == 1)
            xx = x + (step == 2) - (step == 3)
            if 0 <= yy < rows and 0 <= xx < columns and free[yy * columns + xx]:
                free[yy * columns + xx] = False
                stack[depth] = yy * columns + xx
                depth += 1
    return size, total, sum_x, sum_y


@nb.njit(nogil=True, cache=True)
def find_spots(image, row, first_column, last_column, sigma, found):
    """Find the three spots of a line in a slice; whether they are alike and nothing else is nearly as bright.

    They are the brightest pieces (connected over edges) of at least `LEAST_PIXELS` above the limit, among `SEARCH_ROWS`
    on either side of the line.

    Parameters
    ----------
    image : float32 (rows, columns), the combined image
    row : row of the line in the middle of the slice, pixels from 0
    first_column, last_column : of the slice, the last one excluded
    sigma : limit above the median, in median absolute deviations
    found : float64 (3, 2), filled with x and y (pixels from 0, weighted by the light), in order of x
    """
    first_row = round(row) - SEARCH_ROWS
    rows, columns = 2 * SEARCH_ROWS + 1, last_column - first_column
    if first_row < 0 or first_row + rows > image.shape[0] or first_column < 0 or last_column > image.shape[1]:
        return False
    values = np.empty(rows * columns)
    for y in range(rows):
        for x in range(columns):
            values[y * columns + x] = image[first_row + y, first_column + x]
    limit = _deviation_limit(values, sigma)
    level = np.median(values)
    free = values > limit
    stack = np.empty(rows * columns, np.int64)
    # light, x, y of the brightest pieces, in order of light
    pieces = np.zeros((SPOTS_PER_SLICE + 1, 3))
    for start in range(rows * columns):
        if not free[start]:
            continue
        size, total, sum_x, sum_y = _take_piece(values, free, start, columns, rows, stack, level)
        if size < LEAST_PIXELS:
            continue
        at = SPOTS_PER_SLICE
        if total <= pieces[at, 0]:
            continue
        while at > 0 and pieces[at - 1, 0] < total:
            pieces[at] = pieces[at - 1]
            at -= 1
        pieces[at, 0], pieces[at, 1], pieces[at, 2] = total, sum_x / total, sum_y / total
    last = SPOTS_PER_SLICE - 1
    if not pieces[last, 0] > LEAST_LIGHT * pieces[0, 0] or pieces[last + 1, 0] > OTHER_LIGHT * pieces[last, 0]:
        return False
    order = np.argsort(pieces[:SPOTS_PER_SLICE, 1])
    for k in range(SPOTS_PER_SLICE):
        found[k, 0] = first_column + pieces[order[k], 1]
        found[k, 1] = first_row + pieces[order[k], 2]
    # lines bend by a row along a slice; two lines that run into each other lie further off
    return abs(found[:, 1].mean() - row) <= MOST_OFF


@nb.njit(nogil=True, cache=True)
def _measure_spot(data, dq, stat, x0, y0, gaussian, values, good, frame, p, out):
    """Measure one spot around a pixel."""
    n_frame, n_good, total, variance = 0, 0, 0.0, 0.0
    for y in range(-HALF_BACKGROUND, HALF_BACKGROUND + 1):
        for x in range(-HALF_BACKGROUND, HALF_BACKGROUND + 1):
            value, flag = data[y0 + y, x0 + x], dq[y0 + y, x0 + x]
            if abs(x) <= HALF_FLUX and abs(y) <= HALF_FLUX:
                values[y + HALF_FLUX, x + HALF_FLUX] = value
                good[y + HALF_FLUX, x + HALF_FLUX] = flag == 0
                if flag == 0:
                    total += value
                    variance += stat[y0 + y, x0 + x]
                    n_good += 1
            elif flag == 0:
                frame[n_frame] = value
                n_frame += 1
    out[:] = np.nan
    if n_frame == 0 or n_good == 0:
        return
    background = np.median(frame[:n_frame])
    flux = total - background * n_good
    out[FLUX], out[BACKGROUND] = flux, background
    noise = np.std(frame[:n_frame]) * np.sqrt(n_good)
    if not flux > FAINT * max(noise, np.sqrt(variance)):
        return
    # first and second moments of what is above the background
    light, mx, my, mxx, myy = 0.0, 0.0, 0.0, 0.0, 0.0
    side = 2 * HALF_FLUX + 1
    for y in range(side):
        for x in range(side):
            v = values[y, x] - background
            if good[y, x] and v > 0:
                light += v
                mx += v * x
                my += v * y
                mxx += v * x * x
                myy += v * y * y
    mx, my = mx / light, my / light
    sx, sy = np.sqrt(max(mxx / light - mx * mx, 0.1)), np.sqrt(max(myy / light - my * my, 0.1))
    if gaussian:
        # moments are wide with noise: images of holes have dispersions near 1
        p[0], p[1], p[2], p[3] = background, flux / (2.0 * np.pi), mx, my
        p[4], p[5] = 1.1, 0.9
        if not fit_gaussian_2d(values, good, p):
            return
        mx, my, sx, sy = p[2], p[3], p[4], p[5]
    out[XC], out[YC] = x0 - HALF_FLUX + mx, y0 - HALF_FLUX + my
    out[XFWHM], out[YFWHM] = FWHM * sx, FWHM * sy


@nb.njit(nogil=True, cache=True)
def measure_spots(data, dq, stat, columns, rows, gaussian, out):
    """Measure spots on one exposure.

    Parameters
    ----------
    data, stat : float32 (n_rows, n_columns), count and count**2
    dq : int32 (n_rows, n_columns); flagged pixels are left out
    columns, rows : int64 (n,), pixels from 0 around which spots are
    gaussian : bool, fit a Gaussian; else take moments
    out : float64 (n, 6), filled: x, y (pixels from 0), their full widths at half maximum, flux and background
        (count a pixel). Places and widths are NaN where a spot is faint or cannot be fitted, all is NaN at the
        borders of the CCD.
    """
    side = 2 * HALF_FLUX + 1
    values, good = np.empty((side, side)), np.empty((side, side), np.bool_)
    frame, p = np.empty((2 * HALF_BACKGROUND + 1) ** 2), np.empty(6)
    for k in range(rows.size):
        inside = HALF_BACKGROUND <= rows[k] < data.shape[0] - HALF_BACKGROUND
        inside = inside and HALF_BACKGROUND <= columns[k] < data.shape[1] - HALF_BACKGROUND
        if inside:
            _measure_spot(data, dq, stat, columns[k], rows[k], gaussian, values, good, frame, p, out[k])
        else:
            out[k] = np.nan


def line_rows(
    coefficients: NDArray[np.float64], centre: NDArray[np.float64], wavelengths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Rows (from 1) at which arc lines cross the middle of a slice, float64 (n,); NaN where a line is not on the CCD.

    Parameters
    ----------
    coefficients : float64 (i, j), of the wavelength solution, Angstrom = sum_ij c_ij x**i y**j (pixels from 1)
    centre : float64 (n_rows,), middle of the slice at every row, pixels from 1
    wavelengths : float64 (n,)
    """
    y = np.arange(1.0, centre.size + 1.0)
    along = np.polynomial.polynomial.polyval2d(centre, y, coefficients)
    rows = np.interp(wavelengths, along, y, left=np.nan, right=np.nan)
    return np.asarray(rows)
