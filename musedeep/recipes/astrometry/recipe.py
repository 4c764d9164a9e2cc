"""Declaration of muse_astrometry (manual 9.11, with what version 2.8.7 changed)."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from musedeep.declaration import MIB, Cost, Format, Input, Parameters, Product, Quality, Recipe, Scope, parameter
from musedeep.reduction.cube.parameters import WavelengthParameters, listed


def pixel_of(text: str) -> tuple[float, float]:
    """The two numbers of a text, x and y [pixel]; raises ValueError for anything else."""
    numbers = listed(text)
    try:
        x, y = (float(part) for part in numbers)
    except ValueError:
        raise ValueError(f"rotcenter={text} is not two numbers with a comma between them, as in -0.01,-1.20") from None
    if not (abs(x) < 1000 and abs(y) < 1000):
        raise ValueError(f"rotcenter={text} is far from the field of view; give pixels, as in -0.01,-1.20")
    return x, y


def _checked_pixel(text: str) -> str:
    pixel_of(text)
    return text


def _not_zero(level: float) -> float:
    if level == 0:
        raise ValueError("detsigma=0 finds stars in noise; give a level above 0, as in 1.5, or a negative one")
    return level


class _MatchingParameters(Parameters):
    """The parameters before the wavelengths."""

    centroid: Literal["gaussian", "moffat", "box"] = parameter(
        "moffat", "How places of stars are measured: fits of Gaussians or Moffat profiles, or centroids in a box."
    )
    detsigma: Annotated[float, AfterValidator(_not_zero)] = parameter(
        1.5,
        "Level above which there are stars, in mean deviations from the median of the image. Negative: levels from its "
        "absolute value down to 1.0 are tried, in steps of 0.1, and the best solution is taken.",
    )
    radius: float = parameter(
        3.0, "How near to a star of the catalogue a detection has to be [pixel]; to begin with, if faccuracy > 0.", gt=0
    )
    faccuracy: float = parameter(
        0.0,
        "Above 0: patterns are triangles, at first as accurate as this factor times the mean error of the measured "
        "places. 0: patterns are quadruples.",
        ge=0,
    )
    niter: int = parameter(2, "Number of iterations of the fit.", ge=1, le=100)
    rejsigma: float = parameter(3.0, "Limit for stars in the fit, in standard deviations of the residuals.", gt=0)
    rotcenter: Annotated[str, AfterValidator(_checked_pixel)] = parameter(
        "-0.01,-1.20", "Axis about which the field of view turns, x and y from its middle [pixel]."
    )


class AstrometryParameters(WavelengthParameters, _MatchingParameters):
    """Parameters of muse_astrometry."""

    lambdaref: float = parameter(
        7000.0, "Wavelength at which refraction moves nothing [Angstrom]; below 0: refraction is not corrected."
    )
    darcheck: Literal["none", "check", "correct"] = parameter(
        "none", "Measure on stars how refraction was corrected: none, check (report), correct (correct what is left)."
    )


RECIPE = Recipe(
    name="muse_astrometry",
    summary="Compute the astrometric solution of the field of view from an exposure of stars with known places.",
    inputs=(
        Input("PIXTABLE_ASTROMETRY", 1, None, "Pixel table of an astrometric field, one per IFU or one of all",
              raw=True),
        Input("ASTROMETRY_REFERENCE", 1, 1, "Catalogue of astrometric stars", match=()),
        Input("EXTINCT_TABLE", 0, 1, "Atmospheric extinction", match=()),
        Input("STD_RESPONSE", 0, 1, "Response of the instrument; without it counts stay", match=("mode",)),
        Input("STD_TELLURIC", 0, 1, "Telluric absorption", match=("mode",)),
    ),
    model=AstrometryParameters,
    products=(
        Product("DATACUBE_ASTROMETRY_kkkk.fits", "Cube of the exposure, and the image in which stars were found",
                Format.CUBE, 6_000_000),
        Product("ASTROMETRY_WCS_kkkk.fits", "Astrometric solution", Format.TABLE, 35_000),
    ),
    quality=(
        Quality("ASTRO LAMBDA", "Wavelength of the plane in which widths of sources were measured [Angstrom]"),
        Quality("ASTRO NDET", "Number of sources detected in that plane"),
        Quality("ASTRO POSk X, Y", "Position of source k [pixel]; -1 where its width cannot be measured"),
        Quality("ASTRO FWHMk X, Y", "Width of source k [arcsec]; -1 where it cannot be measured"),
        Quality("ASTRO FWHM NVALID", "Number of sources with a measured width"),
        Quality("ASTRO FWHM MEDIAN, MAD", "Median of these widths and its median absolute deviation [arcsec]"),
        Quality("ASTRO NSTARS", "Number of stars in the solution"),
        Quality("ASTRO SCALE X, Y", "Size of a pixel along both axes [arcsec]"),
        Quality("ASTRO ANGLE X, Y", "Angle of both axes [deg]"),
        Quality("ASTRO MEDRES X, Y", "Median of the absolute residuals of the stars [arcsec]"),
    ),
    section=11,
    scope=Scope.FIELD,
    cost=Cost(700 * MIB, 4.0, memory_per_ifu=10 * MIB),
    work="musedeep.recipes.astrometry.field",
)  # fmt: skip
