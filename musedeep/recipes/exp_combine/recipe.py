"""Declaration of muse_exp_combine (manual 9.14, with what version 2.8.7 added)."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, model_validator

from musedeep.declaration import Format, Input, Parameters, Product, Quality, Recipe, Scope, parameter
from musedeep.errors import nearest

SAVE_CHOICES = ("cube", "combined", "exposures", "zarr")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _saved(text: str) -> frozenset[str]:
    save = frozenset(_listed(text))
    unknown = sorted(save - set(SAVE_CHOICES))
    if unknown or not save:
        near = nearest(unknown[0], SAVE_CHOICES) if unknown else None
        hint = f"; did you mean {near}?" if near else ""
        raise ValueError(f"save={text} is not among {', '.join(SAVE_CHOICES)}{hint}")
    return save


def _fractions(text: str) -> tuple[float, float, float]:
    try:
        values = [float(v) for v in _listed(text)]
    except ValueError:
        values = []
    if len(values) not in (1, 2, 3) or any(not 0 < v < 100 for v in values):
        raise ValueError(f"pixfrac={text} is not one to three positive numbers, as in 0.6,0.6")
    return values[0], values[len(values) // 3], values[-1]


class ExpCombineParameters(Parameters):
    """Parameters of muse_exp_combine."""

    save: Annotated[frozenset[str], BeforeValidator(_saved)] = parameter(
        "cube",
        "Products, comma-separated: cube (DATACUBE_FINAL, IMAGE_FOV), combined (PIXTABLE_COMBINED), "
        "exposures (EXPOSURE_MAP), zarr (DATACUBE_FINAL.zarr). The last two are not in the reference.",
    )
    resample: Literal["nearest", "linear", "quadratic", "renka", "drizzle", "lanczos"] = parameter(
        "drizzle", "How pixels become voxels."
    )
    dx: float = parameter(
        0.0, "Voxel size along RA [arcsec]; 0: 0.2 in the wide-field, 0.025 in the narrow-field mode.", ge=0, le=10000
    )
    dy: float = parameter(0.0, "Voxel size along declination [arcsec]; 0 as for dx.", ge=0, le=10000)
    dlambda: float = parameter(0.0, "Wavelength step [Angstrom]; 0: the natural sampling of 1.25.", ge=0, le=10000)
    crtype: Literal["iraf", "mean", "median"] = parameter(
        "median",
        "Statistics of the rejection of cosmic rays: iraf (mean and its propagated error), mean (mean "
        "and standard deviation), median (median and median absolute deviation).",
    )
    crsigma: float = parameter(10.0, "Threshold of the rejection; zero or less switches it off.")
    rc: float = parameter(1.25, "Critical radius of the renka method.", gt=0)
    pixfrac: Annotated[tuple[float, float, float], BeforeValidator(_fractions)] = parameter(
        "0.6,0.6", "Shrinking of pixels for drizzle: one value; spatial,spectral; x,y,spectral."
    )
    ld: int = parameter(1, "Voxels on each side to which a pixel contributes (not for nearest).", ge=1, le=10)
    format: Literal["Cube", "Euro3D", "xCube", "xEuro3D", "sdpCube"] = parameter("Cube", "Format of the cube.")
    weight: Literal["exptime", "fwhm", "header", "none"] = parameter(
        "exptime",
        "Weights of exposures: exptime, fwhm (exposure time and seeing), header (exposure time and ESO "
        "DRS MUSE WEIGHT), none (the weight column of the tables, if any).",
    )
    filter: Annotated[tuple[str, ...], BeforeValidator(_listed)] = parameter(
        "white", "Filters of the field-of-view images, comma-separated; white is built in."
    )
    lambdamin: float = parameter(4000.0, "Shortest wavelength used [Angstrom].", ge=0)
    lambdamax: float = parameter(10000.0, "Longest wavelength used [Angstrom].", ge=0)
    rejection: Literal["reference", "stars"] = parameter(
        "reference",
        "reference: outliers as the reference pipeline finds them; stars: fewer false ones, cores of stars spared.",
        neutral="reference",
    )

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        if not self.lambdamin < self.lambdamax:
            raise ValueError(
                f"lambdamin={self.lambdamin:g} is not below lambdamax={self.lambdamax:g}: the range is empty; exchange "
                "or correct them"
            )
        return self


RECIPE = Recipe(
    name="muse_exp_combine",
    summary="Combine reduced pixel tables of several exposures into one datacube.",
    inputs=(
        Input("PIXTABLE_REDUCED", 2, None, "reduced pixel tables, one an exposure or one an IFU", raw=True),
        Input("OFFSET_LIST", 0, 1, "offsets of position and flux scales by DATE_OBS", match=()),
        Input("FILTER_LIST", 0, 1, "filter curves for field-of-view images", match=()),
        Input("OUTPUT_WCS", 0, 1, "grid of the output cube (manual A.4.1)",
              left_out="the grid that a user wants, and not a calibration"),
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
    work="musedeep.recipes.exp_combine.job",
    directory="exp_combine",
)  # fmt: skip
