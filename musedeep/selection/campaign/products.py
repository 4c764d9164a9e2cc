"""Products of a group: which exposures become one cube, of which category, and what a user of the cube has to know."""

from collections import Counter
from collections.abc import Sequence

from musedeep.selection.campaign.access import access_of
from musedeep.selection.campaign.exposures import Candidate
from musedeep.selection.campaign.grouping import Group
from musedeep.selection.campaign.plan_file import Category, Product, Settings
from musedeep.selection.campaign.splitting import split


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
    name: str, inputs: Sequence[Candidate], skies: Sequence[Candidate], settings: Settings, today: str
) -> Product:
    obs = {one.exposure.ob_id or one.exposure.ob_start or one.name for one in inputs}
    deep = len(obs) >= settings.min_obs and len(inputs) > 1
    category: Category = "DATACUBE_DEEP" if deep else "DATACUBE_COMBINED" if len(inputs) > 1 else "DATACUBE_SINGLE"
    modes = sorted({one.exposure.mode for one in inputs})
    # blank sky of the same OB and mode
    wanted = {(one.exposure.ob_id, one.exposure.mode) for one in inputs if one.exposure.ob_id}
    sky = [one.name for one in skies if (one.exposure.ob_id, one.exposure.mode) in wanted]
    return Product(
        name=name,
        category=category,
        inputs=[one.name for one in inputs],
        sky=sky,
        obs=len(obs),
        exposure_time=round(sum(t for one in inputs if (t := one.exposure.exposure_time) > 0), 1),
        modes=modes,
        runs=sorted({one.exposure.run for one in inputs} - {""}),
        access=access_of(inputs, today),
        notes=_warnings(modes, inputs),
    )


def _warnings(modes: Sequence[str], inputs: Sequence[Candidate]) -> list[str]:
    """What a user of the cube has to know."""
    found = []
    if len({"-AO-" in mode for mode in modes}) > 1:
        found.append(
            "with and without adaptive optics: less depth in the range of the sodium notch, steps at its edges"
        )
    if len({mode[-1] for mode in modes}) > 1:
        found.append("nominal and extended range: less depth below 4750 Angstrom")
    if "WFM-AO-E" in modes:
        found.append("WFM-AO-E: the sodium filter leaves waves in the response, most in the blue")
    runs = {one.exposure.program for one in inputs} - {""}
    if len(runs) > 1:
        found.append(f"{len(runs)} programmes in one cube")
    return found
