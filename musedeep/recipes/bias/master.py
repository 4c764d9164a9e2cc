"""muse_bias: raw biases to a master bias (manual 9.1)."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple

import numpy as np

from musedeep.errors import MusedeepError
from musedeep.instrument import DQ
from musedeep.kernels.ccd.bad_pixels import bad_columns
from musedeep.kernels.ccd.image_statistics import noise_of_difference, slopes, statistics
from musedeep.recipes.bias.recipe import RECIPE, BiasParameters
from musedeep.recipes.run_ifus import IfuProducts, RecipeCall, by_ifu, product_name
from musedeep.reduction.headers.cards import Card, figure_cards, statistics_cards
from musedeep.reduction.headers.product import product_header
from musedeep.reduction.image.calibrations import known_bad_pixels
from musedeep.reduction.image.combine import (
    Calibration,
    Combined,
    MeasuredFrame,
    combine,
    input_cards,
    measure_all,
    overscan_cards,
)
from musedeep.reduction.image.inputs import open_frames
from musedeep.storage.fits.data_sums import RunningMd5
from musedeep.storage.fits.image import MuseImage
from musedeep.storage.raw.frames import Port, RawFrame
from musedeep.threads import results


def master_bias(call: RecipeCall[BiasParameters], ifu: int) -> IfuProducts:
    """The master bias of one IFU.

    The variance of every pixel of a raw bias is that of the read-out noise of its quadrant, which is measured in
    windows on the differences of neighbouring frames.
    """
    frames = open_frames(call.frames["BIAS"], ifu, "BIAS", RECIPE.inputs[0].minimum, RECIPE.name)
    call.parameters.check_number(len(frames))
    with ThreadPoolExecutor(1) as pool:  # frames are few: there is a processor that has none to measure
        noise_found = pool.submit(read_out_noise, frames)
        measured = measure_all(frames, call.parameters)
        noise = noise_found.result()
    gains = [port.gain for port in frames[0].ports]
    if min(gains) <= 0:
        raise MusedeepError(f"{frames[0].path}: gain {min(gains)} (ESO DET OUTn GAIN) is not above 0; correct it")
    calibration = Calibration(
        variance=tuple(ron**2 for ron, _ in noise),
        known_bad=known_bad_pixels(call.frames.get("BADPIX_TABLE", ()), frames[0]),
    )
    combined = combine(measured, call.parameters, calibration, call.parameters)
    md5 = RunningMd5()
    md5.add(combined.data)
    counts = [(ron * gain, error * gain) for (ron, error), gain in zip(noise, gains, strict=True)]
    n_bad = 0
    for port, (ron, _) in zip(frames[0].ports, counts, strict=True):
        at = port.trimmed_rows, port.trimmed_columns
        flags, n_low, n_high = bad_columns(
            combined.data[at], ron, call.parameters.losigmabadpix, call.parameters.hisigmabadpix
        )
        combined.dq[at][flags] |= DQ.BAD_COLUMN
        n_bad += n_low + n_high
    md5.add(combined.dq, combined.stat)
    cards = [
        *quality_cards(measured, combined, counts),
        ("ESO QC BIAS MASTER NBADPIX", n_bad, "Bad pixels found in the search for bad columns"),
        ("ESO QC BIAS MASTER NSATURATED", combined.n_saturated, "Number of saturated pixels in output data"),
        *overscan_cards(measured, call.parameters),
    ]
    name = product_name("MASTER_BIAS", ifu)
    header = product_header(RECIPE, frames[0], "MASTER_BIAS", name, call.frames, call.parameters, cards)
    image = MuseImage(combined.data, combined.dq, combined.stat, header, "adu", md5)
    return IfuProducts(images={"MASTER_BIAS": image})


def read_out_noise(frames: list[RawFrame]) -> list[tuple[float, float]]:
    """Read-out noise of the four quadrants and its scatter, adu: means over pairs of neighbouring frames."""
    found = np.zeros((len(frames) - 1, len(frames[0].ports), 2))
    before = frames[0].read()
    for k, frame in enumerate(frames[1:]):
        after = frame.read()
        for i, port in enumerate(frame.ports):
            at = port.rows, port.columns
            found[k, i] = noise_of_difference(before[at], after[at])
        before = after
    return [(float(ron), float(error)) for ron, error in found.mean(0)]


def quality_cards(measured: list[MeasuredFrame], combined: Combined, noise: list[tuple[float, float]]) -> list[Card]:
    """ESO QC BIAS of inputs and quadrants; `noise` in count."""
    cards = input_cards(measured, "BIAS")
    ports = measured[0].frame.ports

    def figures(port: Port) -> tuple[tuple[float, ...], tuple[float, float]]:
        quadrant = combined.data[port.trimmed_rows, port.trimmed_columns]
        return astuple(statistics(quadrant)), slopes(quadrant)

    for i, (port, (values, (slope_x, slope_y))) in enumerate(zip(ports, results(figures, ports), strict=True)):
        n = port.number
        medians = np.array([m.medians[i] for m in measured])
        key, of_raw = f"ESO QC BIAS MASTER{n}", {"MEAN": "Average", "STDEV": "Standard deviation", "MEDIAN": "Median"}
        cards += [
            (f"{key} RON", np.float32(noise[i][0]), f"[count] Read-out noise in quadrant {n}"),
            (f"{key} RONERR", np.float32(noise[i][1]), f"[count] Read-out noise error in quadrant {n}"),
            *statistics_cards(key, values, f"master bias in quadrant {n}", "Standard deviation"),
            (f"{key} SLOPE X", np.float32(slope_x), f"[adu/pix] Average horizontal slope in quadrant {n}"),
            (f"{key} SLOPE Y", np.float32(slope_y), f"[adu/pix] Average vertical slope in quadrant {n}"),
            *figure_cards(f"ESO QC BIAS LEVEL{n}", medians, of_raw, "[adu] {} of the raw median values"),
        ]
    return cards


run = by_ifu(RECIPE, master_bias)
