"""What every recipe on raw frames begins with: overscan, trimming, flags, bias, gain, dark, and combination."""

import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import DQ
from musedeep.kernels.ccd import calibrate
from musedeep.kernels.ccd.image_statistics import RunningStatistics, counts_median
from musedeep.kernels.ccd.overscan import VerticalFit, fit_vertical, level
from musedeep.kernels.ccd.stack import METHODS, stack_rows
from musedeep.kernels.rows.illumination import count_flag
from musedeep.processors import available_processors
from musedeep.reduction.headers.cards import Card, statistics_cards
from musedeep.reduction.image.inputs import exposure_time
from musedeep.reduction.parameters import CombineParameters, OverscanParameters
from musedeep.storage.fits.headers import number_of
from musedeep.storage.fits.image import ImageFile
from musedeep.storage.raw.frames import Port, RawFrame
from musedeep.workspace import Workspace

BLOCK_ROWS: Final = 32
"""Rows of all frames that are in work at once in a thread; of few frames up to four times as many."""

THREADS: Final = 8
"""Threads of one IFU at most; disks do not feed more."""

SAFE_LEVELS: Final = 100.0
"""Standard deviations that overscan levels may differ by with vpoly (manual, parameter ovscsigma)."""


@dataclass(frozen=True)
class PortLevel:
    """The overscan of one port of one frame: mean and scatter [adu], with vpoly the polynomial along the columns."""

    mean: float
    stdev: float
    fit: VerticalFit | None


@dataclass
class MeasuredFrame:
    """A raw frame, and what the first look at it found.

    Attributes
    ----------
    levels : overscan of the four ports
    n_saturated : saturated pixels of the whole raw image
    medians : of the raw values of the four quadrants, adu
    """

    frame: RawFrame
    levels: tuple[PortLevel, ...]
    n_saturated: int
    medians: tuple[float, ...]


@dataclass
class Calibration:
    """What is applied to every frame.

    Attributes
    ----------
    bias : master bias; None: data stay in adu
    dark : master dark, for one hour
    flat : master flat, of mean 1
    variance : adu**2 of the four quadrants, where there is no bias
    known_bad : rows, columns (from 0, trimmed) and flags of known bad pixels
    """

    bias: ImageFile | None = None
    dark: ImageFile | None = None
    flat: ImageFile | None = None
    variance: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    known_bad: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]] = field(
        default_factory=lambda: (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32))
    )


@dataclass
class Combined:
    """Frames combined into one image, (rows, columns) each.

    Attributes
    ----------
    data : float32
    dq : int32
    stat : float32
    inputs : median, mean, standard deviation, minimum, maximum of each calibrated frame, if asked for
    """

    data: NDArray[np.float32]
    dq: NDArray[np.int32]
    stat: NDArray[np.float32]
    inputs: list[tuple[float, ...]] = field(default_factory=list)

    @property
    def n_saturated(self) -> int:
        """Number of saturated pixels."""
        return int(count_flag(self.dq, int(DQ.SATURATED)))


def measure(frame: RawFrame, overscan: OverscanParameters) -> MeasuredFrame:
    """Overscan levels, saturated pixels and medians of a raw frame."""
    raw = frame.read()
    spans = np.array([(p.rows.start, p.rows.stop, p.columns.start, p.columns.stop) for p in frame.ports], np.int64)
    histograms = np.zeros((len(frame.ports), 2, 65536), np.int32)
    n_saturated = calibrate.scan(raw, spans, histograms)
    levels = []
    for port in frame.ports:
        if overscan.ovscignore >= port.overscan_columns.stop - port.overscan_columns.start:
            raise MusedeepError(f"ovscignore={overscan.ovscignore} leaves no overscan of port {port.number}; lower it")
        vertical = raw[port.vertical_overscan(overscan.ovscignore)].astype(np.float64)
        strips = [vertical, raw[port.horizontal_overscan(overscan.ovscignore)].astype(np.float64)]
        mean, stdev, _ = level(strips, overscan.ovscreject, overscan.ovscsigma)
        fit = None
        if overscan.overscan_fit.method == "vpoly":
            first = port.vertical_overscan(overscan.ovscignore)[0].start + 1
            fit = fit_vertical(vertical, first, *overscan.overscan_fit[1:], overscan.ovscsigma)
        levels.append(PortLevel(mean, stdev, fit))
    medians = [counts_median(histogram) for histogram in histograms.sum(1)]
    return MeasuredFrame(frame, tuple(levels), n_saturated, tuple(medians))


def measure_all(frames: Sequence[RawFrame], overscan: OverscanParameters) -> list[MeasuredFrame]:
    """Measure frames, and raise MusedeepError if their levels differ too much from those of the first."""
    with ThreadPoolExecutor(min(available_processors(), len(frames), THREADS)) as pool:
        measured = list(pool.map(lambda frame: measure(frame, overscan), frames))
    compare_levels(measured, overscan)
    return measured


