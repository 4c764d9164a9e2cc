"""muse_geometry: exposures of the multi-pinhole mask to the places of the slices in the field of view (manual 9.6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS
from musedeep.kernels.slices.geometry import HOLE_DISTANCE
from musedeep.recipes.basic_inputs import check_bias, find_image, known_bad_pixels, open_frames
from musedeep.recipes.basic_parameters import BADPIX_TABLE, MASTER_BIAS, MASTER_DARK, OVERSCAN, Overscan
from musedeep.recipes.basic_processing import Calibration, Combined, combine, measure_all, overscan_cards
from musedeep.recipes.basic_products import product_header
from musedeep.recipes.basic_run import Outcome, RecipeCall, product_name
from musedeep.recipes.declaration import NOT_NEGATIVE, POSITIVE, Parameter, Product, Quality, Range, Recipe, Tag
from musedeep.recipes.geometry_lines import read_lines
from musedeep.recipes.geometry_spots import (
    AVERAGE,
    MaskPosition,
    check_travel,
    gather,
    locate_spots,
    measure_exposures,
    spots_table,
    width_cards,
)
from musedeep.recipes.geometry_table import (
    IfuPeaks,
    flux_cards,
    geometry,
    geometry_hdu,
    ifu_peaks,
    smoothed,
    table_cards,
)
from musedeep.recipes.product_headers import Card
from musedeep.storage.calibrations.ifu_files import read_of_ifu
from musedeep.storage.calibrations.slice_tables import TraceTable, WavecalTable, read_trace_table, read_wavecal_table
from musedeep.storage.fits.image import MuseImage, write_image
from musedeep.storage.fits.table import write_table
from musedeep.storage.outputs import check_space, refuse_existing
from musedeep.storage.raw.frames import RawFrame, check_same_setup, open_raw_frame, raw_ifus

RECIPE = Recipe(
    name="muse_geometry",
    summary="Find where the slices lie in the field of view, from exposures of the multi-pinhole mask.",
    tags=(
        Tag("MASK", 50, None, "Raw exposures of the multi-pinhole mask, the full sequence"),
        MASTER_BIAS,
        MASTER_DARK,
        Tag("MASTER_FLAT", 0, None, "Master flat of the IFU"),
        Tag("TRACE_TABLE", 1, None, "Trace of the IFU"),
        Tag("WAVECAL_TABLE", 1, None, "Wavelength calibration of the IFU"),
        Tag("LINE_CATALOG", 1, 1, "Arc lines (manual A.2.1)"),
        BADPIX_TABLE,
        Tag("MASK_CHECK", 0, None, "Raw exposures to make images of with the new table"),
    ),
    parameters=(
        Parameter("ifu1", 1, "First IFU to analyse.", limits=Range(1, N_IFUS)),
        Parameter(
            "ifu2",
            24,
            "Last IFU to analyse; IFUs that the raw files do not hold are left out.",
            limits=Range(1, N_IFUS),
        ),
        Parameter("sigma", 2.2, "Limit for spots, in median deviations above the median.", limits=POSITIVE),
        Parameter("centroid", "gaussian", "How places and widths of spots are measured.", ("barycenter", "gaussian")),
        Parameter(
            "smooth", 1.5, "Limit beyond which values are smoothed within each stack of slices; 0 or less: not at all."
        ),
        Parameter(
            "lambdamin",
            6800.0,
            "Lower limit of wavelengths of the reconstructed cube and images, Angstrom.",
            limits=NOT_NEGATIVE,
        ),
        Parameter(
            "lambdamax",
            7200.0,
            "Upper limit of wavelengths of the reconstructed cube and images, Angstrom.",
            limits=NOT_NEGATIVE,
        ),
        Parameter("saveimage", True, "Write the reduced exposures, 200 MB each."),
    ),
    products=(
        Product("MASK_REDUCED_kkkk-nn.fits", "Reduced exposure k of IFU nn (saveimage=true)"),
        Product("MASK_COMBINED-nn.fits", "Mean of all exposures of IFU nn"),
        Product("SPOTS_TABLE-nn.fits", "Measurements of all spots of IFU nn in all exposures"),
        Product("GEOMETRY_UNSMOOTHED.fits", "Places of the slices as measured"),
        Product("GEOMETRY_TABLE.fits", "Places of the slices"),
        Product("GEOMETRY_CUBE.fits", "Cube of the combined exposures, to check the table"),
        Product("GEOMETRY_CHECK_kkkk.fits", "Image of the field of MASK_CHECK k"),
    ),
    quality=(
        Quality("GEO EXPk FWHM MEAN, MEDIAN, STDEV", "Width of all bright spots in exposure k [pix]"),
        Quality("GEO FWHM MEAN, STDEV", "Mean and standard deviation of the mean widths of all exposures [pix]"),
        Quality("GEO IFUm ANGLE", "Angle of the mask against the slices of IFU m [deg]"),
        Quality("GEO IFUm WLENl", "Wavelength of arc line l [Angstrom]"),
        Quality("GEO IFUm WLENl FLUX MEAN, MEDIAN, STDEV", "Flux of spots while a hole passes; 0: line not found"),
        Quality("GEO IFUm GAPPOS MEAN", "Mean position of the central gap of IFU m [pix]"),
        Quality("GEO GAPPOS MEAN, STDEV", "Of the central gaps of all IFUs [pix]"),
        Quality("GEO MASK ANGLE", "Angle of the mask against the slices of all IFUs [deg]"),
        Quality("GEO TABLE NBAD", "Slices that were not measured"),
        Quality("GEO SMOOTH NX, NY, NANGLE, NWIDTH", "Values that smoothing changed; -1: no smoothing"),
    ),
)

PIXEL_BYTES: Final = 12
"""Of data, flags and variance of a reduced image."""
_IFU_ONLY: Final = ("EXTNAME", "ESO DET CHIP *", "ESO DET OUT*", "ESO DET OUTPUTS")


@dataclass
class Reduced:
    """One IFU after its exposures were measured.

    Attributes
    ----------
    ifu : int
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
    frames: dict[str, Sequence[str]]
    trace: TraceTable
    waves: WavecalTable
    calibration: Calibration
    peaks: IfuPeaks
    combined: Path
    cards: list[Card]


