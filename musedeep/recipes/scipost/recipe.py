"""Declaration of muse_scipost (manual 9.12, with what version 2.8.7 added)."""

from functools import partial
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, model_validator

from musedeep.declaration import MIB, Cost, Format, Input, Product, Quality, Recipe, Scope, parameter
from musedeep.reduction.cube.parameters import (
    PIXFRAC_HELP,
    CubeParameters,
    Fractions,
    WavelengthParameters,
    choices_of,
    listed,
)
from musedeep.reduction.parameters import SAVE_FITS

SAVE_CHOICES: Final = (
    "cube", "autocal", "skymodel", "raman", "individual", "positioned", "combined", "stacked",
)  # fmt: skip
IN_NIGHT: Final = "cube,skymodel,individual"
"""What a night saves: images to align exposures by, and pixel tables to combine."""


def _two(text: str) -> tuple[float, float]:
    try:
        values = [float(word) for word in listed(text)]
    except ValueError:
        values = []
    if len(values) not in (1, 2):
        raise ValueError(f"sky_crsigma={text} is not one or two numbers, as in 15.,15.")
    return values[0], values[-1]


class _MethodParameters(CubeParameters):
    """The parameters before the wavelengths."""

    save: Annotated[frozenset[str], BeforeValidator(partial(choices_of, known=SAVE_CHOICES))] = parameter(
        "cube,skymodel",
        "Products, comma-separated: cube (DATACUBE_FINAL, IMAGE_FOV), autocal (AUTOCAL_FACTORS, AUTOCAL_MASK), "
        "skymodel (SKY_IMAGE, SKY_MASK, SKY_SPECTRUM, SKY_LINES, SKY_CONTINUUM), raman (RAMAN_IMAGES), individual "
        "(PIXTABLE_REDUCED), positioned (PIXTABLE_POSITIONED), combined (PIXTABLE_COMBINED), stacked "
        "(OBJECT_RESAMPLED). In a night: cube,skymodel,individual.",
        in_night=IN_NIGHT,
    )
    crsigma: float = parameter(15.0, "Threshold of the rejection; zero or less switches it off.")
    pixfrac: Fractions = parameter("0.8,0.8", PIXFRAC_HELP)
    weight: Literal["exptime", "fwhm", "none"] = parameter(
        "exptime", "Weights of exposures: exptime, fwhm (exposure time and seeing), none (all alike)."
    )
    autocalib: Literal["none", "deepfield", "user"] = parameter(
        "none",
        "Factors on the flux of slices: none, deepfield (measured on the sky of the exposure), user (AUTOCAL_FACTORS).",
    )
    raman_width: float = parameter(20.0, "Width of the images of Raman light around its bands [Angstrom].", gt=0)
    skymethod: Literal["none", "subtract-model", "model", "simple"] = parameter(
        "model",
        "How the sky is subtracted: model (lines fitted to the darkest spaxels, with the line-spread function of each "
        "slice, and a continuum), subtract-model (SKY_LINES and SKY_CONTINUUM as they are), simple (the spectrum of "
        "the darkest spaxels, without line-spread functions), none.",
    )


