"""Tools for cubes (manual 7.3.3 to 7.3.5): muse_cube_combine, muse_cube_concatenate, muse_cube_filter."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from musedeep.cli.errors import UsageProblem
from musedeep.errors import MusedeepError
from musedeep.storage.outputs import refuse_existing
from musedeep.tools.command import ToolParser, run_tool

if TYPE_CHECKING:
    from musedeep.reduction.cube.joined import JoinedCube
    from musedeep.reduction.cube.layout import Layout
    from musedeep.reduction.cube.piece import Piece


def _parser(name: str, description: str) -> ToolParser:
    parser = ToolParser(name, description)
    parser.add_argument("cube_out", type=Path, help="FITS cube to write, or a cube store if it ends in .zarr")
    parser.add_argument("cube_in", type=Path, nargs="+", help="cubes, FITS or stores, in any order")
    parser.output_options()
    return parser


def _join(
    parser: ToolParser,
    given: argparse.Namespace,
    layout_of: "Callable[[Sequence[Piece]], Layout]",
    check: "Callable[[JoinedCube], None] | None" = None,
) -> None:
    """Join pieces, and say which planes come from which."""
    from musedeep.cli.progress import TerminalProgress
    from musedeep.reduction.cube.joined import join, write_joined
    from musedeep.reduction.cube.piece import read_piece

    if len(given.cube_in) < 2:
        raise UsageProblem(f"{parser.prog}: one cube is nothing to join; give two or more")
    refuse_existing(given.cube_out, given.overwrite)
    paths = [path.resolve() for path in given.cube_in]
    twice = next((path for path, one in zip(given.cube_in, paths, strict=True) if paths.count(one) > 1), None)
    if twice:
        raise MusedeepError(f"{twice}: is given twice; leave it out once")
    layout = layout_of([read_piece(path) for path in given.cube_in])
    cube = join(layout)
    if check:
        check(cube)
    for place in layout.places:
        piece = layout.pieces[place.piece]
        waves = layout.axes.wavelengths(place.end[0])[place.target[0] :]
        print(
            f"planes {place.target[0] + 1} to {place.end[0]} ({waves[0]:.2f} to {waves[-1]:.2f} Angstrom) from "
            f'"{piece.path}"'
        )
    with TerminalProgress() as progress:
        write_joined(given.cube_out, cube, parser.prog, overwrite=given.overwrite, progress=progress)
    nz, ny, nx = cube.shape
    print(f'cube "{given.cube_out}" ({nx} x {ny} x {nz}) saved')


def muse_cube_combine(arguments: Sequence[str] | None = None) -> int:
    """Join cubes on one grid that each hold a range of wavelengths and overlap a little."""
    parser = _parser(
        "muse_cube_combine",
        "Join cubes of one grid (OUTPUT_WCS) that hold overlapping ranges of wavelength (lambdamin, lambdamax).",
    )

    def action(given: argparse.Namespace) -> None:
        from musedeep.reduction.cube.joined import refuse_empty_edges
        from musedeep.reduction.cube.layout import overlapping

        _join(parser, given, overlapping, refuse_empty_edges)

    return run_tool(parser, action, arguments)


def muse_cube_concatenate(arguments: Sequence[str] | None = None) -> int:
    """Join cubes whose grids are adjacent in wavelength."""
    parser = _parser("muse_cube_concatenate", "Join cubes whose grids are adjacent in wavelength.")

    def action(given: argparse.Namespace) -> None:
        from musedeep.reduction.cube.layout import adjacent

        _join(parser, given, adjacent)

    return run_tool(parser, action, arguments)


def _names(text: str) -> tuple[str, ...]:
    from musedeep.reduction.cube.parameters import listed

    names = listed(text)
    if not names or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of different filters, as in white,Johnson_V")
    return names


def filter_cube(path: Path, names: Sequence[str], filter_list: Path | None, extend: bool, overwrite: bool) -> list[str]:
    """Make field images of a cube; returns what was saved, line by line.

    Parameters
    ----------
    extend : add them to the cube's file instead of writing files of their own

    Raises
    ------
    MusedeepError
        See `filtered_images` and `append_images`; a file exists and may not be replaced.
    """
    from musedeep.reduction.cube import filtered
    from musedeep.reduction.cube.products import write_image
    from musedeep.storage.cubes.append_images import append_images
    from musedeep.storage.cubes.cube_axes import read_axes
    from musedeep.storage.cubes.open_cube import open_cube
    from musedeep.storage.outputs import appearing_whole, check_space

    cube = open_cube(path)
    axes = read_axes(cube.header, path)
    outputs = [path.with_name(f"{path.stem}_{name}.fits") for name in names]
    if extend:
        if cube.is_store:
            raise MusedeepError(f"{path}: -x adds images to a FITS cube, this is a store; leave -x out")
        present = [name for name in names if name in cube.images]
        if present and not overwrite:
            raise MusedeepError(f"{path}: has an extension {present[0]} already; --overwrite replaces it")
    else:
        for output in outputs:
            refuse_existing(output, overwrite)
    made = filtered.filtered_images(cube, axes, names, filter_list)
    if extend:
        append_images(cube, [(one.curve.name, filtered.extension_of(cube, one), one.image) for one in made], overwrite)
        return [f'image "{one.curve.name}" added to "{path}" (fraction {one.cards[-1][1]:g} %)' for one in made]
    check_space(outputs[0], sum(one.image.nbytes for one in made))
    said = []
    for one, output in zip(made, outputs, strict=True):
        with appearing_whole(output, one.image.nbytes) as partial:
            header = filtered.image_primary(cube, one, output.name)
            write_image(partial, header, filtered.image_header(cube), one.image)
        said.append(f'image "{output}" (fraction {one.cards[-1][1]:g} %) saved')
    return said


def muse_cube_filter(arguments: Sequence[str] | None = None) -> int:
    """Integrate a cube over filter curves."""
    parser = ToolParser("muse_cube_filter", "Make field images of a cube by integration over filter curves.")
    parser.add_argument("-x", dest="extend", action="store_true", help="add the images to the file of the cube")
    parser.add_argument(
        "-f", dest="filters", type=_names, default=("white",), metavar="FILTERS",
        help="filters, separated by commas; default: white, which needs no filter list",
    )  # fmt: skip
    parser.add_argument("cube", type=Path, help="cube, FITS or store")
    parser.add_argument("filter_list", type=Path, nargs="?", help="FILTER_LIST")
    parser.output_options()

    def action(given: argparse.Namespace) -> None:
        print("\n".join(filter_cube(given.cube, given.filters, given.filter_list, given.extend, given.overwrite)))

    return run_tool(parser, action, arguments)
