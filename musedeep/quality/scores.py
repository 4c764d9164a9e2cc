"""Scores of an exposure and of a product, and the ten characters of QCFLAG.

QCFLAG of a deep cube, from the left (release description of MUSE-DEEP, table 4); 0 means no concern:

| # | 1 if |
|---|---|
| 1 | the fit of the sky of any exposure has not converged |
| 2 | always 0: the exposures are of type OBJECT |
| 3 | no dedicated SKY exposure |
| 4 | the arc lamps of any exposure are farther away than 1.5 d |
| 5 | always 0; of a cube of one OB: an exposure without a twilight flat |
| 6 | the raw frame of any exposure has 300 saturated pixels or more |
| 7 | no source in the cube |
| 8 | HISTO_17 of the cube is -20 or less |
| 9 | wavelengths of any exposure were corrected by 0.2 Angstrom or more |
| 10 | offsets of exposures differ by 6e-5 deg or more, or an exposure was matched with no other |

What is not known counts as no concern in the flag, and is named in a finding.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from musedeep.quality.ranges import Ranges
from musedeep.quality.record import ExposureRecord, Finding, ProductRecord, Score

DEEP: Final = "DATACUBE_DEEP"
LENGTH: Final = 10
"""Characters of the flag."""

OF_EXPOSURES: Final = {1: "sky_unconverged", 4: "arc_days", 5: "no_twilight", 6: "saturated", 9: "lambda_shift"}
"""Characters that are 1 if one of the exposures has a score of 1, and of which parameter."""
OF_PRODUCT: Final = {7: ("n_sources",), 8: ("histo_17",), 10: ("offset", "unmatched")}
"""Characters that follow from parameters of the product."""

Values = dict[str, float | None]


def exposure_values(one: ExposureRecord) -> Values:
    """Quality parameters that the record of an exposure holds."""
    return {
        "sky_unconverged": None if one.sky_converged is None else float(not one.sky_converged),
        "arc_days": one.arc_days, "no_twilight": None if one.twilight is None else float(not one.twilight),
        "saturated": None if one.saturated is None else float(one.saturated), "lambda_shift": one.lambda_shift,
        "flux_ratio": one.flux_ratio, "response_days": one.response_days, "fwhm": one.fwhm,
        "transparency": one.transparency, "background": one.background,
    }  # fmt: skip


def product_values(product: ProductRecord) -> Values:
    """Quality parameters that the record of a product holds: of its alignment and its epochs."""
    used = product.used
    times = [one.mjd for one in used]
    velocities = [one.barycentric for one in used if one.barycentric is not None]
    return {
        "exposures": float(len(used)), "obs": float(len({one.ob_id for one in used if one.ob_id})),
        "exposure_time": sum(one.exposure_time for one in used),
        "span_days": max(times) - min(times) if times else None,
        "barycentric_span": max(velocities) - min(velocities) if velocities else None,
        "offset": _largest_difference(used),
        "unmatched": float(sum(not product.aligned or not one.matched for one in used)) if len(used) > 1 else 0.0,
    }  # fmt: skip


def _largest_difference(used: Sequence[ExposureRecord]) -> float | None:
    """Between offsets of exposures along right ascension or declination, as the OFFSET_LIST has them [deg]."""
    if len(used) < 2:
        return 0.0
    pairs = [(one.ra_offset or 0.0, one.dec_offset or 0.0) for one in used]
    return max(max(values) - min(values) for values in zip(*pairs, strict=True))


def scores_of(values: Mapping[str, float | None], ranges: Ranges, of: str, exposure: str = "") -> list[Score]:
    """Scores of the parameters that have a range; `of` is exposure or product. Other values of exposures follow."""
    scores = [
        Score(
            name=name, value=values[name], unit=one.unit, low=one.low, high=one.high, score=one.score(values[name]),
            exposure=exposure, source=one.source,
        )
        for name, one in ranges.items()
        if one.of == of and name in values
    ]  # fmt: skip
    known = {score.name for score in scores}
    rest = [name for name, value in values.items() if exposure and name not in known and value is not None]
    return scores + [Score(name=name, value=values[name], exposure=exposure) for name in rest]


def flag(
    product: ProductRecord, exposures: Sequence[Values], values: Mapping[str, float | None], ranges: Ranges
) -> tuple[str, list[Finding]]:
    """QCFLAG of a product, and what is not known for it.

    Parameters
    ----------
    exposures : values of those in the cube
    values : of the product, n_sources and histo_17 among them
    """
    characters = ["0"] * LENGTH
    unknown = []
    for number, name in OF_EXPOSURES.items():
        if (number == 5 and product.category == DEEP) or name not in ranges:
            continue
        scores = [ranges[name].score(one.get(name)) for one in exposures]
        characters[number - 1] = str(int(1 in scores))
        # a crowded field has no fit of the sky
        if None in scores and not (number == 1 and product.method == "crowded"):
            unknown.append(f"#{number} ({name} of {scores.count(None)} of {len(scores)} exposures)")
    characters[2] = str(int(not any(one.sky for one in product.used)))
    if any(one.sky is None for one in product.used) and characters[2] == "1":
        unknown.append("#3 (whether there is a SKY exposure)")
    for number, names in OF_PRODUCT.items():
        scores = [ranges[name].score(values.get(name)) for name in names if name in ranges]
        characters[number - 1] = str(int(1 in scores))
        if None in scores:
            unknown.append(f"#{number} ({', '.join(names)})")
    found = []
    if unknown:
        found = [Finding(kind="flag incomplete", text=f"not known, counted as no concern: {'; '.join(unknown)}")]
    return "".join(characters), found


def exposure_flag(product: ProductRecord, one: ExposureRecord, ranges: Ranges) -> str:
    """The characters of QCFLAG that a single exposure decides (1, 3, 4, 5, 6, 9); the others are 0."""
    values = exposure_values(one)
    characters = ["0"] * LENGTH
    for number, name in OF_EXPOSURES.items():
        if name in ranges:
            characters[number - 1] = str(int(ranges[name].score(values[name]) == 1))
    characters[2] = str(int(not one.sky))
    return "".join(characters)