class ScipostParameters(WavelengthParameters, _MethodParameters):
    """Parameters of muse_scipost."""

    lambdaref: float = parameter(
        7000.0, "Wavelength at which refraction moves nothing [Angstrom]; below 0: refraction is not corrected."
    )
    darcheck: Literal["none", "check", "correct"] = parameter(
        "none", "Measure on sources how refraction was corrected: none, check (report), correct (correct what is left)."
    )
    skymodel_fraction: float = parameter(
        0.1, "Share of the spaxels (of the mask, where one is given) taken as sky, from the darkest on.", gt=0, le=1
    )
    skymodel_ignore: float = parameter(
        0.05, "Share of the darkest spaxels that is left out of the sky before.", ge=0, lt=1
    )
    skymodel_sampling: float = parameter(0.3125, "Bins of the spectrum of the sky [Angstrom].", gt=0, le=1.25)
    skymodel_csampling: float = parameter(0.3125, "Bins of the continuum of the sky [Angstrom].", gt=0)
    sky_crsigma: Annotated[tuple[float, float], BeforeValidator(_two)] = parameter(
        "15.,15.", "Thresholds for cosmic rays in the white-light image of the sky, and in its spectrum."
    )
    rvcorr: Literal["bary", "helio", "geo", "none"] = parameter(
        "bary", "Wavelengths as seen from the barycentre of the solar system, the Sun, the centre of the Earth; none."
    )
    astrometry: bool = parameter(
        True, "Place the exposure on the sky, by ASTROMETRY_WCS or else by the nominal scale; false: pixels stay."
    )

    unbiased: bool = parameter(
        True,
        "Correct the continuum of the sky for the choice of dark spaxels, which noise has made dark, too.",
        neutral=False,
    )
    water: bool = parameter(
        True,
        "Scale the telluric absorption of water by the precipitable water in the headers (TEL AMBI IWV), not by the "
        "airmass alone.",
        neutral=False,
    )
    reduced: Literal["rows", "corrections"] = parameter(
        "rows",
        "What a store PIXTABLE_REDUCED holds: rows, or the corrections alone, which are made when rows of the "
        "PIXTABLE_OBJECTs are read; these must stay then. For save=individual.",
        neutral="rows",
    )

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.skymodel_fraction + self.skymodel_ignore > 1:
            raise ValueError(
                f"skymodel_fraction={self.skymodel_fraction:g} and skymodel_ignore={self.skymodel_ignore:g} are more "
                "than all spaxels; lower one of them"
            )
        return self


