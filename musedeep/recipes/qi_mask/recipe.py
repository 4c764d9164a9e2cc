"""Declaration of muse_qi_mask."""

from musedeep.declaration import MIB, Cost, Format, Input, Parameters, Product, Recipe, parameter
from musedeep.instrument import BORDER, N_COLUMNS, N_IFUS, N_ROWS
from musedeep.reduction import parameters as shared


class QiMaskParameters(Parameters):
    """Parameters of muse_qi_mask."""

    nifu: int = parameter(
        0,
        "IFU to handle: 1 to 24; 0: all that there are traces and wavelengths of, together in one file.",
        ge=0,
        le=N_IFUS,
        partype="range",
    )


RECIPE = Recipe(
    name="muse_qi_mask",
    summary="Make masks of the lit pixels of raw images, for quick looks at the field.",
    inputs=(
        Input("BIAS", 0, 1, "Raw bias, which says how the detectors are laid out and binned", raw=True,
              match=("read_out",)),
        shared.TRACE_TABLE,
        shared.WAVECAL_TABLE,
    ),
    model=QiMaskParameters,
    products=(
        Product("MASK_IMAGE_0001-nn.fits",
                "Mask of raw images: 1 within a slice and the range of wavelengths, 0 elsewhere; with nifu=0 "
                "MASK_IMAGE_0001.fits has all IFUs", Format.PLANE, (N_COLUMNS + 4 * BORDER) * (N_ROWS + 4 * BORDER)),
    ),
    section=17,
    cost=Cost(250 * MIB, 1.0),
    in_night=False,
    work="musedeep.recipes.qi_mask.masks",
)  # fmt: skip
