"""The products of muse_exp_align, written one after the other; the OFFSET_LIST comes last."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from musedeep.recipes.exp_align.headers import offset_cards, product_header, source_cards, time_cards
from musedeep.recipes.exp_align.mosaic import mosaic
from musedeep.recipes.exp_align.offsets import Offsets, moved
from musedeep.recipes.exp_align.recipe import ExpAlignParameters
from musedeep.recipes.exp_align.sources import Sources
from musedeep.recipes.run_ifus import RecipeCall
from musedeep.storage.cubes.field_view import FieldPlane, FieldView, write_field_view
from musedeep.storage.fits.headers import number_of, text_of
from musedeep.storage.offset_list import OffsetRow, write_offset_list
from musedeep.storage.source_list import write_source_list

OFFSETS, PREVIEW, TIMES = "OFFSET_LIST.fits", "PREVIEW_FOV.fits", "EXPOSURE_MAP.fits"
PICTURE = "OFFSET_LIST.png"


@dataclass(frozen=True)
class Aligned:
    """Images, the source lists that were given (one for each image, or none), their sources and their offsets."""

    views: Sequence[FieldView]
    lists: Sequence[Path]
    sources: Sequence[Sources]
    offsets: Offsets

    @cached_property
    def planes(self) -> list[FieldPlane]:
        """Coordinates of the images after their offsets."""
        return [moved(view.plane, value) for view, value in zip(self.views, self.offsets.values, strict=True)]

    @property
    def files(self) -> list[str]:
        """The images."""
        return [str(view.path) for view in self.views]


def product_names(call: RecipeCall[ExpAlignParameters]) -> list[str]:
    """File names of all products of a call."""
    names = [f"SOURCE_LIST_{k:04d}.fits" for k in range(1, len(call.frames["IMAGE_FOV"]) + 1)]
    names += [PREVIEW] + ([TIMES] if call.parameters.expmap else [])
    return [*names, *([PICTURE] if call.plots else []), OFFSETS]


def write_products(call: RecipeCall[ExpAlignParameters], aligned: Aligned, notes: list[str]) -> Iterator[Path]:
    """Write all products, and yield the path of each when it is there; what is missing in them is added to notes.

    Raises
    ------
    MusedeepError
        A product exists and may not be replaced, or cannot be written.
    """
    yield from _source_lists(call, aligned)
    yield from _images(call, aligned, notes)
    if call.plots:
        from musedeep.recipes.exp_align.plots import draw_offsets

        planes, radius = [view.plane for view in aligned.views], call.parameters.radii[-1]
        yield draw_offsets(
            call.output / PICTURE, planes, aligned.sources, aligned.offsets, radius, call.overwrite
        )  # fmt: skip
    rows = [
        OffsetRow(
            text_of(view.header, "DATE-OBS", view.path), float(ra), float(dec), None,
            number_of(view.header, "MJD-OBS", view.path),
        )
        for view, (ra, dec) in zip(aligned.views, aligned.offsets.values, strict=True)
    ]  # fmt: skip
    numbers = [one.number for one in aligned.sources]
    header = product_header(
        aligned.views[0].header, "OFFSET_LIST", OFFSETS, aligned.files, aligned.lists, call.parameters,
        offset_cards(numbers, aligned.offsets.matches, aligned.offsets.values),
    )  # fmt: skip
    write_offset_list(call.output / OFFSETS, rows, header, call.overwrite)
    yield call.output / OFFSETS


def _source_lists(call: RecipeCall[ExpAlignParameters], aligned: Aligned) -> Iterator[Path]:
    for k, (view, sources) in enumerate(zip(aligned.views, aligned.sources, strict=True)):
        path = call.output / f"SOURCE_LIST_{k + 1:04d}.fits"
        header = product_header(
            view.header, "SOURCE_LIST", path.name, [str(view.path)], aligned.lists[k : k + 1], call.parameters,
            source_cards(sources),
        )  # fmt: skip
        found = sources.found
        ra, dec = view.plane.to_sky(found.x, found.y)
        ra_moved, dec_moved = aligned.planes[k].to_sky(found.x, found.y)
        values = {
            "X": found.x, "Y": found.y, "Flux": found.height, "Sharpness": found.sharpness,
            "Roundness": found.roundness, "RA": ra, "DEC": dec, "RA_CORR": ra_moved, "DEC_CORR": dec_moved,
        }  # fmt: skip
        write_source_list(path, header, values, call.overwrite)
        yield path


def _images(call: RecipeCall[ExpAlignParameters], aligned: Aligned, notes: list[str]) -> Iterator[Path]:
    """Write the sum of the images and, where it is wanted, of their exposure times."""
    views = aligned.views
    exptimes = [number_of(view.header, "EXPTIME", view.path, 0.0) for view in views]
    combined = mosaic([view.data for view in views], aligned.planes, exptimes)
    notes += [
        f"{views[k].path}: too far from the first image, {PREVIEW} is without it" for k in combined.left_out
    ]  # fmt: skip
    wanted = [(PREVIEW, combined.data, views[0].unit)]
    if call.parameters.expmap:
        wanted.append((TIMES, combined.seconds, "s"))
    for name, data, unit in wanted:
        quality = time_cards(data) if name == TIMES else []
        header = product_header(
            views[0].header, Path(name).stem, name, aligned.files, aligned.lists, call.parameters, quality
        )
        write_field_view(call.output / name, header, data, combined.plane, unit, call.overwrite)
        yield call.output / name
