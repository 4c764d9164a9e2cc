"""A cube, and what belongs to it, of exposures whose rows are corrected when they are read, or of reduced ones.

1. `given_table` makes of the rows of an exposure what a cube is made of. Nothing is written before.
2. `ExposureCube` says which products there are, and what their headers record.
3. `reduction.cube.make.make_cube_here` makes them in this process; `graph.combine` could, too, of files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from musedeep.declaration import Recipe
from musedeep.recipes.run_exposures import ExposureRows
from musedeep.recipes.run_ifus import RecipeCall
from musedeep.reduction.cube.exposures import check_any_stage
from musedeep.reduction.cube.make import make_cube_here
from musedeep.reduction.cube.parameters import FormatParameters, ResamplingParameters
from musedeep.reduction.cube.products import TABLE_ENDINGS, CubeProducts
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.rows.source import JoinedRows
from musedeep.storage.fits.header_cards import add
from musedeep.storage.pixel_tables.given import GivenTable
from musedeep.storage.pixel_tables.table import PixelTable

FILTERS: Final = "FILTER_LIST"


class _Defaults(FormatParameters, ResamplingParameters):
    pass


@dataclass
class ExposureCube(CubeProducts):
    """The cube of a recipe on pixel tables of any stage of the reduction.

    Attributes
    ----------
    saved : products that are wanted: cube, positioned, combined, stacked
    weighted : how exposures are weighted
    called : parameters of the recipe, for headers and wavelengths, where `parameters` are others
    """

    saved: frozenset[str] = frozenset({"cube"})
    weighted: str = "exptime"
    called: Any = None

    @property
    def save(self) -> frozenset[str]:
        """See `CubeProducts.save`."""
        return self.saved

    @property
    def weight(self) -> str:
        """See `CubeProducts.weight`."""
        return self.weighted

    def check(self, table: PixelTable) -> None:
        """See `CubeProducts.check`."""
        check_any_stage(table)

    @property
    def wavelengths(self) -> tuple[float, float]:
        """See `CubeProducts.wavelengths`."""
        return self._recorded().lambdamin, self._recorded().lambdamax

    def _recorded(self) -> Any:
        return self.called or self.parameters


def given_table(exposure: ExposureRows) -> GivenTable:
    """The rows of an exposure, as corrected so far, for a cube."""
    header = exposure.header.copy()
    add(header, *exposure.cards)
    path = Path(exposure.paths[0] if exposure.paths else str(exposure.sources[0].path))
    flat = exposure.flat_spectrum.hdu() if exposure.flat_spectrum else None
    return GivenTable(JoinedRows(path, exposure.sources), header, path, flat)


def cube_of(
    recipe: Recipe[Any],
    call: RecipeCall[Any],
    exposures: Sequence[ExposureRows | Path],
    saved: frozenset[str],
    weight: str = "exptime",
    quality: str = "",
    cards: Sequence[Card] = (),
) -> ExposureCube:
    """The cube of exposures, ready to be made.

    Parameters
    ----------
    recipe, call : whose products these are; OFFSET_LIST, OUTPUT_WCS, FILTER_LIST of the call count
    exposures : corrected rows, or stores and files of reduced ones, of which the record of this recipe is left out
    saved : products that are wanted, see `ExposureCube`
    weight : see `reduction.cube.exposures.exposure_weights`
    quality : word of the recipe in keywords of quality control; none of them if empty
    cards : further cards of cube and images
    """
    # a recipe that resamples nothing has no parameters for it
    parameters: Any = call.parameters if isinstance(call.parameters, ResamplingParameters) else _Defaults()
    wanted = set(parameters.filter) - {"white"}  # which is built in
    raw = next(one.name for one in recipe.inputs if one.raw)
    others = sorted(one.name for one in recipe.inputs if not one.raw)
    auxiliary: dict[str, Any] = {
        tag.lower(): Path(call.frames[tag][0]) for tag in ("OFFSET_LIST", "OUTPUT_WCS", FILTERS) if call.frames.get(tag)
    }
    return ExposureCube(
        [one for one in exposures if isinstance(one, Path)], parameters, call.output, called=call.parameters,
        **auxiliary,
        raws=[(Path(path).name, raw) for path in call.frames[raw]],
        used=[(Path(path), tag) for tag in others for path in call.frames.get(tag, ()) if tag != FILTERS or wanted],
        given=[given_table(one) for one in exposures if isinstance(one, ExposureRows)],
        cards=cards, recipe=recipe, quality=quality, saved=saved, weighted=weight,
        combined_format=frozenset(kind for kind, ending in TABLE_ENDINGS.items() if ending in call.table_endings),
    )  # fmt: skip


def make(call: RecipeCall[Any], cube: ExposureCube) -> list[Path]:
    """Make the products of a cube with what the call may use; raises as `make_cube_here`."""
    return make_cube_here(
        cube, memory=call.memory, workers=call.workers, overwrite=call.overwrite, progress=call.progress,
        with_cube="cube" in cube.save,
    )  # fmt: skip