def compare_levels(measured: Sequence[MeasuredFrame], overscan: OverscanParameters) -> None:
    """Raise MusedeepError if the overscan level of a frame is too far from that of the first."""
    if overscan.overscan_fit.method == "offset":
        return
    factor = overscan.ovscsigma if overscan.overscan_fit.method == "none" else SAFE_LEVELS
    for other in measured[1:]:
        for port, one, two in zip(other.frame.ports, measured[0].levels, other.levels, strict=True):
            if abs(two.mean - one.mean) > factor * one.stdev:
                raise MusedeepError(
                    f"{other.frame.path}: overscan level of port {port.number} is {two.mean:.1f} adu, but "
                    f"{one.mean:.1f} in {measured[0].frame.path}; take frames of one set, or --overscan=offset"
                )


def row_levels(
    measured: MeasuredFrame, overscan: OverscanParameters, reference: Sequence[float]
) -> list[NDArray[np.float64]]:
    """What is subtracted from the rows of each port, adu.

    Parameters
    ----------
    reference : with offset, the levels of the four ports that data are brought to
    """
    out = []
    for port, one, target in zip(measured.frame.ports, measured.levels, reference, strict=True):
        rows = np.arange(port.rows.start, port.rows.stop) + 1.0
        if one.fit is not None:
            out.append(one.fit.polynomial(rows))
        else:
            out.append(np.full(rows.size, one.mean - target if overscan.overscan_fit.method == "offset" else 0.0))
    return out


def reference_levels(measured: Sequence[MeasuredFrame], bias: ImageFile | None) -> list[float]:
    """Levels that overscan=offset brings data to: those of the master bias, or of the first frame."""
    if bias is None:
        return [one.mean for one in measured[0].levels]
    return [number_of(bias.header, f"ESO DRS MUSE OVSC{n} MEAN", bias.path, 0.0) for n in range(1, 5)]


def combine(
    measured: Sequence[MeasuredFrame],
    overscan: OverscanParameters,
    calibration: Calibration,
    combination: CombineParameters,
    with_statistics: bool = False,
    scale: bool = True,
    rows: tuple[int, int] | None = None,
) -> Combined:
    """Calibrate frames and combine them, block of rows by block of rows: memory does not grow with their number.

    With a master bias and unless `scale` is false, all are scaled to the exposure time of the first.

    Parameters
    ----------
    measured : frames of one IFU
    overscan, calibration, combination : what to do
    with_statistics : also of the calibrated frames
    rows : first row and row after the last that are wanted, of the trimmed image; None: all

    Returns
    -------
    Combined
        In adu without a master bias, in count with one; rows that are not wanted are calibrated like the others, or 0.
    """
    work = _Work(measured, overscan, calibration, combination)
    work.scale = scale
    if with_statistics:
        work.statistics = [RunningStatistics() for _ in measured]
    threads = min(available_processors(), THREADS)
    with ThreadPoolExecutor(threads) as pool:
        wanted = rows or (0, work.out.data.shape[0])
        for _ in pool.map(work.block, [(a, b) for a, b in work.starts() if b > wanted[0] and a < wanted[1]]):
            pass
    work.out.inputs = [one.result() for one in work.statistics]
    return work.out


