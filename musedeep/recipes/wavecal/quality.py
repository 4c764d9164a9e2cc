"""Tables and quality control of muse_wavecal (manual 9.4.5)."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.instrument import N_SLICES
from musedeep.recipes.wavecal.slices import SliceResult
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.image.arc_lamps import LampImage
from musedeep.storage.calibrations.line_catalog import LineCatalog
from musedeep.storage.calibrations.trace_table import TraceTable
from musedeep.storage.calibrations.wavecal_table import residuals_hdu, wavecal_hdu

LAMP_SLICE: Final = 20
"""The slice whose lines are reported lamp by lamp (found on the reference)."""


def wavecal_table(results: Sequence[SliceResult], x_order: int, y_order: int) -> fits.BinTableHDU:
    """WAVECAL_TABLE, with NaN for slices without a solution."""
    coefficients = np.full((N_SLICES, x_order + 1, y_order + 1), np.nan)
    squares = np.full(N_SLICES, np.nan)
    for result in results:
        if result.solution is not None:
            coefficients[result.number - 1] = result.solution.coefficients
            squares[result.number - 1] = result.solution.mean_square
    return wavecal_hdu(coefficients, squares)


def residuals_table(results: Sequence[SliceResult], catalog: LineCatalog) -> fits.BinTableHDU:
    """WAVECAL_RESIDUALS: every position of every iteration."""
    parts: list[tuple[NDArray, ...]] = []
    for result in results:
        if result.solution is None or result.measured is None:
            continue
        for number, one in enumerate(result.solution.history, 1):
            m, used = result.measured, one.used
            slices, iterations = np.full(used.size, result.number), np.full(used.size, number)
            wavelengths = catalog.wavelengths[m.line[used]]
            parts.append((slices, iterations, m.x[used], m.y[used], wavelengths, one.residual, one.limit))
    return residuals_hdu(*map(np.concatenate, zip(*parts, strict=True)))


def quality_cards(
    results: Sequence[SliceResult], lamps: Sequence[LampImage], catalog: LineCatalog, trace: TraceTable, n_rows: int
) -> list[Card]:
    """ESO QC WAVECAL of the table."""
    cards: list[Card] = []
    for result in results:
        cards += _slice_cards(result, catalog, trace, n_rows)
        if result.number == LAMP_SLICE:
            for lamp in lamps:
                peaks = result.peaks[result.lamps == lamp.lamp.number]
                if peaks.size:
                    key = f"ESO QC WAVECAL SLICE{LAMP_SLICE} LAMP{lamp.lamp.number} LINES PEAK "
                    found = peaks.mean(), _stdev(peaks), peaks.max()
                    cards += [
                        (key + name, np.float32(value), f"[count] {name} of peaks above background of lamp's lines")
                        for name, value in zip(("MEAN", "STDEV", "MAX"), found, strict=True)
                    ]
    for lamp in lamps:
        n = lamp.combined.n_saturated
        key = f"ESO QC WAVECAL NSATURATED LAMP{lamp.lamp.number}"
        cards.append((key, n, "Number of saturated pixels in combined image of lamp"))
    return cards


def _stdev(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) if values.size > 1 else 0.0


def _slice_cards(result: SliceResult, catalog: LineCatalog, trace: TraceTable, n_rows: int) -> list[Card]:
    if not trace.valid[result.number - 1]:
        return []
    key = f"ESO QC WAVECAL SLICE{result.number} "
    cards: list[Card] = [(key + "LINES NDET", result.detected, "Number of detected arc lines in slice")]
    names = ("MEAN", "STDEV", "MIN", "MAX")
    if result.peaks.size:
        peaks = result.peaks
        found = peaks.mean(), _stdev(peaks), peaks.min(), peaks.max()
        cards += [
            (f"{key}LINES PEAK {name}", np.float32(value), f"[count] {name} of peaks above background of lines")
            for name, value in zip(names, found, strict=True)
        ]
    cards.append((key + "LINES NID", result.identified.size, "Number of identified arc lines in slice"))
    solution, measured = result.solution, result.measured
    if solution is None or measured is None:
        return cards
    lines = measured.line[solution.used]
    if result.widths.size:
        widths, waves = result.widths, catalog.wavelengths[result.reference_lines]
        cards.append((key + "RESOL", np.float32((waves / widths).mean()), "Mean spectral resolution R in slice"))
        found = widths.mean(), _stdev(widths), widths.min(), widths.max()
        cards += [
            (f"{key}LINES FWHM {name}", np.float32(value), f"[Angstrom] {name} of FWHM of lines")
            for name, value in zip(names, found, strict=True)
        ]
    cards.append((key + "FIT NLINES", int(np.unique(lines).size), "Number of arc lines used in the fit"))
    ends = np.array([1.0, n_rows])
    edges = trace.at(ends)[result.number - 1, 1:]
    for name, k in (("BOTTOM", 0), ("TOP", 1)):
        waves = solution.at(edges[:, k], np.full(2, ends[k]))
        text = f"[Angstrom] Wavelength left minus right at {name.lower()} of slice"
        cards.append((f"{key}DWLEN {name}", np.float32(waves[0] - waves[1]), text))
    middle = np.array([0.5 * (n_rows + 1)])
    centre = trace.at(middle)[result.number - 1, 0]
    cards.append((key + "WLPOS", np.float32(middle[0]), "[pix] Position of wavelength given in WLEN"))
    text = "[Angstrom] Wavelength at WLPOS"
    cards.append((key + "WLEN", np.float32(solution.at(centre, middle)[0]), text))
    rms = np.float32(np.sqrt(solution.mean_square))
    cards.append((key + "FIT RMS", rms, "[Angstrom] RMS of the wavelength calibration fit"))
    return cards
