"""Declaration of muse_scibasic."""

from typing import Final

from musedeep.declaration import POSITIVE, Parameter, Product, Quality, Range, Recipe, Tag
from musedeep.reduction.parameters import BADPIX_TABLE, COMBINE, MASTER_DARK, MERGE, NIFU, OVERSCAN

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
