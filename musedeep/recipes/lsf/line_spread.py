"""muse_lsf: arc exposures to the line-spread functions of the slices (manual 6.4, 9.5, A.3.9)."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.kernels.lsf.profile import full_widths, normalised, profile_image, scaled
from musedeep.processors import available_processors
from musedeep.recipes.lsf.hermite import fitted
from musedeep.recipes.lsf.lines import lamp_lines
from musedeep.recipes.lsf.products import write_subtracted
from musedeep.recipes.lsf.recipe import RECIPE, LsfParameters
from musedeep.recipes.lsf.samples import Sampler, SliceSamples
from musedeep.recipes.run_ifus import IfuProducts, Outcome, RecipeCall, product_name, run_ifus
from musedeep.reduction.headers.cards import Card, figure_cards
from musedeep.reduction.headers.product import product_header
from musedeep.reduction.image.arc_lamps import LampFrames, by_lamp, combine_lamp, flat_flux_cards
from musedeep.reduction.image.calibrations import Calibrations
from musedeep.reduction.image.combine import THREADS, MeasuredFrame, input_cards, overscan_cards
from musedeep.reduction.image.inputs import open_frames
from musedeep.storage.calibrations.line_catalog import read_line_catalog
from musedeep.storage.calibrations.lsf_profile import hermite_hdu, profile_hdu
from musedeep.storage.raw.frames import RawFrame

FIRST, LAST = 4650.0, 9300.0
"""Wavelengths of the first and the last plane, Angstrom."""

WORDS = {
    "MEAN": "Mean FWHM of the LSF in this slice",
    "STDEV": "Standard deviation of the FWHM",
    "MIN": "Smallest FWHM in this slice",
    "MAX": "Largest FWHM in this slice",
}


def run(call: RecipeCall[LsfParameters]) -> Outcome:
    """Measure the line-spread functions of the chosen IFUs; raises as `run_ifus.run_ifus`."""
    if not _arcs(call.frames):
        raise MusedeepError("muse_lsf: no ARC or ARC_LSF in the set of frames; add raw arc exposures")
    # the frames of both tags stand under the first one, which the IFUs are taken from
    call = replace(call, frames={"ARC_LSF": (), **call.frames, "ARC": _arcs(call.frames)})
    return run_ifus(RECIPE, line_spread, call, RECIPE.categories(call.parameters))


def _arcs(frames: Mapping[str, Any]) -> list[str]:
    """All arc exposures, those of both tags."""
    return list(dict.fromkeys([*frames.get("ARC", ()), *frames.get("ARC_LSF", ())]))


def line_spread(call: RecipeCall[LsfParameters], ifu: int) -> Iterator[IfuProducts]:
    """The line-spread functions of one IFU."""
    p = call.parameters
    frames = open_frames(call.frames["ARC"], ifu, "ARC", 1, RECIPE.name)
    lamps = by_lamp(frames, p.combine)
    calibrations = Calibrations(call.frames, ifu, p)
    trace, solution = calibrations.trace, calibrations.waves
    catalog = read_line_catalog(call.frames["LINE_CATALOG"][0])
    calibrations.check_mode(frames[0])
    calibration = calibrations.of(frames[0])
    reach = p.lsf_range + p.lsf_regression_window
    mode = str(frames[0].primary.get("ESO INS MODE"))
    chosen = {lamp.name: lamp_lines(catalog, lamp.name, mode, p.line_quality, reach) for lamp in lamps}
    if not any(lines.wavelengths.size for lines in chosen.values()):
        names = ", ".join(chosen)
        raise MusedeepError(
            f"{catalog.path}: no line of {names} has quality {p.line_quality} and is alone in its window; lower "
            "--line_quality, or give another LINE_CATALOG"
        )
    sampler: Sampler | None = None
    measured: list[list[MeasuredFrame]] = []
    shape = (0, 0)
    for lamp in lamps:
        image = combine_lamp(lamp, p, calibration, p.combine)
        shape = image.combined.data.shape
        sampler = sampler or Sampler(trace, solution, shape[0], p.save_subtracted)
        sampler.add(image, chosen[lamp.name])
        measured.append(image.measured)
        del image
    assert sampler is not None
    _check_lines(sampler, frames[0], lamps, (solution.path, trace.path))
    images, offsets = profiles(sampler.slices, p)
    hdu: Any = None
    if p.method == "hermit":
        parameters, images = fitted(images, np.linspace(FIRST, LAST, p.lambda_size), offsets)
        hdu = hermite_hdu(ifu, parameters)
    else:
        hdu = profile_hdu(images, offsets, FIRST, LAST)
    grid_step = float(offsets[1] - offsets[0])
    cards: list[Card] = [
        *input_cards(measured[0], "WAVECAL"),
        *quality_cards(images, grid_step),
        *overscan_cards(measured[0], p),
        *flat_flux_cards(calibration.flat),
    ]
    raws = [(f.path, _tag(call, str(f.path))) for lamp in lamps for f in lamp.frames]
    others = {tag: paths for tag, paths in call.frames.items() if tag not in ("ARC", "ARC_LSF")}

    def header(category: str, extra: list[Card]) -> Any:
        name = product_name(category, ifu)
        return product_header(RECIPE, frames[0], category, name, others, p, extra, raws)

    yield IfuProducts(tables={"LSF_PROFILE": (header("LSF_PROFILE", cards), hdu)})
    if p.save_subtracted:
        name = product_name("PIXTABLE_SUBTRACTED", ifu)
        head = header("PIXTABLE_SUBTRACTED", cards[: len(measured[0])] + flat_flux_cards(calibration.flat))
        yield IfuProducts(
            writers=[
                lambda c, number: write_subtracted(
                    c.output / name, head, number, sampler, images, offsets, (FIRST, LAST), shape, c.overwrite
                )
            ]
        )


def _tag(call: RecipeCall, path: str) -> str:
    """The tag that an exposure was given with."""
    return "ARC_LSF" if path in {str(p) for p in call.frames["ARC_LSF"]} else "ARC"


def _check_lines(sampler: Sampler, first: RawFrame, lamps: list[LampFrames], tables: Sequence[Path]) -> None:
    """Raise MusedeepError if no line could be measured in any slice."""
    if any(one.n_lines > 0 for one in sampler.slices):
        return
    names = ", ".join(lamp.name for lamp in lamps)
    raise MusedeepError(
        f"{first.path}: no line of {names} could be measured in any slice (no light, or saturated); give well exposed "
        f"arcs, and the WAVECAL_TABLE and TRACE_TABLE that belong to them, not {' and '.join(map(str, tables))}"
    )


def profiles(slices: list[SliceSamples], parameters: LsfParameters) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Profiles of all slices, and the offsets they are given at.

    Returns
    -------
    float64 (48, lambda_size, lsf_size), per Angstrom; 0 for slices without lines
    float64 (lsf_size,), Angstrom
    """
    p = parameters
    offsets = np.linspace(-p.lsf_range, p.lsf_range, p.lsf_size)
    wavelengths = np.linspace(FIRST, LAST, p.lambda_size)

    def one(samples: SliceSamples) -> NDArray[np.float64]:
        if not samples.n_lines:
            return np.zeros((wavelengths.size, offsets.size))
        offset, u, values = (
            np.concatenate(parts)
            for parts in zip(*((s.offset, scaled(s.wavelength), s.values) for s in samples.lamps), strict=True)
        )
        image = profile_image(offset, u, values, offsets, p.lsf_regression_window, wavelengths)
        return normalised(image, float(offsets[1] - offsets[0]))

    with ThreadPoolExecutor(min(available_processors(), THREADS)) as pool:
        return np.stack(list(pool.map(one, slices))), offsets


def quality_cards(images: NDArray[np.float64], step: float) -> list[Card]:
    """ESO QC LSF SLICEj FWHM, of the slices that have profiles."""
    cards: list[Card] = []
    for j in range(1, N_SLICES + 1):
        widths = full_widths(images[j - 1], step)
        widths = widths[np.isfinite(widths)]
        if widths.size < 2:
            continue
        cards += figure_cards(f"ESO QC LSF SLICE{j} FWHM", widths, WORDS, "[Angstrom] {}")
    return cards
