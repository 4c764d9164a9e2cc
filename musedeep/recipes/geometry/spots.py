"""muse_geometry, one IFU: its exposures reduced one at a time, the images of the mask's holes measured on each."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.kernels.slices.spots import (
    BACKGROUND,
    FLUX,
    SPOTS_PER_SLICE,
    XC,
    XFWHM,
    YC,
    YFWHM,
    find_spots,
    line_rows,
    measure_spots,
)
from musedeep.processors import available_processors
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.image.combine import Calibration, Combined, MeasuredFrame, combine
from musedeep.reduction.parameters import AVERAGE, OverscanParameters
from musedeep.storage.calibrations.spots_table import spots_hdu
from musedeep.storage.calibrations.trace_table import TraceTable
from musedeep.storage.calibrations.wavecal_table import WavecalTable
from musedeep.storage.fits.headers import number_or_none
from musedeep.storage.raw.frames import RawFrame

Array = NDArray[np.float64]

BRIGHT: Final = 2170.0
"""Flux from which a spot counts for the quality control of widths, count.  The reference's limit is 1000 of its
fluxes, which are 0.46 times the light of a spot: its background, a mean over 15 x 15 pixels, contains the spot."""
SCAN_NEEDED: Final = 1.0
"""Travel of the mask in distances of its holes, below which a slice may see no whole peak."""


@dataclass(frozen=True)
class MaskPosition:
    """Where the mask is in an exposure.

    Attributes
    ----------
    encoder, place : of its movements in x, y, z: encoder steps, mm
    height : along the direction across the slices, mm
    scale : of the focal plane, arcsec/mm
    """

    encoder: tuple[int, int, int]
    place: tuple[float, float, float]
    height: float
    scale: float

    @classmethod
    def of(cls, frame: RawFrame) -> "MaskPosition":
        """From ESO INS POS2, POS3, POS4 (x, y, z), ESO INS DROT POSANG and ESO TEL FOCU SCALE.

        Raises
        ------
        MusedeepError
            A keyword is missing, or the derotator makes the mask move along the slices.
        """

        def number(name: str) -> float:
            value = number_or_none(frame.primary, f"ESO {name}")
            if value is None:
                raise MusedeepError(f"{frame.path}: no number in ESO {name}; give exposures of the pinhole mask (MASK)")
            return value

        place = number("INS POS2 POS"), number("INS POS3 POS"), number("INS POS4 POS")
        encoder = int(number("INS POS2 ENC")), int(number("INS POS3 ENC")), int(number("INS POS4 ENC"))
        angle, scale = number("INS DROT POSANG"), number("TEL FOCU SCALE")
        across = math.sin(math.radians(angle))
        if abs(across) < 0.1:
            raise MusedeepError(
                f"{frame.path}: ESO INS DROT POSANG is {angle:g}: the mask moves along the slices; "
                "give exposures taken near 90 degrees"
            )
        if scale <= 0:
            raise MusedeepError(f"{frame.path}: ESO TEL FOCU SCALE is {scale:g}; it has to be above 0")
        return cls(encoder, place, place[1] / across, scale)


@dataclass
class Spots:
    """What was measured of the spots of one IFU.

    Attributes
    ----------
    lines : float64 (lines,), wavelengths that were looked for, Angstrom
    found : bool (lines, 48), where all three spots of a slice were found
    values : float64 (exposures, lines, 48, 3, 6)
        x, y (pixels from 1), widths (FWHM, pixels), flux, background, as `kernels.spots`
    offset, width : float64 (exposures, lines, 48, 3), distance to the middle of the slice and its width, pixels
    positions : of the mask
    """

    ifu: int
    lines: Array
    found: NDArray[np.bool_]
    values: Array
    offset: Array
    width: Array
    positions: list[MaskPosition]

    @property
    def heights(self) -> Array:
        """Heights of the mask, float64 (exposures,), mm."""
        return np.array([p.height for p in self.positions])


def check_travel(positions: Sequence[MaskPosition], path: Path, distance: float) -> None:
    """Raise MusedeepError if the mask moves too little for a slice to see a hole pass."""
    heights = [p.height for p in positions]
    travel = max(heights) - min(heights)
    if travel < SCAN_NEEDED * distance:
        raise MusedeepError(
            f"{path} and others: the mask moves by {travel:.3f} mm (ESO INS POS3 POS), less than the {distance} mm "
            "between its holes; give the full sequence of exposures"
        )


def locate_spots(
    image: NDArray[np.float32], lines: Array, trace: TraceTable, waves: WavecalTable, sigma: float
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Find the spots of all lines and slices on the combined image.

    Returns
    -------
    bool (lines, 48)
        Where there are three spots.
    int64 (lines, 48, 3, 2)
        Their columns and rows, pixels from 0.
    """
    n_rows = image.shape[0]
    found = np.zeros((lines.size, N_SLICES), bool)
    places = np.zeros((lines.size, N_SLICES, SPOTS_PER_SLICE, 2), np.int64)
    edges = trace.at(np.arange(1.0, n_rows + 1.0))
    spots = np.empty((SPOTS_PER_SLICE, 2))
    for index in np.flatnonzero(trace.valid & waves.valid):
        rows = line_rows(waves.coefficients[index], edges[index, 0], lines)
        for k in np.flatnonzero(np.isfinite(rows)):
            left, right = edges[index, 1:, round(rows[k]) - 1]
            if find_spots(image, rows[k] - 1.0, round(left) - 1, round(right), sigma, spots):
                found[k, index] = True
                places[k, index] = np.rint(spots)
    return found, places


