"""muse_wavecal: arc exposures to wavelength solutions (manual 6.3.4, 9.4)."""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.processors import available_processors
from musedeep.recipes.run_ifus import IfuProducts, Outcome, RecipeCall, chosen_ifus, product_name, run_ifus
from musedeep.recipes.wavecal.images import write_resampled, write_wave_map
from musedeep.recipes.wavecal.quality import quality_cards, residuals_table, wavecal_table
from musedeep.recipes.wavecal.recipe import RECIPE, WavecalParameters
from musedeep.recipes.wavecal.slices import ArcImage, Settings, SliceResult, solve_slice
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.headers.product import product_header
from musedeep.reduction.image.arc_lamps import LampImage, by_lamp, combine_lamp, flat_flux_cards
from musedeep.reduction.image.calibrations import Calibrations
from musedeep.reduction.image.combine import THREADS, Combined, input_cards, overscan_cards
from musedeep.reduction.image.inputs import open_frames
from musedeep.reduction.parameters import OverscanParameters
from musedeep.storage.calibrations.line_catalog import LineCatalog, read_line_catalog
from musedeep.storage.calibrations.trace_table import TraceTable
from musedeep.storage.fits.image import MuseImage
from musedeep.storage.raw.frames import open_raw_frame

RANGES: Final = {"N": (4750.0, 9400.0), "E": (4600.0, 9400.0)}
"""Wavelengths of the lines that are used, by the last letter of the mode: what passes the blocking filter, Angstrom."""

DEFAULT_LINE_SIGMA: Final = 2.5
DEFAULT_FIT_SIGMA: Final = 3.0


def run(call: RecipeCall[WavecalParameters]) -> Outcome:
    """Find the wavelength solutions of the chosen IFUs; raises as `run_ifus.run_ifus`."""
    categories = RECIPE.categories(call.parameters)
    if call.parameters.saveimages:
        lamps = by_lamp([open_raw_frame(path, chosen_ifus(RECIPE, call)[0]) for path in call.frames["ARC"]], "")
        categories.remove("ARC_RED_LAMP_eeee")
        categories += [f"ARC_RED_LAMP_{i:04d}" for i in range(1, len(lamps) + 1)]
    return run_ifus(RECIPE, wavelength_solution, call, categories)


def settings_of(parameters: WavecalParameters, mode: str) -> Settings:
    """Parameters of the fits, in a mode of the instrument."""
    p = parameters
    return Settings(
        p.sigma, p.dres, p.tolerance, p.xorder, p.yorder,
        p.linesigma if p.linesigma > 0 else DEFAULT_LINE_SIGMA,
        p.fitsigma if p.fitsigma > 0 else DEFAULT_FIT_SIGMA,
        p.fitweighting, RANGES["E" if mode.endswith("-E") else "N"],
    )  # fmt: skip


def wavelength_solution(call: RecipeCall[WavecalParameters], ifu: int) -> Iterator[IfuProducts]:
    """The wavelength solution of one IFU, and images on request; one after the other."""
    parameters = call.parameters
    frames = open_frames(call.frames["ARC"], ifu, "ARC", RECIPE.inputs[0].minimum, RECIPE.name)
    settings = settings_of(parameters, str(frames[0].primary.get("ESO INS MODE", "")))
    lamps = by_lamp(frames, parameters.combine)
    calibrations = Calibrations(call.frames, ifu, parameters)
    trace = calibrations.trace
    catalog = read_line_catalog(call.frames["LINE_CATALOG"][0])
    calibrations.check_mode(frames[0])
    calibration = calibrations.of(frames[0])
    combined = [combine_lamp(lamp, parameters, calibration, parameters.combine) for lamp in lamps]
    headers = _Headers(call, ifu, parameters, combined, flat_flux_cards(calibration.flat))
    for i, lamp in enumerate(combined, 1) if parameters.saveimages else ():
        yield headers.image(f"ARC_RED_LAMP_{i:04d}", lamp.combined, [lamp])
    images = [
        ArcImage(
            one.lamp.number, one.lamp.name, one.combined.data, one.combined.dq, one.combined.stat,
            catalog.of_lamp(one.lamp.name),
        )
        for one in combined
    ]  # fmt: skip
    total = _sum(images) if parameters.resample or not parameters.lampwise else None
    if total is not None and not parameters.lampwise:
        yield headers.image("ARC_RED_0001", Combined(total.data, total.dq, total.stat), combined)
    chosen = images if parameters.lampwise or total is None else [total]
    results = _solve(chosen, catalog, trace, settings)
    _check(results, combined, parameters.lampwise, catalog)
    shape = images[0].data.shape
    made = IfuProducts()
    cards = quality_cards(results, combined, catalog, trace, shape[0])
    table = wavecal_table(results, settings.x_order, settings.y_order)
    made.tables["WAVECAL_TABLE"] = headers.of("WAVECAL_TABLE", cards), table
    if parameters.residuals:
        made.tables["WAVECAL_RESIDUALS"] = headers.of("WAVECAL_RESIDUALS"), residuals_table(results, catalog)
    if parameters.resample and total is not None:
        made.writers.append(partial(write_resampled, headers.of("ARC_RESAMPLED_0001"), total, results, trace))
    if parameters.wavemap:
        made.writers.append(partial(write_wave_map, headers.of("WAVE_MAP_0001"), shape, results, trace))
    made.notes += _unsolved(results)
    yield made


