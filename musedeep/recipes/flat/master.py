"""muse_flat: raw flats to a master flat, the trace of the slices, and bad pixels (manual 9.3)."""

from dataclasses import astuple
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.ccd.bad_pixels import flat_pixels
from musedeep.kernels.ccd.image_statistics import statistics
from musedeep.kernels.slices.trace import SliceTrace, trace
from musedeep.recipes.flat.recipe import RECIPE, FlatParameters
from musedeep.recipes.run_ifus import IfuProducts, RecipeCall, by_ifu, product_name
from musedeep.reduction.headers.cards import Card, figure_cards, statistics_cards
from musedeep.reduction.headers.product import product_header
from musedeep.reduction.image.calibrations import Calibrations
from musedeep.reduction.image.combine import combine, input_cards, measure_all, overscan_cards
from musedeep.reduction.image.inputs import open_frames
from musedeep.storage.calibrations.trace_table import samples_hdu, trace_hdu
from musedeep.storage.fits.data_sums import RunningMd5
from musedeep.storage.fits.image import MuseImage
from musedeep.threads import in_threads

LOW_EFFICIENCY: Final = 0.2
"""Value of a dark pixel, of a flat of mean 1, below which its quantum efficiency is low (found on the reference)."""

FLAGGED_ROWS: Final = 257
"""Rows in which a thread looks for bad pixels at a time."""

HALF_CENTRE: Final = 100
"""Rows on either side of the middle for the statistics of a slice (found on the reference)."""


