"""Parameters and tags that the recipes on raw frames have in common (manual 9.1 to 9.8)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS
from musedeep.recipes.declaration import NOT_NEGATIVE, POSITIVE, Parameter, Range, Tag

BADPIX_TABLE = Tag("BADPIX_TABLE", 0, None, "Known bad pixels (manual A.2.5)")
MASTER_BIAS = Tag("MASTER_BIAS", 1, None, "Master bias of the IFU")
MASTER_DARK = Tag("MASTER_DARK", 0, None, "Master dark of the IFU")

NIFU = Parameter(
    "nifu",
    0,
    "IFU to handle: 1 to 24; 0: all in the raw files, one after the other; -1: all, in parallel processes.",
    limits=Range(-1, N_IFUS),
)
MERGE = Parameter("merge", False, "Put the products of all IFUs into one file, in extensions CHANnn.")

OVERSCAN = (
    Parameter(
        "overscan",
        "vpoly",
        "Overscan correction: none (frames whose levels differ are refused, see ovscsigma), offset (the mean level of "
        "each quadrant), or vpoly (a polynomial along the columns; vpoly:ORDER,RMS,CHISQ sets its highest order and "
        "the least gain in scatter and in chi square for a higher one, 15,1.00001,1.00001).",
    ),
    Parameter("ovscreject", "dcr", "How overscan pixels are rejected from the mean level.", ("none", "dcr", "fit")),
    Parameter(
        "ovscsigma",
        30.0,
        "With none: largest difference of overscan levels, in standard deviations. With vpoly: rejection limit of the "
        "fit (levels may then differ by 100 standard deviations). No effect with offset.",
        limits=POSITIVE,
    ),
    Parameter("ovscignore", 3, "Overscan pixels next to the data that are left out.", limits=NOT_NEGATIVE),
)

COMBINE = (
    Parameter("combine", "sigclip", "How frames are combined.", ("average", "median", "minmax", "sigclip")),
    Parameter("nlow", 1, "Lowest values that minmax rejects.", limits=NOT_NEGATIVE),
    Parameter("nhigh", 1, "Highest values that minmax rejects.", limits=NOT_NEGATIVE),
    Parameter("nkeep", 1, "Values that minmax keeps at least.", limits=Range(1)),
    Parameter("lsigma", 3.0, "Lower limit of sigclip, in mean absolute deviations from the median.", limits=POSITIVE),
    Parameter("hsigma", 3.0, "Upper limit of sigclip, in mean absolute deviations from the median.", limits=POSITIVE),
)


@dataclass(frozen=True)
class Overscan:
    """How the overscan is used.

    Attributes
    ----------
    method : none, offset or vpoly
    order, rms_factor, chisq_factor : of vpoly
    reject, sigma, ignore : parameters ovscreject, ovscsigma, ovscignore
    """

    method: str
    order: int
    rms_factor: float
    chisq_factor: float
    reject: str
    sigma: float
    ignore: int

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Overscan":
        """From the parameters of a recipe.

        Raises
        ------
        MusedeepError
            An unknown method, or numbers that are none.
        """
        text = str(parameters["overscan"])
        method, colon, rest = text.partition(":")
        words = [w for w in rest.split(",") if w]
        order, factors = 15, [1.00001, 1.00001]
        try:
            if words:
                order = int(words[0])
            for i, word in enumerate(words[1:]):
                factors[i] = float(word)
        except (ValueError, IndexError):
            words = ["?"]
            order = -1
        good = order >= 0 and all(0 < factor < math.inf for factor in factors)
        if method not in ("none", "offset", "vpoly") or (colon and method != "vpoly") or not good:
            raise MusedeepError(f"overscan={text} is not none, offset, vpoly or vpoly:ORDER,RMS,CHISQ; correct it")
        ignore, sigma = int(parameters["ovscignore"]), float(parameters["ovscsigma"])
        return cls(method, order, factors[0], factors[1], str(parameters["ovscreject"]), sigma, ignore)


@dataclass(frozen=True)
class Combination:
    """How frames are combined; attributes are the parameters of `kernels.stack`."""

    method: str
    n_low: int
    n_high: int
    n_keep: int
    low_sigma: float
    high_sigma: float

    @classmethod
    def of(cls, parameters: Mapping[str, Any], n_frames: int) -> "Combination":
        """From the parameters of a recipe.

        Raises
        ------
        MusedeepError
            Too few frames for what is to be rejected.
        """
        low, high, keep = (int(parameters[name]) for name in ("nlow", "nhigh", "nkeep"))
        if parameters["combine"] == "minmax" and low + high + keep > n_frames:
            raise MusedeepError(
                f"minmax: nlow={low} + nhigh={high} + nkeep={keep} are more than the {n_frames} frames; lower them"
            )
        return cls(
            str(parameters["combine"]), low, high, keep, float(parameters["lsigma"]), float(parameters["hsigma"])
        )
