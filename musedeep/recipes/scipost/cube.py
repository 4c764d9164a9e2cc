"""What muse_scipost makes of all its exposures together: the cube, images of the field, the combined pixel table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from musedeep.recipes.run_ifus import RecipeCall
from musedeep.recipes.scipost.recipe import RECIPE, ScipostParameters
from musedeep.reduction.cube.exposures import check_any_stage
from musedeep.reduction.cube.make import make_cube_here
from musedeep.reduction.cube.products import CubeProducts
from musedeep.storage.pixel_tables.given import GivenTable
from musedeep.storage.pixel_tables.table import PixelTable

OF_ALL: Final = frozenset({"cube", "positioned", "combined", "stacked"})
"""Values of `save` for products that are made here."""


@dataclass
class ScipostCube(CubeProducts):
    """The products (`reduction.cube.job.CubeRecipe`)."""

    recipe = RECIPE
    quality = "SCIPOST"

    def check(self, table: PixelTable) -> None:
        """Refuse a pixel table that is of no use; its data may be counts, its positions pixels of the field."""
        check_any_stage(table)


def cube_of(
    call: RecipeCall[ScipostParameters], stores: Sequence[Path] = (), given: Sequence[GivenTable] = ()
) -> ScipostCube:
    """The products of exposures whose reduced rows are in stores, or are given."""
    tags = sorted(one.name for one in RECIPE.inputs if not one.raw)
    optional = ("OFFSET_LIST", "OUTPUT_WCS", "FILTER_LIST")
    single: dict[str, Any] = {tag.lower(): Path(call.frames[tag][0]) for tag in optional if call.frames.get(tag)}
    raws = [(Path(path).name, one.name) for one in RECIPE.inputs if one.raw for path in call.frames[one.name]]
    return ScipostCube(
        pixel_tables=stores, given=given, parameters=call.parameters, output=call.output,
        parameter_texts=tuple((name, str(value)) for name, value in call.parameters.given.items()), raws=raws,
        used=[(Path(path).name, tag) for tag in tags for path in call.frames.get(tag, ())], **single,
    )  # fmt: skip


def make_products(
    call: RecipeCall[ScipostParameters], stores: Sequence[Path] = (), given: Sequence[GivenTable] = ()
) -> list[Path]:
    """Make the products that `save` asks for; raises as `make_cube_here`."""
    return make_cube_here(
        cube_of(call, stores, given), memory=call.memory, workers=call.workers, overwrite=call.overwrite,
        progress=call.progress, with_cube="cube" in call.parameters.save,
    )  # fmt: skip
