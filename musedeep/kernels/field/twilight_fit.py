"""Smooth illumination of the field from a cube of the twilight sky (manual 6.3.7 and 9.7).

It agrees with the ESO pipeline to 1e-6 (found by experiments):

1. The illuminated area is that of the white-light image, without its borders (`illuminated`).
2. Each plane is filtered by a median of 5 columns by 7 rows over illuminated pixels (`masked_median`).
3. A polynomial in x and y is fitted to the filtered plane, without the vignetted area (`fit_surface`).
4. It is divided by its mean over the pixels that were fitted (`smooth_plane`).
5. The vignetted area gets its own smooth form: a polynomial, a Gaussian or a median (`fit_vignetting`).

The images are small (300 x 300 pixels); the medians take most of the time.
"""

import math
from typing import Any, Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]
Mask = NDArray[np.bool_]

MEDIAN_SHAPE: Final = 7, 5
"""Rows and columns of the median filter."""

EDGE_COLUMNS: Final = 2
"""Columns by which the illuminated area is made smaller at either side of what has no light."""


def illuminated(white: NDArray[np.floating[Any]]) -> Mask:
    """Where a white-light image, float (rows, columns), is illuminated; NaN where there are no data.

    That is where it is finite, without `EDGE_COLUMNS` columns beside what is not, and without the first and the last
    column of the image; the columns next to those are not made smaller (as in the reference).
    """
    good = np.isfinite(white)
    lit = good.copy()
    n = white.shape[1]
    inner = slice(EDGE_COLUMNS, max(n - EDGE_COLUMNS, EDGE_COLUMNS))
    for move in range(-EDGE_COLUMNS, EDGE_COLUMNS + 1):
        lit[:, inner] &= good[:, inner.start + move : inner.stop + move]
    lit[:, [0, -1]] = False
    return lit


@nb.njit(nogil=True, cache=True)
def masked_median(image: Image, good: Mask, half_y: int, half_x: int) -> Image:
    """Median of the good pixels in a window around each pixel, good or not; NaN where the window has none.

    Parameters
    ----------
    image : float64 (rows, columns)
    good : bool (rows, columns)
    half_y, half_x : int, the window has 2 half_y + 1 rows and 2 half_x + 1 columns; it is cut at the edges of the image
    """
    ny, nx = image.shape
    out = np.empty((ny, nx))
    values = np.empty((2 * half_y + 1) * (2 * half_x + 1))
    for y in range(ny):
        for x in range(nx):
            n = 0
            for yy in range(max(y - half_y, 0), min(y + half_y + 1, ny)):
                for xx in range(max(x - half_x, 0), min(x + half_x + 1, nx)):
                    if good[yy, xx]:
                        values[n] = image[yy, xx]
                        n += 1
            out[y, x] = np.median(values[:n]) if n > 0 else np.nan
    return out


def fit_surface(values: Image, used: Mask, x_order: int, y_order: int) -> Image:
    """Least-squares polynomial through pixels, on the whole image, float64 (rows, columns).

    Sums are made without BLAS, so that they do not depend on its threads; products of Legendre polynomials keep the
    normal equations well conditioned.

    Parameters
    ----------
    values : float64 (rows, columns)
    used : bool (rows, columns)
        The pixels to go through; the last row and the last column never take part (as in the reference).
    x_order, y_order : highest powers, of all products of which the polynomial consists

    Raises
    ------
    ValueError
        Fewer pixels than coefficients.
    """
    n = (x_order + 1) * (y_order + 1)
    used = used.copy()
    used[-1], used[:, -1] = False, False
    if np.count_nonzero(used) < n:
        raise ValueError(f"{np.count_nonzero(used)} pixels for {n} coefficients")
    ny, nx = values.shape
    y, x = np.nonzero(used)
    along_x, along_y = _terms(nx, x, x_order), _terms(ny, y, y_order)
    terms = (along_y[y][:, :, None] * along_x[x][:, None, :]).reshape(y.size, n)
    matrix = np.einsum("pi,pj->ij", terms, terms)
    side = np.einsum("pi,p->i", terms, values[used])
    found = np.linalg.lstsq(matrix, side, rcond=1e-14)[0].reshape(y_order + 1, x_order + 1)
    return np.asarray(np.einsum("yi,ij,xj->yx", along_y, found, along_x))


def _terms(n: int, used: NDArray[np.int64], order: int) -> Image:
    """Legendre polynomials of n places, float64 (n, order + 1), between the first and the last one used."""
    low, high = float(used.min()), float(used.max())
    places = (2.0 * np.arange(n) - low - high) / max(high - low, 1.0)
    return np.asarray(np.polynomial.legendre.legvander(places, order))


