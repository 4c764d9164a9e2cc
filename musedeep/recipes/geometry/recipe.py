"""Declaration of muse_geometry."""

from dataclasses import replace
from typing import Literal

from musedeep.declaration import MIB, Cost, Format, Input, Parameters, Product, Quality, Recipe, Scope, parameter
from musedeep.instrument import IMAGE_BYTES
from musedeep.reduction import parameters as shared


class GeometryParameters(Parameters):
    """Parameters of muse_geometry."""

    ifu1: int = parameter(1, "First IFU to analyse.", ge=1, le=24, partype="range")
    ifu2: int = parameter(
        24, "Last IFU to analyse; IFUs that the raw files do not hold are left out.", ge=1, le=24, partype="range"
    )
    sigma: float = parameter(2.2, "Limit for spots, in median deviations above the median.", gt=0)
    centroid: Literal["barycenter", "gaussian"] = parameter("gaussian", "How places and widths of spots are measured.")
    smooth: float = parameter(
        1.5, "Limit beyond which values are smoothed within each stack of slices; 0 or less: not at all."
    )
    lambdamin: float = parameter(
        6800.0, "Lower limit of wavelengths of the reconstructed cube and images, Angstrom.", ge=0
    )
    lambdamax: float = parameter(
        7200.0, "Upper limit of wavelengths of the reconstructed cube and images, Angstrom.", ge=0
    )
    saveimage: bool = parameter(True, "Write the reduced exposures, 200 MB each.", in_night=False, own=True)


RECIPE = Recipe(
    name="muse_geometry",
    summary="Find where the slices lie in the field of view, from exposures of the multi-pinhole mask.",
    inputs=(
        Input("MASK", 50, None, "Raw exposures of the multi-pinhole mask, the full sequence", raw=True,
              match=("field", "read_out")),
        shared.MASTER_BIAS, shared.MASTER_DARK,
        replace(shared.MASTER_FLAT, minimum=0,
                left_out="spots are compared within an image; the flat would only add its noise"),
        shared.TRACE_TABLE, shared.WAVECAL_TABLE, shared.LINE_CATALOG, shared.BADPIX_TABLE,
        Input("MASK_CHECK", 0, None, "Raw exposures to make images of with the new table", nearest="SKYFLAT"),
    ),
    model=GeometryParameters,
    hidden=("ifu1", "ifu2", "lambdamin", "lambdamax"),
    products=(
        Product("MASK_REDUCED_kkkk-nn.fits", "Reduced exposure k of IFU nn (saveimage=true)", Format.IMAGE, IMAGE_BYTES,
                {"saveimage": True}),
        Product("MASK_COMBINED-nn.fits", "Mean of all exposures of IFU nn", Format.IMAGE, IMAGE_BYTES),
        Product("SPOTS_TABLE-nn.fits", "Measurements of all spots of IFU nn in all exposures", Format.TABLE,
                10_000_000),
        Product("GEOMETRY_UNSMOOTHED.fits", "Places of the slices as measured", Format.TABLE),
        Product("GEOMETRY_TABLE.fits", "Places of the slices", Format.TABLE),
        Product("GEOMETRY_CUBE.fits", "Cube of the combined exposures, to check the table", Format.CUBE),
        Product("GEOMETRY_CHECK_kkkk.fits", "Image of the field of MASK_CHECK k", Format.PLANE, 500_000),
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
    section=6,
    scope=Scope.FIELD,
    cost=Cost(900 * MIB, 25.0, work_per_exposure=36_000_000),
    directory="geometry",
    work="musedeep.recipes.geometry.field",
)  # fmt: skip
