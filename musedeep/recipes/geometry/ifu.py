"""muse_geometry: exposures of the multi-pinhole mask to the places of the slices in the field of view (manual 9.6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.slices.geometry import HOLE_DISTANCE
from musedeep.recipes.geometry.recipe import RECIPE, GeometryParameters
from musedeep.recipes.geometry.spots import (
    MaskPosition,
    check_travel,
    gather,
    locate_spots,
    measure_exposures,
    spots_table,
    width_cards,
)
from musedeep.recipes.geometry.table import IfuPeaks, ifu_peaks
from musedeep.recipes.run_ifus import Outcome, RecipeCall, product_name
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.headers.product import product_header
from musedeep.reduction.image.calibrations import Calibrations
from musedeep.reduction.image.combine import Calibration, Combined, combine, measure_all, overscan_cards
from musedeep.reduction.image.inputs import open_frames
from musedeep.reduction.parameters import AVERAGE, OverscanParameters
from musedeep.storage.calibrations.trace_table import TraceTable
from musedeep.storage.calibrations.wavecal_table import WavecalTable
from musedeep.storage.fits.image import MuseImage, write_image
from musedeep.storage.fits.table import write_table
from musedeep.storage.raw.frames import RawFrame, check_same_setup

PIXEL_BYTES: Final = 12
"""Of data, flags and variance of a reduced image."""


@dataclass
class Reduced:
    """One IFU after its exposures were measured.

    Attributes
    ----------
    frame : first raw frame
    frames : files of this IFU by tag
    trace, waves : its calibrations
    calibration : what is applied to its exposures
    peaks : for the table
    combined : path of MASK_COMBINED
    cards : overscan of the first frame
    """

    ifu: int
    frame: RawFrame
    frames: dict[str, list[str]]
    trace: TraceTable
    waves: WavecalTable
    calibration: Calibration
    peaks: IfuPeaks
    combined: Path
    cards: list[Card]


def reduce_ifu(
    call: RecipeCall[GeometryParameters],
    ifu: int,
    lines: NDArray[np.float64],
    overscan: OverscanParameters,
    outcome: Outcome,
) -> Reduced:
    """Combine the exposures of one IFU, find the spots, and measure them on each exposure."""
    with TemporaryDirectory(prefix=".muse_geometry-", dir=call.output) as directory:
        frames = []
        for path in call.frames["MASK"]:
            frames += open_frames([path], ifu, "MASK", 1, RECIPE.name)
            # a sequence of compressed exposures is too large to be kept in memory
            frames[-1].spill(Path(directory))
        check_same_setup(frames)
        return measure_ifu(call, frames, ifu, lines, overscan, outcome)


def measure_ifu(
    call: RecipeCall[GeometryParameters],
    frames: list[RawFrame],
    ifu: int,
    lines: NDArray[np.float64],
    overscan: OverscanParameters,
    outcome: Outcome,
) -> Reduced:
    """What `reduce_ifu` does with its opened exposures."""
    parameters = call.parameters
    positions = [MaskPosition.of(frame) for frame in frames]
    check_travel(positions, frames[0].path, HOLE_DISTANCE[1])
    calibrations = Calibrations(call.frames, ifu, overscan)
    calibration, trace, waves = calibrations.of(frames[0]), calibrations.trace, calibrations.waves
    mine = calibrations.files("MASK", "LINE_CATALOG", "BADPIX_TABLE")
    measured = measure_all(frames, overscan)
    combined = combine(measured, overscan, calibration, AVERAGE)
    cards = overscan_cards(measured, overscan)
    path = call.output / product_name("MASK_COMBINED", ifu)

    def save(category: str, path: Path, frame: RawFrame, values: Combined, extra: Sequence[Card]) -> None:
        header = product_header(RECIPE, frame, category, path.name, mine, parameters, extra)
        write_image(path, MuseImage(values.data, values.dq, values.stat, header, "count"), call.overwrite)
        outcome.paths.append(path)

    found, places = locate_spots(combined.data, lines, trace, waves, parameters.sigma)
    if not found.any():
        raise MusedeepError(
            f"{frames[0].path} and others: no arc line has three spots in a slice (sigma={parameters.sigma:g}); "
            f"give exposures with mask and lamps, and {trace.path} and {waves.path} of the same days"
        )
    save("MASK_COMBINED", path, frames[0], combined, cards)
    n_rows = combined.data.shape[0]
    del combined

    def keep(number: int, values: Combined) -> None:
        name = product_name(f"MASK_REDUCED_{number + 1:04d}", ifu)
        extra = overscan_cards([measured[number]], overscan)
        save("MASK_REDUCED", call.output / name, frames[number], values, extra)

    values = measure_exposures(
        measured, overscan, calibration, places[found].reshape(-1, 2), parameters.centroid == "gaussian",
        keep if parameters.saveimage else None,
    )  # fmt: skip
    spots = gather(ifu, lines, found, values, trace, positions, n_rows)
    table_path = call.output / product_name("SPOTS_TABLE", ifu)
    table = spots_table(spots, [str(frame.path) for frame in frames])
    extra = [*width_cards(spots), *cards]
    header = product_header(RECIPE, frames[0], "SPOTS_TABLE", table_path.name, mine, parameters, extra)
    write_table(table_path, header, table, None, call.overwrite)
    outcome.paths.append(table_path)
    return Reduced(ifu, frames[0], mine, trace, waves, calibration, ifu_peaks(spots), path, cards)
