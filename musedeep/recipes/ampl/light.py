"""Photons and energy of the pixels of an IFU within a filter, and what the photodiodes say of the same light."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.kernels.slices.slice_pixels import trace_edges, x_offsets
from musedeep.kernels.slices.wave_map import from_column, wavelength_map
from musedeep.reduction.image.combine import Combined
from musedeep.statics.load import load_photodiodes
from musedeep.storage.calibrations.filters import Filter
from musedeep.storage.calibrations.trace_table import TraceTable
from musedeep.storage.calibrations.wavecal_table import WavecalTable
from musedeep.storage.fits.headers import number_of, text_of
from musedeep.storage.raw.frames import RawFrame

Floats = NDArray[np.float64]

PLANCK_TIMES_LIGHT: Final = 6.62607015e-34 * 2.99792458e18
"""h c, J Angstrom."""
SECOND_RADIATION: Final = 1.438776877e8
"""h c / k, Angstrom K."""
READING: Final = "ESO INS AMPL{} CURR"
FILTER: Final = "ESO INS AMPL2 FILTER"
PITCH, FIRST, WIDTH = 82.2, 41.1, 75.0
"""Places of the slices in TABLE_AMPL, pixels: pitch, middle of the first, width (as the ESO pipeline writes them)."""
CALIBRATION_ERROR: Final = 0.05
"""Relative error of the throughput beside that of the photodiode (of the ESO pipeline's THRU2ERR)."""


@dataclass(frozen=True)
class SliceLight:
    """Pixels of a slice within the filter, by row and column.

    Attributes
    ----------
    number : of the slice, from 1
    y, x : int64 (n,), from 0
    wavelength : float64 (n,), Angstrom
    place : float64 (n,), across the slices, pixels
    photons : float32 (n,)
    energy : float32 (n,), J
    offset : column on the CCD (from 1) minus x in `origin`
    """

    number: int
    y: NDArray[np.int64]
    x: NDArray[np.int64]
    wavelength: Floats
    place: Floats
    photons: NDArray[np.float32]
    energy: NDArray[np.float32]
    offset: int


def slice_light(image: Combined, trace: TraceTable, waves: WavecalTable, curve: Filter) -> Iterator[SliceLight]:
    """The light of each slice that has a trace and wavelengths."""
    n_rows, n_columns = image.data.shape
    edges = trace_edges(trace.edges, n_rows)
    known = [k for k in range(N_SLICES) if trace.valid[k] and waves.valid[k]]
    if not known:
        raise MusedeepError(f"{trace.path}, {waves.path}: no slice has a trace and wavelengths; make them again")
    offsets = x_offsets(edges[known])
    low, high = curve.wavelength[0], curve.wavelength[-1]
    for k, offset in zip(known, offsets, strict=True):
        left = max(int(np.floor(edges[k, 0].min())) - 1, 0)
        right = min(int(np.ceil(edges[k, 1].max())), n_columns)
        part = np.zeros((n_rows, right - left), np.float32)
        wavelength_map(edges[k] - left, from_column(waves.coefficients[k], left), part)
        y, x = np.nonzero((part >= low) & (part <= high))
        wavelength = part[y, x].astype(np.float64)
        x = x + left
        across = (x + 1.0 - edges[k].mean(0)[y]) / (edges[k, 1] - edges[k, 0])[y]
        photons = (image.data[y, x] * curve.at(wavelength)).astype(np.float32)
        energy = (photons * PLANCK_TIMES_LIGHT / wavelength).astype(np.float32)
        yield SliceLight(k + 1, y, x, wavelength, FIRST + PITCH * k - WIDTH * across, photons, energy, int(offset))


def mean_wavelength(light: Sequence[SliceLight], temperature: float) -> float:
    """Mean wavelength [Angstrom] of the photons over the brightness of a black body, where diodes are evaluated."""
    total = weighted = 0.0
    for one in light:
        body = one.wavelength**-5.0 / np.expm1(SECOND_RADIATION / (one.wavelength * temperature))
        weight = one.photons / body
        total, weighted = total + weight.sum(), weighted + (weight * one.wavelength).sum()
    return float(weighted / total)


def sensitivities(wavelength: float) -> tuple[float, float, float]:
    """Of the two photodiodes, A / (W/cm2), and the relative error of the second."""
    at, one, two = load_photodiodes()
    error = 0.01 if 4950.0 < wavelength < 8050.0 else 0.02
    return float(np.interp(wavelength, at, one)), float(np.interp(wavelength, at, two)), error


def currents(frames: Sequence[RawFrame]) -> tuple[float, float]:
    """Currents of the photodiodes, A, means of the exposures.

    Raises
    ------
    MusedeepError
        A reading is missing, is not above 0, or is not in mA.
    """
    found = np.array([[_reading(frame, number) for number in (1, 2)] for frame in frames])
    one, two = found.mean(0)
    return float(one), float(two)


def _reading(frame: RawFrame, number: int) -> float:
    key = READING.format(number)
    if key not in frame.primary:
        raise MusedeepError(f"{frame.path}: no {key}; give AMPL exposures with readings of the pico-amplifiers")
    current = number_of(frame.primary, key, frame.path)
    comment = frame.primary.comments[key]
    if not re.match(r"\s*\[mA\]", comment):
        raise MusedeepError(f"{frame.path}: {key} is not said to be in mA ('{comment}'); write [mA] into its comment")
    if not current > 0:
        raise MusedeepError(f"{frame.path}: {key} is {current:g} mA; give AMPL exposures during which the lamp shone")
    return current * 1e-3


def filter_name(frame: RawFrame) -> str:
    """The filter before photodiode 2; raises MusedeepError if the header does not name it."""
    if FILTER not in frame.primary:
        raise MusedeepError(f"{frame.path}: no {FILTER}; give AMPL exposures with readings of the pico-amplifiers")
    return text_of(frame.primary, FILTER, frame.path)


def table_columns(light: Sequence[SliceLight], image: Combined, ifu: int) -> list[fits.Column]:
    """The columns of TABLE_AMPL: a row for each pixel, slice by slice."""

    def joined(values: Sequence[NDArray], kind: str) -> NDArray:
        return np.concatenate(values).astype(kind)

    origin = [(one.x + 1 - one.offset) << 24 | (one.y + 1) << 11 | ifu << 6 | one.number for one in light]
    place = joined([one.place for one in light], ">f4")
    return [
        fits.Column("xpos", "1E", "pix", array=place),
        fits.Column("ypos", "1E", "pix", array=np.zeros_like(place)),
        fits.Column("lambda", "1E", "Angstrom", array=joined([one.wavelength for one in light], ">f4")),
        fits.Column("data", "1E", "ph", array=joined([one.photons for one in light], ">f4")),
        fits.Column("dq", "1J", array=joined([image.dq[one.y, one.x] for one in light], ">i4")),
        fits.Column("stat", "1E", "J", array=joined([one.energy for one in light], ">f4")),
        fits.Column("origin", "1J", array=joined(origin, ">i4")),
    ]
