"""Cubes, and pieces of cubes, for the tools that join and filter them."""

from pathlib import Path

import numpy as np

from tests.makers import cube_pieces, viewer_cubes
from tests.makers.cube_pieces import FIRST, SHAPE, STEP

PIECE = "pieces/piece-2-of-3"
STITCH = ("stitch", "pieces", "--output-dir", "out", "--overwrite")
JOINED, JOINED_STORE = "out/DATACUBE_FINAL.fits", "out/JOINED.zarr"


def values() -> tuple[np.ndarray, np.ndarray]:
    """DATA and STAT of a small cube."""
    rng = np.random.default_rng(5)
    return rng.normal(size=SHAPE).astype("f4"), rng.uniform(1, 2, SHAPE).astype("f4")


def overlapping(directory: Path) -> None:
    """Three pieces on one grid: CUBE_0.fits to CUBE_2.fits."""
    ends = ((4000.0, FIRST + 10 * STEP), (FIRST + 7 * STEP, FIRST + 17 * STEP), (FIRST + 14 * STEP, 10000.0))
    cube_pieces.overlapping(directory, *values(), ends)


def adjacent(directory: Path) -> None:
    """Three pieces with grids of their own: PART_1.fits to PART_3.fits."""
    cube_pieces.adjacent(directory, *values(), (0, 9, 10, 24))


def one(directory: Path) -> None:
    """A cube, CUBE.fits."""
    cube_pieces.write_cube(directory / "CUBE.fits", *values())


def with_store(directory: Path) -> None:
    """Adjacent pieces, of which the first two are joined in a store, CUBE.zarr."""
    from musedeep.tools.cube import muse_cube_concatenate

    adjacent(directory)
    assert muse_cube_concatenate([str(directory / name) for name in ("CUBE.zarr", "PART_1.fits", "PART_2.fits")]) == 0


def stitched(directory: Path) -> None:
    """Three pieces of a combination, in `pieces`."""
    from tests.makers.pieces import run_pieces
    from tests.makers.pixel_tables import write_dithers

    made, _ = write_dithers(directory, 2, step=0.0, slices=(1, 2), wavelength=(7000.0, 7008.0))
    run_pieces(made, directory / "pieces", 3, {"save": "cube,exposures"})


def with_all(directory: Path) -> None:
    """A cube with DQ and an image, CUBE.fits."""
    viewer_cubes.write(directory / "CUBE.fits")


def with_all_in_a_store(directory: Path) -> None:
    """The same as a store, ALL.zarr."""
    from musedeep.storage.cubes.content import read_content
    from musedeep.storage.cubes.export import write_cube

    with_all(directory)
    write_cube(read_content(directory / "CUBE.fits"), directory / "ALL.zarr")
    (directory / "CUBE.fits").unlink()


def exports(cube: str) -> tuple[tuple[str, ...], ...]:
    """The commands that convert a cube, or cut it."""
    part = ("--pixel", "8,6", "--size", "1", "--lambda", "7010,7020")
    return (
        ("export", cube, JOINED, "--for", "viewers"), ("export", cube, JOINED_STORE), ("cutout", cube, JOINED, *part),
    )  # fmt: skip
