"""muse_dark: raw darks to a master dark of one hour, with its hot pixels, and a model of it (manual 9.2)."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import DQ
from musedeep.kernels.ccd.bad_pixels import hot_pixels
from musedeep.kernels.ccd.dark_model import SHAPE, fit_dark_model
from musedeep.kernels.ccd.image_statistics import WINDOW, statistics, windows
from musedeep.kernels.rows.illumination import count_flag
from musedeep.recipes.dark.recipe import HOUR, RECIPE, DarkParameters
from musedeep.recipes.run_ifus import IfuProducts, RecipeCall, by_ifu, product_name
from musedeep.reduction.headers.cards import Card, statistics_cards
from musedeep.reduction.headers.product import product_header
from musedeep.reduction.image.calibrations import Calibrations
from musedeep.reduction.image.combine import Combined, MeasuredFrame, combine, input_cards, measure_all, overscan_cards
from musedeep.reduction.image.inputs import exposure_time, open_frames
from musedeep.storage.fits.data_sums import RunningMd5
from musedeep.storage.fits.image import MuseImage
from musedeep.threads import results


def dark_products(call: RecipeCall[DarkParameters], ifu: int) -> Iterator[IfuProducts]:
    """The master dark of one IFU, and its model if that is asked for.

    Raises
    ------
    MusedeepError
        Bad input, or a model is asked for and the dark has another size than MUSE's, or no good pixel.
    """
    model = call.parameters.model
    frames = open_frames(call.frames["DARK"], ifu, "DARK", RECIPE.inputs[0].minimum, RECIPE.name)
    quadrants = [(port.trimmed_rows, port.trimmed_columns) for port in frames[0].ports]
    size = max(rows.stop for rows, _ in quadrants), max(columns.stop for _, columns in quadrants)
    if model and size != SHAPE:
        raise MusedeepError(
            f"{frames[0].path}: {size[1]} x {size[0]} pixels, model=true is for {SHAPE[1]} x {SHAPE[0]}; leave it out"
        )
    call.parameters.check_number(len(frames))
    calibration = Calibrations(call.frames, ifu, call.parameters).of(frames[0])
    seconds = exposure_time(frames[0])
    measured = measure_all(frames, call.parameters)
    combined = combine(measured, call.parameters, calibration, call.parameters, scale=call.parameters.scale)
    n_bad = flag_hot(combined, quadrants, call.parameters.hotsigma)
    target = call.parameters.normalize
    if target > 0:
        factor = np.float32(target / seconds)
        combined.data *= factor
        combined.stat *= factor**2
        seconds = target
    md5 = RunningMd5()
    md5.add(combined.data, combined.dq, combined.stat)
    cards = quality_cards(measured, combined.data, combined.dq, n_bad, HOUR / seconds)
    if target > 0:
        cards.append(("EXPTIME", target, f"[s] Master dark normalized to {target:.3f}s exposure time"))
    cards += overscan_cards(measured, call.parameters)
    name = product_name("MASTER_DARK", ifu)
    header = product_header(RECIPE, frames[0], "MASTER_DARK", name, call.frames, call.parameters, cards)
    image = MuseImage(combined.data, combined.dq, combined.stat, header, "count", md5)
    yield IfuProducts(images={"MASTER_DARK": image})
    if not model:
        return
    fitted = fit_dark_model(combined.data, combined.dq, combined.stat, quadrants)
    if fitted is None:
        raise MusedeepError(f"{name}: no good pixel to fit a model to; look at the darks, or leave out model=true")
    del combined, image
    # the reference writes no quality of the model, and not that of the master dark again
    cards = [card for card in cards if not card[0].startswith("ESO QC")]
    name = product_name("MODEL_DARK", ifu)
    header = product_header(RECIPE, frames[0], "MODEL_DARK", name, call.frames, call.parameters, cards)
    yield IfuProducts(images={"MODEL_DARK": MuseImage(fitted.data, fitted.dq, fitted.stat, header, "count")})


def flag_hot(combined: Combined, quadrants: Sequence[tuple[slice, slice]], sigma: float) -> int:
    """Flag the hot pixels of the quadrants, each in a thread; returns their number."""

    def of_quadrant(at: tuple[slice, slice]) -> int:
        hot = hot_pixels(combined.data[at], combined.dq[at] == 0, sigma)
        combined.dq[at][hot] |= DQ.HOT
        return int(np.count_nonzero(hot))

    return sum(results(of_quadrant, quadrants))


def quality_cards(
    measured: list[MeasuredFrame], data: NDArray[np.float32], dq: NDArray[np.int32], n_bad: int, per_hour: float
) -> list[Card]:
    """ESO QC DARK, of good pixels; `per_hour` times the data is the count in an hour."""
    good, n_saturated = dq == 0, int(count_flag(dq, int(DQ.SATURATED)))
    with ThreadPoolExecutor(1) as pool:
        in_windows = pool.submit(dark_current, data, good)
        values = astuple(statistics(data, good))
        current, error = in_windows.result()
    key = "ESO QC DARK MASTER "
    return [
        *input_cards(measured, "DARK"),
        (key + "NBADPIX", n_bad, "Number of bad pixels determined from master dark"),
        *statistics_cards(key[:-1], values, "the master dark", "Standard deviation"),
        (key + "DC", np.float32(current * per_hour), "[count/pix/h] Dark current measured on master dark"),
        (key + "DCERR", np.float32(error * per_hour), "[count/pix/h] Dark current error"),
        (key + "NSATURATED", n_saturated, "Number of saturated pixels in output data"),
    ]


def dark_current(data: NDArray[np.float32], good: NDArray[np.bool_]) -> tuple[float, float]:
    """Median over windows of the mean of their good pixels, and the standard deviation of these means."""
    totals, numbers = [np.empty(0)], [np.empty(0, np.int64)]
    for y in range(0, data.shape[0], WINDOW):  # whose values stay in the processor's cache
        rows = slice(y, y + WINDOW)
        totals.append(windows(np.where(good[rows], data[rows], np.float32(0.0))).sum((1, 2), dtype=np.float64))
        numbers.append(windows(good[rows]).sum((1, 2)))
    total, number = np.concatenate(totals), np.concatenate(numbers)
    means = (total / np.maximum(number, 1))[number > number.max(initial=0) // 2]
    return (float(np.median(means)), float(means.std(ddof=1))) if means.size > 1 else (float("nan"), float("nan"))


run = by_ifu(RECIPE, dark_products)
