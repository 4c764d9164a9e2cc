"""muse_geometry: a cube of the combined exposures and images of MASK_CHECK exposures, made with the new table."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import DISPERSION
from musedeep.kernels.field.field_cube import drizzle_rows, finish_cube, white_image
from musedeep.recipes.geometry.ifu import Reduced
from musedeep.recipes.geometry.recipe import GeometryParameters
from musedeep.recipes.geometry.table import VALUES, Geometry
from musedeep.recipes.run_ifus import RecipeCall
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.image.combine import combine, measure_all
from musedeep.reduction.image.inputs import open_frames
from musedeep.reduction.parameters import AVERAGE, OverscanParameters
from musedeep.reduction.rows.image_rows import PixelRows, create_pixels
from musedeep.reduction.rows.slice_map import Image, SliceMap
from musedeep.storage.cubes.field_grid import grid_cards
from musedeep.storage.fits.hdus import write_hdus
from musedeep.storage.fits.header_cards import extension_cards, header_of
from musedeep.storage.fits.image import open_image

PIXFRAC: Final = 0.6
"""As the reference's log says."""


class MakeHeader(Protocol):
    """Primary header of a product of all IFUs: of a category and a file name."""

    def __call__(self, category: str, name: str, extra: Sequence[Card] = ()) -> fits.Header: ...


@dataclass
class FieldCube:
    """A cube of the field.

    Attributes
    ----------
    data, stat : float32 (planes, lines, columns)
    dq : int32 (planes, lines, columns)
    white, white_dq : float32, int32 (lines, columns), mean of the planes
    origin : x, y (pixels), wavelength (Angstrom) of the first voxel
    """

    data: NDArray[np.float32]
    dq: NDArray[np.int32]
    stat: NDArray[np.float32]
    white: NDArray[np.float32]
    white_dq: NDArray[np.int32]
    origin: tuple[float, float, float]


