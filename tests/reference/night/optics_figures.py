"""Traces, wavelengths, line-spread functions and geometry of the slices."""

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.polynomial import Polynomial

from tests.reference.night.night_files import Array, Figure, Night, deviation, polynomials, read_table

N_ROWS = 4112
MIDDLE = 0.5 * (N_ROWS + 1)
HALF = 0.5 * N_ROWS
LIMITS = (4750.0, 9350.0)
"""Wavelengths that are reduced, Angstrom."""


def trace_figures(night: Night, ifu: int) -> list[Figure]:
    """Edges and centres of the slices over rows 30 to 4080 of the CCD."""
    truth, found = night.truth("trace", ifu), read_table(night.product("TRACE_TABLE", ifu))
    rows = np.arange(30.0, 4081.0, 10.0)
    figures = []
    for number, name, limit, worst in ((0, "centre", 0.01, 0.1), (1, "left", 0.02, 0.2), (2, "right", 0.02, 0.2)):
        theirs, ours = polynomials(found, f"tc{number}_0"), polynomials(truth, name)
        residuals = np.array([a(rows) - b(rows) for a, b in zip(theirs, ours, strict=True)])
        what = "centre of slices" if name == "centre" else f"{name} edge of slices"
        figures += deviation(f"{what}, IFU {ifu}", "pix", residuals, limit, worst)
    return figures


def true_wavelength(truth: Table, index: int, x: Array, y: Array) -> Array:
    """Wavelength (Angstrom) of a slice (index from 0) at trimmed pixels from 1."""
    row = truth[index]
    u, d = (y - MIDDLE) / HALF, x - row["origin"]
    number = sum(name.startswith("w0") for name in truth.colnames)
    return sum(Polynomial([row[f"w{i}{j}"] for j in range(number)])(u) * d**i for i in range(3))


def wavelength_figures(night: Night, ifu: int) -> list[Figure]:
    """Wavelengths over each slice, every 15 rows, at its edges, centre and between."""
    truth, found = night.truth("wavelength", ifu), read_table(night.product("WAVECAL_TABLE", ifu))
    trace = night.truth("trace", ifu)
    left, right = polynomials(trace, "left"), polynomials(trace, "right")
    rows = np.arange(1.0, N_ROWS + 1.0, 15.0)
    residuals = []
    for index, row in enumerate(found):
        for share in (0.02, 0.25, 0.5, 0.75, 0.98):
            x = left[index](rows) * (1.0 - share) + right[index](rows) * share
            theirs = sum(float(row[f"wlc{i}{j}"]) * x**i * rows**j for i in range(3) for j in range(7))
            ours = true_wavelength(truth, index, x, rows)
            inside = (ours > LIMITS[0]) & (ours < LIMITS[1])
            residuals.append((theirs - ours)[inside])
    return deviation(f"wavelength, IFU {ifu}", "Angstrom", np.concatenate(residuals), 0.03, 0.15, "4750-9350 Angstrom")


def line_spread_figures(night: Night, ifu: int) -> list[Figure]:
    """Full width at half maximum of the line-spread functions, 5000 to 9200 Angstrom."""
    truth = night.truth("lsf", ifu)
    with fits.open(night.product("LSF_PROFILE", ifu)) as hdus:
        hdu = next(h for h in hdus if h.data is not None and h.data.ndim == 3)
        cube, header = np.asarray(hdu.data, np.float64), hdu.header
    step = float(header["CD1_1"])
    waves = float(header["CRVAL2"]) + float(header["CD2_2"]) * (
        np.arange(cube.shape[1]) + 1.0 - float(header.get("CRPIX2", 1.0))
    )
    ratios = []
    for index in range(cube.shape[0]):
        mine = truth[truth["slice"] == index + 1]
        for k, wave in enumerate(waves):
            if 5000.0 < wave < 9200.0:
                width = np.interp(wave, mine["wavelength"], mine["fwhm"])
                ratios.append(full_width(cube[index, k]) * step / width - 1.0)
    return deviation(f"LSF FWHM, IFU {ifu}", "ratio - 1", ratios, 0.02, 0.06, "5000-9200 Angstrom")


def full_width(profile: Array) -> float:
    """Full width at half maximum of a sampled profile, samples."""
    half = 0.5 * profile.max()
    above = np.flatnonzero(profile >= half)
    first, last = int(above[0]), int(above[-1])
    start = first - (profile[first] - half) / (profile[first] - profile[first - 1])
    end = last + (profile[last] - half) / (profile[last] - profile[last + 1])
    return float(end - start)


def geometry_figures(night: Night) -> list[Figure]:
    """Position, angle and width of slices as muse_geometry found them, not smoothed; the middle left free."""
    path = night.product("geometry/GEOMETRY_UNSMOOTHED")
    if not path.exists():
        return []
    truth, found = night.truth("geometry"), read_table(path)
    key = {(int(r["SubField"]), int(r["SliceCCD"])): r for r in truth}
    rows = [r for r in found if int(r["SubField"]) in night.ifus]
    figures = []
    limits = (
        ("x", "pix", 0.04, 0.1),
        ("y", "pix", 0.02, 0.1),
        ("angle", "deg", 0.005, 0.02),
        ("width", "pix", 0.02, 0.05),
    )
    for name, unit, limit, worst in limits:
        residuals = np.array([float(r[name]) - key[int(r["SubField"]), int(r["SliceCCD"])][name] for r in rows])
        if name in "xy":
            residuals = residuals - np.median(residuals)
        figures += deviation(f"geometry: {name} of slices", unit, residuals, limit, worst)
    return figures
