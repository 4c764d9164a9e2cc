"""Declaration of muse_scipost_raman: a step of muse_scipost (manual 9.12) by itself."""

from musedeep.declaration import MIB, Cost, Format, Input, Product, Quality, Recipe, Scope, parameter
from musedeep.reduction import parameters as shared
from musedeep.reduction.cube.parameters import WavelengthParameters


class RamanParameters(WavelengthParameters):
    """Parameters of muse_scipost_raman."""

    lambdaref: float = parameter(
        7000.0,
        "Wavelength at which refraction moves nothing, for tables in which it is not corrected [Angstrom]; below 0: it "
        "is not corrected.",
    )
    width: float = parameter(20.0, "Width of the images of Raman light around its bands [Angstrom].", gt=0)
    crsigma: float = parameter(
        15.0, "Threshold for cosmic rays in these images, in standard deviations; 0 or less: none are left out."
    )
    fraction: float = parameter(
        0.75, "Share of the images, within the mask and without what is ignored, that is sky.", gt=0, le=1
    )
    ignore: float = parameter(0.05, "Share of the images, within the mask, to ignore at the dark end.", ge=0, lt=1)


RECIPE = Recipe(
    name="muse_scipost_raman",
    summary="Subtract the Raman light of the laser guide stars from pixel tables.",
    inputs=(
        Input("PIXTABLE_OBJECT", 1, None, "Flux-calibrated pixel table, one per IFU or one of all", raw=True),
        Input("RAMAN_LINES", 1, 1, "Raman lines of O2 and N2", match=()),
        Input("LSF_PROFILE", 1, None, "Line-spread functions of the IFUs", match=("mode",)),
        Input("SKY_MASK", 1, 1, "Where to look for sky; with coordinates it is aligned with the exposure", match=()),
    ),
    model=RamanParameters,
    hidden=("width", "crsigma"),
    products=(
        Product("RAMAN_IMAGES_kkkk.fits", "Images in the bands of O2 and N2, their sky, and the model of the light",
                Format.PLANE, 190_000),
        *shared.REDUCED_TABLES,
    ),
    quality=(
        Quality("SCIPOST RAMAN SPATIAL XX, XY, YY, X, Y", "Distribution over the field, 1 at x = y = 0 [1/pixel]"),
        Quality("SCIPOST RAMAN FLUX O2, N2", "Flux of all lines of a molecule there, in a spaxel [erg/s/cm2]"),
    ),
    section=12,
    scope=Scope.EXPOSURE,
    cost=Cost(600 * MIB, 4.0),
    work="musedeep.recipes.scipost_raman.work",
    in_night=False,
)  # fmt: skip