class _Work:
    """Everything a block of rows needs."""

    def __init__(
        self,
        measured: Sequence[MeasuredFrame],
        overscan: OverscanParameters,
        calibration: Calibration,
        combination: CombineParameters,
    ) -> None:
        self.measured, self.calibration, self.combination = measured, calibration, combination
        self.statistics: list[RunningStatistics] = []
        self.scale = True
        self.locks = [threading.Lock() for _ in measured]
        self.own = threading.local()
        ports = measured[0].frame.ports
        shape = max(p.trimmed_rows.stop for p in ports), max(p.trimmed_columns.stop for p in ports)
        for image in (calibration.bias, calibration.dark, calibration.flat):
            if image is not None and image.shape != shape:
                raise MusedeepError(f"{image.path}: {image.shape} pixels, the raw frames have {shape}; give another")
        self.out = Combined(np.zeros(shape, np.float32), np.zeros(shape, np.int32), np.zeros(shape, np.float32))
        reference = reference_levels(measured, calibration.bias)
        self.levels = [row_levels(m, overscan, reference) for m in measured]

    @cached_property
    def times(self) -> list[float]:
        """Exposure times, s; not asked for where nothing is scaled, as with exposures without light, of no time."""
        return [exposure_time(m.frame) if self.calibration.bias else 1.0 for m in self.measured]

    def starts(self) -> list[tuple[int, int]]:
        """Blocks of rows, none of which crosses from one port to the next."""
        edges = sorted({(p.trimmed_rows.start, p.trimmed_rows.stop) for p in self.measured[0].frame.ports})
        rows = BLOCK_ROWS * max(1, 4 // len(self.measured))
        return [(y, min(y + rows, stop)) for start, stop in edges for y in range(start, stop, rows)]

    def block(self, span: tuple[int, int]) -> None:
        """Calibrate and combine one block."""
        start, stop = span
        n, out = len(self.measured), self.out
        # memory of this thread
        workspace: Workspace = self.own.__dict__.setdefault("workspace", Workspace())
        if n == 1:
            # one frame is its own combination
            data, dq, stat = (image[start:stop][None] for image in (out.data, out.dq, out.stat))
        else:
            shape = n, stop - start, out.data.shape[1]
            data, dq, stat = (
                workspace.array(name, math.prod(shape), kind).reshape(shape)
                for name, kind in (("data", np.float32), ("dq", np.int32), ("stat", np.float32))
            )
            dq[:] = 0
        first, last = np.searchsorted(self.calibration.known_bad[0], span)
        y, x, flags = (values[first:last] for values in self.calibration.known_bad)
        for row, column, flag in zip(y - start, x, flags, strict=True):
            dq[:, row, column] |= flag
        bias = _rows(self.calibration.bias, span, workspace)
        dark = _rows(self.calibration.dark, span, workspace)
        flat = _rows(self.calibration.flat, span, workspace)
        for k, one in enumerate(self.measured):
            ports = [p for p in one.frame.ports if p.trimmed_rows.start <= start < p.trimmed_rows.stop]
            shift = ports[0].rows.start - ports[0].trimmed_rows.start
            raw = one.frame.read(start + shift, stop + shift, workspace)
            for port in ports:
                self._quadrant(k, port, span, raw, (data[k], dq[k], stat[k]), bias)
            if dark is not None:
                calibrate.subtract_dark(data[k], dq[k], stat[k], *dark, self.times[k] / 3600.0)
            if flat is not None:
                calibrate.divide_flat(data[k], dq[k], stat[k], *flat)
            if self.scale and self.times[k] != self.times[0]:
                calibrate.scale(data[k], stat[k], self.times[0] / self.times[k])
        for running, lock, values in zip(self.statistics, self.locks, data, strict=False):
            with lock:
                running.add(values)
        if n == 1:
            return
        c = self.combination
        stack_rows(
            data, dq, stat, METHODS[c.combine], c.nlow, c.nhigh, c.nkeep, c.lsigma, c.hsigma,
            out.data[start:stop], out.dq[start:stop], out.stat[start:stop],
        )  # fmt: skip

    def _quadrant(
        self,
        k: int,
        port: Port,
        span: tuple[int, int],
        raw: NDArray[np.uint16],
        images: tuple[NDArray, NDArray, NDArray],
        bias: tuple[NDArray, NDArray, NDArray] | None,
    ) -> None:
        at = port.trimmed_columns
        data, dq, stat = (image[:, at] for image in images)
        first = span[0] - port.trimmed_rows.start
        levels = self.levels[k][port.number - 1][first : first + span[1] - span[0]]
        calibrate.subtract_overscan(raw[:, port.columns], levels, data, dq)
        if bias is None:
            stat[:] = self.calibration.variance[port.number - 1]
        else:
            calibrate.subtract_bias(data, dq, stat, *(image[:, at] for image in bias), port.gain)


def _rows(
    image: ImageFile | None, span: tuple[int, int], workspace: Workspace
) -> tuple[NDArray, NDArray, NDArray] | None:
    if image is None:
        return None
    data, dq, stat = (image.rows(name, *span, workspace) for name in ("DATA", "DQ", "STAT"))
    return data, dq, stat


def overscan_cards(measured: Sequence[MeasuredFrame], overscan: OverscanParameters) -> list[Card]:
    """ESO DRS MUSE OVSCn: of the first frame, or with overscan=none of the mean of all frames."""
    cards: list[Card] = []
    for n, one in enumerate(measured[0].levels, 1):
        mean, stdev = one.mean, one.stdev
        if overscan.overscan_fit.method == "none":
            every = [frame.levels[n - 1] for frame in measured]
            mean = float(np.mean([level.mean for level in every]))
            stdev = float(np.sqrt(sum(level.stdev**2 for level in every))) / len(every)
        cards.append((f"ESO DRS MUSE OVSC{n} MEAN", np.float32(mean), ""))
        cards.append((f"ESO DRS MUSE OVSC{n} STDEV", np.float32(stdev), ""))
    for n, one in enumerate(measured[0].levels, 1):
        if one.fit is not None:
            coefficients = one.fit.coefficients
            cards.append((f"ESO DRS MUSE OVSC{n} POLY NCOEFF", len(coefficients), ""))
            cards += [(f"ESO DRS MUSE OVSC{n} POLY Y{i}", float(c), "") for i, c in enumerate(coefficients)]
    return cards


def input_cards(
    measured: Sequence[MeasuredFrame], group: str, what: str = "frame", inputs: Sequence[Sequence[float]] = ()
) -> list[Card]:
    """ESO QC group INPUTi: the statistics of calibrated frames, where they are given, and NSATURATED of raw ones."""
    cards: list[Card] = []
    for i, one in enumerate(measured, 1):
        for values in inputs[i - 1 : i]:
            cards += statistics_cards(f"ESO QC {group} INPUT{i}", values, f"raw {what} {i}")
        text = f"Number of saturated pixels in raw {what} {i}"
        cards.append((f"ESO QC {group} INPUT{i} NSATURATED", one.n_saturated, text))
    return cards
