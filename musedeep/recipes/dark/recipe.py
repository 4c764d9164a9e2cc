"""Declaration of muse_dark."""

from typing import Final

from musedeep.declaration import MIB, Cost, Format, Input, Product, Quality, Recipe, parameter
from musedeep.instrument import IMAGE_BYTES
from musedeep.reduction import parameters as shared

HOUR: Final = 3600.0
"""Exposure time that the master dark is normalised to, s."""


class DarkParameters(shared.CombineParameters, shared.OverscanParameters, shared.NifuParameters):
    """Parameters of muse_dark."""

    scale: bool = parameter(True, "Scale the frames to the exposure time of the first one before combining.")
    normalize: float = parameter(HOUR, "Exposure time of the master dark, s; not above 0: that of the first frame.")
    hotsigma: float = parameter(
        5.0, "Limit for hot pixels, in mean absolute deviations above the median of their quadrant.", gt=0
    )
    model: bool = parameter(False, "Make a smooth model of the master dark, too; of use for 50 long darks and more.")
    merge: bool = shared.MERGE


RECIPE = Recipe(
    name="muse_dark",
    summary="Combine raw darks into a master dark and find its hot pixels.",
    inputs=(Input("DARK", 3, None, "Raw dark", raw=True, match=("read_out",)), shared.MASTER_BIAS, shared.BADPIX_TABLE),
    model=DarkParameters,
    hidden=("scale", "normalize"),
    products=(
        Product("MASTER_DARK-nn.fits", "Master dark of IFU nn, count in 3600 s", Format.IMAGE, IMAGE_BYTES),
        Product(
            "MODEL_DARK-nn.fits", "Smooth model of it, with model=true", Format.IMAGE, IMAGE_BYTES, {"model": True}
        ),
    ),
    quality=(
        Quality("DARK INPUTi NSATURATED", "Saturated pixels of raw dark i"),
        Quality("DARK MASTER NBADPIX", "Hot pixels"),
        Quality("DARK MASTER MEDIAN, MEAN, STDEV, MIN, MAX", "Statistics of the good pixels"),
        Quality("DARK MASTER DC, DCERR", "Dark current in windows, and its scatter [count/pix/h]"),
        Quality("DARK MASTER NSATURATED", "Saturated pixels of the master dark"),
    ),
    section=2,
    cost=Cost(350 * MIB, 2.0),
    work="musedeep.recipes.dark.master",
)