def make_cube(tables: Callable[[], Iterator[PixelRows]]) -> FieldCube | None:
    """Resample pixel tables, which are asked for twice, one in memory at a time; None if they are empty."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    names = ("xpos", "ypos", "lambda")
    for table in tables():
        if table.n_rows:
            low = np.minimum(low, [table.rows[name].min() for name in names])
            high = np.maximum(high, [table.rows[name].max() for name in names])
    if not np.isfinite(low).all():
        return None
    nx, ny, nz = (int(n) + 1 for n in np.rint((high - low) / [1.0, 1.0, DISPERSION]))
    sums = np.zeros((nz, ny, nx, 3), np.float32)
    for table in tables():
        rows = table.rows
        drizzle_rows(
            rows["xpos"], rows["ypos"], rows["lambda"], rows["data"], rows["stat"], rows["dq"],
            low, DISPERSION, PIXFRAC, sums,
        )  # fmt: skip
    shape = (nz, ny, nx)
    cube = FieldCube(
        np.empty(shape, np.float32), np.empty(shape, np.int32), np.empty(shape, np.float32),
        np.empty(shape[1:], np.float32), np.empty(shape[1:], np.int32), (float(low[0]), float(low[1]), float(low[2])),
    )  # fmt: skip
    finish_cube(sums, cube.data, cube.dq, cube.stat)
    white_image(cube.data, cube.dq, cube.white, cube.white_dq)
    return cube


def slice_map(one: Reduced, index: int, table: Geometry, n_rows: int) -> SliceMap:
    """Where the pixels of an IFU lie with the new table."""
    places = np.stack([table.values[name][index] for name in VALUES], axis=1)
    places[:, 2] = np.radians(places[:, 2])
    return SliceMap.of(one.ifu, one.trace.edges, one.waves.coefficients, places, n_rows)


def write_cube(
    call: RecipeCall[GeometryParameters], done: Sequence[Reduced], table: Geometry, header: MakeHeader
) -> Path:
    """GEOMETRY_CUBE of the combined exposures."""
    limits = call.parameters.lambdamin, call.parameters.lambdamax

    def tables() -> Iterator[PixelRows]:
        for index, one in enumerate(done):
            image = open_image(one.combined, one.ifu)
            n_rows = image.shape[0]
            values: Image = image.rows("DATA", 0, n_rows), image.rows("DQ", 0, n_rows), image.rows("STAT", 0, n_rows)
            yield create_pixels(one.combined, slice_map(one, index, table, n_rows), values, 0.0, limits)

    path = call.output / "GEOMETRY_CUBE.fits"
    cube = make_cube(tables)
    if cube is None:
        raise MusedeepError(
            f"muse_geometry: no pixels between lambdamin={limits[0]:g} and lambdamax={limits[1]:g}; "
            "give wavelengths that the CCDs see"
        )
    target = str(done[0].frame.primary.get("OBJECT", ""))
    parts: list[tuple[str, NDArray]] = [
        ("DATA", cube.data), ("DQ", cube.dq), ("STAT", cube.stat), ("white", cube.white), ("white_DQ", cube.white_dq)
    ]  # fmt: skip
    units = [fits.ImageHDU(values, extension_header(name, target, cube.origin, values.ndim)) for name, values in parts]
    primary = fits.PrimaryHDU(header=header("GEOMETRY_CUBE", path.name))
    write_hdus(path, fits.HDUList([primary, *units]), call.overwrite)
    return path


def write_checks(
    call: RecipeCall[GeometryParameters],
    done: Sequence[Reduced],
    table: Geometry,
    header: MakeHeader,
    overscan: OverscanParameters,
) -> list[Path]:
    """GEOMETRY_CHECK: an image of the field for each MASK_CHECK."""
    limits = call.parameters.lambdamin, call.parameters.lambdamax
    paths = []
    for number, file in enumerate(call.frames.get("MASK_CHECK", ()), 1):

        def tables(file: str = file) -> Iterator[PixelRows]:
            for index, one in enumerate(done):
                frames = open_frames([file], one.ifu, "MASK_CHECK", 1, "muse_geometry")
                made = combine(measure_all(frames, overscan), overscan, one.calibration, AVERAGE)
                where = slice_map(one, index, table, made.data.shape[0])
                image: Image = (made.data, made.dq, made.stat)
                yield create_pixels(Path(file), where, image, 0.0, limits)

        cube = make_cube(tables)
        assert cube is not None, "the cube of the same slices and wavelengths was not empty"
        path = call.output / f"GEOMETRY_CHECK_{number:04d}.fits"
        made_header = header("GEOMETRY_CHECK", path.name)
        image = fits.ImageHDU(cube.white, extension_header("DATA", "", cube.origin, 2))
        quality = fits.ImageHDU(cube.white_dq, extension_header("DQ", "", cube.origin, 2))
        write_hdus(path, fits.HDUList([fits.PrimaryHDU(header=made_header), image, quality]), call.overwrite)
        paths.append(path)
    return paths


def extension_header(name: str, target: str, origin: tuple[float, float, float], n_axes: int) -> fits.Header:
    """Header of an extension of a cube or image of the field, with pixels of the field as coordinates."""
    label = name.replace("_DQ", ", DQ")
    cards: list[Card] = [("OBJECT", f"{target} ({label})" if target else label, "")]
    cards += grid_cards(origin, DISPERSION, n_axes)
    kind = "DQ" if name.endswith("DQ") else "STAT" if name == "STAT" else "DATA"
    base = "DATA" if name in ("DQ", "STAT") else name.removesuffix("_DQ")
    related = {"DATA": base, "DQ": "DQ" if base == "DATA" else f"{base}_DQ"} | ({"STAT": "STAT"} if n_axes == 3 else {})
    cards += extension_cards(name, kind, {held: other for held, other in related.items() if held != kind})
    if kind != "DQ":
        cards.append(("BUNIT", "(count)**2" if kind == "STAT" else "count", ""))
    return header_of(cards)
