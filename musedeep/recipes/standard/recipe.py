"""Declaration of muse_standard."""

from typing import Literal

from musedeep.declaration import MIB, Cost, Format, Input, Parameters, Product, Quality, Recipe, Scope, parameter
from musedeep.reduction.cube.parameters import Listed, WavelengthParameters


class _StarParameters(Parameters):
    """The parameters before the wavelengths."""

    profile: Literal["gaussian", "moffat", "smoffat", "circle", "square", "auto"] = parameter(
        "auto",
        "How fluxes are measured: fitted profiles, Moffat profiles smoothed in wavelength, apertures; auto: smoffat, "
        "and circle in the narrow-field mode.",
    )
    select: Literal["flux", "distance"] = parameter(
        "distance", "Which star is the standard: the brightest, or the nearest to its tabulated place."
    )
    smooth: Literal["none", "median", "ppoly"] = parameter(
        "ppoly",
        "Smoothing of the response: none, running median of 30 Angstrom, or cubic polynomials in 300 Angstrom with a "
        "running mean of 30.",
    )
    telluric: Literal["model", "bridge"] = parameter(
        "model",
        "How telluric absorption is found: a model of water and oxygen fitted with a smooth response, or polynomials "
        "that bridge the bands.",
        neutral="bridge",
    )


class StandardParameters(WavelengthParameters, _StarParameters):
    """Parameters of muse_standard."""

    lambdaref: float = parameter(
        7000.0, "Reference wavelength of the correction of refraction [Angstrom]; below 0: no correction."
    )
    darcheck: Literal["none", "check", "correct"] = parameter(
        "none", "Check the correction of refraction by the places of sources, or correct what is left, too."
    )
    filter: Listed = parameter(
        "white",
        "Filters of the images of the field, comma-separated; zero points need Johnson_V, Cousins_R, Cousins_I.",
    )


RECIPE = Recipe(
    name="muse_standard",
    summary="Response of the instrument and telluric absorption, from the exposure of a standard star.",
    inputs=(
        Input("PIXTABLE_STD", 1, None, "Pixel tables of a standard star", raw=True),
        Input("EXTINCT_TABLE", 1, 1, "Atmospheric extinction", match=()),
        Input("STD_FLUX_TABLE", 1, None, "Fluxes of standard stars", match=()),
        Input("TELLURIC_REGIONS", 0, 1, "Telluric bands; default: those built in", match=()),
        Input("FILTER_LIST", 0, 1, "Filter curves", match=()),
    ),
    model=StandardParameters,
    products=(
        Product("DATACUBE_STD_0001.fits", "Cube of the field with its images", Format.CUBE, 110_000_000),
        Product("STD_FLUXES_0001.fits", "Fluxes of the stars at each wavelength", Format.IMAGE, 100_000),
        Product("STD_RESPONSE_0001.fits", "Response of the instrument", Format.TABLE, 220_000),
        Product("STD_TELLURIC_0001.fits", "Telluric absorption", Format.TABLE, 60_000),
    ),
    quality=(
        Quality("STANDARD LAMBDA", "Wavelength of the plane in which sources are counted [Angstrom]"),
        Quality("STANDARD NDET", "Sources in that plane"),
        Quality("STANDARD POSk X, Y", "Place of source k [pixel], -1 if its widths cannot be measured"),
        Quality("STANDARD FWHMk X, Y", "Widths of source k [arcsec]"),
        Quality("STANDARD FWHM NVALID, MEDIAN, MAD", "Number and widths of the sources that could be measured"),
        Quality("STANDARD STARNAME", "Name of the standard star"),
        Quality("STANDARD THRU5000, THRU6000, THRU7000, THRU8000, THRU9000", "Throughput within 100 Angstrom"),
        Quality("STANDARD ZP V, R, I", "Zero points with these filters [mag], -99 without"),
    ),
    section=9,
    scope=Scope.FIELD,
    cost=Cost(700 * MIB, 4.0),
    work="musedeep.recipes.standard.exposure",
)  # fmt: skip
