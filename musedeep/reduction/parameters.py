"""Inputs and parameters that recipes share."""

from musedeep.declaration import NOT_NEGATIVE, POSITIVE, Parameter, Range, Tag
from musedeep.instrument import N_IFUS

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
