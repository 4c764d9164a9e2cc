"""Declaration of muse_twilight."""

from typing import Final, Literal, Self

from pydantic import model_validator

from musedeep.declaration import MIB, Cost, Format, Input, Product, Quality, Recipe, Scope, parameter
from musedeep.reduction import parameters as shared

HIGHEST_ORDER: Final = 10

DEFAULT_SIZES: Final = {"polyfit": 4, "gaussian": 10, "median": 5}
"""Of the smoothing of the vignetted area."""


class TwilightParameters(shared.CombineParameters, shared.OverscanParameters):
    """Parameters of muse_twilight."""

    scale: bool = parameter(False, "Scale frames to the exposure time of the first before they are combined.")
    resample: Literal["nearest", "linear", "quadratic", "renka", "drizzle", "lanczos"] = parameter(
        "drizzle", "How pixels become voxels."
    )
    crtype: Literal["iraf", "mean", "median"] = parameter(
        "median", "Statistics by which cosmic rays are found in the cube."
    )
    crsigma: float = parameter(50.0, "Limit for cosmic rays, in their spread; 0 or less: they are not looked for.")
    lambdamin: float = parameter(5000.0, "Lowest wavelength, Angstrom.", ge=0)
    lambdamax: float = parameter(9000.0, "Highest wavelength, Angstrom.", ge=0)
    dlambda: float = parameter(250.0, "Step of the planes of the cube, Angstrom.", ge=1.25)
    xorder: int = parameter(2, "Order of the polynomial in x that is fitted to the field.", ge=0, le=10)
    yorder: int = parameter(2, "Order of the polynomial in y that is fitted to the field.", ge=0, le=10)
    vignmaskedges: float = parameter(
        0.02, "Pixels on edges stronger than this are left out of the fit to the vignetted area; 0 or less: none."
    )
    vignsmooth: Literal["polyfit", "gaussian", "median"] = parameter("polyfit", "How the vignetted area is smoothed.")
    vignxpar: int = parameter(
        -1,
        "Order in x of polyfit, twice the share of the FWHM of gaussian, or columns of median; -1: 4, 10 or 5.",
        ge=-1,
        le=100,
    )
    vignypar: int = parameter(
        -1,
        "Order in y of polyfit, twice the share of the FWHM of gaussian, or rows of median; -1: 4, 10 or 5.",
        ge=-1,
        le=100,
    )
    vignnfmmask: int = parameter(
        22, "Height of the vignetted area at the upper edge in the narrow-field mode, pixels.", ge=0
    )
    vignloss: bool = parameter(
        False,
        "Follow a loss of light in the vignetted area, too; false: as the ESO pipeline 2.8.7, which "
        "sees an excess only, and looks for it in the lower half of the mask.",
        own=True,
    )

    @property
    def vignetting_size(self) -> tuple[int, int]:
        """Size of the smoothing of the vignetted area, in x and y."""
        size, default = (self.vignxpar, self.vignypar), DEFAULT_SIZES[self.vignsmooth]
        return default if size[0] == -1 else size[0], default if size[1] == -1 else size[1]

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        low, high = (0, HIGHEST_ORDER) if self.vignsmooth == "polyfit" else (1, 100)
        for name, value in zip(("vignxpar", "vignypar"), self.vignetting_size, strict=True):
            if not low <= value <= high:
                raise ValueError(
                    f"{name}={value} is no size of {self.vignsmooth}; as in {DEFAULT_SIZES[self.vignsmooth]}"
                )
        return self


RECIPE = Recipe(
    name="muse_twilight",
    summary="Combine twilight flats of all IFUs into a smooth cube of the illumination of the field.",
    inputs=(
        Input("SKYFLAT", 3, None, "Raw twilight flat", raw=True),
        Input("ILLUM", 0, 1, "Raw lamp flat, to compare the slices of an IFU", nearest="ILLUM",
              match=("field", "read_out")),
        shared.MASTER_BIAS, shared.MASTER_DARK, shared.MASTER_FLAT, shared.BADPIX_TABLE, shared.TRACE_TABLE,
        shared.WAVECAL_TABLE, shared.GEOMETRY_TABLE,
        Input("VIGNETTING_MASK", 0, 1, "Where the field of view is vignetted", match=("field",)),
    ),
    model=TwilightParameters,
    hidden=("vignmaskedges", "vignsmooth", "vignxpar", "vignypar", "vignnfmmask"),
    products=(
        Product("DATACUBE_SKYFLAT.fits", "Cube of the combined exposures", Format.CUBE, 530_000),
        Product("TWILIGHT_CUBE.fits", "Smooth cube of the illumination, planes of mean 1", Format.CUBE, 415_000),
    ),
    quality=(
        Quality("TWILIGHTm INPUTi MEDIAN, MEAN, STDEV, MIN, MAX", "Statistics of exposure i of IFU m [count]"),
        Quality("TWILIGHTm INPUTi NSATURATED", "Saturated pixels of raw exposure i of IFU m"),
        Quality("TWILIGHTm MASTER MEDIAN, MEAN, STDEV, MIN, MAX", "Statistics of the combined exposures [count]"),
        Quality("TWILIGHTm MASTER INTFLUX", "Sum of all pixels of the combined exposures"),
        Quality("TWILIGHTm INTFLUX", "Sum of the pixels of all slices between lambdamin and lambdamax"),
    ),
    section=7,
    scope=Scope.FIELD,
    cost=Cost(600 * MIB, 3.0, memory_per_ifu=20 * MIB, piece=600 * MIB),
    work="musedeep.recipes.twilight.field",
)  # fmt: skip