def smooth_plane(plane: Image, lit: Mask, left_out: Mask, x_order: int, y_order: int) -> tuple[Image, Mask]:
    """Smooth illumination of one plane, everywhere, and the pixels it was fitted to, over which its mean is 1.

    Parameters
    ----------
    plane : float64 (rows, columns)
    lit : bool (rows, columns), from `illuminated`
    left_out : bool (rows, columns), the vignetted area: filtered, but not fitted
    x_order, y_order : of the polynomial

    Raises
    ------
    ValueError
        Too few pixels, or no light.
    """
    rows, columns = MEDIAN_SHAPE
    filtered = masked_median(plane, lit & np.isfinite(plane), rows // 2, columns // 2)
    area = np.isfinite(filtered) & ~left_out
    surface = fit_surface(filtered, area, x_order, y_order)
    mean = surface[area].mean()
    if not mean > 0:
        raise ValueError(f"mean {mean:g} count, no light")
    return surface / mean, area


def lower_right(mask: Mask) -> Mask:
    """The part of a vignetting mask in its lower half, where the reference looks for vignetting."""
    out = mask.copy()
    out[mask.shape[0] // 2 :] = False
    return out


def upper_edge(shape: tuple[int, int], height: int) -> Mask:
    """The uppermost lines of a field, one more than `height` (as in the reference); none with 0."""
    out = np.zeros(shape, np.bool_)
    if height > 0:
        out[max(shape[0] - height - 1, 0) :] = True
    return out


def on_field(mask: Mask, shape: tuple[int, int]) -> Mask:
    """A mask cut or filled up to another shape; lower right corners coincide (as in the reference)."""
    out = np.zeros(shape, np.bool_)
    rows, columns = min(shape[0], mask.shape[0]), min(shape[1], mask.shape[1])
    out[:rows, shape[1] - columns :] = mask[:rows, mask.shape[1] - columns :]
    return out


def strong_edges(image: Image, limit: float) -> Mask:
    """Pixels that differ from one of their four neighbours by more than a limit, and more than it from 1.

    Parameters
    ----------
    image : float64 (rows, columns), normalised to 1
    limit : float, not above 0: none
    """
    out = np.zeros(image.shape, np.bool_)
    if limit <= 0:
        return out
    step = [np.diff(image, axis=axis) for axis in (0, 1)]
    nearer = [np.diff(np.abs(image - 1.0), axis=axis) < 0 for axis in (0, 1)]
    strong = [np.abs(one) > limit for one in step]
    out[:-1] |= strong[0] & nearer[0]
    out[1:] |= strong[0] & ~nearer[0]
    out[:, :-1] |= strong[1] & nearer[1]
    out[:, 1:] |= strong[1] & ~nearer[1]
    return out


def gaussian_smooth(image: Image, used: Mask, fwhm: float) -> Image:
    """Mean of the pixels used, with Gaussian weights of their distance; NaN where all are too far.

    Weights end at int(fwhm) + 1 pixels in x and in y (as in the reference).

    Parameters
    ----------
    image : float64 (rows, columns)
    used : bool (rows, columns)
    fwhm : pixels
    """
    sigma = fwhm / (2.0 * math.sqrt(2.0 * math.log(2.0)))
    weights = []
    for n in image.shape:
        place = np.arange(n)
        distance = np.abs(place[:, None] - place)
        weights.append(np.where(distance <= int(fwhm) + 1, np.exp(-0.5 * (distance / sigma) ** 2), 0.0))
    value = np.einsum("ij,jk->ik", np.einsum("ij,jk->ik", weights[0], np.where(used, image, 0.0)), weights[1])
    weight = np.einsum("ij,jk->ik", np.einsum("ij,jk->ik", weights[0], used.astype(np.float64)), weights[1])
    return np.divide(value, weight, out=np.full(image.shape, np.nan), where=weight > 1e-6)


def fit_vignetting(
    image: Image,
    area: Mask,
    used: Mask,
    method: str,
    x_size: int,
    y_size: int,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> Image:
    """Smooth vignetting of the field, float64 (rows, columns), 1 outside the area and where nothing is known.

    Parameters
    ----------
    image : float64 (rows, columns), white light, divided by its smooth form: what the field loses
    area : bool (rows, columns), where it is vignetted
    used : bool (rows, columns), the pixels of it that count
    method : polyfit, gaussian or median
    x_size, y_size : int
        Orders of the polynomial; or sizes whose mean is the FWHM of the Gaussian; or columns and rows of the filter.
    limits : (float, float)
        The result is kept between these (the reference sees an excess of light only, from 1 on), and so are the
        pixels that a polynomial goes through.

    Raises
    ------
    ValueError
        Fewer pixels than coefficients.
    """
    if method == "polyfit":
        smooth = fit_surface(np.clip(image, *limits), used, x_size, y_size)
    elif method == "gaussian":
        smooth = gaussian_smooth(image, used, 0.5 * (x_size + y_size))
    else:
        smooth = masked_median(image, used, y_size // 2, x_size // 2)
    smooth = np.clip(smooth, *limits)
    return np.where(area & np.isfinite(smooth), smooth, 1.0)
