"""Declaration of muse_scipost_correct_rv: a step of muse_scipost (manual 9.12) by itself."""

from typing import Literal

from musedeep.declaration import MIB, Cost, Input, Recipe, Scope, parameter
from musedeep.reduction import parameters as shared
from musedeep.reduction.cube.parameters import WavelengthParameters


class VelocityParameters(WavelengthParameters):
    """Parameters of muse_scipost_correct_rv."""

    rvcorr: Literal["bary", "helio", "geo", "none"] = parameter(
        "bary", "Wavelengths as seen from the barycentre of the solar system, the Sun, the centre of the Earth; none."
    )


RECIPE = Recipe(
    name="muse_scipost_correct_rv",
    summary="Correct the wavelengths of pixel tables for the velocity of the telescope.",
    inputs=(
        Input("PIXTABLE_OBJECT", 1, None, "Pixel table without the correction, one per IFU or one of all", raw=True),
    ),
    model=VelocityParameters,
    products=shared.REDUCED_TABLES,
    section=12,
    scope=Scope.EXPOSURE,
    cost=Cost(600 * MIB, 4.0),
    work="musedeep.recipes.scipost_correct_rv.work",
    in_night=False,
)  # fmt: skip
