"""Declaration of muse_wavecal."""

from dataclasses import replace
from typing import Literal

from musedeep.declaration import MIB, Cost, Format, Input, Product, Quality, Recipe, parameter
from musedeep.instrument import IMAGE_BYTES
from musedeep.reduction import parameters as shared


class WavecalParameters(shared.OverscanParameters, shared.NifuParameters):
    """Parameters of muse_wavecal."""

    combine: Literal["average", "median", "minmax", "sigclip"] = parameter(
        "sigclip", "How the frames of a lamp are combined."
    )
    lampwise: bool = parameter(True, "Identify and measure lines on the images of single lamps; false: on their sum.")
    sigma: float = parameter(
        1.0,
        "Limit for the detection of lines above the median signal to noise in the middle of a slice, in "
        "mean absolute deviations.",
        gt=0,
    )
    dres: float = parameter(
        0.05, "Part by which the dispersion may differ from 1.25 Angstrom/pix in pattern matching.", gt=0, lt=1
    )
    tolerance: float = parameter(0.1, "Largest relative difference of ratios of distances in pattern matching.", gt=0)
    xorder: int = parameter(2, "Order of the polynomials along a slice.", ge=1, le=5)
    yorder: int = parameter(6, "Order of the polynomial of the dispersion.", ge=1, le=9)
    linesigma: float = parameter(-1.0, "Limit for deviant positions of a line; negative: 2.5 standard deviations.")
    residuals: bool = parameter(False, "Write the residuals of all positions of all lines.")
    fitsigma: float = parameter(-1.0, "Limit for deviant positions in the final fit; negative: 3 standard deviations.")
    fitweighting: Literal["uniform", "cerr", "scatter", "cerrscatter"] = parameter(
        "cerrscatter",
        "Weights of the final fit: uniform, or by the error of each centre (cerr), the scatter of each "
        "line (scatter) or both.",
    )
    saveimages: bool = parameter(False, "Write the combined image of each lamp.")
    resample: bool = parameter(False, "Write the sum of all lamps, as it is and resampled in wavelength.")
    wavemap: bool = parameter(False, "Write an image of the wavelength of every pixel.")
    merge: bool = shared.MERGE


RECIPE = Recipe(
    name="muse_wavecal",
    summary="Detect arc lines and determine the wavelength solution of each slice.",
    inputs=(
        Input("ARC", 1, None, "Raw arc exposure, at least 3 of each lamp", raw=True),
        shared.MASTER_BIAS, shared.MASTER_DARK, replace(shared.MASTER_FLAT, minimum=0), shared.TRACE_TABLE,
        shared.LINE_CATALOG, shared.BADPIX_TABLE,
    ),
    model=WavecalParameters,
    hidden=("lampwise", "resample", "wavemap"),
    products=(
        Product("WAVECAL_TABLE-nn.fits", "Wavelength solution of IFU nn", Format.TABLE, 104_000),
        Product("WAVECAL_RESIDUALS-nn.fits", "Residuals of all positions (residuals=true)", Format.TABLE, 34_000_000,
                {"residuals": True}),
        Product("ARC_RED_LAMP_eeee-nn.fits", "Combined image of a lamp (saveimages=true)", Format.IMAGE,
                3 * IMAGE_BYTES, {"saveimages": True}),
        Product("ARC_RED_0001-nn.fits", "Sum of all lamps (lampwise=false)", Format.IMAGE, IMAGE_BYTES,
                {"lampwise": False}),
        Product("ARC_RESAMPLED_0001-nn.fits", "Sum of all lamps, resampled in wavelength (resample=true)", Format.PLANE,
                70_000_000, {"resample": True}),
        Product("WAVE_MAP_0001-nn.fits", "Wavelength of every pixel (wavemap=true)", Format.PLANE, 67_000_000,
                {"wavemap": True}),
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
        Quality(
            "WAVECAL INPUTi NSATURATED", "Saturated pixels of raw frame i of the lamp, of the first lamp in ARC_RED"
        ),
        Quality("WAVECAL LAMPk INPUTi NSATURATED", "Saturated pixels of raw frame i of the k-th lamp, in ARC_RED"),
        Quality("WAVECAL NSATURATED", "Saturated pixels of ARC_RED_LAMP and ARC_RED"),
    ),
    section=4,
    cost=Cost(750 * MIB, 5.0),
    work="musedeep.recipes.wavecal.solution",
)  # fmt: skip
