"""Relations of a quadrant: gain against signal, and the deviation from a constant count rate.

The gain of a window is its signal over its variance, read-out noise left out (photon transfer, Janesick 2007, Photon
Transfer, SPIE Press). Where a detector loses a part of its charge, the gain measured rises with the signal, so that of
no signal is wanted.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.recipes.lingain.recipe import LingainParameters

Floats = NDArray[np.float64]

PASSES: Final = 5
"""Of the clipping within bins."""
FEWEST: Final = 3
"""Windows in a bin that counts."""


@dataclass(frozen=True)
class Bins:
    """Means of bins that hold values enough.

    Attributes
    ----------
    centre : float64 (n,), of the bins, log10
    at : float64 (n,), mean place of the values
    mean, error : float64 (n,), of the values, and of the mean
    """

    centre: Floats
    at: Floats
    mean: Floats
    error: Floats


@dataclass(frozen=True)
class Gain:
    """Gain at no signal [count/adu], rms of the bins about the fit, smallest and largest signal [adu]."""

    gain: float
    rms: float
    low: float
    high: float


@dataclass(frozen=True)
class NonLinearity:
    """Deviation from a constant count rate, percent, as a polynomial of log10(count), and what it was fitted to.

    Attributes
    ----------
    coefficients : float64 (order + 1,), in powers of log10(count) - middle
    middle : log10(count)
    bins : deviations by log10(count)
    rms : of the bins about the polynomial, percent
    """

    coefficients: Floats
    middle: float
    bins: Bins
    rms: float


def binned(place: Floats, values: Floats, low: float, high: float, width: float, limit: float) -> Bins:
    """Means of values in bins of their place, those off by more than `limit` standard deviations left out."""
    edges = low + width * np.arange(int(np.floor((high - low) / width + 1e-6)) + 1)
    rows = []
    inside = np.isfinite(place) & np.isfinite(values)
    place, values = place[inside], values[inside]
    number = np.digitize(place, edges)
    for k in range(1, edges.size):
        at, found = place[number == k], values[number == k]
        for _ in range(PASSES):
            if found.size < FEWEST:
                break
            kept = np.abs(found - np.median(found)) <= limit * found.std(ddof=1)
            if kept.all():
                break
            at, found = at[kept], found[kept]
        if found.size >= FEWEST:
            error = found.std(ddof=1) / np.sqrt(found.size)
            rows.append((0.5 * (edges[k - 1] + edges[k]), at.mean(), found.mean(), error))
    centre, mean_place, mean, error = np.array(rows).T if rows else np.empty((4, 0))
    return Bins(centre, mean_place, mean, error)


def fitted_gain(signal: Floats, variance: Floats, read_noise: float, p: LingainParameters, where: str) -> Gain:
    """The gain of a quadrant: a parabola in the signal through the bins, taken at 0.

    Parameters
    ----------
    signal, variance : float64 (n,), of windows [adu, adu**2]
    read_noise : adu
    where : for messages

    Raises
    ------
    MusedeepError
        Fewer than three bins, or a gain that is not above 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = signal / (variance - read_noise**2)
        place = np.log10(signal)
    bins = binned(place, gains, p.signalmin, p.signalmax, p.signalbin, p.gainsigma)
    used = (10.0**bins.centre >= p.gainlimit) & (bins.error > 0)
    n = int(np.count_nonzero(used))
    if n < 3:
        raise MusedeepError(
            f"{where}: {n} bins with signals above gainlimit={p.gainlimit:g} adu, the gain needs 3; give lamp "
            "exposures of more exposure times"
        )
    level = 10.0 ** bins.at[used]
    top = level.max()
    coefficients = np.polynomial.polynomial.polyfit(
        level / top, bins.mean[used], min(2, n - 2), w=1.0 / bins.error[used]
    )
    residuals = bins.mean[used] - np.polynomial.polynomial.polyval(level / top, coefficients)
    gain = float(coefficients[0])
    if not gain > 0:
        raise MusedeepError(f"{where}: the gain comes out as {gain:.3g} count/adu; look at the lamp exposures")
    centres = 10.0 ** bins.centre[used]
    return Gain(gain, float(np.sqrt(np.mean(residuals**2))), float(centres.min()), float(centres.max()))


def fitted_non_linearity(counts: Floats, seconds: Floats, p: LingainParameters, where: str) -> NonLinearity:
    """The non-linearity of a quadrant.

    Parameters
    ----------
    counts : float64 (exposure times, windows), signal [count]; NaN where there is none
    seconds : float64 (exposure times,), that the shutter was open
    where : for messages

    Raises
    ------
    MusedeepError
        No signal in the range that is taken as linear, or nothing above it.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.log10(counts)
    linear = np.isfinite(place) & (place >= p.linearmin) & (place <= p.linearmax)
    exposed = np.where(linear, seconds[:, None], 0.0).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(linear, counts, 0.0).sum(0) / exposed
        deviation = 100.0 * (counts / seconds[:, None] / rate - 1.0)
    known = np.isfinite(deviation)
    bins = binned(place[known], deviation[known], p.ctsmin, p.ctsmax, p.ctsbin, p.gainsigma)
    if bins.at.size < 2:
        raise MusedeepError(
            f"{where}: the non-linearity needs signals from linearmin to linearmax (10**{p.linearmin:g} to "
            f"10**{p.linearmax:g} counts) and others above ctsmin; give lamp exposures of more exposure times"
        )
    middle = 0.5 * (p.ctsmin + p.ctsmax)
    order = min(p.order, bins.at.size - 1)
    weight = 1.0 / np.maximum(bins.error, 1e-6)
    fitted = np.polynomial.polynomial.polyfit(bins.at - middle, bins.mean, order, w=weight)
    residuals = bins.mean - np.polynomial.polynomial.polyval(bins.at - middle, fitted)
    coefficients = np.zeros(p.order + 1)
    coefficients[: order + 1] = fitted
    return NonLinearity(coefficients, middle, bins, float(np.sqrt(np.mean(residuals**2))))