def master_flat(call: RecipeCall[FlatParameters], ifu: int) -> IfuProducts:
    """The master flat of one IFU, and its trace."""
    parameters = call.parameters
    frames = open_frames(call.frames["FLAT"], ifu, "FLAT", RECIPE.inputs[0].minimum, RECIPE.name)
    call.parameters.check_number(len(frames))
    calibration = Calibrations(call.frames, ifu, call.parameters).of(frames[0])
    measured = measure_all(frames, call.parameters)
    combined = combine(
        measured, call.parameters, calibration, call.parameters, with_statistics=True, scale=parameters.scale
    )
    values = astuple(statistics(combined.data))
    cards = input_cards(measured, "FLAT", "flat", combined.inputs)
    cards += statistics_cards("ESO QC FLAT MASTER", values, "the master flat before normalization")
    total = np.float32(values[1] * combined.data.size)
    cards.append(("ESO QC FLAT MASTER INTFLUX", total, "Flux value, integrated over the whole master flat"))
    mean = float(combined.data.mean(dtype=np.float64))
    if not mean > 0:
        raise MusedeepError(f"{frames[0].path}: mean flux {mean:.1f} count, no light; give flats with the lamp on")
    factor = np.float32(1.0 / mean)
    combined.data *= factor
    combined.stat *= factor**2
    n_saturated = combined.n_saturated
    if n_saturated > combined.dq.size // 2:
        raise MusedeepError(f"{frames[0].path}: {n_saturated} pixels are saturated; give flats with shorter exposures")
    md5 = RunningMd5()
    if parameters.normalize:  # the values are those of the product
        md5.add(combined.data)
    products = IfuProducts()
    shared = overscan_cards(measured, call.parameters)
    if parameters.trace:
        slices = trace(combined.data, None, parameters.nsum, parameters.order, parameters.edgefrac)
        y = np.arange(1.0, combined.data.shape[0] + 1)
        edges = np.array([s.at(y)[1:] for s in slices]) - 1.0
        cards += slice_cards(combined.data, edges, mean)

        def flag_pixels(k: int) -> None:
            rows = slice(k * FLAGGED_ROWS, (k + 1) * FLAGGED_ROWS)
            left, right = (np.ascontiguousarray(edges[:, side, rows]) for side in (0, 1))
            limits = parameters.losigmabadpix, parameters.hisigmabadpix, LOW_EFFICIENCY
            flat_pixels(combined.data[rows], left, right, *limits, combined.dq[rows])

        in_threads(flag_pixels, -(-combined.data.shape[0] // FLAGGED_ROWS))
        fitted = [(s.coefficients, s.width, s.mean_squares) for s in slices]
        tables = {"TRACE_TABLE": trace_hdu(*map(np.array, zip(*fitted, strict=True)))}
        if parameters.samples:
            samples = [(np.full(s.y.size, s.number), s.y, s.left, s.right) for s in slices]
            tables["TRACE_SAMPLES"] = samples_hdu(*map(np.concatenate, zip(*samples, strict=True)))
        for category, table in tables.items():
            quality = trace_cards(slices, combined.data.shape[0]) if category == "TRACE_TABLE" else []
            name = product_name(category, ifu)
            header = product_header(RECIPE, frames[0], category, name, call.frames, parameters, [*quality, *shared])
            products.tables[category] = header, table
    if not parameters.normalize:
        combined.data *= np.float32(mean)
        combined.stat *= np.float32(mean) ** 2
        md5.add(combined.data)
    md5.add(combined.dq, combined.stat)
    cards.append(("ESO QC FLAT MASTER NSATURATED", n_saturated, "Number of saturated pixels in output data"))
    name = product_name("MASTER_FLAT", ifu)
    header = product_header(RECIPE, frames[0], "MASTER_FLAT", name, call.frames, parameters, [*cards, *shared])
    products.images["MASTER_FLAT"] = MuseImage(combined.data, combined.dq, combined.stat, header, "count", md5)
    return products


def slice_cards(data: NDArray[np.float32], edges: NDArray[np.float64], mean: float) -> list[Card]:
    """ESO QC FLAT MASTER SLICEj: of the rows around the middle, in count.

    Parameters
    ----------
    data : float32 (rows, columns), of mean 1
    edges : float64 (slices, 2, rows), columns from 0
    mean : count
    """
    middle = data.shape[0] // 2 - 1
    cards: list[Card] = []
    for j in range(edges.shape[0]):
        left, right = (round(float(edge)) for edge in edges[j, :, middle])
        s = statistics(data[max(middle - HALF_CENTRE, 0) : middle + HALF_CENTRE + 1, left + 1 : right])
        key = f"ESO QC FLAT MASTER SLICE{j + 1} "
        cards.append(
            (key + "MEAN", np.float32(s.mean * mean), f"Mean value around the vertical center of slice {j + 1}")
        )
        cards.append((key + "STDEV", np.float32(s.stdev * mean), "Standard deviation around the vertical center"))
    return cards


def trace_cards(slices: list[SliceTrace], n_rows: int) -> list[Card]:
    """ESO QC TRACE."""
    cards: list[Card] = []
    middle = np.array([n_rows // 2], np.float64)
    ends = np.array([1.0, n_rows])
    rows = np.arange(1.0, n_rows + 1)
    for name, word, one in (("SLICE_L", "leftmost", slices[0]), ("SLICE_R", "rightmost", slices[-1])):
        first, last = one.at(ends)[0]
        tilt = np.degrees(np.arctan((last - first) / (n_rows - 1)))
        place = one.at(middle)[0][0]
        cards.append((f"ESO QC TRACE {name} XPOS", np.float32(place), f"[pix] Location of midpoint of {word} slice"))
        cards.append((f"ESO QC TRACE {name} TILT", np.float32(tilt), f"[deg] Tilt of {word} slice from vertical"))
    for one in slices:
        slopes = np.concatenate([np.polynomial.Polynomial(c).deriv()(rows) for c in one.coefficients])
        steepest = np.float32(slopes[np.abs(slopes).argmax()])
        cards.append(
            (f"ESO QC TRACE SLICE{one.number} MAXSLOPE", steepest, "The maximum slope of the derived tracing functions")
        )
    for number, word in ((3, "bottom left"), (10, "top left"), (39, "bottom right"), (46, "top right")):
        width = np.float32(slices[number - 1].width)
        cards.append((f"ESO QC TRACE SLICE{number} WIDTH", width, f"[pix] Width of {word} slice in the IFU"))
    middles = np.array([one.at(middle) for one in slices])[:, :, 0]
    widths = np.array([one.width for one in slices])
    for name, values in (("WIDTHS", widths), ("GAPS", middles[1:, 1] - middles[:-1, 2])):
        words = {kind: kind for kind in ("MEDIAN", "MEAN", "STDEV", "MIN", "MAX")}
        cards += figure_cards(f"ESO QC TRACE {name}", values, words, f"[pix] {{}} of {name.lower()} of slices")
    return cards


run = by_ifu(RECIPE, master_flat)
