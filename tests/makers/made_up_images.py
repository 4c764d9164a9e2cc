"""The made-up recipe with images of exposures that are not needed: as muse_scibasic."""

from dataclasses import replace

from musedeep.declaration import parameter
from tests.makers import made_up_recipe


class WithImages(made_up_recipe.MadeUpParameters):
    saveimage: bool = parameter(True, "Write images.", in_night=False)


RECIPE = replace(made_up_recipe.RECIPE, model=WithImages, work=__name__)


def run(call):
    outcome = made_up_recipe.run(call)
    if call.parameters.saveimage:
        for path in list(outcome.paths):
            outcome.paths.append(path.with_name(path.name.removeprefix("PIXTABLE_").replace("_0", "_RED_0")))
            outcome.paths[-1].write_text("image")
    return outcome
