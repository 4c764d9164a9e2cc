"""Declaration of muse_flat."""

from musedeep.declaration import MIB, Cost, Format, Input, Product, Quality, Recipe, parameter
from musedeep.instrument import IMAGE_BYTES
from musedeep.reduction import parameters as shared


class FlatParameters(shared.CombineParameters, shared.OverscanParameters, shared.NifuParameters):
    """Parameters of muse_flat."""

    scale: bool = parameter(True, "Scale the frames to the exposure time of the first one before combining.")
    normalize: bool = parameter(True, "Divide the master flat by the mean of all its pixels.")
    trace: bool = parameter(True, "Trace the slices on the master flat.")
    nsum: int = parameter(32, "Rows that are averaged for a sample of the trace.", ge=1)
    order: int = parameter(5, "Order of the polynomials of the trace.", ge=1)
    edgefrac: float = parameter(
        0.5, "Part of the median flux above which light in the middle belongs to a slice.", gt=0, lt=1
    )
    losigmabadpix: float = parameter(
        5.0, "Limit for dark pixels, in mean absolute deviations from the median of a row.", gt=0
    )
    hisigmabadpix: float = parameter(5.0, "Limit for bright pixels, in mean absolute deviations from the median.", gt=0)
    samples: bool = parameter(False, "Write all samples of the trace.")
    merge: bool = shared.MERGE


RECIPE = Recipe(
    name="muse_flat",
    summary="Combine raw flats into a master flat, trace the slices and find bad pixels.",
    inputs=(Input("FLAT", 3, None, "Raw flat", raw=True), shared.MASTER_BIAS, shared.MASTER_DARK, shared.BADPIX_TABLE),
    model=FlatParameters,
    hidden=("scale", "normalize"),
    products=(
        Product("MASTER_FLAT-nn.fits", "Master flat of IFU nn, mean 1", Format.IMAGE, IMAGE_BYTES),
        Product("TRACE_TABLE-nn.fits", "Trace of the slices of IFU nn", Format.TABLE, 43_000, {"trace": True}),
        Product("TRACE_SAMPLES-nn.fits", "Samples of the trace (samples=true)", Format.TABLE, 150_000,
                {"trace": True, "samples": True}),
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
        Quality("TRACE WIDTHS, GAPS MEDIAN, MEAN, STDEV, MIN, MAX", "Of widths of slices, and of gaps [pix]"),
    ),
    section=3,
    cost=Cost(350 * MIB, 4.0),
    work="musedeep.recipes.flat.master",
)  # fmt: skip
