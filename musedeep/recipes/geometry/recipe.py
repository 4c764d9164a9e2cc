"""Declaration of muse_geometry."""

from musedeep.declaration import NOT_NEGATIVE, POSITIVE, Parameter, Product, Quality, Range, Recipe, Tag
from musedeep.instrument import N_IFUS
from musedeep.reduction.parameters import BADPIX_TABLE, MASTER_BIAS, MASTER_DARK

RECIPE = Recipe(
    name="muse_geometry",
    summary="Find where the slices lie in the field of view, from exposures of the multi-pinhole mask.",
    tags=(
        Tag("MASK", 50, None, "Raw exposures of the multi-pinhole mask, the full sequence"),
        MASTER_BIAS,
        MASTER_DARK,
        Tag("MASTER_FLAT", 0, None, "Master flat of the IFU"),
        Tag("TRACE_TABLE", 1, None, "Trace of the IFU"),
        Tag("WAVECAL_TABLE", 1, None, "Wavelength calibration of the IFU"),
        Tag("LINE_CATALOG", 1, 1, "Arc lines (manual A.2.1)"),
        BADPIX_TABLE,
        Tag("MASK_CHECK", 0, None, "Raw exposures to make images of with the new table"),
    ),
    parameters=(
        Parameter("ifu1", 1, "First IFU to analyse.", limits=Range(1, N_IFUS)),
        Parameter(
            "ifu2",
            24,
            "Last IFU to analyse; IFUs that the raw files do not hold are left out.",
            limits=Range(1, N_IFUS),
        ),
        Parameter("sigma", 2.2, "Limit for spots, in median deviations above the median.", limits=POSITIVE),
        Parameter("centroid", "gaussian", "How places and widths of spots are measured.", ("barycenter", "gaussian")),
        Parameter(
            "smooth", 1.5, "Limit beyond which values are smoothed within each stack of slices; 0 or less: not at all."
        ),
        Parameter(
            "lambdamin",
            6800.0,
            "Lower limit of wavelengths of the reconstructed cube and images, Angstrom.",
            limits=NOT_NEGATIVE,
        ),
        Parameter(
            "lambdamax",
            7200.0,
            "Upper limit of wavelengths of the reconstructed cube and images, Angstrom.",
            limits=NOT_NEGATIVE,
        ),
        Parameter("saveimage", True, "Write the reduced exposures, 200 MB each."),
    ),
    products=(
        Product("MASK_REDUCED_kkkk-nn.fits", "Reduced exposure k of IFU nn (saveimage=true)"),
        Product("MASK_COMBINED-nn.fits", "Mean of all exposures of IFU nn"),
        Product("SPOTS_TABLE-nn.fits", "Measurements of all spots of IFU nn in all exposures"),
        Product("GEOMETRY_UNSMOOTHED.fits", "Places of the slices as measured"),
        Product("GEOMETRY_TABLE.fits", "Places of the slices"),
        Product("GEOMETRY_CUBE.fits", "Cube of the combined exposures, to check the table"),
        Product("GEOMETRY_CHECK_kkkk.fits", "Image of the field of MASK_CHECK k"),
    ),
    quality=(
        Quality("GEO EXPk FWHM MEAN, MEDIAN, STDEV", "Width of all bright spots in exposure k [pix]"),
        Quality("GEO FWHM MEAN, STDEV", "Mean and standard deviation of the mean widths of all exposures [pix]"),
        Quality("GEO IFUm ANGLE", "Angle of the mask against the slices of IFU m [deg]"),
        Quality("GEO IFUm WLENl", "Wavelength of arc line l [Angstrom]"),
        Quality("GEO IFUm WLENl FLUX MEAN, MEDIAN, STDEV", "Flux of spots while a hole passes; 0: line not found"),
        Quality("GEO IFUm GAPPOS MEAN", "Mean position of the central gap of IFU m [pix]"),
        Quality("GEO GAPPOS MEAN, STDEV", "Of the central gaps of all IFUs [pix]"),
        Quality("GEO MASK ANGLE", "Angle of the mask against the slices of all IFUs [deg]"),
        Quality("GEO TABLE NBAD", "Slices that were not measured"),
        Quality("GEO SMOOTH NX, NY, NANGLE, NWIDTH", "Values that smoothing changed; -1: no smoothing"),
    ),
)
