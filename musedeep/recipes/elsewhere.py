"""Recipes that only the ESO pipeline has so far: inputs and products, for sets-of-frames (manual 9.9 to 9.13)."""

from dataclasses import replace

from musedeep.declaration import Input, Parameters, Product, Recipe, Scope

EXTINCT_TABLE = Input("EXTINCT_TABLE", 0, 1, "Atmospheric extinction", match=())
FILTER_LIST = Input("FILTER_LIST", 0, 1, "Filter curves", match=())
SKY_LINES = Input("SKY_LINES", 0, 1, "Fluxes of sky lines", match=())
LSF_PROFILE = Input("LSF_PROFILE", 0, None, "Line-spread functions of the IFUs", match=("mode",))
RESPONSE = (
    Input("STD_RESPONSE", 0, 1, "Response of the instrument", match=("mode",)),
    Input("STD_TELLURIC", 0, 1, "Telluric absorption", match=("mode",)),
)


def _later(
    name: str,
    section: int,
    inputs: tuple[Input, ...],
    products: tuple[Product, ...],
    scope: Scope = Scope.FIELD,
    directory: str = "",
) -> Recipe[Parameters]:
    first = replace(inputs[0], raw=True)
    return Recipe(
        f"muse_{name}", "", (first, *inputs[1:]), Parameters, products, (), section, scope, directory=directory
    )


RECIPES = (
    _later(
        "exp_align", 13,
        (Input("IMAGE_FOV", 2, None, "Images of the field, one per exposure"),),
        (Product("OFFSET_LIST.fits", "Offsets of the exposures"),),
        Scope.EXPOSURES, "exp_align",
    ),
)  # fmt: skip
