"""Declaration of muse_bias."""

from musedeep.declaration import POSITIVE, Parameter, Product, Quality, Recipe, Tag
from musedeep.reduction.parameters import BADPIX_TABLE, COMBINE, MERGE, NIFU, OVERSCAN

RECIPE = Recipe(
    name="muse_bias",
    summary="Combine raw biases into a master bias.",
    tags=(Tag("BIAS", 3, None, "Raw bias"), BADPIX_TABLE),
    parameters=(
        NIFU,
        *OVERSCAN,
        *COMBINE,
        Parameter(
            "losigmabadpix",
            30.0,
            "Limit for dark columns, in mean absolute deviations of the column means.",
            limits=POSITIVE,
        ),
        Parameter(
            "hisigmabadpix",
            3.0,
            "Limit for bright columns, in mean absolute deviations of the column means.",
            limits=POSITIVE,
        ),
        MERGE,
    ),
    products=(Product("MASTER_BIAS-nn.fits", "Master bias of IFU nn, adu"),),
    quality=(
        Quality("BIAS INPUTi NSATURATED", "Saturated pixels of raw bias i"),
        Quality("BIAS MASTERn RON, RONERR", "Read-out noise of quadrant n, and its scatter over windows [count]"),
        Quality("BIAS MASTERn MEDIAN, MEAN, STDEV, MIN, MAX", "Statistics of quadrant n"),
        Quality("BIAS MASTERn SLOPE X, SLOPE Y", "Slopes of quadrant n [adu/pix]"),
        Quality("BIAS LEVELn MEAN, STDEV, MEDIAN", "Of the medians of quadrant n of the raw frames [adu]"),
        Quality("BIAS MASTER NBADPIX", "Pixels of bad columns"),
        Quality("BIAS MASTER NSATURATED", "Saturated pixels of the master bias"),
    ),
)
