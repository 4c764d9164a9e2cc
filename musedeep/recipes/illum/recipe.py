"""Declaration of muse_illum."""

from musedeep.declaration import MIB, Cost, Format, Input, Parameters, Product, Recipe, Scope
from musedeep.instrument import N_COLUMNS, N_IFUS, N_ROWS


class IllumParameters(Parameters):
    """muse_illum has no parameters."""


RECIPE = Recipe(
    name="muse_illum",
    summary="Turn a raw illumination flat into a product, its values unchanged.",
    inputs=(Input("ILLUMFLAT", 1, 1, "Raw illumination flat", raw=True, match=("mode", "read_out")),),
    model=IllumParameters,
    products=(
        Product(
            "ILLUM_0001.fits",
            "The illumination flat as a product: 32-bit integers, an extension for each IFU",
            Format.PLANE,
            4 * N_COLUMNS * N_ROWS * N_IFUS,
        ),
    ),
    section=18,
    scope=Scope.FIELD,
    cost=Cost(150 * MIB, 0.5),
    in_night=False,
    work="musedeep.recipes.illum.convert",
)
