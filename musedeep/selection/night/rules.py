"""Rules of association as data: what recipes take, who makes it, what has to match (manual 6.2.2, chapter 9)."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class SetRule:
    """A kind of set-of-frames.

    Attributes
    ----------
    name : of the set, to which the IFU is added
    step : of a reduction, as the user says it
    recipe : that takes it
    raws : raw tags, or tags of products that stand for them; the first of which there are enough frames is taken
    minimum : frames that the recipe needs, as its declaration says
    inputs : tags of calibrations, in this order; those that begin with ? may be missing
    per_ifu : one set an IFU, or one for all of them
    illuminated : takes an ILLUM, the nearest in time and temperature
    directory : of the products, below that of the others
    checked_by : raw tag of which the exposure nearest in time is given as MASK_CHECK
    """

    name: str
    step: str
    recipe: str
    raws: tuple[str, ...]
    minimum: int
    inputs: tuple[str, ...]
    per_ifu: bool = True
    illuminated: bool = False
    directory: str = ""
    checked_by: str = ""


_CORRECTIONS: Final = ("MASTER_BIAS", "?MASTER_DARK")
_BASIC: Final = (*_CORRECTIONS, "MASTER_FLAT", "TRACE_TABLE")
_ARC: Final = (*_CORRECTIONS, "?MASTER_FLAT", "TRACE_TABLE")
_RESPONSE: Final = ("?STD_RESPONSE", "?STD_TELLURIC")


def _basic(name: str, raws: tuple[str, ...], minimum: int, *inputs: str) -> SetRule:
    return SetRule(name, name, f"muse_{name}", raws, minimum, inputs)


def _scibasic(tag: str) -> SetRule:
    inputs = (*_BASIC, "WAVECAL_TABLE", "GEOMETRY_TABLE", "?BADPIX_TABLE", "?TWILIGHT_CUBE")
    return SetRule(f"scibasic-{tag}", "scibasic", "muse_scibasic", (tag,), 1, inputs, illuminated=True)


def _later(name: str, raw: str, minimum: int, *inputs: str, directory: str = "") -> SetRule:
    return SetRule(name, name, f"muse_{name}", (raw,), minimum, inputs, per_ifu=False, directory=directory)


FIRST_STAGE: Final = (
    _basic("bias", ("BIAS",), 3, "?BADPIX_TABLE"),
    _basic("dark", ("DARK",), 3, "MASTER_BIAS", "?BADPIX_TABLE"),
    _basic("flat", ("FLAT",), 3, *_CORRECTIONS, "?BADPIX_TABLE"),
    _basic("wavecal", ("ARC",), 1, *_ARC, "LINE_CATALOG", "?BADPIX_TABLE"),
    _basic("lsf", ("ARC_LSF", "ARC"), 1, *_ARC, "WAVECAL_TABLE", "LINE_CATALOG", "?BADPIX_TABLE"),
    SetRule(
        "geometry", "geometry", "muse_geometry", ("MASK",), 50,
        (*_CORRECTIONS, "TRACE_TABLE", "WAVECAL_TABLE", "LINE_CATALOG", "?BADPIX_TABLE"),
        per_ifu=False, directory="geometry", checked_by="SKYFLAT",
    ),
    SetRule(
        "twilight", "twilight", "muse_twilight", ("SKYFLAT",), 3,
        (*_CORRECTIONS, "TRACE_TABLE", "WAVECAL_TABLE", "MASTER_FLAT", "GEOMETRY_TABLE", "?BADPIX_TABLE",
         "?VIGNETTING_MASK"),
        per_ifu=False, illuminated=True,
    ),
    *(_scibasic(tag) for tag in ("STD", "ASTROMETRY", "SKY", "OBJECT")),
)  # fmt: skip
"""Sets of the recipes that work on raw frames, in the order in which they need each other."""

SECOND_STAGE: Final = (
    _later("standard", "PIXTABLE_STD", 1, "?EXTINCT_TABLE", "STD_FLUX_TABLE", "?TELLURIC_REGIONS", "?FILTER_LIST"),
    _later("create_sky", "PIXTABLE_SKY", 1, *_RESPONSE, "?EXTINCT_TABLE", "?SKY_LINES", "?LSF_PROFILE"),
    _later("astrometry", "PIXTABLE_ASTROMETRY", 1, *_RESPONSE, "?EXTINCT_TABLE", "ASTROMETRY_REFERENCE"),
    _later(
        "scipost", "PIXTABLE_OBJECT", 1,
        *_RESPONSE, "?ASTROMETRY_WCS", "?SKY_LINES", "?EXTINCT_TABLE", "?FILTER_LIST", "?LSF_PROFILE",
    ),
    _later("exp_align", "IMAGE_FOV", 2, directory="exp_align"),
    _later("exp_combine", "PIXTABLE_REDUCED", 2, "?OFFSET_LIST", "?FILTER_LIST", directory="exp_combine"),
)  # fmt: skip
"""Sets of the recipes that work on pixel tables; scipost has one for each exposure, with a directory of its own."""

ON_DEMAND, ON_DEMAND_STEP = "MASTER_DARK", "dark"
"""Made and passed on only where darks are asked for: the manual (6.3.2, chapter 9) does without them."""

NOT_ASSOCIATED: Final = {
    ("muse_geometry", "MASTER_FLAT"): "spots are compared within an image; the flat would only add its noise",
    ("muse_scibasic", "REDUCED"): "stands for raw frames that are reduced already, not for what a telescope delivers",
    ("muse_exp_combine", "OUTPUT_WCS"): "the grid that a user wants, and not a calibration",
}
"""Tags that recipes take and no set-of-frames of a night has, with the reason."""

SERIES: Final = 3
"""A series of fewer calibrations gives way to a longer one of another day."""


@dataclass(frozen=True)
class Made:
    """A product that other sets take: the set that makes it, its file name, and whether there is one an IFU."""

    by: str
    name: str
    per_ifu: bool = True


MADE: Final = {
    "MASTER_BIAS": Made("bias", "MASTER_BIAS"),
    "MASTER_DARK": Made("dark", "MASTER_DARK"),
    "MASTER_FLAT": Made("flat", "MASTER_FLAT"),
    "TRACE_TABLE": Made("flat", "TRACE_TABLE"),
    "WAVECAL_TABLE": Made("wavecal", "WAVECAL_TABLE"),
    "LSF_PROFILE": Made("lsf", "LSF_PROFILE"),
    "GEOMETRY_TABLE": Made("geometry", "geometry/GEOMETRY_TABLE", per_ifu=False),
    "TWILIGHT_CUBE": Made("twilight", "TWILIGHT_CUBE", per_ifu=False),
    "STD_RESPONSE": Made("standard", "STD_RESPONSE_0001", per_ifu=False),
    "STD_TELLURIC": Made("standard", "STD_TELLURIC_0001", per_ifu=False),
    "SKY_LINES": Made("create_sky", "SKY_LINES", per_ifu=False),
    "ASTROMETRY_WCS": Made("astrometry", "ASTROMETRY_WCS_0001", per_ifu=False),
    "OFFSET_LIST": Made("exp_align", "exp_align/OFFSET_LIST", per_ifu=False),
}
"""Products by tag; their names are the same in both pipelines."""

GIVEN_FIRST: Final = ("GEOMETRY_TABLE",)
"""Taken from the directories if they hold one, and only else from the night's own frames (manual 6.3.6)."""