def run(call: RecipeCall) -> Outcome:
    """Measure the chosen IFUs one after the other, then make the table of all.

    An IFU that fails is reported and left out of the table.

    Raises
    ------
    MusedeepError
        Bad input, or all IFUs failed.
    """
    from musedeep.recipes.geometry_cube import write_checks, write_cube

    ifus = chosen(call)
    refuse_all(call, ifus)
    limits = float(call.parameters["lambdamin"]), float(call.parameters["lambdamax"])
    if not limits[0] < limits[1]:
        raise MusedeepError(f"muse_geometry: lambdamin={limits[0]:g} is not below lambdamax={limits[1]:g}; correct it")
    lines = read_lines(call.frames["LINE_CATALOG"][0])
    overscan = Overscan.of({p.name: p.default for p in OVERSCAN})
    outcome, done = Outcome(), []
    call.progress.begin(len(ifus), "IFUs")
    for ifu in ifus:
        try:
            done.append(reduce_ifu(call, ifu, lines, overscan, outcome))
        except MusedeepError as error:
            outcome.failures[ifu] = f"IFU {ifu}: {error}"
        call.progress.advance()
    if not done:
        raise MusedeepError("; ".join(outcome.failures.values()))
    call.progress.begin(0, "making the table of all IFUs")
    found = [one.peaks for one in done]
    table = geometry(found)
    final, changed = smoothed(table, float(call.parameters["smooth"]))
    frames = {tag: files for tag, files in call.frames.items() if tag == "MASK"}
    for one in done:
        for tag, files in one.frames.items():
            frames[tag] = [*dict.fromkeys([*frames.get(tag, ()), *files])]

    def header(category: str, name: str, extra: Sequence[Card] = ()) -> fits.Header:
        made = product_header(RECIPE, done[0].frame, category, name, frames, call.parameters, extra)
        for key in _IFU_ONLY:
            for keyword in list(made[key]) if "*" in key else [key]:
                made.remove(keyword, ignore_missing=True)
        return made

    for category, result, number in (("GEOMETRY_UNSMOOTHED", table, None), ("GEOMETRY_TABLE", final, changed)):
        cards = [*flux_cards(found, result), *table_cards(result, number), *done[0].cards]
        path = call.output / f"{category}.fits"
        write_table(path, header(category, path.name, cards), geometry_hdu(result), None, call.overwrite)
        outcome.paths.append(path)
    outcome.paths.append(write_cube(call, done, final, header))
    outcome.paths += write_checks(call, done, final, header, overscan)
    call.progress.stop()
    return outcome


def chosen(call: RecipeCall) -> list[int]:
    """IFUs between ifu1 and ifu2 that the raw files hold.

    Raises
    ------
    MusedeepError
        The limits make no sense, or there is none.
    """
    first, last = int(call.parameters["ifu1"]), int(call.parameters["ifu2"])
    if first > last:
        raise MusedeepError(f"muse_geometry: ifu1={first} is above ifu2={last}; exchange or correct them")
    path = call.frames["MASK"][0]
    held = raw_ifus(path)
    ifus = [ifu for ifu in sorted(held) if first <= ifu <= last]
    if not ifus:
        names = ", ".join(map(str, sorted(held))) or "none"
        raise MusedeepError(f"{path}: no IFU of {first} to {last}, it holds {names}; give other frames or ifu1, ifu2")
    return ifus


