"""Declaration of muse_exp_align (manual 9.13, with what version 2.8.7 added)."""

from itertools import pairwise
from typing import Self

from pydantic import model_validator

from musedeep.declaration import MIB, Cost, Format, Input, Parameters, Product, Quality, Recipe, Scope, parameter


class ExpAlignParameters(Parameters):
    """Parameters of muse_exp_align."""

    rsearch: str = parameter(
        "30.,4.,2.,0.8", "Radii within which sources of two images belong together, step after step, arcsec."
    )
    nbins: int = parameter(60, "Bins of the histogram of distances in which the first step looks.", ge=2, le=2000)
    weight: bool = parameter(True, "Weight pairs of images by the number of their sources and by how well these agree.")
    fwhm: float = parameter(5.0, "Width of the sources that are looked for, pixels.", ge=0.5, le=100)
    threshold: float = parameter(
        15.0,
        "First threshold for sources: a level in the unit of the image if positive; else median deviations above the "
        "median of the background.",
    )
    bkgignore: float = parameter(
        0.05, "Share of the pixels, the darkest, that the background does not count.", ge=0, lt=1
    )
    bkgfraction: float = parameter(
        0.1, "Share of the other pixels, again the darkest, that are the background.", gt=0, le=1
    )
    step: float = parameter(0.5, "By how much the threshold changes if there are too few or too many sources.", gt=0)
    iterations: int = parameter(100000, "How often the threshold is changed at most.", ge=1)
    srcmin: int = parameter(5, "Smallest number of sources in an image.", ge=1)
    srcmax: int = parameter(80, "Largest number of sources in an image.", ge=1)
    roundmin: float = parameter(-1.0, "Lower limit of the roundness of sources.", ge=-2, le=2)
    roundmax: float = parameter(1.0, "Upper limit of the roundness of sources.", ge=-2, le=2)
    sharpmin: float = parameter(0.2, "Lower limit of the sharpness of sources.", ge=-1000, le=1000)
    sharpmax: float = parameter(1.0, "Upper limit of the sharpness of sources.", ge=-1000, le=1000)
    expmap: bool = parameter(False, "Write a map of the exposure time, too.")
    bpixdistance: float = parameter(
        5.0, "Sources nearer to a pixel without data than this are left out, pixels; not those of a SOURCE_LIST.", ge=0
    )
    override_detection: bool = parameter(
        False, "Take the sources of the SOURCE_LISTs, one list for each image, and look for none."
    )

    @property
    def radii(self) -> tuple[float, ...]:
        """The search radii [arcsec]."""
        return tuple(float(text) for text in self.rsearch.split(",") if text.strip())

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        try:
            radii = self.radii
        except ValueError:
            radii = ()
        if not radii or not all(0 < radius <= 3600 for radius in radii):
            raise ValueError(f"rsearch={self.rsearch} is no list of radii [arcsec]; as in 30.,4.,2.,0.8")
        if any(later > earlier for earlier, later in pairwise(radii)):
            raise ValueError(f"rsearch={self.rsearch}: a radius is larger than the one before; as in 30.,4.,2.,0.8")
        for low, high in (("srcmin", "srcmax"), ("roundmin", "roundmax"), ("sharpmin", "sharpmax")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(
                    f"{low}={getattr(self, low):g} is above {high}={getattr(self, high):g}; exchange or correct them"
                )
        return self


RECIPE = Recipe(
    name="muse_exp_align",
    summary="Find the offsets of exposures against each other, from the sources in their images of the field.",
    inputs=(
        Input("IMAGE_FOV", 2, None, "Images of the field, one per exposure", raw=True),
        Input("SOURCE_LIST", 0, None, "Sources of each image (override_detection=true)", match=(),
              left_out="positions that a user wants, and not a calibration"),
    ),
    model=ExpAlignParameters,
    hidden=("expmap", "override_detection"),
    products=(
        Product("OFFSET_LIST.fits", "Offsets of the exposures", Format.TABLE, 23_000),
        Product("PREVIEW_FOV.fits", "Sum of the aligned images", Format.PLANE, 500_000),
        Product("SOURCE_LIST_kkkk.fits", "Sources of image k", Format.TABLE, 40_000),
        Product("EXPOSURE_MAP.fits", "Exposure time of each pixel of the sum (expmap=true)", Format.PLANE, 500_000,
                {"expmap": True}),
    ),
    quality=(
        Quality("EXPALIGN SRC POSITIONS", "Where the sources come from: detection or catalog"),
        Quality("EXPALIGN NDET", "Number of sources of an image"),
        Quality("EXPALIGN BKG MEDIAN, MAD", "Median of the background, and median deviation from it"),
        Quality("EXPALIGN THRESHOLD", "Threshold that was used for an image"),
        Quality("EXPALIGN NDETi", "Number of sources of image i"),
        Quality("EXPALIGN NMATCHi", "Median number of sources that image i shares with the images that share any"),
        Quality("EXPALIGN NMATCH MIN", "Least of these numbers that is not 0; -1 if all are"),
        Quality("EXPALIGN NOMATCH", "Images that share no source with any other"),
        Quality("EXPALIGN OFFSET RA, DEC MIN, MAX, MEAN, STDEV", "Of the offsets of all images [arcsec]"),
        Quality("EXPALIGN EXPTIME MIN, MAX, AVG, MED", "Of the exposure times in the EXPOSURE_MAP [s]"),
    ),
    section=13,
    scope=Scope.EXPOSURES,
    cost=Cost(150 * MIB, 2.0),
    work="musedeep.recipes.exp_align.align",
    directory="exp_align",
)  # fmt: skip
