"""muse_scipost_combine_pixtables: the pixel tables of IFUs and exposures in one.

1. The IFUs of each exposure are merged: brought to one level, and the colour of the flat's lamp put back.
2. One exposure keeps its positions. Several are placed on the sky, by the OFFSET_LIST where there is one, scaled in
   flux, and get a column of weights.

The rows are read when they are written, so that memory does not grow with them.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

from musedeep.recipes.run_cube import cube_of, make
from musedeep.recipes.run_exposures import ExposureRows, exposures_of, write_product
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.scipost_combine_pixtables.recipe import RECIPE, CombinePixtablesParameters
from musedeep.reduction.headers.exposure import exposure_header
from musedeep.storage.outputs import refuse_existing

COMBINED: Final = "PIXTABLE_COMBINED"


def run(call: RecipeCall[CombinePixtablesParameters]) -> Outcome:
    """Run the recipe; raises MusedeepError for bad input."""
    wanted = call.parameters.lambdamin, call.parameters.lambdamax
    exposures = [one.with_lamp_colour().within(*wanted) for one in exposures_of(call.frames["PIXTABLE_OBJECT"])]
    if len(exposures) == 1:
        return Outcome(_merged(call, exposures[0]))
    cube = cube_of(RECIPE, call, exposures, frozenset({"combined"}), call.parameters.weight)
    return Outcome(make(call, cube))


def _merged(call: RecipeCall[CombinePixtablesParameters], exposure: ExposureRows) -> list[Path]:
    """Write the pixel table of one exposure."""
    for ending in call.table_endings:
        refuse_existing(call.output / f"{COMBINED}{ending}", call.overwrite)
    header = exposure_header(
        RECIPE, exposure.header, COMBINED, f"{COMBINED}.fits", call.frames, call.parameters, exposure.cards
    )
    return write_product(call, COMBINED, replace(exposure, header=header).product(workers=call.workers))
