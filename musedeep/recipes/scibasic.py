"""muse_scibasic: raw on-sky exposures to pixel tables (manual 9.8)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS
from musedeep.recipes.basic_parameters import (
    BADPIX_TABLE,
    COMBINE,
    MASTER_DARK,
    MERGE,
    NIFU,
    OVERSCAN,
    Combination,
    Overscan,
)
from musedeep.recipes.basic_run import IfuProducts, Outcome, RecipeCall, run_ifus
from musedeep.recipes.declaration import POSITIVE, Parameter, Product, Quality, Range, Recipe, Tag
from musedeep.recipes.pixel_table_product import wants_fits
from musedeep.recipes.scibasic_image import CosmicSearch
from musedeep.recipes.scibasic_shift import SkyLineSearch
from musedeep.storage.fits.headers import scan_file
from musedeep.storage.outputs import refuse_existing
from musedeep.storage.raw.file import extension_name, raw_ifus

RAW: Final = ("OBJECT", "STD", "SKY", "ASTROMETRY")
"""Tags of raw exposures."""

REDUCED: Final = "REDUCED"
"""Tag of images that are calibrated already."""

RECIPE = Recipe(
    name="muse_scibasic",
    summary="Calibrate the CCD images of exposures and turn them into pixel tables.",
    tags=(
        Tag("OBJECT", 0, None, "Raw exposure of a science target"),
        Tag("STD", 0, None, "Raw exposure of a standard star"),
        Tag("SKY", 0, None, "Raw exposure of an (almost) empty field"),
        Tag("ASTROMETRY", 0, None, "Raw exposure of an astrometric field"),
        Tag(REDUCED, 0, None, "Calibrated image (instead of raw exposures; needs no bias and no flat)"),
        Tag("ILLUM", 0, 1, "Raw lamp flat taken next to the exposures"),
        Tag("MASTER_BIAS", 0, None, "Master bias of the IFU (needed for raw exposures)"),
        MASTER_DARK,
        Tag("MASTER_FLAT", 0, None, "Master flat of the IFU (needed for raw exposures)"),
        Tag("TRACE_TABLE", 1, None, "Trace of the slices of the IFU"),
        Tag("WAVECAL_TABLE", 1, None, "Wavelength solution of the IFU"),
        Tag("GEOMETRY_TABLE", 1, 1, "Places of all slices in the field of view"),
        Tag("TWILIGHT_CUBE", 0, None, "Smoothed cube of the twilight sky"),
        BADPIX_TABLE,
    ),
    parameters=(
        NIFU,
        *OVERSCAN,
        Parameter(
            "crop",
            True,
            "Keep only the useful wavelengths of the instrument mode: 4750-9350 Angstrom, 4700-9350 in nominal mode "
            "with adaptive optics, 4600-9350 in extended modes.",
        ),
        Parameter("cr", "none", "Flag cosmic rays on the image.", ("none", "dcr")),
        Parameter("xbox", 15, "Width of the boxes in which cr=dcr searches, pixels.", limits=Range(3)),
        Parameter("ybox", 40, "Height of the boxes in which cr=dcr searches, pixels.", limits=Range(3)),
        Parameter("passes", 2, "Passes of cr=dcr, at most.", limits=Range(1)),
        Parameter(
            "thres",
            5.8,
            "Gap in the values of a box beyond which cr=dcr flags, in standard deviations.",
            limits=POSITIVE,
        ),
        Parameter(
            "combine",
            "none",
            "Combine all exposures of a tag into one image first (not for science: manual 9.8.1).",
            ("none", "average", "median", "minmax", "sigclip"),
        ),
        *COMBINE[1:],
        Parameter("scale", True, "Scale to the exposure time of the first exposure before combining."),
        Parameter("saveimage", True, "Write the calibrated image of each exposure."),
        Parameter(
            "skylines",
            "5577.339,6300.304",
            "Sky lines, Angstrom in air, from which the shift of the wavelengths is found; none: no shift.",
        ),
        Parameter("skyhalfwidth", 5.0, "Half the width of the box around each sky line, Angstrom.", limits=POSITIVE),
        Parameter("skybinsize", 0.1, "Bins of the spectrum to which the line is fitted, Angstrom.", limits=POSITIVE),
        Parameter("skyreject", "15.,15.,1", "Clipping of pixels in the box: high and low limit in sigma, iterations."),
        Parameter(
            "skyneighbours",
            True,
            "Fit the known faint lines beside each sky line, too. false: a lone Gaussian, as the reference does, whose "
            "shift is wrong by 0.01 to 0.03 Angstrom a line.",
            neutral=False,
        ),
        Parameter("resample", False, "Write an image with wavelengths along the columns, for a look."),
        Parameter("dlambda", 1.25, "Step of wavelength of that image, Angstrom.", limits=POSITIVE),
        MERGE,
    ),
    products=(
        Product("TAG_RED_eeee-nn.fits", "Calibrated image of exposure eeee of each tag, IFU nn (saveimage=true)"),
        Product("TAG_RESAMPLED_eeee-nn.fits", "Image with wavelengths along the columns (resample=true)"),
        Product("PIXTABLE_TAG_eeee-nn.zarr", "Pixel table as a store (with --save-fits also as .fits)"),
    ),
    quality=(
        Quality("SCIBASIC NSATURATED", "Saturated pixels of the image"),
        Quality("SCIBASIC LAMBDA SHIFT", "Shift added to the wavelengths, from sky lines [Angstrom]"),
    ),
)


@dataclass(frozen=True)
class Exposure:
    """An exposure to work on, or several to combine: files, tag, and number among those of the tag, from 1."""

    paths: tuple[str, ...]
    tag: str
    number: int

    def category(self, kind: str) -> str:
        """Name of a product without IFU and suffix; `kind` is PIXTABLE, RED or RESAMPLED."""
        stem = f"PIXTABLE_{self.tag}" if kind == "PIXTABLE" else f"{self.tag}_{kind}"
        return f"{stem}_{self.number:04d}"


def exposures_of(frames: Mapping[str, Sequence[str]], combine: bool = False) -> list[Exposure]:
    """The exposures of a call, numbered by tag; to be combined, one a tag."""
    found = []
    for tag in (*RAW, REDUCED):
        paths = tuple(frames.get(tag, ()))
        groups = [paths] if combine and tag != REDUCED and paths else [(path,) for path in paths]
        found += [Exposure(group, tag, number) for number, group in enumerate(groups, 1)]
    return found


def run(call: RecipeCall) -> Outcome:
    """Make the pixel tables of all exposures of the chosen IFUs.

    Raises
    ------
    MusedeepError
        Bad input; see `basic_run.run_ifus`.
    """
    frames, parameters = call.frames, call.parameters
    combine = parameters["combine"] != "none"
    exposures = exposures_of(frames, combine)
    if not exposures:
        raise MusedeepError(f"muse_scibasic: no exposure; give at least one frame with the tag {', '.join(RAW)}")
    raw = any(one.tag != REDUCED for one in exposures)
    for tag in ("MASTER_BIAS", "MASTER_FLAT"):
        if raw and not frames.get(tag):
            raise MusedeepError(f"muse_scibasic: raw exposures need a {tag}, found none; add it")
    Overscan.of(parameters), CosmicSearch.of(parameters), SkyLineSearch.of(parameters)
    if combine and parameters["cr"] != "none":
        raise MusedeepError("muse_scibasic: cr=dcr works on single exposures; take --combine=none, or --cr=none")
    for one in exposures:
        if combine:
            Combination.of(parameters, len(one.paths))
    ifus = chosen_ifus(call, exposures)
    categories = [one.category("RED") for one in exposures if parameters["saveimage"] and one.tag != REDUCED]
    categories += [one.category("RESAMPLED") for one in exposures if parameters["resample"]]
    suffixes = [".zarr"] + [".fits"] * (call.save_fits or wants_fits())
    for one in exposures:
        for ifu in ifus:
            for suffix in suffixes:
                refuse_existing(call.output / f"{one.category('PIXTABLE')}-{ifu:02d}{suffix}", call.overwrite)
    return run_ifus(RECIPE, pixel_tables, call, categories, ifus)


def chosen_ifus(call: RecipeCall, exposures: Sequence[Exposure]) -> list[int]:
    """The IFUs to work on: that of nifu, or all in the exposures.

    Raises
    ------
    MusedeepError
        The files hold no IFU.
    """
    number = int(call.parameters["nifu"])
    if number > 0:
        return [number]
    found = sorted({ifu for one in exposures for path in one.paths for ifu in ifus_of(path, one.tag)})
    if not found:
        raise MusedeepError(f"{exposures[0].paths[0]}: no extension CHANnn; give raw MUSE frames")
    return found


def ifus_of(path: str, tag: str) -> list[int]:
    """IFUs in a file: by its extensions CHANnn, or CHANnn.DATA, or the name of the primary header of an image."""
    if tag != REDUCED:
        return raw_ifus(path)
    names = {unit.name[:6] for unit in scan_file(Path(path))}
    return [ifu for ifu in range(1, N_IFUS + 1) if extension_name(ifu) in names]


def pixel_tables(call: RecipeCall, ifu: int) -> Iterator[IfuProducts]:
    """The products of one IFU, exposure after exposure."""
    from musedeep.recipes.scibasic_exposure import IfuReduction

    reduction = IfuReduction.of(RECIPE, call, ifu)
    for one in exposures_of(call.frames, call.parameters["combine"] != "none"):
        yield from reduction.products(one.paths, one.tag, one.category)
