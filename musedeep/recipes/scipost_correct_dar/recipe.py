"""Declaration of muse_scipost_correct_dar: a step of muse_scipost (manual 9.12) by itself."""

from typing import Literal

from musedeep.declaration import MIB, Cost, Input, Recipe, Scope, parameter
from musedeep.reduction import parameters as shared
from musedeep.reduction.cube.parameters import WavelengthParameters


class RefractionParameters(WavelengthParameters):
    """Parameters of muse_scipost_correct_dar."""

    lambdaref: float = parameter(
        7000.0, "Wavelength at which refraction moves nothing [Angstrom]; below 0: refraction is not corrected."
    )
    darcheck: Literal["none", "check", "correct"] = parameter(
        "none", "Measure on sources how refraction was corrected: none, check (report), correct (correct what is left)."
    )


RECIPE = Recipe(
    name="muse_scipost_correct_dar",
    summary="Correct the positions of pixel tables for differential atmospheric refraction.",
    inputs=(
        Input("PIXTABLE_OBJECT", 1, None, "Pixel table without the correction, one per IFU or one of all", raw=True),
    ),
    model=RefractionParameters,
    products=shared.REDUCED_TABLES,
    section=12,
    scope=Scope.EXPOSURE,
    cost=Cost(600 * MIB, 4.0),
    work="musedeep.recipes.scipost_correct_dar.work",
    in_night=False,
)  # fmt: skip
