"""Declaration of muse_scipost_calibrate_flux: a step of muse_scipost (manual 9.12) by itself."""

from musedeep.declaration import MIB, Cost, Input, Recipe, Scope, parameter
from musedeep.reduction import parameters as shared
from musedeep.reduction.cube.parameters import WavelengthParameters


class FluxParameters(WavelengthParameters):
    """Parameters of muse_scipost_calibrate_flux."""

    water: bool = parameter(
        True,
        "Scale the telluric absorption of water by the precipitable water in the headers (TEL AMBI IWV), not by the "
        "airmass alone.",
        neutral=False,
    )


RECIPE = Recipe(
    name="muse_scipost_calibrate_flux",
    summary="Calibrate the flux of pixel tables, with extinction and telluric absorption.",
    inputs=(
        Input("PIXTABLE_OBJECT", 1, None, "Pixel table with counts, one per IFU or one of all", raw=True),
        Input("EXTINCT_TABLE", 1, 1, "Atmospheric extinction", match=()),
        Input("STD_RESPONSE", 1, 1, "Response of the instrument", match=("mode",)),
        Input("STD_TELLURIC", 0, 1, "Telluric absorption", match=("mode",)),
    ),
    model=FluxParameters,
    products=shared.REDUCED_TABLES,
    section=12,
    scope=Scope.EXPOSURE,
    cost=Cost(600 * MIB, 4.0),
    work="musedeep.recipes.scipost_calibrate_flux.work",
    in_night=False,
)  # fmt: skip
