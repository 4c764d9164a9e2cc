"""Declaration of muse_create_sky (manual 9.10, with what version 2.8.7 added)."""

from pydantic import field_validator

from musedeep.declaration import MIB, Cost, Format, Input, Parameters, Product, Quality, Recipe, Scope, parameter
from musedeep.reduction.cube.parameters import WavelengthParameters
from musedeep.reduction.sky.parameters import crsigma_of


class _ChoiceParameters(Parameters):
    """The parameters before the wavelengths."""

    fraction: float = parameter(
        0.75, "Share of the image, or of the SKY_MASK, that is sky, without what is ignored.", gt=0, le=1
    )
    ignore: float = parameter(0.05, "Share of the image, or of the SKY_MASK, to ignore at the dark end.", ge=0, lt=1)
    sampling: float = parameter(0.3125, "Bins of the spectrum of the sky [Angstrom].", ge=0.05, le=10)
    csampling: float = parameter(0.3125, "Bins of the continuum [Angstrom].", ge=0.05, le=10)
    crsigma: str = parameter(
        "15.,15.",
        "Limits for cosmic rays in image and spectrum, in standard deviations; 0 or less: none are left out.",
    )

    @field_validator("crsigma")
    @classmethod
    def _is_pair(cls, text: str) -> str:
        crsigma_of(text)
        return text


class CreateSkyParameters(WavelengthParameters, _ChoiceParameters):
    """Parameters of muse_create_sky."""

    lambdaref: float = parameter(
        7000.0, "Wavelength at which refraction moves nothing [Angstrom]; below 0: refraction is not corrected."
    )
    unbiased: bool = parameter(
        True,
        "Correct the continuum for the choice of dark pixels, which noise has made dark, too.",
        neutral=False,
    )
    water: bool = parameter(
        True,
        "Scale the telluric absorption of water by the precipitable water in the headers (TEL AMBI IWV), not by the "
        "airmass alone.",
        neutral=False,
    )


RECIPE = Recipe(
    name="muse_create_sky",
    summary="Make a model of the night sky, lines and continuum, from exposures of a mostly empty field.",
    inputs=(
        Input("PIXTABLE_SKY", 1, None, "Pixel tables of exposures of an empty field", raw=True),
        Input("EXTINCT_TABLE", 0, 1, "Atmospheric extinction", match=(), needed=True),
        Input("STD_RESPONSE", 0, 1, "Response of the instrument", match=("mode",), needed=True),
        Input("STD_TELLURIC", 0, 1, "Telluric absorption", match=("mode",)),
        Input("SKY_LINES", 1, 1, "Sky lines, in groups that vary together (manual A.2.2)", match=()),
        Input("SKY_CONTINUUM", 0, 1, "Known continuum of the sky", match=(), left_out="it is to be found"),
        Input("LSF_PROFILE", 1, None, "Line-spread functions of the IFUs", match=("mode",)),
        Input("SKY_MASK", 0, 1, "Where to look for the sky; with coordinates it is aligned with the exposure",
              match=(), left_out="the darkest pixels are taken"),
    ),
    model=CreateSkyParameters,
    hidden=("sampling", "csampling", "crsigma"),
    products=(
        Product("SKY_MASK.fits", "Where the field is sky", Format.PLANE, 30_000),
        Product("SKY_IMAGE.fits", "White-light image of the field", Format.IMAGE, 100_000),
        Product("SKY_SPECTRUM.fits", "Spectrum of the sky", Format.TABLE, 450_000),
        Product("SKY_LINES.fits", "Fluxes of sky lines", Format.TABLE, 200_000),
        Product("SKY_CONTINUUM.fits", "Continuum of the sky", Format.TABLE, 260_000),
    ),
    quality=(
        Quality("SKY LOWLIMIT, THRESHOLD", "Limits of the white-light image between which it is sky"),
        Quality("SKY LINEk NAME, AWAV, FLUX", "Brightest line of group k: name, wavelength [Angstrom], flux"),
        Quality("SKY CONT FLUX", "Sum of the continuum over the rows of SKY_CONTINUUM"),
        Quality("SKY CONT MAXDEV", "Steepest slope of the continuum"),
    ),
    section=10,
    scope=Scope.FIELD,
    cost=Cost(900 * MIB, 3.0),
    work="musedeep.recipes.create_sky.work",
)  # fmt: skip
