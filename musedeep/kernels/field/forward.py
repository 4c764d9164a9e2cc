"""From spectra and patterns to the light on a CCD: the instrument's rendering, slice by slice.

Arithmetic takes the time: a dot product per wavelength in `blur_continuum`, two interpolations per pixel in
`add_slice`. The data stay in the cache: one slice has 0.3 million pixels.
"""

import math

import numba
import numpy as np

FINE_PER_TABLE = 2
"""Samples of the fine grid per sample of a blurred table."""

EDGE_REACH = 4.0
"""Pixels from the edge of a slice at which the edge function is 0 or 1."""


@numba.njit(cache=True, nogil=True, fastmath=True)
def blur_continuum(continuum, profiles, nodes_start, nodes_step, fine_start, fine_step):
    """Continuum as seen through the line-spread function.

    Parameters
    ----------
    continuum : float64 (n_fine,), density on the fine grid
    profiles : float64 (n_nodes, 2 h + 1), line-spread function per Angstrom at steps of the fine grid, of lines at the
        nodes; element h + k is the response k steps redward of the line
    nodes_start, nodes_step : wavelength of the first node and the step between nodes, Angstrom
    fine_start, fine_step : first wavelength and step of the fine grid, Angstrom

    Returns
    -------
    float64 (ceil(n_fine / 2),) : density on every second wavelength of the fine grid; beyond the grid there is no light
    """
    n_fine = continuum.size
    n_nodes, n_taps = profiles.shape
    half = n_taps // 2
    n_table = (n_fine + FINE_PER_TABLE - 1) // FINE_PER_TABLE
    out = np.zeros(n_table)
    for m in range(n_table):
        i = m * FINE_PER_TABLE
        position = (fine_start + i * fine_step - nodes_start) / nodes_step
        node = min(max(math.floor(position), 0), n_nodes - 2)
        fraction = min(max(position - node, 0.0), 1.0)
        first, last = max(i - half, 0), min(i + half, n_fine - 1)
        low, high = 0.0, 0.0
        for j in range(first, last + 1):
            low += continuum[j] * profiles[node, half + i - j]
            high += continuum[j] * profiles[node + 1, half + i - j]
        out[m] = (low + fraction * (high - low)) * fine_step
    return out


@numba.njit(cache=True, nogil=True)
def add_lines(table, wavelength, flux, profiles, oversampling, nodes_start, nodes_step, fine_start, fine_step):
    """Add lines, blurred by the line-spread function, to a table that `blur_continuum` made.

    Parameters
    ----------
    table : float64 (n_table,), changed in place
    wavelength, flux : float64 (n,), Angstrom; integrated flux
    profiles : float64 (n_nodes, n), as in `blur_continuum` but `oversampling` samples per step of the fine grid
    nodes_start, nodes_step, fine_start, fine_step : as in `blur_continuum`
    """
    n_nodes, n_samples = profiles.shape
    half = n_samples // 2
    table_step = FINE_PER_TABLE * fine_step
    sample = fine_step / oversampling
    reach = (half - 1) * sample
    for line in range(wavelength.size):
        position = (wavelength[line] - nodes_start) / nodes_step
        node = min(max(math.floor(position), 0), n_nodes - 2)
        fraction = min(max(position - node, 0.0), 1.0)
        first = max(math.ceil((wavelength[line] - reach - fine_start) / table_step), 0)
        last = min(math.floor((wavelength[line] + reach - fine_start) / table_step), table.size - 1)
        for m in range(first, last + 1):
            at = (fine_start + m * table_step - wavelength[line]) / sample + half
            k = int(at)
            w = at - k
            low = profiles[node, k] + w * (profiles[node, k + 1] - profiles[node, k])
            high = profiles[node + 1, k] + w * (profiles[node + 1, k + 1] - profiles[node + 1, k])
            table[m] += flux[line] * (low + fraction * (high - low))


