"""The made-up recipe with images of exposures that are not needed: as muse_scibasic."""

from dataclasses import replace

from musedeep.declaration import Parameter
from tests.makers import made_up_recipe

RECIPE = replace(
    made_up_recipe.RECIPE, parameters=(*made_up_recipe.RECIPE.parameters, Parameter("saveimage", True, ""))
)


def run(call):
    outcome = made_up_recipe.run(call)
    if call.parameters["saveimage"]:
        for path in list(outcome.paths):
            outcome.paths.append(path.with_name(path.name.removeprefix("PIXTABLE_").replace("_0", "_RED_0")))
            outcome.paths[-1].write_text("image")
    return outcome
