"""Declaration of muse_bias."""

from musedeep.declaration import MIB, Cost, Format, Input, Product, Quality, Recipe, parameter
from musedeep.instrument import IMAGE_BYTES
from musedeep.reduction.parameters import BADPIX_TABLE, MERGE, CombineParameters, NifuParameters, OverscanParameters


class BiasParameters(CombineParameters, OverscanParameters, NifuParameters):
    """Parameters of muse_bias."""

    losigmabadpix: float = parameter(
        30.0, "Limit for dark columns, in mean absolute deviations of the column means.", gt=0
    )
    hisigmabadpix: float = parameter(
        3.0, "Limit for bright columns, in mean absolute deviations of the column means.", gt=0
    )
    merge: bool = MERGE


RECIPE = Recipe(
    name="muse_bias",
    summary="Combine raw biases into a master bias.",
    inputs=(Input("BIAS", 3, None, "Raw bias", raw=True, match=("read_out",)), BADPIX_TABLE),
    model=BiasParameters,
    products=(Product("MASTER_BIAS-nn.fits", "Master bias of IFU nn, adu", Format.IMAGE, IMAGE_BYTES),),
    quality=(
        Quality("BIAS INPUTi NSATURATED", "Saturated pixels of raw bias i"),
        Quality("BIAS MASTERn RON, RONERR", "Read-out noise of quadrant n, and its scatter over windows [count]"),
        Quality("BIAS MASTERn MEDIAN, MEAN, STDEV, MIN, MAX", "Statistics of quadrant n"),
        Quality("BIAS MASTERn SLOPE X, Y", "Slopes of quadrant n [adu/pix]"),
        Quality("BIAS LEVELn MEAN, STDEV, MEDIAN", "Of the medians of quadrant n of the raw frames [adu]"),
        Quality("BIAS MASTER NBADPIX", "Pixels of bad columns"),
        Quality("BIAS MASTER NSATURATED", "Saturated pixels of the master bias"),
    ),
    section=1,
    cost=Cost(350 * MIB, 2.0),
    work="musedeep.recipes.bias.master",
)
