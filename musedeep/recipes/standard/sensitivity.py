"""From the spectrum of a standard star to the response of the instrument and the telluric absorption.

As the reference does it, found by experiments on it; from the same spectrum its tables come out within 1e-4 mag.

1. The sensitivity at each wavelength is 2.5 log10 of the counts per second and Angstrom over the tabulated flux, plus
   the extinction of the atmosphere times the airmass. Its error has two parts, that of the counts and that of the
   table. Wavelengths without a positive flux are left out, and so are those below the cut-off of the mode.
2. In each telluric region a polynomial through the background on its two sides replaces the sensitivity: of second
   degree, of first if the data have only one side. Background that is off by more than three times the rms is left out
   of the fit and of the table.
3. The telluric transmission is the sensitivity over that polynomial, as a ratio, for one airmass: to the power of
   1 / airmass, and at most 1.
   With telluric=model both steps rest on a model of water and oxygen instead (`absorption`).
4. On both sides lines through the last 15 Angstrom continue the sensitivity to 4150 and 9800 Angstrom; the error grows
   by 4 % of its last value per Angstrom.
5. It is smoothed (`kernels.flux.curve`), apart on the two sides of the notch of the adaptive optics, which is left as
   it is.
6. The throughput follows from the smoothed response and the effective area of the telescope.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import DISPERSION
from musedeep.kernels.flux.curve import fit_clipped
from musedeep.recipes.standard.absorption import Unabsorbed, without_absorption
from musedeep.recipes.standard.curves import MAGNITUDE, Curve
from musedeep.reduction.smoothing import smooth_spectrum, smoothed_parts
from musedeep.storage.calibrations.extinction import ExtinctionTable
from musedeep.storage.calibrations.response import Response, Telluric
from musedeep.storage.calibrations.std_flux_table import Standard
from musedeep.storage.calibrations.telluric_regions import TelluricRegions

Floats = NDArray[np.float64]

AREA: Final = 483250.7
"""Effective area of the telescope, of which the throughput is a share [cm2] (the reference prints it)."""

PHOTON: Final = 6.62607015e-27 * 2.99792458e18
"""Planck's constant times the speed of light: energy of a photon times its wavelength [erg Angstrom]."""

LOWEST: Final = {"WFM-NOAO-N": 4750.0, "WFM-AO-N": 4690.0, "NFM-AO-N": 4690.0}
"""Wavelengths below which there is no sensitivity, by mode [Angstrom]."""

RANGE: Final = (4150.0, 9800.0)
"""To where the response is extrapolated [Angstrom]."""
EXTRAPOLATED: Final = 100
"""Points on each side."""
END: Final = 15.0
"""Length of the ends through which the lines go [Angstrom]."""
ERROR_GROWTH: Final = 0.04
"""Of the error, per Angstrom."""

MEDIAN_REACH: Final = 15.0
"""Half width of the median filter [Angstrom]."""

TELLURIC_ERROR: Final = (1e-4, 0.1)
"""Limits of the error of the telluric transmission, which else is the absorption itself."""

LEAST: Final = 100
"""Wavelengths at which the star has to have a positive flux, for a response."""

BANDS: Final = (5000.0, 6000.0, 7000.0, 8000.0, 9000.0)
BAND: Final = 100.0
"""Middles and half width of the bands of QC THRU [Angstrom]."""


@dataclass(frozen=True)
class StarSpectrum:
    """The spectrum of a star.

    Attributes
    ----------
    wavelength : float64 (n,), ascending, steps of DISPERSION [Angstrom]
    flux : float64 (n,) [count per step]
    error : float64 (n,), of the flux
    """

    wavelength: Floats
    flux: Floats
    error: Floats


@dataclass(frozen=True)
class Seen:
    """The circumstances: mode, exposure time [s], airmass, and whether the spectrum of the flat was divided out."""

    mode: str
    seconds: float
    airmass: float
    flat_corrected: bool


