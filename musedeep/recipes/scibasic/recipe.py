"""Declaration of muse_scibasic."""

import math
from dataclasses import replace
from typing import Literal, Self

from pydantic import model_validator

from musedeep.declaration import MIB, Cost, Format, Input, Product, Quality, Recipe, parameter
from musedeep.instrument import IMAGE_BYTES
from musedeep.reduction import parameters as shared


class ScibasicParameters(shared.OverscanParameters, shared.NifuParameters):
    """Parameters of muse_scibasic."""

    crop: bool = parameter(
        True,
        "Keep only the useful wavelengths of the instrument mode: 4750-9350 Angstrom, 4700-9350 in "
        "nominal mode with adaptive optics, 4600-9350 in extended modes.",
    )
    cr: Literal["none", "dcr"] = parameter("none", "Flag cosmic rays on the image.")
    xbox: int = parameter(15, "Width of the boxes in which cr=dcr searches, pixels.", ge=3)
    ybox: int = parameter(40, "Height of the boxes in which cr=dcr searches, pixels.", ge=3)
    passes: int = parameter(2, "Passes of cr=dcr, at most.", ge=1)
    thres: float = parameter(5.8, "Gap in the values of a box beyond which cr=dcr flags, in standard deviations.", gt=0)
    combine: Literal["none", "average", "median", "minmax", "sigclip"] = parameter(
        "none", "Combine all exposures of a tag into one image first (not for science: manual 9.8.1)."
    )
    nlow: int = parameter(1, "Lowest values that minmax rejects.", ge=0)
    nhigh: int = parameter(1, "Highest values that minmax rejects.", ge=0)
    nkeep: int = parameter(1, "Values that minmax keeps at least.", ge=1)
    lsigma: float = parameter(3.0, "Lower limit of sigclip, in mean absolute deviations from the median.", gt=0)
    hsigma: float = parameter(3.0, "Upper limit of sigclip, in mean absolute deviations from the median.", gt=0)
    scale: bool = parameter(True, "Scale to the exposure time of the first exposure before combining.")
    saveimage: bool = parameter(True, "Write the calibrated image of each exposure.", in_night=False)
    skylines: str = parameter(
        "5577.339,6300.304",
        "Sky lines, Angstrom in air, from which the shift of the wavelengths is found; none: no shift.",
    )
    skyhalfwidth: float = parameter(5.0, "Half the width of the box around each sky line, Angstrom.", gt=0)
    skybinsize: float = parameter(0.1, "Bins of the spectrum to which the line is fitted, Angstrom.", gt=0)
    skyreject: str = parameter("15.,15.,1", "Clipping of pixels in the box: high and low limit in sigma, iterations.")
    skyneighbours: bool = parameter(
        True,
        "Fit the known faint lines beside each sky line, too. false: a lone Gaussian, as the reference "
        "does, whose shift is wrong by 0.01 to 0.03 Angstrom a line.",
        neutral=False,
    )
    resample: bool = parameter(False, "Write an image with wavelengths along the columns, for a look.")
    dlambda: float = parameter(1.25, "Step of wavelength of that image, Angstrom.", gt=0)
    merge: bool = shared.MERGE

    @property
    def cosmic_search(self) -> shared.CosmicSearch:
        """The search for cosmic rays on images."""
        return shared.CosmicSearch(self.cr, (self.ybox, self.xbox), self.passes, self.thres)

    @property
    def sky_line_search(self) -> shared.SkyLineSearch:
        """How the shift of the wavelengths is found."""
        text = self.skylines.strip()
        lines = _numbers("skylines", text) if text.lower() != "none" else ()
        limits = _numbers("skyreject", self.skyreject)
        if not 0 <= len(limits) <= 3 or min(limits, default=1) < 0:
            raise ValueError(f"skyreject={self.skyreject} is not HIGH,LOW,ITERATIONS; as in 15.,15.,1")
        high, low, passes = (*limits, *(15.0, 15.0, 1.0)[len(limits) :])
        width, size = self.skyhalfwidth, self.skybinsize
        if size > width:
            raise ValueError(f"skyhalfwidth={width:g}, skybinsize={size:g} make no box with bins; as in 5 and 0.1")
        return shared.SkyLineSearch(lines, width, size, high, low, int(passes), self.skyneighbours)

    @property
    def combination(self) -> shared.CombineParameters:
        """How exposures are combined; each is taken as it is with combine=none."""
        if self.combine == "none":
            return shared.AVERAGE
        names = set(shared.CombineParameters.model_fields)
        return shared.CombineParameters.model_validate(self.model_dump(include=names))

    @model_validator(mode="after")
    def _searches_fit(self) -> Self:
        _ = self.sky_line_search
        if self.combine != "none" and self.cr != "none":
            raise ValueError("cr=dcr works on single exposures; take --combine=none, or --cr=none")
        return self


def _numbers(name: str, text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(word) for word in text.split(",") if word.strip())
    except ValueError:
        values = (math.nan,)
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"{name}={text} are not numbers, separated by commas; correct it")
    return values


RECIPE = Recipe(
    name="muse_scibasic",
    summary="Calibrate the CCD images of exposures and turn them into pixel tables.",
    inputs=(
        Input("OBJECT", 0, None, "Raw exposure of a science target", raw=True),
        Input("STD", 0, None, "Raw exposure of a standard star", raw=True),
        Input("SKY", 0, None, "Raw exposure of an (almost) empty field", raw=True),
        Input("ASTROMETRY", 0, None, "Raw exposure of an astrometric field", raw=True),
        Input("REDUCED", 0, None, "Calibrated image (instead of raw exposures; needs no bias and no flat)",
              left_out="stands for raw frames that are reduced already, not for what a telescope delivers"),
        Input("ILLUM", 0, 1, "Raw lamp flat taken next to the exposures", nearest="ILLUM", match=("field", "read_out")),
        replace(shared.MASTER_BIAS, minimum=0, needed=True), shared.MASTER_DARK,
        replace(shared.MASTER_FLAT, minimum=0, needed=True), shared.TRACE_TABLE, shared.WAVECAL_TABLE,
        shared.GEOMETRY_TABLE,
        Input("TWILIGHT_CUBE", 0, None, "Smoothed cube of the twilight sky", match=("mode",)),
        shared.BADPIX_TABLE,
    ),
    model=ScibasicParameters,
    hidden=("combine", "nlow", "nhigh", "nkeep", "lsigma", "hsigma", "scale"),
    products=(
        Product("TAG_RED_eeee-nn.fits", "Calibrated image of exposure eeee of each tag, IFU nn (saveimage=true)",
                Format.IMAGE, IMAGE_BYTES, {"saveimage": True}),
        Product("TAG_RESAMPLED_eeee-nn.fits", "Image with wavelengths along the columns (resample=true)", Format.PLANE,
                54_000_000, {"resample": True}),
        Product("PIXTABLE_TAG_eeee-nn.zarr", "Pixel table as a store (with --save-fits also as .fits)", Format.STORE,
                145_000_000),
        Product("PIXTABLE_TAG_eeee-nn.fits", "The same as FITS (--save-fits)", Format.PIXEL_TABLE, 376_000_000,
                {shared.SAVE_FITS: True}),
    ),
    quality=(
        Quality("SCIBASIC NSATURATED", "Saturated pixels of the image"),
        Quality("SCIBASIC LAMBDA SHIFT", "Shift added to the wavelengths, from sky lines [Angstrom]"),
    ),
    section=8,
    cost=Cost(650 * MIB, 5.0),
    apart=True,
    work="musedeep.recipes.scibasic.ifus",
)  # fmt: skip
