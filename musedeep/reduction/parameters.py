"""Inputs and parameters that recipes share (manual 9.1 to 9.8)."""

import math
from functools import cached_property
from typing import Final, Literal, NamedTuple

from pydantic import field_validator

from musedeep.declaration import Format, Input, Parameters, Product, parameter
from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS

SAVE_FITS: Final = "save-fits"
"""In `Product.when`: pixel tables are written as FITS files, too; an option of commands, not a parameter."""

BADPIX_TABLE = Input("BADPIX_TABLE", 0, None, "Known bad pixels (manual A.2.5)", match=(), each_ifu=True)
MASTER_BIAS = Input("MASTER_BIAS", 1, None, "Master bias of the IFU", match=("read_out",))
MASTER_DARK = Input("MASTER_DARK", 0, None, "Master dark of the IFU", match=("read_out",), on_demand=True)
MASTER_FLAT = Input("MASTER_FLAT", 1, None, "Master flat of the IFU")
TRACE_TABLE = Input("TRACE_TABLE", 1, None, "Trace of the slices of the IFU")
WAVECAL_TABLE = Input("WAVECAL_TABLE", 1, None, "Wavelength solution of the IFU")
LINE_CATALOG = Input("LINE_CATALOG", 1, 1, "Arc lines (manual A.2.1)", match=())
GEOMETRY_TABLE = Input("GEOMETRY_TABLE", 1, 1, "Places of the slices in the field of view", match=("field",))

MERGE = parameter(False, "Put the products of all IFUs into one file, in extensions CHANnn.")


class NifuParameters(Parameters):
    """The IFUs to work on."""

    nifu: int = parameter(
        0,
        "IFU to handle: 1 to 24; 0: all in the raw files, one after the other; -1: all, in parallel processes.",
        ge=-1,
        le=N_IFUS,
        partype="range",
    )


class OverscanFit(NamedTuple):
    """The overscan correction: none, offset or vpoly; highest order, least gains in scatter and chi square of vpoly."""

    method: str
    order: int = 15
    rms_factor: float = 1.00001
    chisq_factor: float = 1.00001


def _overscan_fit(text: str) -> OverscanFit:
    method, colon, rest = text.partition(":")
    words = [word for word in rest.split(",") if word]
    fit = OverscanFit(method, *(int(words[0]) if words else 15,), *(float(word) for word in words[1:]))
    good = fit.order >= 0 and all(0 < factor < math.inf for factor in fit[2:])
    if method not in ("none", "offset", "vpoly") or (colon and method != "vpoly") or not good:
        raise ValueError
    return fit


class OverscanParameters(Parameters):
    """How the overscan is used."""

    overscan: str = parameter(
        "vpoly",
        "Overscan correction: none (frames whose levels differ are refused, see ovscsigma), offset (the "
        "mean level of each quadrant), or vpoly (a polynomial along the columns; vpoly:ORDER,RMS,CHISQ "
        "sets its highest order and the least gain in scatter and in chi square for a higher one, "
        "15,1.00001,1.00001).",
    )
    ovscreject: Literal["none", "dcr", "fit"] = parameter(
        "dcr", "How overscan pixels are rejected from the mean level: none | dcr | fit.", partype="value"
    )
    ovscsigma: float = parameter(
        30.0,
        "With none: largest difference of overscan levels, in standard deviations. With vpoly: "
        "rejection limit of the fit (levels may then differ by 100 standard deviations). No effect with "
        "offset.",
        gt=0,
    )
    ovscignore: int = parameter(3, "Overscan pixels next to the data that are left out.", ge=0)

    @field_validator("overscan")
    @classmethod
    def _is_correction(cls, text: str) -> str:
        try:
            _overscan_fit(text)
        except (ValueError, TypeError):
            raise ValueError(
                f"overscan={text} is not none, offset, vpoly or vpoly:ORDER,RMS,CHISQ; correct it"
            ) from None
        return text

    @cached_property
    def overscan_fit(self) -> OverscanFit:
        """The correction, from its text."""
        return _overscan_fit(self.overscan)


class CombineParameters(Parameters):
    """How frames are combined."""

    combine: Literal["average", "median", "minmax", "sigclip"] = parameter("sigclip", "How frames are combined.")
    nlow: int = parameter(1, "Lowest values that minmax rejects.", ge=0)
    nhigh: int = parameter(1, "Highest values that minmax rejects.", ge=0)
    nkeep: int = parameter(1, "Values that minmax keeps at least.", ge=1)
    lsigma: float = parameter(3.0, "Lower limit of sigclip, in mean absolute deviations from the median.", gt=0)
    hsigma: float = parameter(3.0, "Upper limit of sigclip, in mean absolute deviations from the median.", gt=0)

    def check_number(self, n_frames: int) -> None:
        """Raise MusedeepError if there are too few frames for what is to be rejected."""
        low, high, keep = self.nlow, self.nhigh, self.nkeep
        if self.combine == "minmax" and low + high + keep > n_frames:
            raise MusedeepError(
                f"minmax: nlow={low} + nhigh={high} + nkeep={keep} are more than the {n_frames} frames; lower them"
            )


class CosmicSearch(NamedTuple):
    """The search for cosmic rays on images: cr, boxes of rows and columns, passes, thres of muse_scibasic."""

    method: str
    box: tuple[int, int]
    passes: int
    threshold: float


class SkyLineSearch(NamedTuple):
    """How the shift of wavelengths is found from sky lines.

    Attributes
    ----------
    lines : wavelengths [Angstrom]; none: no correction
    half_width, bin_size : of the box around a line, and of bins [Angstrom]
    high, low, iterations : of the clipping, in standard deviations
    neighbours : whether lines beside the sky lines are in the model
    """

    lines: tuple[float, ...]
    half_width: float
    bin_size: float
    high: float
    low: float
    iterations: int
    neighbours: bool


AVERAGE: Final = CombineParameters(combine="average")
"""Of one frame, and where there is nothing to choose."""

REDUCED_TABLES: Final = (
    Product("PIXTABLE_REDUCED_kkkk.zarr", "Pixel table of exposure kkkk, a store", Format.STORE, 190_000_000),
    Product("PIXTABLE_REDUCED_kkkk.fits", "The same as FITS (--save-fits)", Format.PIXEL_TABLE, 380_000_000,
            {SAVE_FITS: True}),
)  # fmt: skip
"""Products of the steps of muse_scipost."""