def _unsolved(results: list[SliceResult]) -> list[str]:
    """A line on slices without a solution, which other recipes leave out; none if all have one."""
    reasons: dict[str, list[int]] = {}
    for result in results:
        if result.solution is None:
            reasons.setdefault(result.why, []).append(result.number)
    if not reasons:
        return []
    text = "; ".join(f"{_in_short(numbers)} ({why})" for why, numbers in reasons.items())
    word = "slice" if sum(len(numbers) for numbers in reasons.values()) == 1 else "slices"
    return [f"no wavelength solution in {word} {text}; pixel tables will have no pixels of them"]


def _in_short(numbers: Sequence[int]) -> str:
    """Rising numbers in short, as in 3, 7-12."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


@dataclass
class _Headers:
    """What the headers of all products of an IFU are made of."""

    call: RecipeCall[WavecalParameters]
    ifu: int
    overscan: OverscanParameters
    lamps: list[LampImage]
    flux: list[Card]

    def of(self, name: str, extra: Sequence[Card] = (), lamps: Sequence[LampImage] = ()) -> fits.Header:
        """The header of a product, of some lamps or all."""
        used = lamps or self.lamps
        first = used[0]
        cards = [*extra, *overscan_cards(first.measured, self.overscan), *self.flux]
        raws = [(frame.path, "ARC") for lamp in used for frame in lamp.lamp.frames]
        others = {tag: paths for tag, paths in self.call.frames.items() if tag != "ARC"}
        category = re.sub(r"_\d{4}$", "", name)
        file_name = product_name(name, self.ifu)
        return product_header(
            RECIPE, first.lamp.frames[0], category, file_name, others, self.call.parameters, cards, raws
        )

    def image(self, name: str, image: Combined, lamps: Sequence[LampImage]) -> IfuProducts:
        """An image as a product."""
        header = self.of(name, _saturation_cards(lamps, image), lamps)
        return IfuProducts(images={name: MuseImage(image.data, image.dq, image.stat, header, "count")})


def _solve(images: list[ArcImage], catalog: LineCatalog, trace: TraceTable, settings: Settings) -> list[SliceResult]:
    """All slices, in threads."""
    with ThreadPoolExecutor(min(available_processors(), THREADS)) as pool:
        return list(
            pool.map(lambda k: solve_slice(k + 1, images, catalog, trace.coefficients[k], settings), range(N_SLICES))
        )


def _check(results: list[SliceResult], combined: list[LampImage], lampwise: bool, catalog: LineCatalog) -> None:
    """Raise MusedeepError if a lamp has no line at all, or no slice a solution."""
    for lamp in combined if lampwise else []:
        if not any((result.lamps == lamp.lamp.number).any() for result in results):
            raise MusedeepError(
                f"{lamp.lamp.frames[0].path}: no line of lamp {lamp.lamp.name} found in any slice; give exposures in "
                f"which the lamp burns and a LINE_CATALOG with its lines ({catalog.path}), or leave this lamp out"
            )
    if all(result.solution is None for result in results):
        reason = next(r.why for r in results if r.why)
        raise MusedeepError(
            f"{combined[0].lamp.frames[0].path}: no wavelength solution in any slice ({reason}); check the lamps and "
            f"the LINE_CATALOG ({catalog.path}), or change --sigma and --dres"
        )


def _sum(images: list[ArcImage]) -> ArcImage:
    """The sum of the images of all lamps."""
    first = images[0]
    data, dq, stat = first.data.copy(), first.dq.copy(), first.stat.copy()
    for image in images[1:]:
        data += image.data
        dq |= image.dq
        stat += image.stat
    lines = np.unique(np.concatenate([image.lines for image in images]))
    return ArcImage(0, "all", data, dq, stat, lines)


def _saturation_cards(lamps: Sequence[LampImage], image: Combined) -> list[Card]:
    """ESO QC WAVECAL INPUTi NSATURATED of raw frames, NSATURATED of their image."""
    cards = input_cards(lamps[0].measured, "WAVECAL", "arc")
    cards.append(("ESO QC WAVECAL NSATURATED", image.n_saturated, "Number of saturated pixels in output data"))
    if len(lamps) > 1:
        cards += [
            (f"ESO QC WAVECAL LAMP{k} INPUT{i} NSATURATED", one.n_saturated, f"Saturated pixels in arc {i} of lamp {k}")
            for k, lamp in enumerate(lamps, 1)
            for i, one in enumerate(lamp.measured, 1)
        ]
    return cards
