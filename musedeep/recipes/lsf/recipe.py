"""Declaration of muse_lsf."""

from dataclasses import replace
from typing import Literal, Self

from pydantic import model_validator

from musedeep.declaration import MIB, Cost, Format, Input, Product, Quality, Recipe, parameter
from musedeep.reduction import parameters as shared


class LsfParameters(shared.OverscanParameters, shared.NifuParameters):
    """Parameters of muse_lsf."""

    save_subtracted: bool = parameter(False, "Write the pixels around the lines, with the profiles subtracted.")
    line_quality: int = parameter(3, "Lowest quality of lines in the LINE_CATALOG.", ge=0)
    lsf_range: float = parameter(7.5, "Half size of the profiles [Angstrom].", ge=4, le=50)
    lsf_size: int = parameter(150, "Size of the profiles.", ge=20, le=10000)
    lambda_size: int = parameter(30, "Wavelengths that profiles are given at.", ge=2, le=10000)
    lsf_regression_window: float = parameter(
        0.7, "Half size of the window of the regression along profiles [Angstrom].", gt=0
    )
    merge: bool = shared.MERGE
    combine: Literal["average", "median", "minmax", "sigclip"] = parameter(
        "sigclip", "How the frames of a lamp are combined."
    )
    method: Literal["interpolate", "hermit"] = parameter(
        "interpolate",
        "What is written: interpolate (images of the profiles) or hermit (a table of parameters of "
        "Gauss-Hermite profiles).",
    )

    @model_validator(mode="after")
    def _window_fits(self) -> Self:
        step = 2.0 * self.lsf_range / (self.lsf_size - 1)
        if not 0.5 * step < self.lsf_regression_window <= 0.5 * self.lsf_range:
            raise ValueError(
                f"lsf_regression_window={self.lsf_regression_window:g} is not between half a step of the profile "
                f"({0.5 * step:.3g} Angstrom) and {0.5 * self.lsf_range:g}; correct it"
            )
        return self


RECIPE = Recipe(
    name="muse_lsf",
    summary="Measure the line-spread function of each slice on arc lines.",
    inputs=(
        Input("ARC", 0, None, "Raw arc exposure, at least 3 of each lamp", raw=True),
        Input("ARC_LSF", 0, None, "Raw arc exposure of a long sequence for this recipe", raw=True, preferred=True),
        shared.MASTER_BIAS, shared.MASTER_DARK, replace(shared.MASTER_FLAT, minimum=0), shared.TRACE_TABLE,
        shared.WAVECAL_TABLE, shared.BADPIX_TABLE, shared.LINE_CATALOG,
    ),
    model=LsfParameters,
    products=(
        Product("LSF_PROFILE-nn.fits", "Line-spread functions of the slices of IFU nn", Format.TABLE, 901_000),
        Product("PIXTABLE_SUBTRACTED-nn.fits", "Pixels around the lines, profiles subtracted (save_subtracted=true)",
                Format.PIXEL_TABLE, 230_000_000, {"save_subtracted": True}),
    ),
    quality=(
        Quality("LSF SLICEj FWHM MEAN, STDEV, MIN, MAX", "Full widths at half maximum of slice j [Angstrom]"),
        Quality("WAVECAL INPUTi NSATURATED", "Saturated pixels of raw arc i of the first lamp"),
    ),
    section=5,
    cost=Cost(450 * MIB, 5.0),
    work="musedeep.recipes.lsf.line_spread",
)  # fmt: skip
