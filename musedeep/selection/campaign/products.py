"""Products of a group: which exposures become one cube, of which category, and what a user of the cube has to know."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import Final

from musedeep.selection.campaign.access import access_of
from musedeep.selection.campaign.exposures import Candidate
from musedeep.selection.campaign.grouping import Group
from musedeep.selection.campaign.plan_file import Category, Product, Settings, Variant
from musedeep.selection.campaign.predicted_size import Size, predicted_size
from musedeep.selection.campaign.splitting import split
from musedeep.selection.catalogue.exposure import Exposure

SPARSE: Final = 0.2
"""Part of a cube that exposures cover, below which it is mostly empty (a number of musedeep)."""


def divided(
    group: Group, kept: set[int], exposures: Sequence[Candidate], group_by: str, settings: Settings, name: str
) -> list[tuple[str, list[int]]]:
    """Products of a group: title and exposures in the order of time."""
    times: dict[float, set[int]] = {}
    if "exposure_time" in group_by:
        for k in kept:
            times.setdefault(round(exposures[k].exposure.exposure_time, 1), set()).add(k)
    else:
        times[0.0] = set(kept)
    found: list[tuple[str, list[int]]] = []
    for seconds, chosen in sorted(times.items()):
        pointings = [sorted(set(one.members) & chosen) for one in group.pointings]
        counts = [len(one) for one in pointings]
        if "pointing" in group_by:
            parts = [[number] for number in range(len(pointings))]
        else:
            limit = settings.max_inputs
            parts = split(counts, group.shares, limit, settings.split_overlap, settings.reuse_pointings)
        products = [sorted({k for number in part for k in pointings[number]}) for part in parts]
        products = [one for one in products if one]
        for inputs in products:
            title = name
            if len(products) > 1:
                title += f" {_part_title(inputs, exposures, len(found) + 1)}"
            if len(times) > 1:
                title += f" {seconds:g}s"
            found.append((title, inputs))
    often = Counter(title for title, _ in found)
    return [
        (title if often[title] == 1 else f"{title} {number}", inputs) for number, (title, inputs) in enumerate(found, 1)
    ]


def _part_title(inputs: Sequence[int], exposures: Sequence[Candidate], number: int) -> str:
    """The fields of a part of a mosaic by the last numbers of their names: 02+04+05+10; else its number."""
    ends = set()
    for k in inputs:
        target = exposures[k].target.strip()
        end = target[len(target.rstrip("0123456789")) :]
        if not end:
            return f"part {number}"
        ends.add(end)
    return "+".join(sorted(ends))


def product_of(
    name: str,
    inputs: Sequence[Candidate],
    skies: Sequence[Candidate],
    settings: Settings,
    today: str,
    velocities: Mapping[str, float],
    variant: str = "",
) -> Product:
    """A product of exposures in the order of time; `velocities` are barycentric ones by name of exposure [km/s]."""
    obs = {_ob_of(one.exposure) for one in inputs}
    deep = len(obs) >= settings.min_obs and len(inputs) > 1
    category: Category = "DATACUBE_DEEP" if deep else "DATACUBE_COMBINED" if len(inputs) > 1 else "DATACUBE_SINGLE"
    modes = sorted({one.exposure.mode for one in inputs})
    # blank sky of the same OB and mode
    wanted = {(one.exposure.ob_id, one.exposure.mode) for one in inputs if one.exposure.ob_id}
    sky = [one.name for one in skies if (one.exposure.ob_id, one.exposure.mode) in wanted]
    known = [velocities[one.name] for one in inputs if one.name in velocities]
    span = max(known) - min(known) if known else 0.0
    size = predicted_size([one.exposure for one in inputs])
    nights = Counter(one.exposure.night for one in inputs)
    return Product(
        name=name,
        category=category,
        inputs=[one.name for one in inputs],
        sky=sky,
        obs=len(obs),
        exposure_time=round(sum(t for one in inputs if (t := one.exposure.exposure_time) > 0), 1),
        modes=modes,
        runs=sorted({one.exposure.run for one in inputs} - {""}),
        observing_modes=sorted({one.observing_mode for one in inputs} - {""}),
        epochs=[f"{night}: {number}" for night, number in sorted(nights.items())],
        velocity_span=round(span, 1),
        bytes=size.bytes,
        variant=variant,
        access=access_of(inputs, today),
        notes=_warnings(modes, inputs, span, size, settings),
    )


def _ob_of(one: Exposure) -> str:
    """The OB of an exposure; where headers do not say which, exposures of a night and template are taken for one."""
    return one.ob_id or one.ob_start or f"{one.night} {one.ob_name} {one.template_start}"


def _warnings(
    modes: Sequence[str], inputs: Sequence[Candidate], span: float, size: Size, settings: Settings
) -> list[str]:
    """What a user of the cube has to know."""
    found = []
    if len({"-AO-" in mode for mode in modes}) > 1:
        found.append(
            "with and without adaptive optics: less depth in the range of the sodium notch, steps at its edges"
        )
    if len({mode[-1:] for mode in modes}) > 1:
        found.append("nominal and extended range: less depth below 4750 Angstrom")
    if "WFM-AO-E" in modes:
        found.append("WFM-AO-E: the sodium filter leaves waves in the response, most in the blue")
    found += _programmes(inputs)
    if span > settings.velocity_span:
        found.append(
            f"barycentric velocities differ by {span:.0f} km/s: what is left of telluric lines is smeared by as much"
        )
    if size.covered < SPARSE:
        found.append(
            f"cube of {size.bytes / 1e9:.0f} GB, {100 * size.covered:.0f} % of it in the field of any exposure: "
            "group_by pointing makes smaller ones"
        )
    return found


def _programmes(inputs: Sequence[Candidate]) -> list[str]:
    """Programmes of one cube, their investigators and times: the cube is deeper than each can make alone."""
    times: dict[str, float] = {}
    investigators: dict[str, str] = {}
    for one in inputs:
        programme = one.exposure.program
        if programme:
            times[programme] = times.get(programme, 0.0) + max(one.exposure.exposure_time, 0.0)
            investigators[programme] = one.programme.get("pi", "") or one.exposure.pi
    if len(times) < 2:
        return []
    each = [
        f"{programme} ({', '.join(word for word in (investigators[programme], f'{seconds / 3600:.1f} h') if word)})"
        for programme, seconds in sorted(times.items())
    ]
    return [f"{len(times)} programmes in one cube, which is deeper than that of each: {', '.join(each)}"]


def varied(inputs: Sequence[Candidate], variant: Variant) -> list[Candidate]:
    """Exposures of a variant, in their order; all that have what it asks, none if it asks for the unknown."""
    kept = [
        one
        for one in inputs
        if (not variant.modes or one.exposure.mode in variant.modes)
        and (not variant.runs or one.exposure.run in variant.runs or one.exposure.program in variant.runs)
        and (variant.max_seeing is None or one.measured_seeing <= variant.max_seeing)
    ]
    if variant.best_seeing is not None:
        measured = sorted(one.measured_seeing for one in kept if isfinite(one.measured_seeing))
        number = max(1, round(variant.best_seeing * len(kept)))
        limit = measured[min(number, len(measured)) - 1] if measured else nan
        kept = [one for one in kept if one.measured_seeing <= limit]
    return kept
