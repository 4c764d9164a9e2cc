"""muse_geometry, all IFUs together: the table of the slices, its smoothing, and its quality control."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES, SPAXEL_WFM
from musedeep.kernels.slices.geometry import (
    HOLE_DISTANCE,
    SKY_OF_SLICE,
    MaskScale,
    central_gaps,
    find_all_peaks,
    hole_distance,
    slice_places,
    smooth_stack,
    stack_rows,
)
from musedeep.kernels.slices.spots import FLUX
from musedeep.recipes.geometry.spots import BRIGHT, Spots
from musedeep.reduction.headers.cards import Card
from musedeep.storage.calibrations.geometry_table import PLACE, geometry_hdu

Array = NDArray[np.float64]

MOST_PEAKS: Final = 12
"""Peaks of a spot that are kept; a scan is some hole distances long."""
MIDDLE_IFU: Final = 12
"""The IFU whose slice 18 on the sky is the origin of y; without it the nearest one (seen in the reference's log)."""
VALUES: Final = tuple(column.name for column in PLACE)


@dataclass
class IfuPeaks:
    """What the table needs of one IFU.

    Attributes
    ----------
    lines : float64 (lines,), Angstrom
    peaks : float64 (lines, 48, 3, n), positions of the mask [mm] at which spots are brightest
    light : float64 (lines, 48), flux of the spots in all exposures, count
    offset : float64 (lines, 48, 3), distance of spots to the middle of their slice over its width
    passage : float64 (lines, 48, 3), flux of a spot while a hole passes, summed over exposures, count
    scale : arcsec/mm in the focal plane
    """

    ifu: int
    lines: Array
    peaks: Array
    light: Array
    offset: Array
    passage: Array
    scale: float


def ifu_peaks(spots: Spots) -> IfuPeaks:
    """Peaks and mean places of the spots of one IFU."""
    order = np.argsort(spots.heights, kind="stable")
    heights = spots.heights[order]
    flux = np.ascontiguousarray(np.moveaxis(spots.values[order, ..., FLUX], 0, -1))
    n_spots = int(np.prod(flux.shape[:-1]))
    peaks, tops = np.empty((n_spots, MOST_PEAKS)), np.empty((n_spots, MOST_PEAKS))
    find_all_peaks(heights, flux.reshape(n_spots, -1), HOLE_DISTANCE[1], peaks, tops)
    peaks = peaks.reshape(*flux.shape[:-1], MOST_PEAKS)
    share = spots.offset / spots.width
    weight = np.where((spots.values[..., FLUX] > BRIGHT) & np.isfinite(share), spots.values[..., FLUX], 0.0)
    total = weight.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = (np.where(weight > 0, share, 0.0) * weight).sum(0) / total
    return IfuPeaks(
        spots.ifu, spots.lines, peaks, np.nansum(flux, (2, 3)), offset, _passages(heights, flux, peaks),
        spots.positions[0].scale,
    )  # fmt: skip


def _passages(heights: Array, flux: Array, peaks: Array) -> Array:
    """Flux of each spot summed over half a hole distance on either side of a peak, mean of its whole passages."""
    half = 0.5 * HOLE_DISTANCE[1]
    step = np.median(np.diff(heights))
    total, number = np.zeros(flux.shape[:-1]), np.zeros(flux.shape[:-1])
    for k in range(peaks.shape[-1]):
        peak = peaks[..., k]
        whole = (peak - half >= heights[0] - step) & (peak + half <= heights[-1] + step)
        if not whole.any():
            continue
        near = np.abs(heights - peak[whole][:, None]) < half
        total[whole] += np.where(near, flux[whole], 0.0).sum(-1)
        number[whole] += 1
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(total / number)


@dataclass
class Geometry:
    """Where slices lie in the field of view; all arrays (ifus, 48), slices in the order of the CCD.

    Attributes
    ----------
    ifus : numbers of the IFUs, ascending
    values, errors : float64 of x, y, angle, width; pixels and degrees
    measured : bool, false where values are those of neighbouring slices
    distance : of the mask's holes across the slices, its standard deviation (mm), and how often it was measured
    """

    ifus: list[int]
    values: dict[str, Array]
    errors: dict[str, Array]
    measured: NDArray[np.bool_]
    distance: tuple[float, float, int]


def geometry(found: Sequence[IfuPeaks]) -> Geometry:
    """Places of the slices of all IFUs.

    x is counted from the mean gap between the two inner stacks, y from slice 18 of the IFU in the middle.

    Parameters
    ----------
    found : of each IFU, ascending

    Raises
    ------
    MusedeepError
        No slice was measured.
    """
    distance = hole_distance(np.concatenate([one.peaks.reshape(-1, MOST_PEAKS) for one in found]))
    used = distance[0] if distance[2] else HOLE_DISTANCE[1]
    scales = [MaskScale.of(one.scale, SPAXEL_WFM, used) for one in found]
    places = [slice_places(one.peaks, one.light, one.offset, s) for one, s in zip(found, scales, strict=True)]
    values = {name: np.stack([getattr(p, name) for p in places]) for name in VALUES}
    errors = {name: np.stack([getattr(p, f"{name}_error") for p in places]) for name in VALUES}
    measured = np.isfinite(np.stack(list(values.values()))).all(0)
    if not measured.any():
        raise MusedeepError(
            "muse_geometry: no slice sees a hole of the mask pass; give the full sequence of MASK exposures, in order "
            "and of one set, and a trace and wavelength calibration of the same days"
        )
    ifus = [one.ifu for one in found]
    height = np.where(measured, values["y"], np.nan)
    reference = int(np.argmin([abs(ifu - MIDDLE_IFU) for ifu in ifus]))
    values["y"], _ = stack_rows(height, ifus, reference, scales[reference].row)
    for name in ("x", "angle", "width"):
        values[name] = _filled(np.where(measured, values[name], np.nan))
    values["x"] -= np.nanmean(np.nanmean(central_gaps(values["x"], values["width"]), axis=1))
    return Geometry(ifus, values, errors, measured, distance)


def _filled(values: Array) -> Array:
    """Values (ifus, 48) with the mean of a stack where a slice has none; of a stack of other IFUs where it has none."""
    out = values.copy()
    stacks = values.reshape(len(values), 4, -1)
    for stack in range(4):
        known = stacks[:, stack]
        everywhere = float(np.mean(known[np.isfinite(known)])) if np.isfinite(known).any() else np.nan
        for k in range(len(values)):
            own = known[k][np.isfinite(known[k])]
            at = out[k, 12 * stack : 12 * (stack + 1)]
            at[np.isnan(at)] = own.mean() if own.size else everywhere
    return out


def smoothed(one: Geometry, sigma: float) -> tuple[Geometry, dict[str, int]]:
    """The table with outliers within each stack of slices replaced (parameter smooth), and how many (-1: off)."""
    if sigma <= 0:
        return one, {name: -1 for name in VALUES}
    order = np.argsort(SKY_OF_SLICE).reshape(4, -1)
    values = {name: one.values[name].copy() for name in VALUES}
    changed = {name: 0 for name in VALUES}
    for name in VALUES:
        for row in values[name]:
            for stack in order:
                row[stack], replaced = smooth_stack(row[stack], sigma)
                changed[name] += int(replaced.sum())
    return Geometry(one.ifus, values, one.errors, one.measured, one.distance), changed


def geometry_table(one: Geometry) -> fits.BinTableHDU:
    """GEOMETRY_TABLE with errors; slices in the order of the sky."""
    order = np.argsort(SKY_OF_SLICE)
    n = len(one.ifus)
    columns = {
        "SubField": np.repeat(one.ifus, N_SLICES),
        "SliceCCD": np.tile(order + 1, n),
        "SliceSky": np.tile(SKY_OF_SLICE[order], n),
    }
    for suffix, arrays in (("", one.values), ("err", one.errors)):
        columns |= {name + suffix: arrays[name][:, order].ravel() for name in VALUES}
    return geometry_hdu(columns)


def flux_cards(found: Sequence[IfuPeaks], one: Geometry) -> list[Card]:
    """ESO QC GEO IFUm: angle of the mask, lines and their fluxes (0 for lines that were not found), gaps."""
    cards: list[Card] = []
    gaps = central_gaps(one.values["x"], one.values["width"])
    for k, ifu in enumerate(found):
        key = f"ESO QC GEO IFU{ifu.ifu} "
        angle = np.median(one.values["angle"][k][one.measured[k]]) if one.measured[k].any() else 0.0
        cards.append((key + "ANGLE", np.float32(angle), "[deg] Angle of the mask with respect to the slicer system"))
        for number, (line, passage) in enumerate(zip(ifu.lines, ifu.passage, strict=True), 1):
            values = passage[np.isfinite(passage)]
            figures = (0.0, 0.0, 0.0)
            if values.size:
                figures = values.mean(), np.median(values), values.std(ddof=1) if values.size > 1 else 0.0
            wave = f"{key}WLEN{number}"
            cards.append((wave, np.float32(line), "[Angstrom] Nominal wavelength of arc line"))
            for name, word, value in zip(
                ("MEAN", "MEDIAN", "STDEV"), ("Average", "Median", "Standard deviation of"), figures, strict=True
            ):
                cards.append((f"{wave} FLUX {name}", np.float32(value), f"{word} integrated flux in all spots"))
        cards.append((key + "GAPPOS MEAN", np.float32(gaps[k].mean()), "[pix] Average position of the central gap"))
    return cards


def table_cards(one: Geometry, changed: dict[str, int] | None) -> list[Card]:
    """ESO QC GEO of all IFUs together.

    Parameters
    ----------
    changed : numbers of smoothed values, None for the table without smoothing
    """
    positions = central_gaps(one.values["x"], one.values["width"]).mean(1)
    stdev = positions.std(ddof=1) if positions.size > 1 else 0.0
    cards: list[Card] = [
        ("ESO QC GEO GAPPOS MEAN", np.float32(positions.mean()), "[pix] Average of all mean central gap positions"),
        ("ESO QC GEO GAPPOS STDEV", np.float32(stdev), "[pix] Standard deviation of all mean central gap positions"),
        ("ESO QC GEO MASK ANGLE", np.float32(np.median(one.values["angle"][one.measured])),
         "[deg] Angle of the mask with respect to the slicer system"),
        ("ESO QC GEO TABLE NBAD", int((~one.measured).sum()), "Number of invalid entries in the geometry table"),
    ]  # fmt: skip
    for name, number in (changed or {}).items():
        cards.append((f"ESO QC GEO SMOOTH N{name.upper()}", number, "Number of slices changed by smoothing"))
    return cards