def sensitivity(spectrum: StarSpectrum, star: Standard, extinction: ExtinctionTable, seen: Seen) -> Curve:
    """Step 1.

    Raises
    ------
    MusedeepError
        The extinction, or the table of the star, does not cover the wavelengths; there is hardly any positive flux.
    """
    wave = spectrum.wavelength
    if star.wavelength[0] > wave[0] or star.wavelength[-1] < wave[-1]:
        raise MusedeepError(
            f"fluxes of star {star.name} reach from {star.wavelength[0]:g} to {star.wavelength[-1]:g} Angstrom, the "
            f"data from {wave[0]:g} to {wave[-1]:g}; cut the data with lambdamin and lambdamax"
        )
    absorbed = seen.airmass * extinction.at(wave)
    tabulated, error = _interpolated(wave, star)
    with np.errstate(invalid="ignore", divide="ignore"):
        used = np.isfinite(spectrum.flux) & (spectrum.flux > 0) & (wave >= LOWEST.get(seen.mode, 0.0))
        values = 2.5 * np.log10(spectrum.flux / (seen.seconds * DISPERSION * tabulated)) + absorbed
        errors = MAGNITUDE * np.hypot(spectrum.error / spectrum.flux, error / tabulated)
    curve = Curve(wave, values, np.where(np.isfinite(errors), errors, 0.0)).of(used)
    if curve.wavelength.size < LEAST:
        raise MusedeepError(
            f"the star's flux is positive at {curve.wavelength.size} of {wave.size} wavelengths, expected {LEAST} at "
            "least; look at the exposure, widen lambdamin and lambdamax, or choose the star otherwise (select)"
        )
    return curve


def _interpolated(wavelength: Floats, star: Standard) -> tuple[Floats, Floats]:
    """Flux of a star, and its error as of the weighted mean of the two neighbours in the table."""
    right = np.clip(np.searchsorted(star.wavelength, wavelength), 1, star.wavelength.size - 1)
    left = right - 1
    part = (wavelength - star.wavelength[left]) / (star.wavelength[right] - star.wavelength[left])
    flux = (1.0 - part) * star.flux[left] + part * star.flux[right]
    return flux, np.hypot((1.0 - part) * star.flux_error[left], part * star.flux_error[right])


def without_tellurics(curve: Curve, regions: TelluricRegions) -> tuple[Curve, NDArray[np.bool_]]:
    """Step 2: the curve with the regions bridged, and which of the points of the given curve it has."""
    wave, values, errors = curve.wavelength, curve.values.copy(), curve.errors.copy()
    kept = np.ones(wave.size, bool)
    for low, high, first, last in zip(*vars(regions).values(), strict=True):
        inside = (wave >= low) & (wave <= high)
        left, right = (wave >= first) & (wave < low), (wave > high) & (wave <= last)
        sides = left | right
        if not inside.any() or sides.sum() < 3:
            continue
        degree = 2 if left.any() and right.any() else 1
        scale = (last - first) / 2.0
        x = (wave - 0.5 * (first + last)) / scale
        used, coefficients = np.ones(int(sides.sum()), bool), np.empty(degree + 1)
        rms = fit_clipped(x[sides], curve.values[sides], used, degree, coefficients)
        values[inside] = np.polynomial.polynomial.polyval(x[inside], coefficients)
        errors[inside] = np.hypot(errors[inside], rms / np.sqrt(used.sum()))
        kept[np.flatnonzero(sides)[~used]] = False
    return Curve(wave, values, errors).of(kept), kept


def telluric(curve: Curve, bridged: Curve, regions: TelluricRegions, seen: Seen) -> Telluric:
    """Step 3, with the curve before and after step 2: the points in the regions, and one beside each end."""
    wave = curve.wavelength
    without = np.interp(wave, bridged.wavelength, bridged.values)
    inside = np.zeros(wave.size, bool)
    for low, high in zip(regions.lower, regions.upper, strict=True):
        inside |= (wave >= low) & (wave <= high)
    inside &= np.isin(wave, bridged.wavelength)
    transmission = np.ones(wave.size)
    with np.errstate(over="ignore"):
        ratio = 10.0 ** (0.4 * (curve.values[inside] - without[inside]) / seen.airmass)
    # 0 would not be a factor to divide by
    transmission[inside] = np.clip(ratio, 1e-3, 1.0)
    return _absorbing(wave, transmission, inside, seen)


def _absorbing(wave: Floats, transmission: Floats, inside: NDArray[np.bool_], seen: Seen) -> Telluric:
    """The table of the points inside the bands, with one of transmission 1 beside each end."""
    beside = inside | np.r_[inside[1:], False] | np.r_[False, inside[:-1]]
    wave, transmission = wave[beside], transmission[beside]
    if wave.size and inside[-1]:
        wave, transmission = np.append(wave, wave[-1] + DISPERSION), np.append(transmission, 1.0)
    error = np.clip(1.0 - transmission, *TELLURIC_ERROR)
    return Telluric(wave, transmission, error, seen.flat_corrected, seen.mode)


