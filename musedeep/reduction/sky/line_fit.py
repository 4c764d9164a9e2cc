"""Fluxes of sky lines, fitted to the spectrum of the sky of an exposure (Streicher et al. 2011; manual 9.10).

1. Lines of a group vary together: each group is one template, its lines with the fluxes of the table. A line has the
   mean line-spread function of the rows of the spectrum, averaged over the rows of a bin as the spectrum is. Few rows
   are not spread evenly over a bin: where they lie in the mean, the line is steep.
2. The continuum is a smooth curve: cubic B-splines with knots each KNOTS Angstrom. It is fitted together with the
   lines, and then forgotten: the continuum of the sky is the spectrum without the lines (`model`). If it is given, it
   is subtracted first.
3. All lines may be shifted by a straight line in wavelength: by what the wavelengths of the exposure are off. To first
   order this adds the derivatives of the lines, with respect to shift and slope, to the templates.
4. Weighted linear least squares give fluxes, shift and slope. Groups that come out negative get the flux 0. Weights are
   those of the noise, and of an error of LINE_ERROR of the lines, so that the strongest do not rule; bins off by
   REJECT standard deviations are left out.
5. 3 and 4 are repeated with the lines at their new places until they rest. The fit has not converged if they still
   move in the last turn, have moved further than the width of a line, or no group has light: so it ends where
   wavelengths are off by more than that width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline

from musedeep.errors import MusedeepError
from musedeep.kernels.sky.line_spectrum import Profiles, add_lines
from musedeep.kernels.sky.normal_equations import normal_equations
from musedeep.reduction.sky.spectrum import MeanSpectrum
from musedeep.storage.calibrations.sky_lines import SkyLineTable

Floats = NDArray[np.float64]

KNOTS: Final = 60.0
LINE_ERROR: Final = 0.01
REJECT: Final = 5.0
TURNS: Final = 8
REST: Final = 1e-4
"""Largest change of a place that ends the iteration [Angstrom]."""
SETTLED: Final = 0.01
"""Largest change of a place in the last turn of a fit that has converged [Angstrom]."""
FAR: Final = 2.5
"""Lines that moved further have not found theirs: the width of a line [Angstrom]."""

SHIFT_SCATTER: Final = 0.1
"""What shift and slope are expected to be at most [Angstrom]: holds them where there are no strong lines."""

PIVOT, HALF_SPAN = 7000.0, 2300.0
"""The slope is the shift at PIVOT + HALF_SPAN less that at PIVOT [Angstrom]."""

DIFFERENCE: Final = 0.02
"""Step of the derivative of lines [Angstrom]."""


@dataclass(frozen=True)
class LineFit:
    """Lines as fitted.

    Attributes
    ----------
    lines : SkyLineTable, at their fitted places, where profiles count from, and with fluxes of a spaxel
    table : SkyLineTable, the same lines as they were given
    shift, slope : of the places of the lines [Angstrom], see PIVOT
    spectrum : float64 (bins,), of the lines, in the bins of the spectrum
    used : bool (bins,), that were fitted
    converged : whether the places came to rest near those of the table
    """

    lines: SkyLineTable
    table: SkyLineTable
    shift: float
    slope: float
    spectrum: Floats
    used: NDArray[np.bool_]
    converged: bool = True

    @property
    def ends(self) -> list[tuple[float, float]]:
        """Wavelengths of the first and the last line, and their shifts [Angstrom]."""
        return [
            (float(self.table.wavelength[k]), float(self.lines.wavelength[k] - self.table.wavelength[k]))
            for k in (0, -1)
        ]


def fit_lines(
    spectrum: MeanSpectrum, table: SkyLineTable, profiles: Profiles, continuum: Floats | None = None
) -> LineFit:
    """Fit the lines of a table to a spectrum.

    Parameters
    ----------
    profiles : mean line-spread functions of the rows of the spectrum (`line_spread.mean_profiles`)
    continuum : float64 (bins,), optional, known continuum

    Raises
    ------
    MusedeepError
        No line of the table is within the spectrum.
    """
    reach = profiles.spacing * (profiles.values.shape[1] - 1) / 2.0
    ends = spectrum.wavelength[[0, -1]] + np.array([-reach, reach])
    lines = table.chosen((table.wavelength >= ends[0]) & (table.wavelength <= ends[1]))
    if not len(lines):
        raise MusedeepError(
            f"{table.path}: no line from {ends[0]:.0f} to {ends[1]:.0f} Angstrom, the range of the exposure; give "
            "SKY_LINES of this range"
        )
    values = spectrum.data if continuum is None else spectrum.data - continuum
    good = spectrum.good & np.isfinite(values) & (spectrum.variance > 0)
    values = np.where(good, values, 0.0)
    smooth = _splines(spectrum.wavelength, good) if continuum is None else np.zeros((values.size, 0))
    groups = np.unique(lines.group)
    members = [np.flatnonzero(lines.group == group) for group in groups]
    alpha = (lines.wavelength - PIVOT) / HALF_SPAN
    fit = _Turn(spectrum, lines, members, profiles)
    factors, shift, slope = np.zeros(groups.size), 0.0, 0.0
    used, change = good.copy(), np.inf
    for turn in range(TURNS):
        places = lines.wavelength + shift + slope * alpha
        templates = fit.templates(places)
        if turn == 0:
            # in the first turn, fluxes alone, so that derivatives have their sizes
            factors = _solve([templates, smooth], values, _weights(spectrum, np.zeros(values.size), used), groups.size)[
                0
            ]
        model = templates @ factors
        moves = fit.derivatives(places, factors, alpha)
        weights = _weights(spectrum, model, used)
        factors, others = _solve([templates, moves, smooth], values, weights, groups.size)
        residual = values - templates @ factors - moves @ others[:2] - smooth @ others[2:]
        shift, slope = shift + others[0], slope + others[1]
        scaled = residual * np.sqrt(_weights(spectrum, model, good))
        spread = 1.4826 * float(np.median(np.abs(scaled[good]))) if good.any() else 0.0
        used = good & (np.abs(scaled) <= REJECT * spread) if spread > 0 else good
        change = float(np.abs(others[0] + others[1] * alpha).max())
        if np.abs(others[:2]).max() < REST:
            break
    places = lines.wavelength + shift + slope * alpha
    flux = np.zeros(len(lines))
    for factor, member in zip(factors, members, strict=True):
        flux[member] = factor * lines.flux[member]
    moved = float(np.abs(places - lines.wavelength).max())
    converged = change < SETTLED and moved < FAR and bool(flux.any())
    fitted = replace(lines, wavelength=places, flux=flux)
    return LineFit(fitted, lines, shift, slope, fit.templates(places) @ factors, used, converged)


@dataclass(frozen=True)
class _Turn:
    """Spectra of the lines of groups."""

    spectrum: MeanSpectrum
    lines: SkyLineTable
    members: Sequence[NDArray[np.int64]]
    profiles: Profiles

    def _of(self, places: Floats, flux: Floats) -> Floats:
        out = np.zeros(self.spectrum.data.size)
        spectrum = self.spectrum
        add_lines(places, flux, self.profiles, spectrum.start, spectrum.step, out)
        return np.asarray(out + spectrum.offset * np.gradient(out, spectrum.step))

    def templates(self, places: Floats) -> Floats:
        """Spectrum of each group with the fluxes of the table, float64 (bins, groups)."""
        return np.stack([self._of(places[m], self.lines.flux[m]) for m in self.members], axis=1)

    def derivatives(self, places: Floats, factors: Floats, alpha: Floats) -> Floats:
        """Derivatives of all lines with respect to shift and slope, float64 (bins, 2)."""
        flux = np.zeros(places.size)
        for factor, member in zip(factors, self.members, strict=True):
            flux[member] = factor * self.lines.flux[member]
        return np.stack(
            [
                (self._of(places + DIFFERENCE, flux * by) - self._of(places - DIFFERENCE, flux * by))
                / (2.0 * DIFFERENCE)
                for by in (np.ones(places.size), alpha)
            ],
            axis=1,
        )


def _weights(spectrum: MeanSpectrum, model: Floats, used: NDArray[np.bool_]) -> Floats:
    variance = spectrum.variance + (LINE_ERROR * model) ** 2
    return np.where(used, 1.0 / np.where(used, variance, 1.0), 0.0)


def _solve(parts: Sequence[Floats], values: Floats, weights: Floats, n_groups: int) -> tuple[Floats, Floats]:
    """Factors of groups, at least 0, and of all others."""
    design = np.ascontiguousarray(np.concatenate(parts, axis=1))
    matrix, right = normal_equations(design, values, weights)
    if len(parts) == 3:
        for k in (n_groups, n_groups + 1):
            matrix[k, k] += SHIFT_SCATTER**-2
    size = np.sqrt(np.diag(matrix))
    found = np.zeros(right.size)
    free = size > 1e-12 * size.max() if size.size and size.max() > 0 else np.zeros(size.size, bool)
    while free.any():
        scale = size[free]
        some = matrix[np.ix_(free, free)] / scale[:, None] / scale[None, :]
        found[:] = 0.0
        found[free] = np.linalg.lstsq(some, right[free] / scale, rcond=1e-12)[0] / scale
        negative = np.flatnonzero(found[:n_groups] < 0.0)
        if not negative.size:
            break
        free[negative] = False
    return found[:n_groups], found[n_groups:]


def _splines(wavelength: Floats, good: NDArray[np.bool_]) -> Floats:
    """Cubic B-splines, float64 (bins, n), without those that no good bin knows."""
    knots = np.arange(wavelength[0] - 3.0 * KNOTS, wavelength[-1] + 4.0 * KNOTS, KNOTS)
    design = BSpline.design_matrix(wavelength, knots, 3).toarray()
    return np.asarray(design[:, (design[good] > 0).sum(axis=0) > 8])
