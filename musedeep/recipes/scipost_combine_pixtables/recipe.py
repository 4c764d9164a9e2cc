"""Declaration of muse_scipost_combine_pixtables: a step of muse_scipost (manual 9.12) by itself."""

from typing import Literal

from musedeep.declaration import MIB, Cost, Format, Input, Product, Recipe, Scope, parameter
from musedeep.reduction.cube.parameters import WavelengthParameters
from musedeep.reduction.parameters import SAVE_FITS


class CombinePixtablesParameters(WavelengthParameters):
    """Parameters of muse_scipost_combine_pixtables."""

    weight: Literal["exptime", "fwhm", "none"] = parameter(
        "exptime",
        "Weights of exposures: exptime, fwhm (exposure time and seeing), none (the weight column of the tables, if "
        "any).",
    )


RECIPE = Recipe(
    name="muse_scipost_combine_pixtables",
    summary="Merge the pixel tables of IFUs, and put exposures together with offsets and weights.",
    inputs=(
        Input("PIXTABLE_OBJECT", 1, None, "Pixel table, one per IFU or one of all", raw=True),
        Input("OFFSET_LIST", 0, 1, "Offsets of position and flux scales by DATE_OBS", match=()),
    ),
    model=CombinePixtablesParameters,
    products=(
        Product("PIXTABLE_COMBINED.zarr", "All rows, positioned and weighted where they are of several exposures",
                Format.STORE, 190_000_000),
        Product("PIXTABLE_COMBINED.fits", "The same as FITS (--save-fits)", Format.PIXEL_TABLE, 390_000_000,
                {SAVE_FITS: True}),
    ),
    section=12,
    scope=Scope.EXPOSURE,
    cost=Cost(600 * MIB, 4.0),
    work="musedeep.recipes.scipost_combine_pixtables.work",
    in_night=False,
)  # fmt: skip
