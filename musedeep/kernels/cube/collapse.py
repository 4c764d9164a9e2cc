"""One pass over a cube: images by integration over a filter curve, histograms."""

import numba as nb


@nb.njit(nogil=True, cache=True)
def add_planes(data, weights, total, norm):
    """Add planes to the sums of a filtered image (manual 7.3.5): sum of w d and of w over finite voxels.

    Parameters
    ----------
    data : float32 (planes, ny, nx)
    weights : float64 (planes,)
        Throughput of the filter at each plane. The manual multiplies with the width of the plane; the reference
        does not, also where widths differ (logarithmic cubes), and weights without width agree with it to 6e-8.
    total, norm : float64 (ny, nx)
        Added to, plane after plane, so that the result does not depend on how planes are grouped.
    """
    for z in range(data.shape[0]):
        w = weights[z]
        if w == 0.0:
            continue
        for y in range(data.shape[1]):
            for x in range(data.shape[2]):
                value = data[z, y, x]
                if value == value:
                    total[y, x] += w * value
                    norm[y, x] += w


@nb.njit(nogil=True, cache=True)
def count_values(values, step, largest, counts):
    """Add the values from 0 to `largest` to a histogram.

    Parameters
    ----------
    values : float32 (planes, ny, nx), NaN is not counted
    step, largest : float, width of the bins, the first of which begins at 0; largest value counted
    counts : int64 (bins,), added to; bin k holds k * step <= value < (k + 1) * step
    """
    for value in values.ravel():
        if 0.0 <= value <= largest:
            counts[int(value / step)] += 1
