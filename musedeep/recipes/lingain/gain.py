"""muse_lingain: gain, read-out noise and non-linearity of each quadrant (detector monitoring).

1. Windows of `ybox` rows are put along the traces of the slices, `xgap` pixels inside their edges, each in one
   quadrant.
2. Overscan and master bias are subtracted. Pixels with flags are left out.
3. The variance of the difference of two exposures without light gives the read-out noise of each window.
4. Lamp exposures of the same exposure time are taken as pairs. A pair whose fluxes differ by more than `fluxtol` is
   left out. The variance of the difference, and the mean signal, give the gain of each window.
5. The gain of a quadrant is that at no signal, of a parabola through the gains in bins of the signal.
6. The count rate of a window between `linearmin` and `linearmax` is taken as the true one. Deviations from it, in bins
   of the signal, are fitted by a polynomial.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.ccd.pair_windows import MEAN_ONE, MEAN_OTHER, VARIANCE, pair_windows
from musedeep.kernels.slices.slice_pixels import trace_edges
from musedeep.recipes.lingain.recipe import RECIPE, LingainParameters
from musedeep.recipes.lingain.relations import Gain, NonLinearity, fitted_gain, fitted_non_linearity
from musedeep.recipes.run_ifus import IfuProducts, RecipeCall, by_ifu, product_name
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.headers.product import product_header
from musedeep.reduction.image.calibrations import Calibrations
from musedeep.reduction.image.combine import Calibration, combine, compare_levels, measure
from musedeep.reduction.image.inputs import exposure_time, open_frames
from musedeep.reduction.parameters import AVERAGE, OverscanParameters
from musedeep.storage.fits.table import Column, table_hdu
from musedeep.storage.raw.frames import Port, RawFrame
from musedeep.threads import in_threads

Floats = NDArray[np.float64]

OFF, ON = (one.name for one in RECIPE.inputs[:2])
OVERSCAN: Final = OverscanParameters()
CHUNK: Final = 256
"""Windows that a thread takes at once."""
NARROWEST: Final = 2
"""Columns of a window at least."""


@dataclass(frozen=True)
class Windows:
    """Windows within the slices.

    Attributes
    ----------
    port : int64 (n,), number of the quadrant
    first : int64 (n,), first row, from 0
    spans : int64 (n, ybox, 2), first column and the one after the last, from 0
    """

    port: NDArray[np.int64]
    first: NDArray[np.int64]
    spans: NDArray[np.int64]


@dataclass(frozen=True)
class Quadrant:
    """What was found of a quadrant; read-out noises of its windows [adu]."""

    number: int
    noise: Floats
    gain: Gain
    curve: NonLinearity


def lingain_products(call: RecipeCall[LingainParameters], ifu: int) -> IfuProducts:
    """The table of one IFU.

    Raises
    ------
    MusedeepError
        Bad input; lamp exposures of one exposure time only, or no pair of one; too few levels of signal.
    """
    p = call.parameters
    off = open_frames(call.frames[OFF], ifu, OFF, RECIPE.inputs[0].minimum, RECIPE.name)
    on = open_frames(call.frames[ON], ifu, ON, RECIPE.inputs[1].minimum, RECIPE.name)
    calibrations = Calibrations(call.frames, ifu, OVERSCAN)
    calibrations.check_chip(on[0])
    levels = pairs_of(on)
    calibration = calibrations.of(on[0])
    windows = place_windows(calibrations.trace.edges, on[0].ports, p)
    notes: list[str] = []
    noise = np.sqrt(
        np.nanmean([measured_pair(pair, calibration, windows, p)[:, VARIANCE] for pair in in_pairs(off)], 0)
    )
    signals, variances, seconds = [], [], []
    for time, pair in levels:
        values = measured_pair(pair, calibration, windows, p)
        ratio = np.nanmean(values[:, MEAN_OTHER]) / np.nanmean(values[:, MEAN_ONE])
        if not abs(ratio - 1.0) <= p.fluxtol:
            names = " and ".join(frame.path.name for frame in pair)
            notes.append(f"{names}: fluxes differ by {100.0 * (ratio - 1.0):.2g} %, the pair is left out")
            continue
        signals.append(values[:, [MEAN_ONE, MEAN_OTHER]].mean(1))
        variances.append(values[:, VARIANCE])
        seconds.append(time + p.toffset)
    if len(seconds) < 2:
        raise MusedeepError(
            f"{on[0].path}: {len(seconds)} good pairs of lamp exposures, 2 are needed; {'; '.join(notes)}"
        )
    found = []
    for port in on[0].ports:
        inside = windows.port == port.number
        where = f"{on[0].path} and others, quadrant {port.number} of IFU {ifu}"
        signal, variance = np.array(signals)[:, inside], np.array(variances)[:, inside]
        own = noise[inside]
        gain = fitted_gain(signal.ravel(), variance.ravel(), float(np.nanmean(own)), p, where)
        curve = fitted_non_linearity(signal * gain.gain, np.array(seconds), p, where)
        found.append(Quadrant(port.number, own[np.isfinite(own)], gain, curve))
    raws = [(path, tag) for tag in (OFF, ON) for path in call.frames[tag]]
    name = product_name("NONLINEARITY_GAIN", ifu)
    bias = calibrations.bias
    files = {
        "BADPIX_TABLE": list(call.frames.get("BADPIX_TABLE", ())),
        "MASTER_BIAS": [str(bias.path)] if bias else [],
        "TRACE_TABLE": [str(calibrations.trace.path)],
    }
    header = product_header(RECIPE, off[0], "NONLINEARITY_GAIN", name, files, p, quality_cards(found), raws=raws)
    return IfuProducts(tables={"NONLINEARITY_GAIN": (header, table_of(found))}, notes=notes)


def in_pairs(frames: Sequence[RawFrame]) -> list[tuple[RawFrame, RawFrame]]:
    """Frames two by two; one that is left over is not used."""
    return list(zip(frames[::2], frames[1::2], strict=False))


def pairs_of(frames: Sequence[RawFrame]) -> list[tuple[float, tuple[RawFrame, RawFrame]]]:
    """Pairs of frames of the same exposure time, and that time [s], by ascending time.

    Raises
    ------
    MusedeepError
        All frames have the same exposure time, or there are pairs of fewer than two.
    """
    by_time: dict[float, list[RawFrame]] = {}
    for frame in frames:
        by_time.setdefault(exposure_time(frame), []).append(frame)
    names = ", ".join(f"{time:g}" for time in sorted(by_time))
    if len(by_time) < 2:
        raise MusedeepError(
            f"{frames[0].path} and others: all {len(frames)} {ON} are of {names} s; give pairs of several times"
        )
    pairs = [(time, pair) for time in sorted(by_time) for pair in in_pairs(by_time[time])]
    if len({time for time, _ in pairs}) < 2:
        raise MusedeepError(
            f"{frames[0].path} and others: {ON} of {names} s, not two of each; give pairs of several exposure times"
        )
    return pairs


def place_windows(edges: Floats, ports: Sequence[Port], p: LingainParameters) -> Windows:
    """The windows of all slices whose trace is known.

    Raises
    ------
    MusedeepError
        No window fits.
    """
    n_rows = max(port.trimmed_rows.stop for port in ports)
    n_columns = max(port.trimmed_columns.stop for port in ports)
    at = trace_edges(edges, n_rows)
    number, first, spans = [], [], []
    for left, right in at[np.isfinite(at).all((1, 2))]:
        low = np.ceil(left + p.xgap).astype(np.int64) - 1
        high = np.floor(right - p.xgap).astype(np.int64)
        for port in ports:
            columns = port.trimmed_columns
            for start in range(port.trimmed_rows.start, port.trimmed_rows.stop - p.ybox + 1, p.ybox):
                a = np.maximum(low[start : start + p.ybox], columns.start)
                b = np.minimum(high[start : start + p.ybox], columns.stop)
                beside = a.min() < p.xborder or b.max() > n_columns - p.xborder
                # a slice across two quadrants belongs to that of its larger part
                if beside or ((b - a) * 2 < high[start : start + p.ybox] - low[start : start + p.ybox]).any():
                    continue
                if (b - a).min() >= NARROWEST:
                    number.append(port.number)
                    first.append(start)
                    spans.append(np.stack([a, b], axis=1))
    if len(set(number)) < len(ports):
        raise MusedeepError(
            f"muse_lingain: no window of {p.ybox} rows with xgap={p.xgap}, xborder={p.xborder} fits into the slices of "
            "each quadrant; lower them, or give the TRACE_TABLE of these frames"
        )
    return Windows(np.array(number), np.array(first), np.array(spans))


def measured_pair(
    pair: tuple[RawFrame, RawFrame], calibration: Calibration, windows: Windows, p: LingainParameters
) -> Floats:
    """Results of `pair_windows` for all windows, in adu, float64 (n, 4)."""
    measured = [measure(frame, OVERSCAN) for frame in pair]
    compare_levels(measured, OVERSCAN)
    one, other = (combine([each], OVERSCAN, calibration, AVERAGE, scale=False) for each in measured)
    good = (one.dq == 0) & (other.dq == 0)
    out = np.empty((windows.first.size, 4))

    def work(k: int) -> None:
        part = slice(k * CHUNK, (k + 1) * CHUNK)
        pair_windows(one.data, other.data, good, windows.first[part], windows.spans[part], p.sigma, out[part])

    in_threads(work, -(-windows.first.size // CHUNK))
    for port in pair[0].ports:
        inside = windows.port == port.number
        out[inside, MEAN_ONE : MEAN_OTHER + 1] /= port.gain
        out[inside, VARIANCE] /= port.gain**2
    return out


def quality_cards(found: Sequence[Quadrant]) -> list[Card]:
    """ESO QC LINGAIN of the quadrants."""
    cards: list[Card] = []
    for one in found:
        key, gain = f"ESO QC LINGAIN OUT{one.number} ", one.gain.gain
        mean, middle = float(one.noise.mean()), float(np.median(one.noise))
        error = one.noise.std(ddof=1) / np.sqrt(one.noise.size) if one.noise.size > 1 else 0.0
        cards += [
            (key + "RON", mean * gain, "[count] Read-out noise, mean of all windows"),
            (key + "RONERR", float(np.hypot(error * gain, mean * one.gain.rms)), "[count] Its error"),
            (key + "RON MEDIAN", middle * gain, "[count] Read-out noise, median of all windows"),
            (key + "RON MAD", float(np.median(np.abs(one.noise - middle))) * gain, "[count] Median deviation from it"),
            (key + "CONAD", 1.0 / gain, "[ADU/count] Inverse of the gain"),
            (key + "GAIN", gain, "[count/ADU] Gain at no signal"),
            (key + "GAINERR", one.gain.rms, "[count/ADU] Scatter of the bins about the fit"),
            (key + "COUNTS MIN", one.gain.low, "[ADU] Smallest signal of the fit"),
            (key + "COUNTS MAX", one.gain.high, "[ADU] Largest signal of the fit"),
        ]
    return cards


def table_of(found: Sequence[Quadrant]) -> fits.BinTableHDU:
    """Gain and non-linearity, a row for each quadrant; bins that a quadrant does not have are NaN."""
    longest = max(one.curve.bins.at.size for one in found)
    bins = np.full((len(found), 3, longest), np.nan)
    for row, one in zip(bins, found, strict=True):
        made = one.curve.bins
        row[:, : made.at.size] = made.at, made.mean, made.error
    number = found[0].curve.coefficients.size
    columns: dict[Column, object] = {
        Column("quadrant", "1J"): [one.number for one in found],
        Column("gain", "1D", "count/adu"): [one.gain.gain for one in found],
        Column("gain_rms", "1D", "count/adu"): [one.gain.rms for one in found],
        Column("ron", "1D", "count"): [float(one.noise.mean()) * one.gain.gain for one in found],
        Column("middle", "1D", "log10(count)"): [one.curve.middle for one in found],
        Column("coefficients", f"{number}D", "percent"): np.array([one.curve.coefficients for one in found]),
        Column("rms", "1D", "percent"): [one.curve.rms for one in found],
        Column("log_counts", f"{longest}D", "log10(count)"): bins[:, 0],
        Column("deviation", f"{longest}D", "percent"): bins[:, 1],
        Column("error", f"{longest}D", "percent"): bins[:, 2],
    }
    return table_hdu(list(columns), {column.name: values for column, values in columns.items()}, "NONLINEARITY")


run = by_ifu(RECIPE, lingain_products)