def modelled_telluric(found: Unabsorbed, seen: Seen) -> Telluric:
    """Step 3 of the model: the points that are absorbed, and one beside each end."""
    transmission = np.exp(-found.depth / seen.airmass)
    return _absorbing(found.curve.wavelength, np.maximum(transmission, 1e-3), found.absorbed, seen)


def extrapolated(curve: Curve) -> Curve:
    """Step 4."""
    wave = curve.wavelength
    parts = [curve]
    for end, place in ((0, RANGE[0]), (-1, RANGE[1])):
        if (place < wave[0]) if end == 0 else (place > wave[-1]):
            near = np.abs(wave - wave[end]) <= END
            slope, value = np.polyfit(wave[near] - wave[end], curve.values[near], 1) if near.sum() > 1 else (0.0, 0.0)
            value = value if near.sum() > 1 else float(curve.values[end])
            new = np.linspace(place, wave[end], EXTRAPOLATED, endpoint=False)
            new = new if end == 0 else new[::-1]
            errors = curve.errors[end] * (1.0 + ERROR_GROWTH * np.abs(new - wave[end]))
            parts.insert(0 if end == 0 else len(parts), Curve(new, value + slope * (new - wave[end]), errors))
    fields = ("wavelength", "values", "errors")
    return Curve(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def smoothed(curve: Curve, how: Literal["none", "median", "ppoly"], mode: str) -> Curve:
    """Step 5."""
    if how == "none":
        return curve
    if how == "ppoly":
        values, spread = smooth_spectrum(curve.wavelength, curve.values, mode)
    else:
        values, spread = _running_median(curve, mode)
    return Curve(curve.wavelength, values, np.hypot(curve.errors, spread))


def _running_median(curve: Curve, mode: str) -> tuple[Floats, Floats]:
    """Running median of the parts that are smoothed, and the median deviation from it."""
    smooth, spread = curve.values.copy(), np.zeros(curve.values.size)
    for part in smoothed_parts(curve.wavelength, mode):
        wave, values = curve.wavelength[part], curve.values[part]
        low = np.searchsorted(wave, wave - MEDIAN_REACH)
        high = np.searchsorted(wave, wave + MEDIAN_REACH, side="right")
        windows = [values[first:last] for first, last in zip(low, high, strict=True)]
        smooth[part] = [np.median(window) for window in windows]
        spread[part] = [np.median(np.abs(window - np.median(window))) for window in windows]
    return smooth, spread


def throughput(curve: Curve) -> Floats:
    """Step 6: electrons per photon that meets the effective area, float64 (n,)."""
    return np.asarray(10.0 ** (0.4 * curve.values) * PHOTON / curve.wavelength / AREA)


def response_of(
    curve: Curve,
    regions: TelluricRegions,
    smooth: Literal["none", "median", "ppoly"],
    seen: Seen,
    how: Literal["model", "bridge"] = "model",
) -> tuple[Response, Telluric, float | None]:
    """Steps 2 to 6 of a sensitivity; the last is the precipitable water of the model [mm]."""
    water: float | None = None
    if how == "model":
        found = without_absorption(curve, regions, seen.airmass)
        bridged, absorption, water = found.curve, modelled_telluric(found, seen), found.water
    else:
        bridged, _ = without_tellurics(curve, regions)
        absorption = telluric(curve, bridged, regions, seen)
    rough = extrapolated(bridged)
    fine = smoothed(rough, smooth, seen.mode)
    response = Response(
        rough.wavelength, fine.values, fine.errors, rough.values, rough.errors, throughput(fine),
        seen.flat_corrected, seen.mode,
    )  # fmt: skip
    return response, absorption, water


def band_throughputs(response: Response) -> dict[float, float]:
    """Mean throughput in the bands of QC THRU that lie in the response, by their middles."""
    assert response.throughput is not None
    found = {}
    for middle in BANDS:
        inside = np.abs(response.wavelength - middle) <= BAND
        if inside.any():
            found[middle] = float(response.throughput[inside].mean())
    return found
