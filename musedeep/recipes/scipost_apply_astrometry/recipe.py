"""Declaration of muse_scipost_apply_astrometry: a step of muse_scipost (manual 9.12) by itself."""

from musedeep.declaration import MIB, Cost, Input, Recipe, Scope
from musedeep.reduction import parameters as shared
from musedeep.reduction.cube.parameters import WavelengthParameters


class AstrometryParameters(WavelengthParameters):
    """Parameters of muse_scipost_apply_astrometry."""


RECIPE = Recipe(
    name="muse_scipost_apply_astrometry",
    summary="Place pixel tables on the sky by an astrometric solution.",
    inputs=(
        Input("PIXTABLE_OBJECT", 1, None, "Pixel table in the field of view, one per IFU or one of all", raw=True),
        Input("ASTROMETRY_WCS", 0, 1, "Astrometric solution; without it the nominal scale", match=("field",)),
    ),
    model=AstrometryParameters,
    products=shared.REDUCED_TABLES,
    section=12,
    scope=Scope.EXPOSURE,
    cost=Cost(600 * MIB, 4.0),
    work="musedeep.recipes.scipost_apply_astrometry.work",
    in_night=False,
)  # fmt: skip
