"""Declaration of muse_wavecal."""

from musedeep.declaration import FRACTION, POSITIVE, Parameter, Product, Quality, Range, Recipe, Tag
from musedeep.kernels.lines.dispersion import WEIGHTINGS
from musedeep.reduction.parameters import BADPIX_TABLE, MASTER_BIAS, MASTER_DARK, MERGE, NIFU, OVERSCAN

RECIPE = Recipe(
    name="muse_wavecal",
    summary="Detect arc lines and determine the wavelength solution of each slice.",
    tags=(
        Tag("ARC", 1, None, "Raw arc exposure, at least 3 of each lamp"),
        MASTER_BIAS,
        MASTER_DARK,
        Tag("MASTER_FLAT", 0, None, "Master flat of the IFU"),
        Tag("TRACE_TABLE", 1, None, "Trace of the slices of the IFU"),
        Tag("LINE_CATALOG", 1, 1, "Arc lines (manual A.2.1)"),
        BADPIX_TABLE,
    ),
    parameters=(
        NIFU,
        *OVERSCAN,
        Parameter(
            "combine", "sigclip", "How the frames of a lamp are combined.", ("average", "median", "minmax", "sigclip")
        ),
        Parameter("lampwise", True, "Identify and measure lines on the images of single lamps; false: on their sum."),
        Parameter(
            "sigma",
            1.0,
            "Limit for the detection of lines above the median signal to noise in the middle of a slice, in mean "
            "absolute deviations.",
            limits=POSITIVE,
        ),
        Parameter(
            "dres",
            0.05,
            "Part by which the dispersion may differ from 1.25 Angstrom/pix in pattern matching.",
            limits=FRACTION,
        ),
        Parameter(
            "tolerance", 0.1, "Largest relative difference of ratios of distances in pattern matching.", limits=POSITIVE
        ),
        Parameter("xorder", 2, "Order of the polynomials along a slice.", limits=Range(1, 5)),
        Parameter("yorder", 6, "Order of the polynomial of the dispersion.", limits=Range(1, 9)),
        Parameter("linesigma", -1.0, "Limit for deviant positions of a line; negative: 2.5 standard deviations."),
        Parameter("residuals", False, "Write the residuals of all positions of all lines."),
        Parameter("fitsigma", -1.0, "Limit for deviant positions in the final fit; negative: 3 standard deviations."),
        Parameter(
            "fitweighting",
            "cerrscatter",
            "Weights of the final fit: uniform, or by the error of each centre (cerr), the scatter of each line "
            "(scatter) or both.",
            WEIGHTINGS,
        ),
        Parameter("saveimages", False, "Write the combined image of each lamp."),
        Parameter("resample", False, "Write the sum of all lamps, as it is and resampled in wavelength."),
        Parameter("wavemap", False, "Write an image of the wavelength of every pixel."),
        MERGE,
    ),
    products=(
        Product("WAVECAL_TABLE-nn.fits", "Wavelength solution of IFU nn"),
        Product("WAVECAL_RESIDUALS-nn.fits", "Residuals of all positions (residuals=true)"),
        Product("ARC_RED_LAMP_eeee-nn.fits", "Combined image of a lamp (saveimages=true)"),
        Product("ARC_RED_0001-nn.fits", "Sum of all lamps (resample=true, lampwise=false)"),
        Product("ARC_RESAMPLED_0001-nn.fits", "The same, resampled in wavelength (resample=true)"),
        Product("WAVE_MAP_0001-nn.fits", "Wavelength of every pixel (wavemap=true)"),
    ),
    quality=(
        Quality("WAVECAL SLICEj LINES NDET, NID", "Arc lines detected and identified in slice j"),
        Quality("WAVECAL SLICEj LINES PEAK MEAN, STDEV, MIN, MAX", "Peaks of identified lines above background"),
        Quality("WAVECAL SLICE20 LAMPl LINES PEAK MEAN, STDEV, MAX", "The same of lamp l in slice 20"),
        Quality("WAVECAL SLICEj LINES FWHM MEAN, STDEV, MIN, MAX", "Widths of lines of quality 5 [Angstrom]"),
        Quality("WAVECAL SLICEj RESOL", "Mean spectral resolution"),
        Quality("WAVECAL SLICEj FIT NLINES, RMS", "Lines in the final fit, and its rms [Angstrom]"),
        Quality("WAVECAL SLICEj DWLEN BOTTOM, TOP", "Wavelength left minus right [Angstrom]"),
        Quality("WAVECAL SLICEj WLPOS, WLEN", "Row in the middle [pix], and its wavelength [Angstrom]"),
        Quality("WAVECAL NSATURATED LAMPl", "Saturated pixels of the combined image of lamp l"),
        Quality("WAVECAL INPUTi NSATURATED, NSATURATED", "Saturated pixels of raw frame i and of ARC_RED_LAMP"),
    ),
)
