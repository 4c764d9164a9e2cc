"""muse_exp_combine declared: frames, parameters and products (manual 9.14, with what version 2.8.7 added)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from musedeep.declaration import NOT_NEGATIVE, POSITIVE, Parameter, Product, Quality, Range, Recipe, Tag
from musedeep.errors import MusedeepError, nearest

STEP = Range(0.0, 1e4)

SAVE_CHOICES = ("cube", "combined", "exposures", "zarr")

RECIPE = Recipe(
    name="muse_exp_combine",
    summary="Combine reduced pixel tables of several exposures into one datacube.",
    tags=(
        Tag("PIXTABLE_REDUCED", 2, None, "reduced pixel tables, one an exposure or one an IFU"),
        Tag("OFFSET_LIST", 0, 1, "offsets of position and flux scales by DATE_OBS"),
        Tag("FILTER_LIST", 0, 1, "filter curves for field-of-view images"),
        Tag("OUTPUT_WCS", 0, 1, "grid of the output cube (manual A.4.1)"),
    ),
    parameters=(
        Parameter(
            "save", "cube",
            "Products, comma-separated: cube (DATACUBE_FINAL, IMAGE_FOV), combined (PIXTABLE_COMBINED), "
            "exposures (EXPOSURE_MAP), zarr (DATACUBE_FINAL.zarr). The last two are not in the reference.",
        ),
        Parameter(
            "resample", "drizzle", "How pixels become voxels.",
            ("nearest", "linear", "quadratic", "renka", "drizzle", "lanczos"),
        ),
        Parameter(
            "dx", 0.0, "Voxel size along RA [arcsec]; 0: 0.2 in the wide-field, 0.025 in the narrow-field mode.",
            limits=STEP,
        ),
        Parameter("dy", 0.0, "Voxel size along declination [arcsec]; 0 as for dx.", limits=STEP),
        Parameter("dlambda", 0.0, "Wavelength step [Angstrom]; 0: the natural sampling of 1.25.", limits=STEP),
        Parameter(
            "crtype", "median",
            "Statistics of the rejection of cosmic rays: iraf (mean and its propagated error), mean (mean and standard "
            "deviation), median (median and median absolute deviation).",
            ("iraf", "mean", "median"),
        ),
        Parameter("crsigma", 10.0, "Threshold of the rejection; zero or less switches it off."),
        Parameter("rc", 1.25, "Critical radius of the renka method.", limits=POSITIVE),
        Parameter("pixfrac", "0.6,0.6", "Shrinking of pixels for drizzle: one value; spatial,spectral; x,y,spectral."),
        Parameter("ld", 1, "Voxels on each side to which a pixel contributes (not for nearest).", limits=Range(1, 10)),
        Parameter("format", "Cube", "Format of the cube.", ("Cube", "Euro3D", "xCube", "xEuro3D", "sdpCube")),
        Parameter(
            "weight", "exptime",
            "Weights of exposures: exptime, fwhm (exposure time and seeing), header (exposure time and ESO DRS MUSE "
            "WEIGHT), none (the weight column of the tables, if any).",
            ("exptime", "fwhm", "header", "none"),
        ),
        Parameter("filter", "white", "Filters of the field-of-view images, comma-separated; white is built in."),
        Parameter("lambdamin", 4000.0, "Shortest wavelength used [Angstrom].", limits=NOT_NEGATIVE),
        Parameter("lambdamax", 10000.0, "Longest wavelength used [Angstrom].", limits=NOT_NEGATIVE),
        Parameter(
            "rejection", "reference",
            "reference: outliers as the reference pipeline finds them; stars: fewer false ones, cores of stars spared.",
            ("reference", "stars"), neutral="reference",
        ),
    ),
    products=(
        Product("DATACUBE_FINAL.fits", "the combined cube, DATA and STAT (save=cube)"),
        Product("IMAGE_FOV_000k.fits", "field-of-view image of the k-th filter (save=cube)"),
        Product("PIXTABLE_COMBINED.fits", "all rows, positioned, weighted and flagged (save=combined)"),
        Product("PIXTABLE_COMBINED.zarr", "the same as a store (`combined_format` of a selection file)"),
        Product("EXPOSURE_MAP.fits", "exposures and seconds per voxel, and their images (save=exposures)"),
        Product("DATACUBE_FINAL.zarr", "cube and exposure map for xarray (save=zarr)"),
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
)  # fmt: skip


@dataclass(frozen=True)
class ExpCombineParameters:
    """The parameters of muse_exp_combine, checked; see RECIPE for their meaning."""

    save: frozenset[str]
    resample: str
    dx: float
    dy: float
    dlambda: float
    crtype: str
    crsigma: float
    rc: float
    pixfrac: tuple[float, float, float]
    ld: int
    format: str
    weight: str
    filters: tuple[str, ...]
    lambdamin: float
    lambdamax: float
    rejection: str


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _fractions(text: str) -> tuple[float, float, float]:
    try:
        values = [float(v) for v in _listed(text)]
    except ValueError:
        values = []
    if len(values) not in (1, 2, 3) or any(not 0 < v < 100 for v in values):
        raise MusedeepError(f"muse_exp_combine: pixfrac={text} is not one to three positive numbers, as in 0.6,0.6")
    if len(values) == 1:
        return values[0], values[0], values[0]
    if len(values) == 2:
        return values[0], values[0], values[1]
    return values[0], values[1], values[2]


def exp_combine_parameters(given: Mapping[str, Any]) -> ExpCombineParameters:
    """Check parameters, as given by name, and fill in the defaults.

    Raises
    ------
    MusedeepError
        Unknown name, wrong type, choice or range.
    """
    v = RECIPE.parse(given)
    save = frozenset(_listed(v["save"]))
    unknown = sorted(save - set(SAVE_CHOICES))
    if unknown or not save:
        near = nearest(unknown[0], SAVE_CHOICES) if unknown else None
        hint = f"; did you mean {near}?" if near else ""
        raise MusedeepError(f"muse_exp_combine: save={v['save']} is not among {', '.join(SAVE_CHOICES)}{hint}")
    if not v["lambdamin"] < v["lambdamax"]:
        raise MusedeepError(
            f"muse_exp_combine: lambdamin={v['lambdamin']:g} is not below lambdamax={v['lambdamax']:g}: "
            "the range is empty; exchange or correct them"
        )
    return ExpCombineParameters(
        save=save,
        resample=v["resample"],
        dx=v["dx"],
        dy=v["dy"],
        dlambda=v["dlambda"],
        crtype=v["crtype"],
        crsigma=v["crsigma"],
        rc=v["rc"],
        pixfrac=_fractions(v["pixfrac"]),
        ld=v["ld"],
        format=v["format"],
        weight=v["weight"],
        filters=tuple(_listed(v["filter"])),
        lambdamin=v["lambdamin"],
        lambdamax=v["lambdamax"],
        rejection=v["rejection"],
    )
