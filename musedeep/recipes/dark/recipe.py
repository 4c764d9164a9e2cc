"""Declaration of muse_dark."""

from musedeep.declaration import POSITIVE, Parameter, Product, Quality, Recipe, Tag
from musedeep.reduction.parameters import BADPIX_TABLE, COMBINE, MASTER_BIAS, MERGE, NIFU, OVERSCAN

HOUR = 3600.0
"""Exposure time that the master dark is normalised to, s."""

RECIPE = Recipe(
    name="muse_dark",
    summary="Combine raw darks into a master dark and find its hot pixels.",
    tags=(Tag("DARK", 3, None, "Raw dark"), MASTER_BIAS, BADPIX_TABLE),
    parameters=(
        NIFU,
        *OVERSCAN,
        *COMBINE,
        Parameter("scale", True, "Scale the frames to the exposure time of the first one before combining."),
        Parameter("normalize", HOUR, "Exposure time of the master dark, s; not above 0: that of the first frame."),
        Parameter(
            "hotsigma",
            5.0,
            "Limit for hot pixels, in mean absolute deviations above the median of their quadrant.",
            limits=POSITIVE,
        ),
        Parameter("model", False, "Make a smooth model of the master dark, too; of use for 50 long darks and more."),
        MERGE,
    ),
    products=(
        Product("MASTER_DARK-nn.fits", "Master dark of IFU nn, count in 3600 s"),
        Product("MODEL_DARK-nn.fits", "Smooth model of it, with model=true"),
    ),
    quality=(
        Quality("DARK INPUTi NSATURATED", "Saturated pixels of raw dark i"),
        Quality("DARK MASTER NBADPIX", "Hot pixels"),
        Quality("DARK MASTER MEDIAN, MEAN, STDEV, MIN, MAX", "Statistics of the good pixels"),
        Quality("DARK MASTER DC, DCERR", "Dark current in windows, and its scatter [count/pix/h]"),
        Quality("DARK MASTER NSATURATED", "Saturated pixels of the master dark"),
    ),
)