def measure_exposures(
    measured: Sequence[MeasuredFrame],
    overscan: OverscanParameters,
    calibration: Calibration,
    places: NDArray[np.int64],
    gaussian: bool,
    keep: Callable[[int, Combined], None] | None,
) -> Array:
    """Reduce exposures one after the other and measure their spots: float64 (exposures, spots, 6).

    Parameters
    ----------
    measured : of one IFU
    overscan, calibration : what to do
    places : int64 (spots, 2), columns and rows, pixels from 0
    gaussian : bool, fit Gaussians
    keep : called with the number of each exposure and its reduced image
    """
    columns, rows = (np.ascontiguousarray(places[:, k]) for k in range(2))
    out = np.empty((len(measured), len(places), 6))
    parts = np.array_split(np.arange(len(places)), available_processors())
    # one image is kept while the next is reduced and measured
    with ThreadPoolExecutor(len(parts)) as pool, ThreadPoolExecutor(1) as keeper:
        keeping: Future[None] | None = None
        for number, one in enumerate(measured):
            image = combine([one], overscan, calibration, AVERAGE)
            if keeping is not None:
                keeping.result()
            if keep is not None:
                keeping = keeper.submit(keep, number, image)

            def part(at: NDArray[np.int64], image: Combined = image, number: int = number) -> None:
                if at.size:
                    span = slice(at[0], at[-1] + 1)
                    measure_spots(
                        image.data, image.dq, image.stat, columns[span], rows[span], gaussian, out[number, span]
                    )

            list(pool.map(part, parts))
        if keeping is not None:
            keeping.result()
    return out


