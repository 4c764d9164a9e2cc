"""Declaration of muse_scipost_subtract_sky_simple: a step of muse_scipost (manual 9.12) by itself."""

from musedeep.declaration import MIB, Cost, Input, Recipe, Scope
from musedeep.reduction import parameters as shared
from musedeep.reduction.cube.parameters import WavelengthParameters


class SubtractSkySimpleParameters(WavelengthParameters):
    """Parameters of muse_scipost_subtract_sky_simple."""


RECIPE = Recipe(
    name="muse_scipost_subtract_sky_simple",
    summary="Subtract a spectrum of the night sky from pixel tables, the same from all slices.",
    inputs=(
        Input("PIXTABLE_REDUCED", 1, None, "Pixel table, one per IFU or one of all", raw=True),
        Input("SKY_SPECTRUM", 1, 1, "Spectrum of the sky", match=()),
    ),
    model=SubtractSkySimpleParameters,
    products=shared.REDUCED_TABLES,
    section=12,
    scope=Scope.EXPOSURE,
    cost=Cost(600 * MIB, 3.0),
    work="musedeep.recipes.scipost_subtract_sky_simple.work",
    in_night=False,
)  # fmt: skip
