"""Samples of the line-spread function: pixels around the arc lines of all lamps, slice by slice."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.instrument import N_SLICES
from musedeep.kernels.lsf.lines import gather, measure_lines
from musedeep.kernels.slices.slice_pixels import trace_edges
from musedeep.processors import available_processors
from musedeep.recipes.lsf.lines import LampLines
from musedeep.reduction.image.arc_lamps import LampImage
from musedeep.reduction.image.combine import THREADS
from musedeep.storage.calibrations.trace_table import TraceTable
from musedeep.storage.calibrations.wavecal_table import WavecalTable

GUESS: Final = 60_000
"""Samples of a slice and lamp that room is made for first."""


@dataclass
class Samples:
    """Pixels of one slice and one lamp around lines that could be measured; all (n,).

    Attributes
    ----------
    where : int64, place in the image, rows after each other
    line : int64, number among the lines
    catalogued : float64, wavelengths of the lines in the catalogue [Angstrom]
    offset : float64, wavelength less the measured one of the line [Angstrom]
    data, stat : float32, count and count**2; stat only if kept
    lines : float64 (lines, 4), background, flux, centre relative to the catalogue, width; NaN if not measured
    """

    where: NDArray[np.int64]
    line: NDArray[np.int64]
    catalogued: NDArray[np.float64]
    offset: NDArray[np.float64]
    data: NDArray[np.float32]
    stat: NDArray[np.float32] | None
    lines: NDArray[np.float64]

    @property
    def wavelength(self) -> NDArray[np.float64]:
        """float64 (n,): measured wavelength of the line of each sample [Angstrom]."""
        return np.asarray(self.catalogued + self.lines[self.line, 2])

    @property
    def values(self) -> NDArray[np.float64]:
        """float64 (n,): profile of a line of flux 1, per Angstrom."""
        return np.asarray((self.data - self.lines[self.line, 0]) / self.lines[self.line, 1])


@dataclass
class SliceSamples:
    """Samples of a slice, lamp by lamp."""

    lamps: list[Samples] = field(default_factory=list)

    @property
    def n_lines(self) -> int:
        """Lines that could be measured."""
        return sum(int(np.isfinite(one.lines[:, 0]).sum()) for one in self.lamps)


class Sampler:
    """Takes the samples of one IFU, lamp after lamp: only what lies around lines stays in memory."""

    def __init__(self, trace: TraceTable, wavelengths: WavecalTable, n_rows: int, keep_stat: bool) -> None:
        self.edges = trace_edges(trace.edges, n_rows)
        self.wavelengths = wavelengths
        self.valid = trace.valid & wavelengths.valid
        self.keep_stat = keep_stat
        self.slices = [SliceSamples() for _ in range(N_SLICES)]

    def add(self, image: LampImage, lines: LampLines) -> None:
        """Take the samples of a lamp in all slices, in threads."""
        if not lines.wavelengths.size:
            return
        with ThreadPoolExecutor(min(available_processors(), THREADS)) as pool:
            found = list(pool.map(lambda k: self._slice(k, image, lines), np.flatnonzero(self.valid)))
        for k, one in zip(np.flatnonzero(self.valid), found, strict=True):
            self.slices[k].lamps.append(one)

    def _slice(self, k: int, image: LampImage, lines: LampLines) -> Samples:
        data, dq = image.combined.data, image.combined.dq
        size, n = GUESS, GUESS + 1
        expected = np.zeros(lines.wavelengths.size, np.int64)
        while n > size:
            size = max(size, n)
            where, members = np.empty(size, np.int64), np.empty(size, np.int64)
            offsets = np.empty(size)
            n = gather(
                self.edges[k], self.wavelengths.coefficients[k], lines.wavelengths, lines.low, lines.high, data, dq,
                where, offsets, members, expected,
            )  # fmt: skip
        order = np.argsort(members[:n], kind="stable")
        where, offsets, members = where[order], offsets[order], members[order]
        values = data.ravel()[where]
        results = np.empty((lines.wavelengths.size, 4))
        measure_lines(members, offsets, values.astype(np.float64), expected, results)
        good = np.isfinite(results[members, 0])
        where, offsets, members, values = where[good], offsets[good], members[good], values[good]
        stat = image.combined.stat.ravel()[where] if self.keep_stat else None
        return Samples(where, members, lines.wavelengths[members], offsets - results[members, 2], values, stat, results)
