"""Declaration of muse_exp_combine (manual 9.14, with what version 2.8.7 added)."""

from functools import partial
from typing import Annotated, Literal

from pydantic import BeforeValidator

from musedeep.declaration import MIB, Cost, Format, Input, Product, Quality, Recipe, Scope, parameter
from musedeep.reduction.cube.parameters import CubeParameters, WavelengthParameters, choices_of

SAVE_CHOICES = ("cube", "combined", "exposures", "zarr")


class ExpCombineParameters(WavelengthParameters, CubeParameters):
    """Parameters of muse_exp_combine."""

    save: Annotated[frozenset[str], BeforeValidator(partial(choices_of, known=SAVE_CHOICES))] = parameter(
        "cube",
        "Products, comma-separated: cube (DATACUBE_FINAL, IMAGE_FOV), combined (PIXTABLE_COMBINED), "
        "exposures (EXPOSURE_MAP), zarr (DATACUBE_FINAL.zarr). The last two are not in the reference.",
    )
    weight: Literal["exptime", "fwhm", "header", "none"] = parameter(
        "exptime",
        "Weights of exposures: exptime, fwhm (exposure time and seeing), header (exposure time and ESO "
        "DRS MUSE WEIGHT), none (the weight column of the tables, if any).",
    )
    rejection: Literal["reference", "stars"] = parameter(
        "reference",
        "reference: outliers as the reference pipeline finds them; stars: fewer false ones, cores of stars spared.",
        neutral="reference",
    )


RECIPE = Recipe(
    name="muse_exp_combine",
    summary="Combine reduced pixel tables of several exposures into one datacube.",
    inputs=(
        Input("PIXTABLE_REDUCED", 2, None, "reduced pixel tables, one an exposure or one an IFU", raw=True),
        Input("OFFSET_LIST", 0, 1, "offsets of position and flux scales by DATE_OBS", match=()),
        Input("FILTER_LIST", 0, 1, "filter curves for field-of-view images", match=()),
        Input("OUTPUT_WCS", 0, 1, "grid of the output cube (manual A.4.1)",
              left_out="the grid that a user wants; --use OUTPUT_WCS=FILE passes it on"),
    ),
    model=ExpCombineParameters,
    products=(
        Product("DATACUBE_FINAL.fits", "the combined cube, DATA and STAT (save=cube)", Format.CUBE),
        Product("IMAGE_FOV_000k.fits", "field-of-view image of the k-th filter (save=cube)", Format.PLANE),
        Product("PIXTABLE_COMBINED.fits", "all rows, positioned, weighted and flagged (save=combined)",
                Format.PIXEL_TABLE),
        Product("PIXTABLE_COMBINED.zarr", "the same as a store (`combined_format` of a selection file)", Format.STORE),
        Product("EXPOSURE_MAP.fits", "exposures and seconds per voxel, and their images (save=exposures)", Format.CUBE),
        Product("DATACUBE_FINAL.zarr", "cube and exposure map for xarray (save=zarr)", Format.STORE),
    ),
    quality=(
        Quality("EXPCOMB LAMBDA", "wavelength of the plane in which sources are detected"),
        Quality("EXPCOMB NDET", "number of sources detected in that plane"),
        Quality("EXPCOMB POSk X, Y", "position of source k [pixel]; -1 where its width cannot be measured"),
        Quality("EXPCOMB FWHMk X, Y", "width of source k [arcsec]; -1 where it cannot be measured"),
        Quality("EXPCOMB FWHM NVALID", "number of sources with a measured width"),
        Quality("EXPCOMB FWHM MEDIAN", "median of these widths [arcsec]; 0 with fewer than three"),
        Quality("EXPCOMB FWHM MAD", "median absolute deviation of these widths [arcsec]; 0 with fewer than three"),
    ),
    section=14,
    scope=Scope.EXPOSURES,
    work="musedeep.recipes.exp_combine.products",
    cost=Cost(1700 * MIB, 60.0),
    directory="exp_combine",
)  # fmt: skip