MATCH: Final = {
    "DARK": ("read_out",),
    "BIAS": ("read_out",),
    "MASK": ("field", "read_out"),
    "MASTER_BIAS": ("read_out",),
    "MASTER_DARK": ("read_out",),
    "GEOMETRY_TABLE": ("field",),
    "VIGNETTING_MASK": ("field",),
    "ASTROMETRY_WCS": ("field",),
    "TWILIGHT_CUBE": ("mode",),
    "LSF_PROFILE": ("mode",),
    "STD_RESPONSE": ("mode",),
    "STD_TELLURIC": ("mode",),
    "OFFSET_LIST": (),
    "BADPIX_TABLE": (),
    "LINE_CATALOG": (),
    "EXTINCT_TABLE": (),
    "STD_FLUX_TABLE": (),
    "TELLURIC_REGIONS": (),
    "FILTER_LIST": (),
    "SKY_LINES": (),
    "ASTROMETRY_REFERENCE": (),
}
"""What a file must have in common with the science frames: mode (INS MODE), field (INS OPTI2 NAME), read_out."""

MATCH_ELSE: Final = ("mode", "read_out")
"""For tags that MATCH does not name. A file that does not say what it is matches."""

ONE_PER_IFU: Final = ("BADPIX_TABLE",)
"""Tags of files that no recipe makes, of which there may be one for all IFUs or one for each."""

UNDATED_FIRST: Final = ("SKY_LINES", "LINE_CATALOG", "BADPIX_TABLE", "ASTROMETRY_REFERENCE", "FILTER_LIST")
"""Of these the distributed file is meant, not what a reduction of another night has made of it."""


@dataclass(frozen=True)
class Validity:
    """Nights for which static calibrations are valid: from the first to before the last, ISO dates; by file name."""

    tag: str
    pattern: str
    since: str = ""
    until: str = ""


VALIDITIES: Final = (
    Validity("VIGNETTING_MASK", "*", until="2017-03-11"),
    Validity("GEOMETRY_TABLE", "geometry_table_wfm_comm1", until="2014-02-22"),
    Validity("GEOMETRY_TABLE", "geometry_table_wfm_comm2a", "2014-02-22", "2014-07-15"),
    Validity("GEOMETRY_TABLE", "geometry_table_wfm_comm2b", "2014-07-15", "2014-12-01"),
    Validity("GEOMETRY_TABLE", "geometry_table_wfm", "2014-12-01"),
    Validity("ASTROMETRY_WCS", "astrometry_wcs_wfm_comm1", until="2014-02-22"),
    Validity("ASTROMETRY_WCS", "astrometry_wcs_wfm_comm2", "2014-02-22", "2014-07-15"),
    Validity("ASTROMETRY_WCS", "astrometry_wcs_wfm_comm2b", "2014-07-15", "2014-12-01"),
    Validity("ASTROMETRY_WCS", "astrometry_wcs_wfm", "2014-12-01"),
)
"""Manual 5.2 and 6.3.7 (vignetting mask), appendix D (commissioning and science verification)."""

GAP: Final = 3.0 / 24.0
"""Calibrations of one day follow each other within this, days."""

FIRST_LIGHT: Final = 56000.0
END: Final = 88000.0
"""Raw frames of MUSE are from between these [MJD]: March 2012 (first tests), October 2099."""

SAME_TIME: Final = 1.0
"""MJD-OBS and DATE-OBS of a frame, which may be a date alone, agree within this, days."""

HOUR: Final = 1.0 / 24.0
TEMPERATURE_STEP: Final = 0.5
"""An ILLUM that is a day/24 away is as good as one that differs by this, degrees Celsius: one is taken every hour."""

NOON: Final = 0.68
"""Fraction of the MJD at noon on Paranal, where a night's date changes."""