RECIPE = Recipe(
    name="muse_scipost",
    summary="Reduce the pixel tables of science exposures and combine them into a cube.",
    inputs=(
        Input("PIXTABLE_OBJECT", 1, None, "Pixel table of a science exposure, one per IFU or one of all", raw=True),
        Input("EXTINCT_TABLE", 0, 1, "Atmospheric extinction", needed=True, match=()),
        Input("STD_RESPONSE", 0, 1, "Response of the instrument; without it counts stay", needed=True, match=("mode",)),
        Input("STD_TELLURIC", 0, 1, "Telluric absorption", match=("mode",)),
        Input("ASTROMETRY_WCS", 0, 1, "Astrometric solution", match=("field",)),
        Input("OFFSET_LIST", 0, 1, "Offsets of position and flux scales by DATE_OBS", match=(),
              left_out="the exposures of a night are aligned after this recipe"),
        Input("FILTER_LIST", 0, 1, "Filter curves", match=()),
        Input("OUTPUT_WCS", 0, 1, "Grid of the output cube (manual A.4.1)",
              left_out="the grid that a user wants; --use OUTPUT_WCS=FILE passes it on"),
        Input("AUTOCAL_FACTORS", 0, 1, "Factors of slices", match=("mode",), asked_by={"autocalib": "user"}),
        Input("RAMAN_LINES", 0, 1, "Raman lines of O2 and N2; used with adaptive optics", match=()),
        Input("SKY_LINES", 0, 1, "Sky lines and their fluxes", match=()),
        Input("SKY_CONTINUUM", 0, 1, "Sky continuum, instead of that of the exposure", match=("mode",),
              asked_by={"skymethod": "subtract-model"}),
        Input("LSF_PROFILE", 0, None, "Line-spread functions of the IFUs", match=("mode",)),
        Input("SKY_MASK", 0, 1, "Where the sky is; with coordinates it is aligned with the exposure", match=(),
              left_out="the mask of muse_create_sky is of another field; --use SKY_MASK=FILE passes one on"),
    ),
    model=ScipostParameters,
    hidden=("raman_width", "skymodel_sampling", "skymodel_csampling", "sky_crsigma"),
    products=(
        Product("DATACUBE_FINAL.fits", "Cube of all exposures", Format.CUBE, 125_000_000, {"save": "cube"}),
        Product("IMAGE_FOV_000k.fits", "Image of the field in the k-th filter", Format.PLANE, 0, {"save": "cube"}),
        Product("OBJECT_RESAMPLED.fits", "Rows stacked: pseudo-spatial position and wavelength",
                Format.PLANE, 0, {"save": "stacked"}),
        Product("PIXTABLE_REDUCED_kkkk.zarr", "Reduced pixel table of exposure kkkk, a store",
                Format.STORE, 190_000_000, {"save": "individual"}, other_size=({"reduced": "corrections"}, 3_500_000)),
        Product("PIXTABLE_REDUCED_kkkk.fits", "The same as FITS (--save-fits)", Format.PIXEL_TABLE, 380_000_000,
                {"save": "individual", SAVE_FITS: True}),
        Product("PIXTABLE_POSITIONED_kkkk.zarr", "The same in right ascension and declination",
                Format.STORE, 0, {"save": "positioned"}),
        Product("PIXTABLE_POSITIONED_kkkk.fits", "The same as FITS (--save-fits)", Format.PIXEL_TABLE, 0,
                {"save": "positioned", SAVE_FITS: True}),
        Product("PIXTABLE_COMBINED.zarr", "All rows, positioned and weighted", Format.STORE, 0, {"save": "combined"}),
        Product("PIXTABLE_COMBINED.fits", "The same as FITS (--save-fits)", Format.PIXEL_TABLE, 0,
                {"save": "combined", SAVE_FITS: True}),
        Product("AUTOCAL_MASK_kkkk.fits", "Sky mask of the autocalibration", Format.PLANE, 0, {"save": "autocal"}),
        Product("AUTOCAL_FACTORS_kkkk.fits", "Factors of slices", Format.TABLE, 0, {"save": "autocal"}),
        Product("RAMAN_IMAGES_kkkk.fits", "Light of the Raman lines and its model", Format.PLANE, 0, {"save": "raman"}),
        Product("SKY_IMAGE_kkkk.fits", "White-light image of the exposure", Format.IMAGE, 0, {"save": "skymodel"}),
        Product("SKY_MASK_kkkk.fits", "Spaxels taken as sky", Format.PLANE, 0, {"save": "skymodel"}),
        Product("SKY_SPECTRUM_kkkk.fits", "Spectrum of the sky", Format.TABLE, 0, {"save": "skymodel"}),
        Product("SKY_LINES_kkkk.fits", "Fluxes of sky lines", Format.TABLE, 0, {"save": "skymodel"}),
        Product("SKY_CONTINUUM_kkkk.fits", "Continuum of the sky", Format.TABLE, 0, {"save": "skymodel"}),
    ),
    quality=(
        Quality("SCIPOST LAMBDA", "Wavelength of the plane in which sources are detected [Angstrom]"),
        Quality("SCIPOST NDET", "Number of sources detected in that plane"),
        Quality("SCIPOST POSk X, Y", "Position of source k [pixel]; -1 where its width cannot be measured"),
        Quality("SCIPOST FWHMk X, Y", "Width of source k [arcsec]; -1 where it cannot be measured"),
        Quality("SCIPOST FWHM NVALID", "Number of sources with a measured width"),
        Quality("SCIPOST FWHM MEDIAN, MAD", "Median of these widths and its median absolute deviation [arcsec]"),
        Quality("SCIPOST LOWLIMIT", "Lowest flux of the white-light image that counts as sky"),
        Quality("SCIPOST THRESHOLD", "Highest flux of the white-light image that counts as sky"),
        Quality("SCIPOST LINEk NAME, AWAV, FLUX", "The brightest line of group k of the sky lines"),
        Quality("SCIPOST CONT FLUX, MAXDEV", "Flux of the sky continuum, and its steepest step"),
        Quality("SCIPOST SKY CONVERGED", "F if the fit of the sky lines has not converged; missing otherwise"),
        Quality("SCIPOST RAMAN SPATIAL XX, XY, YY, X, Y", "Coefficients of the light of Raman lines in the field"),
        Quality("SCIPOST RAMAN FLUX O2, N2", "Flux of the Raman lines of oxygen and nitrogen"),
    ),
    section=12,
    scope=Scope.EXPOSURE,
    cost=Cost(1500 * MIB, 6.0),
    work="musedeep.recipes.scipost.work",
    directory="scipost",
)  # fmt: skip
