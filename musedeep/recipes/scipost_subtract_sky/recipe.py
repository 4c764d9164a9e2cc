"""Declaration of muse_scipost_subtract_sky: a step of muse_scipost (manual 9.12) by itself."""

from musedeep.declaration import MIB, Cost, Input, Recipe, Scope, parameter
from musedeep.reduction import parameters as shared
from musedeep.reduction.cube.parameters import WavelengthParameters


class SubtractSkyParameters(WavelengthParameters):
    """Parameters of muse_scipost_subtract_sky."""

    orig: str = parameter("", "Name of a further column with the data as they were: orig; empty: none.")
    flux_sky: float = parameter(
        0.0,
        "Flux of the twilight flat of the IFU that the sky was measured with, to whose level data are brought; 0: that "
        "of the first pixel table (ESO DRS MUSE FLAT FLUX SKY).",
        ge=0,
    )
    flux_lamp: float = parameter(
        0.0,
        "The same of the lamp flat, where there is no twilight flat (ESO DRS MUSE FLAT FLUX LAMP).",
        ge=0,
    )


RECIPE = Recipe(
    name="muse_scipost_subtract_sky",
    summary="Subtract the lines and the continuum of a model of the night sky from pixel tables.",
    inputs=(
        Input("PIXTABLE_REDUCED", 1, None, "Flux-calibrated pixel table, one per IFU or one of all", raw=True),
        Input("SKY_LINES", 1, 1, "Sky lines with fluxes of a spaxel", match=()),
        Input("SKY_CONTINUUM", 1, 1, "Continuum of the sky", match=()),
        Input("LSF_PROFILE", 1, None, "Line-spread functions of the IFUs", match=("mode",)),
    ),
    model=SubtractSkyParameters,
    products=shared.REDUCED_TABLES,
    section=12,
    scope=Scope.EXPOSURE,
    cost=Cost(600 * MIB, 4.0),
    work="musedeep.recipes.scipost_subtract_sky.work",
    in_night=False,
)  # fmt: skip
