"""Declaration of muse_lsf."""

from musedeep.declaration import NOT_NEGATIVE, POSITIVE, Parameter, Product, Quality, Range, Recipe, Tag
from musedeep.reduction.parameters import BADPIX_TABLE, MASTER_BIAS, MASTER_DARK, MERGE, NIFU, OVERSCAN

RECIPE = Recipe(
    name="muse_lsf",
    summary="Measure the line-spread function of each slice on arc lines.",
    tags=(
        Tag("ARC", 0, None, "Raw arc exposure, at least 3 of each lamp"),
        Tag("ARC_LSF", 0, None, "Raw arc exposure of a long sequence for this recipe"),
        MASTER_BIAS,
        MASTER_DARK,
        Tag("MASTER_FLAT", 0, None, "Master flat of the IFU"),
        Tag("TRACE_TABLE", 1, None, "Trace of the slices of the IFU"),
        Tag("WAVECAL_TABLE", 1, None, "Wavelength solution of the IFU"),
        BADPIX_TABLE,
        Tag("LINE_CATALOG", 1, 1, "Arc lines (manual A.2.1)"),
    ),
    parameters=(
        NIFU,
        *OVERSCAN,
        Parameter("save_subtracted", False, "Write the pixels around the lines, with the profiles subtracted."),
        Parameter("line_quality", 3, "Lowest quality of lines in the LINE_CATALOG.", limits=NOT_NEGATIVE),
        Parameter("lsf_range", 7.5, "Half size of the profiles [Angstrom].", limits=Range(4, 50)),
        Parameter("lsf_size", 150, "Size of the profiles.", limits=Range(20, 10_000)),
        Parameter("lambda_size", 30, "Wavelengths that profiles are given at.", limits=Range(2, 10_000)),
        Parameter(
            "lsf_regression_window",
            0.7,
            "Half size of the window of the regression along profiles [Angstrom].",
            limits=POSITIVE,
        ),
        MERGE,
        Parameter(
            "combine", "sigclip", "How the frames of a lamp are combined.", ("average", "median", "minmax", "sigclip")
        ),
        Parameter(
            "method",
            "interpolate",
            "What is written: interpolate (images of the profiles) or hermit (a table of parameters of Gauss-Hermite "
            "profiles).",
            ("interpolate", "hermit"),
        ),
    ),
    products=(
        Product("LSF_PROFILE-nn.fits", "Line-spread functions of the slices of IFU nn"),
        Product("PIXTABLE_SUBTRACTED-nn.fits", "Pixels around the lines, profiles subtracted (save_subtracted=true)"),
    ),
    quality=(
        Quality("LSF SLICEj FWHM MEAN, STDEV, MIN, MAX", "Full widths at half maximum of slice j [Angstrom]"),
        Quality("WAVECAL INPUTi NSATURATED", "Saturated pixels of raw arc i of the first lamp"),
    ),
)
