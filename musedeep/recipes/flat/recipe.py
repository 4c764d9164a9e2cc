"""Declaration of muse_flat."""

from musedeep.declaration import FRACTION, POSITIVE, Parameter, Product, Quality, Range, Recipe, Tag
from musedeep.reduction.parameters import BADPIX_TABLE, COMBINE, MASTER_BIAS, MASTER_DARK, MERGE, NIFU, OVERSCAN

RECIPE = Recipe(
    name="muse_flat",
    summary="Combine raw flats into a master flat, trace the slices and find bad pixels.",
    tags=(Tag("FLAT", 3, None, "Raw flat"), MASTER_BIAS, MASTER_DARK, BADPIX_TABLE),
    parameters=(
        NIFU,
        *OVERSCAN,
        *COMBINE,
        Parameter("scale", True, "Scale the frames to the exposure time of the first one before combining."),
        Parameter("normalize", True, "Divide the master flat by the mean of all its pixels."),
        Parameter("trace", True, "Trace the slices on the master flat."),
        Parameter("nsum", 32, "Rows that are averaged for a sample of the trace.", limits=Range(1)),
        Parameter("order", 5, "Order of the polynomials of the trace.", limits=Range(1)),
        Parameter(
            "edgefrac",
            0.5,
            "Part of the median flux above which light in the middle belongs to a slice.",
            limits=FRACTION,
        ),
        Parameter(
            "losigmabadpix",
            5.0,
            "Limit for dark pixels, in mean absolute deviations from the median of a row.",
            limits=POSITIVE,
        ),
        Parameter(
            "hisigmabadpix",
            5.0,
            "Limit for bright pixels, in mean absolute deviations from the median.",
            limits=POSITIVE,
        ),
        Parameter("samples", False, "Write all samples of the trace."),
        MERGE,
    ),
    products=(
        Product("MASTER_FLAT-nn.fits", "Master flat of IFU nn, mean 1"),
        Product("TRACE_TABLE-nn.fits", "Trace of the slices of IFU nn"),
        Product("TRACE_SAMPLES-nn.fits", "Samples of the trace (samples=true)"),
    ),
    quality=(
        Quality("FLAT INPUTi MEDIAN, MEAN, STDEV, MIN, MAX", "Statistics of flat i, bias subtracted [count]"),
        Quality("FLAT INPUTi NSATURATED", "Saturated pixels of raw flat i"),
        Quality("FLAT MASTER MEDIAN, MEAN, STDEV, MIN, MAX", "Statistics before normalisation [count]"),
        Quality("FLAT MASTER INTFLUX", "Sum of all pixels before normalisation"),
        Quality("FLAT MASTER NSATURATED", "Saturated pixels of the master flat"),
        Quality("FLAT MASTER SLICEj MEAN, STDEV", "Statistics of the middle of slice j before normalisation"),
        Quality("TRACE SLICE_L, SLICE_R XPOS, TILT", "Place [pix] and tilt [deg] of the outermost slices"),
        Quality("TRACE SLICEj MAXSLOPE", "Largest slope of the trace of slice j"),
        Quality("TRACE SLICEj WIDTH", "Width of slices 3, 10, 39, 46 [pix]"),
        Quality("TRACE WIDTHS, GAPS", "MEDIAN, MEAN, STDEV, MIN, MAX of widths and gaps [pix]"),
    ),
)
