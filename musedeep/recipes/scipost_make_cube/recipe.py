"""Declaration of muse_scipost_make_cube: a step of muse_scipost (manual 9.12) by itself."""

from typing import Literal

from musedeep.declaration import MIB, Cost, Format, Input, Product, Recipe, Scope, parameter
from musedeep.reduction.cube.parameters import (
    PIXFRAC_HELP,
    Fractions,
    Listed,
    ResamplingParameters,
    WavelengthParameters,
)


class MakeCubeParameters(ResamplingParameters, WavelengthParameters):
    """Parameters of muse_scipost_make_cube."""

    dx: float = parameter(
        0.0, "Voxel size along x [arcsec, or pixel]; 0: 0.2 in the wide-field, 0.025 in the narrow field; 1 pixel.",
        ge=0, le=10000,
    )  # fmt: skip
    dy: float = parameter(0.0, "Voxel size along y [arcsec, or pixel]; 0 as for dx.", ge=0, le=10000)
    crsigma: float = parameter(15.0, "Threshold of the rejection; zero or less switches it off.")
    pixfrac: Fractions = parameter("0.8,0.8", PIXFRAC_HELP)
    format: Literal["Cube", "Euro3D", "xCube", "xEuro3D"] = parameter("Cube", "Format of the cube.")
    stacked: bool = parameter(
        False, "Write OBJECT_RESAMPLED, too: all slices side by side, x pseudo-spatial, y wavelength."
    )
    filter: Listed = parameter("white", "Filters of the field-of-view images, comma-separated; white is built in.")


RECIPE = Recipe(
    name="muse_scipost_make_cube",
    summary="Resample pixel tables of any stage of the reduction into a cube.",
    inputs=(
        Input("PIXTABLE_OBJECT", 1, None, "Pixel table, one per IFU or one of all", raw=True),
        Input("FILTER_LIST", 0, 1, "Filter curves", match=()),
        Input("OUTPUT_WCS", 0, 1, "Grid of the output cube (manual A.4.1)", match=()),
    ),
    model=MakeCubeParameters,
    products=(
        Product("DATACUBE_FINAL.fits", "The cube", Format.CUBE, 100_000_000),
        Product("IMAGE_FOV_000k.fits", "Image of the field in the k-th filter", Format.PLANE, 50_000),
        Product("OBJECT_RESAMPLED.fits", "All slices side by side", Format.PLANE, 50_000_000, {"stacked": True}),
    ),
    section=12,
    scope=Scope.EXPOSURE,
    cost=Cost(1200 * MIB, 3.0),
    work="musedeep.recipes.scipost_make_cube.work",
    in_night=False,
)