@numba.njit(inline="always")
def _cubic(below, here, above, beyond, t):
    """Cubic through four equidistant points, between the second (t = 0) and the third (t = 1)."""
    return (
        -t * (t - 1.0) * (t - 2.0) / 6.0 * below
        + (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0 * here
        - (t + 1.0) * t * (t - 2.0) / 2.0 * above
        + (t + 1.0) * t * (t - 1.0) / 6.0 * beyond
    )


@numba.njit(inline="always")
def _inside(x, left, right, softness):
    """Fraction of a pixel's light that passes between the edges of a slice: 0.5 at an edge."""
    fraction = 1.0
    if x - left < EDGE_REACH:
        fraction *= 0.5 * (1.0 + math.erf((x - left) / (math.sqrt(2.0) * softness)))
    if right - x < EDGE_REACH:
        fraction *= 0.5 * (1.0 + math.erf((right - x) / (math.sqrt(2.0) * softness)))
    return fraction


@numba.njit(cache=True, nogil=True)
def add_slice(
    image,
    left,
    right,
    wave,
    wave_origin,
    softness,
    area,
    table,
    table_start,
    table_step,
    pattern,
    r_start,
    r_step,
    q_start,
    q_step,
):
    """Add the light of one component in one slice to the image of a CCD.

    Parameters
    ----------
    image : float64 (n_rows, n_columns), changed in place; pixel (y, x) has coordinates (y + 1, x + 1)
    left, right : float64 (n_rows,), edges of the slice, pixels from 1
    wave : float64 (6, n_rows); wavelength = wave[0] + wave[1] d + wave[2] d**2 and its change from row to row =
        wave[3] + wave[4] d + wave[5] d**2, where d = x - wave_origin; Angstrom
    softness : dispersion of the slice's edge, pixels
    area : solid angle of a spaxel times the width of the slice in pixels, arcsec**2 pixel
    table : float64 (n_table,), density per Angstrom at table_start + table_step * k
    pattern : float64 (n_q, n_r), mean density in a spaxel per arcsec**2 over 1 / wavelength**2 (linear) and over the
        position r along the slice, from -0.5 at the left edge to 0.5 (cubic)
    r_start, r_step, q_start, q_step : first value and step of the pattern's axes
    """
    n_rows, n_columns = image.shape
    n_q, n_r = pattern.shape
    for y in range(n_rows):
        width = right[y] - left[y]
        centre = 0.5 * (right[y] + left[y])
        # positions along the slice for which the pattern has values
        low = max(left[y] - EDGE_REACH, centre + (r_start + r_step) * width)
        high = min(right[y] + EDGE_REACH, centre + (r_start + r_step * (n_r - 3)) * width)
        first = max(math.ceil(low), 1)
        last = min(math.floor(high), n_columns)
        for column in range(first, last + 1):
            d = column - wave_origin
            wavelength = wave[0, y] + d * (wave[1, y] + d * wave[2, y])
            at = (wavelength - table_start) / table_step
            k = math.floor(at)
            if k < 1 or k > table.size - 3:
                continue
            value = _cubic(table[k - 1], table[k], table[k + 1], table[k + 2], at - k)
            r = ((column - centre) / width - r_start) / r_step
            i = min(max(math.floor(r), 1), n_r - 3)
            t = r - i
            q = (1.0 / (wavelength * wavelength) - q_start) / q_step
            j = min(max(math.floor(q), 0), n_q - 2)
            w = min(max(q - j, 0.0), 1.0)
            here = _cubic(pattern[j, i - 1], pattern[j, i], pattern[j, i + 1], pattern[j, i + 2], t)
            there = _cubic(pattern[j + 1, i - 1], pattern[j + 1, i], pattern[j + 1, i + 1], pattern[j + 1, i + 2], t)
            dispersion = wave[3, y] + d * (wave[4, y] + d * wave[5, y])
            image[y, column - 1] += (
                value
                * max(here + w * (there - here), 0.0)
                * dispersion
                * _inside(column, left[y], right[y], softness)
                * (area / width)
            )
