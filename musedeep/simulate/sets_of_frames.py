"""Sets-of-frames of a simulated night: which raw frames and calibrations each recipe gets (manual, chapter 9).

Products of earlier recipes are expected in `reduced/` of the night, under the reference's names; those of the k-th
science exposure in `reduced/scipost-k/`, the offsets in `reduced/exp_align/`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from musedeep.simulate.exposure import Exposure

Frames = list[tuple[str, str]]
"""Path and tag of each frame."""


def night_sets(
    exposures: Sequence[Exposure],
    files: Mapping[int, Path],
    statics: Mapping[str, Path],
    reduced: Path,
    ifus: Sequence[int],
) -> dict[str, Frames]:
    """The sets-of-frames of a night.

    Parameters
    ----------
    exposures : of the night, in the order of their times
    files : raw file of each exposure, by its index
    statics : static calibrations by tag
    reduced : directory where products are expected
    ifus : IFUs that there are

    Returns
    -------
    paths and tags by name, as in "flat-01"
    """

    def raw(*kinds: str) -> Frames:
        return [(str(files[e.index]), e.kind) for e in exposures if e.kind in kinds]

    def static(*tags: str) -> Frames:
        return [(str(statics[tag]), tag) for tag in tags if tag in statics]

    def product(name: str, tag: str) -> Frames:
        return [(str(reduced / f"{name}.fits"), tag)]

    def each(name: str, tag: str = "") -> Frames:
        return [frame for ifu in ifus for frame in product(f"{name}-{ifu:02d}", tag or name)]

    sets: dict[str, Frames] = {}
    for ifu in ifus:
        end = f"-{ifu:02d}"

        def own(*names: str, end: str = end) -> Frames:
            return [frame for name in names for frame in product(name + end, name)]

        sets["bias" + end] = raw("BIAS") + static("BADPIX_TABLE")
        sets["dark" + end] = raw("DARK") + own("MASTER_BIAS") + static("BADPIX_TABLE")
        sets["flat" + end] = raw("FLAT") + own("MASTER_BIAS") + static("BADPIX_TABLE")
        basic = own("MASTER_BIAS", "MASTER_FLAT", "TRACE_TABLE")
        sets["wavecal" + end] = raw("ARC") + basic + static("LINE_CATALOG", "BADPIX_TABLE")
        sets["lsf" + end] = (
            (raw("ARC_LSF") or raw("ARC")) + basic + own("WAVECAL_TABLE") + static("LINE_CATALOG", "BADPIX_TABLE")
        )
        for kind in ("STD", "ASTROMETRY", "SKY", "OBJECT"):
            sets[f"scibasic-{kind}" + end] = (
                raw(kind)
                + _nearest(exposures, files, "ILLUM", kind)
                + basic
                + own("WAVECAL_TABLE")
                + static("GEOMETRY_TABLE", "BADPIX_TABLE")
                + product("TWILIGHT_CUBE", "TWILIGHT_CUBE")
            )
    all_basic = each("MASTER_BIAS") + each("TRACE_TABLE") + each("WAVECAL_TABLE")
    if any(e.kind == "MASK" for e in exposures):
        check = _nearest(exposures, files, "SKYFLAT", "MASK", "MASK_CHECK")
        sets["geometry"] = raw("MASK") + check + all_basic + static("LINE_CATALOG", "BADPIX_TABLE")
    sets["twilight"] = (
        raw("SKYFLAT")
        + _nearest(exposures, files, "ILLUM", "SKYFLAT")
        + all_basic
        + each("MASTER_FLAT")
        + static("GEOMETRY_TABLE", "BADPIX_TABLE", "VIGNETTING_MASK")
    )
    response = product("STD_RESPONSE_0001", "STD_RESPONSE") + product("STD_TELLURIC_0001", "STD_TELLURIC")
    profiles = each("LSF_PROFILE")
    sets["standard"] = each("PIXTABLE_STD_0001", "PIXTABLE_STD") + static(
        "EXTINCT_TABLE", "STD_FLUX_TABLE", "TELLURIC_REGIONS", "FILTER_LIST"
    )
    sets["create_sky"] = (
        each("PIXTABLE_SKY_0001", "PIXTABLE_SKY") + response + static("EXTINCT_TABLE", "SKY_LINES") + profiles
    )
    sets["astrometry"] = (
        each("PIXTABLE_ASTROMETRY_0001", "PIXTABLE_ASTROMETRY")
        + response
        + static("EXTINCT_TABLE", "ASTROMETRY_REFERENCE")
    )
    numbers = range(1, 1 + sum(e.kind == "OBJECT" for e in exposures))
    for k in numbers:
        sets[f"scipost-{k}"] = (
            each(f"PIXTABLE_OBJECT_{k:04d}", "PIXTABLE_OBJECT")
            + response
            + product("ASTROMETRY_WCS_0001", "ASTROMETRY_WCS")
            + product("SKY_LINES", "SKY_LINES")
            + static("EXTINCT_TABLE", "FILTER_LIST")
            + profiles
        )
    if len(numbers) < 2:
        return sets
    sets["exp_align"] = [frame for k in numbers for frame in product(f"scipost-{k}/IMAGE_FOV_0001", "IMAGE_FOV")]
    sets["exp_combine"] = (
        [frame for k in numbers for frame in product(f"scipost-{k}/PIXTABLE_REDUCED_0001", "PIXTABLE_REDUCED")]
        + product("exp_align/OFFSET_LIST", "OFFSET_LIST")
        + static("FILTER_LIST")
    )
    return sets


def _nearest(exposures: Sequence[Exposure], files: Mapping[int, Path], wanted: str, kind: str, tag: str = "") -> Frames:
    """The exposure of the wanted kind that is nearest in time to those of a kind: a recipe takes one."""
    of_kind = [e for e in exposures if e.kind == kind]
    found = [e for e in exposures if e.kind == wanted]
    if not of_kind or not found:
        return []
    middle = sum(e.mjd for e in of_kind) / len(of_kind)
    nearest = min(found, key=lambda e: abs(e.mjd - middle))
    return [(str(files[nearest.index]), tag or wanted)]


def write_sets(directory: Path, sets: Mapping[str, Frames]) -> None:
    """Write each set-of-frames as `NAME.sof` into a directory that exists."""
    for name, frames in sets.items():
        (directory / f"{name}.sof").write_text("".join(f"{path} {tag}\n" for path, tag in frames))