def refuse_all(call: RecipeCall, ifus: Sequence[int]) -> None:
    """Raise MusedeepError if a product exists already, or there is no space for the reduced images."""
    names = ["GEOMETRY_UNSMOOTHED.fits", "GEOMETRY_TABLE.fits", "GEOMETRY_CUBE.fits"]
    names += [f"GEOMETRY_CHECK_{k:04d}.fits" for k in range(1, len(call.frames.get("MASK_CHECK", ())) + 1)]
    for ifu in ifus:
        names += [product_name(category, ifu) for category in ("MASK_COMBINED", "SPOTS_TABLE")]
        if call.parameters["saveimage"]:
            names += [product_name(f"MASK_REDUCED_{k:04d}", ifu) for k in range(1, len(call.frames["MASK"]) + 1)]
    for name in names:
        refuse_existing(call.output / name, call.overwrite)
    ports = open_raw_frame(call.frames["MASK"][0], ifus[0]).ports
    pixels = max(p.trimmed_rows.stop for p in ports) * max(p.trimmed_columns.stop for p in ports)
    images = 1 + bool(call.parameters["saveimage"]) * len(call.frames["MASK"])
    check_space(call.output / names[0], images * len(ifus) * pixels * PIXEL_BYTES)


def reduce_ifu(call: RecipeCall, ifu: int, lines: NDArray[np.float64], overscan: Overscan, outcome: Outcome) -> Reduced:
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
    call: RecipeCall,
    frames: list[RawFrame],
    ifu: int,
    lines: NDArray[np.float64],
    overscan: Overscan,
    outcome: Outcome,
) -> Reduced:
    """What `reduce_ifu` does with its opened exposures."""
    parameters = call.parameters
    positions = [MaskPosition.of(frame) for frame in frames]
    check_travel(positions, frames[0].path, HOLE_DISTANCE[1])
    bias = find_image(call.frames["MASTER_BIAS"], ifu, "MASTER_BIAS")
    assert bias is not None
    check_bias(bias, overscan)
    trace = read_of_ifu(read_trace_table, call.frames["TRACE_TABLE"], ifu, "TRACE_TABLE")
    waves = read_of_ifu(read_wavecal_table, call.frames["WAVECAL_TABLE"], ifu, "WAVECAL_TABLE")
    calibration = Calibration(
        bias=bias,
        dark=find_image(call.frames.get("MASTER_DARK", ()), ifu, "MASTER_DARK"),
        flat=find_image(call.frames.get("MASTER_FLAT", ()), ifu, "MASTER_FLAT"),
        known_bad=known_bad_pixels(call.frames.get("BADPIX_TABLE", ()), frames[0]),
    )
    mine: dict[str, Sequence[str]] = {"MASK": call.frames["MASK"], "MASTER_BIAS": [str(bias.path)]}
    for tag, image in (("MASTER_DARK", calibration.dark), ("MASTER_FLAT", calibration.flat)):
        mine[tag] = [str(image.path)] if image is not None else []
    mine |= {"TRACE_TABLE": [str(trace.path)], "WAVECAL_TABLE": [str(waves.path)]}
    mine |= {tag: call.frames.get(tag, ()) for tag in ("LINE_CATALOG", "BADPIX_TABLE")}

    measured = measure_all(frames, overscan)
    combined = combine(measured, overscan, calibration, AVERAGE)
    cards = overscan_cards(measured, overscan)
    path = call.output / product_name("MASK_COMBINED", ifu)

    def save(category: str, path: Path, frame: RawFrame, values: Combined, extra: Sequence[Card]) -> None:
        header = product_header(RECIPE, frame, category, path.name, mine, parameters, extra)
        write_image(path, MuseImage(values.data, values.dq, values.stat, header, "count"), call.overwrite)
        outcome.paths.append(path)

    found, places = locate_spots(combined.data, lines, trace, waves, float(parameters["sigma"]))
    if not found.any():
        raise MusedeepError(
            f"{frames[0].path} and others: no arc line has three spots in a slice (sigma={parameters['sigma']:g}); "
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
        measured, overscan, calibration, places[found].reshape(-1, 2), parameters["centroid"] == "gaussian",
        keep if parameters["saveimage"] else None,
    )  # fmt: skip
    spots = gather(ifu, lines, found, values, trace, positions, n_rows)
    table_path = call.output / product_name("SPOTS_TABLE", ifu)
    table = spots_table(spots, [str(frame.path) for frame in frames])
    extra = [*width_cards(spots), *cards]
    header = product_header(RECIPE, frames[0], "SPOTS_TABLE", table_path.name, mine, parameters, extra)
    write_table(table_path, header, table, None, call.overwrite)
    outcome.paths.append(table_path)
    return Reduced(ifu, frames[0], mine, trace, waves, calibration, ifu_peaks(spots), path, cards)
