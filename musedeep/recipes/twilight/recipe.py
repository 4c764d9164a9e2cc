"""Declaration of muse_twilight."""

from typing import Final

from musedeep.declaration import NOT_NEGATIVE, Parameter, Product, Quality, Range, Recipe, Tag
from musedeep.reduction.parameters import BADPIX_TABLE, COMBINE, MASTER_BIAS, MASTER_DARK, OVERSCAN

HIGHEST_ORDER: Final = 10

RECIPE = Recipe(
    name="muse_twilight",
    summary="Combine twilight flats of all IFUs into a smooth cube of the illumination of the field.",
    tags=(
        Tag("SKYFLAT", 3, None, "Raw twilight flat"),
        Tag("ILLUM", 0, 1, "Raw lamp flat, to compare the slices of an IFU"),
        MASTER_BIAS,
        MASTER_DARK,
        Tag("MASTER_FLAT", 1, None, "Master flat of each IFU"),
        BADPIX_TABLE,
        Tag("TRACE_TABLE", 1, None, "Trace of each IFU"),
        Tag("WAVECAL_TABLE", 1, None, "Wavelength calibration of each IFU"),
        Tag("GEOMETRY_TABLE", 1, 1, "Places of the slices in the field of view"),
        Tag("VIGNETTING_MASK", 0, 1, "Where the field of view is vignetted"),
    ),
    parameters=(
        *OVERSCAN,
        *COMBINE,
        Parameter("scale", False, "Scale frames to the exposure time of the first before they are combined."),
        Parameter(
            "resample",
            "drizzle",
            "How pixels become voxels.",
            ("nearest", "linear", "quadratic", "renka", "drizzle", "lanczos"),
        ),
        Parameter(
            "crtype", "median", "Statistics by which cosmic rays are found in the cube.", ("iraf", "mean", "median")
        ),
        Parameter("crsigma", 50.0, "Limit for cosmic rays, in their spread; 0 or less: they are not looked for."),
        Parameter("lambdamin", 5000.0, "Lowest wavelength, Angstrom.", limits=NOT_NEGATIVE),
        Parameter("lambdamax", 9000.0, "Highest wavelength, Angstrom.", limits=NOT_NEGATIVE),
        Parameter("dlambda", 250.0, "Step of the planes of the cube, Angstrom.", limits=Range(1.25)),
        Parameter(
            "xorder", 2, "Order of the polynomial in x that is fitted to the field.", limits=Range(0, HIGHEST_ORDER)
        ),
        Parameter(
            "yorder", 2, "Order of the polynomial in y that is fitted to the field.", limits=Range(0, HIGHEST_ORDER)
        ),
        Parameter(
            "vignmaskedges",
            0.02,
            "Pixels on edges stronger than this are left out of the fit to the vignetted area; 0 or less: none.",
        ),
        Parameter("vignsmooth", "polyfit", "How the vignetted area is smoothed.", ("polyfit", "gaussian", "median")),
        Parameter(
            "vignxpar",
            -1,
            "Order in x of polyfit, twice the share of the FWHM of gaussian, or columns of median; -1: 4, 10 or 5.",
            limits=Range(-1, 100),
        ),
        Parameter(
            "vignypar",
            -1,
            "Order in y of polyfit, twice the share of the FWHM of gaussian, or rows of median; -1: 4, 10 or 5.",
            limits=Range(-1, 100),
        ),
        Parameter(
            "vignnfmmask",
            22,
            "Height of the vignetted area at the upper edge in the narrow-field mode, pixels.",
            limits=NOT_NEGATIVE,
        ),
        Parameter(
            "vignloss",
            False,
            "Follow a loss of light in the vignetted area, too; false: as the ESO pipeline 2.8.7, which sees an excess "
            "only, and looks for it in the lower half of the mask.",
        ),
    ),
    products=(
        Product("DATACUBE_SKYFLAT.fits", "Cube of the combined exposures"),
        Product("TWILIGHT_CUBE.fits", "Smooth cube of the illumination, planes of mean 1"),
    ),
    quality=(
        Quality("TWILIGHTm INPUTi MEDIAN, MEAN, STDEV, MIN, MAX", "Statistics of exposure i of IFU m [count]"),
        Quality("TWILIGHTm INPUTi NSATURATED", "Saturated pixels of raw exposure i of IFU m"),
        Quality("TWILIGHTm MASTER MEDIAN, MEAN, STDEV, MIN, MAX", "Statistics of the combined exposures [count]"),
        Quality("TWILIGHTm MASTER INTFLUX", "Sum of all pixels of the combined exposures"),
        Quality("TWILIGHTm INTFLUX", "Sum of the pixels of all slices between lambdamin and lambdamax"),
    ),
)