def gather(
    ifu: int,
    lines: Array,
    found: NDArray[np.bool_],
    values: Array,
    trace: TraceTable,
    positions: list[MaskPosition],
    n_rows: int,
) -> Spots:
    """Spots with their places on the slices.

    Parameters
    ----------
    values : float64 (exposures, spots, 6), spots in the order of `found`, three each
    """
    shape = values.shape[0], lines.size, N_SLICES, SPOTS_PER_SLICE
    full = np.full((*shape, 6), np.nan)
    full[:, found] = values.reshape(shape[0], -1, SPOTS_PER_SLICE, 6)
    full[..., [XC, YC]] += 1.0
    offset, width = np.full(shape, np.nan), np.full(shape, np.nan)
    for index in np.flatnonzero(found.any(0)):
        y = np.clip(full[:, :, index, :, YC], 1.0, n_rows)
        left, right = np.polynomial.polynomial.polyval(y, trace.edges[index].T)
        offset[:, :, index] = full[:, :, index, :, XC] - 0.5 * (left + right)
        width[:, :, index] = right - left
    return Spots(ifu, lines, found, full, offset, width, positions)


def spots_table(spots: Spots, files: Sequence[str]) -> fits.BinTableHDU:
    """SPOTS_TABLE: a row for each line, slice, spot and exposure, in this order."""
    line, index = np.nonzero(spots.found)
    n = len(spots.positions)
    per_exposure = SPOTS_PER_SLICE * line.size

    def of_exposures(values: Sequence[float] | Sequence[int] | Sequence[str]) -> NDArray:
        return np.tile(np.array(values), per_exposure)

    def of_spots(values: NDArray) -> NDArray:
        return np.moveaxis(values[:, line, index], 0, -1).ravel()

    each = SPOTS_PER_SLICE * n
    columns = {
        "filename": of_exposures(files),
        "image": of_exposures(list(range(1, n + 1))),
        "VPOS": of_exposures([p.height for p in spots.positions]),
        "ScaleFOV": of_exposures([p.scale for p in spots.positions]),
        "SubField": np.full(each * line.size, spots.ifu),
        "SliceCCD": np.repeat(index + 1, each),
        "lambda": np.repeat(spots.lines[line], each),
        "SpotNo": np.tile(np.repeat(np.arange(1, SPOTS_PER_SLICE + 1), n), line.size),
        "dxcen": of_spots(spots.offset),
        "twidth": of_spots(spots.width),
    }
    for k in range(3):
        columns[f"POSENC{k + 2}"] = of_exposures([p.encoder[k] for p in spots.positions])
        columns[f"POSPOS{k + 2}"] = of_exposures([p.place[k] for p in spots.positions])
    for name, k in (("xc", XC), ("yc", YC), ("xfwhm", XFWHM), ("yfwhm", YFWHM), ("flux", FLUX), ("bg", BACKGROUND)):
        columns[name] = of_spots(spots.values[..., k])
    return spots_hdu(columns)


def width_cards(spots: Spots) -> list[Card]:
    """ESO QC GEO EXPi FWHM and ESO QC GEO FWHM: the mean of both widths of bright spots."""
    cards: list[Card] = []
    means = []
    bright = spots.values[..., FLUX] > BRIGHT
    widths = 0.5 * (spots.values[..., XFWHM] + spots.values[..., YFWHM])
    for number in range(len(spots.positions)):
        values = widths[number][bright[number]]
        values = values[np.isfinite(values)]
        key = f"ESO QC GEO EXP{number + 1} FWHM "
        if values.size:
            means.append(values.mean())
            figures = values.mean(), np.median(values), values.std(ddof=1) if values.size > 1 else 0.0
        else:
            figures = 0.0, 0.0, 0.0
        for name, word, value in zip(
            ("MEAN", "MEDIAN", "STDEV"), ("Average", "Median", "Standard deviation of"), figures, strict=True
        ):
            cards.append(
                (key + name, np.float32(value), f"[pix] {word} FWHM of all bright spots in exposure {number + 1}")
            )
    mean = np.mean(means) if means else 0.0
    stdev = np.std(means, ddof=1) if len(means) > 1 else 0.0
    cards.append(("ESO QC GEO FWHM MEAN", np.float32(mean), "[pix] Average of the average FWHM of all exposures"))
    cards.append(("ESO QC GEO FWHM STDEV", np.float32(stdev), "[pix] Standard deviation of the average FWHM"))
    return cards
