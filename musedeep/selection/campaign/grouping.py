"""Groups of exposures that can become one cube, from their places, names, runs and OBs.

1. Exposures near one another are pointings, and pointings share parts of their fields (`footprints`).
2. Two pointings are of one group at once if they overlap and have one name in the same spelling, or names of one
   series (UDF-01, UDF-02): a mosaic. The same name elsewhere on the sky is another group.
3. Pointings that overlap, but whose names differ, are a proposal with its evidence: how much they share, how alike
   the names are, whether the run, programme, container or OB is the same. `confirm: auto` takes a proposal if they
   share more than a half, or more than a tenth and something else speaks for it; `ask` leaves it to a person.
4. A group whose OBs hold exposure times that differ by more than a factor of three is divided by exposure time.

The rules of 3 and 4 are those of musedeep: the release description of MUSE-DEEP names the criteria (names, OBs, titles,
previews), and no numbers.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, Literal

from musedeep.selection.campaign.exposures import Candidate
from musedeep.selection.campaign.footprints import Pointing, connected, pointings_of, separation, shared
from musedeep.selection.campaign.names import alike, likeness, normal_name, stem_of

GroupBy = Literal["target", "pointing", "exposure_time", "pointing+exposure_time"]
MUCH: Final = 0.5
"""Part of a field in common from which two fields are one target, whatever their names."""
SOME: Final = 0.1
"""From which they are one if something else speaks for it."""
LEAST: Final = 0.005
"""From which they are neighbours in a mosaic."""


@dataclass(frozen=True)
class Evidence:
    """Two groups of names that may be one target, and what speaks for it.

    Attributes
    ----------
    first, second : names of the groups
    shared : largest part of a field that is in both, 0 to 1
    distance : of their nearest pointings [arcsec]
    likeness : of the names, 0 to 100
    same : which of run, programme, container, OB and PI they have in common
    confirmed : whether they are taken as one
    by : rule, or the name of a person; empty if nobody has decided
    """

    first: str
    second: str
    shared: float
    distance: float
    likeness: float
    same: tuple[str, ...]
    confirmed: bool
    by: str


@dataclass(frozen=True)
class Group:
    """Exposures of one target.

    Attributes
    ----------
    name : as most exposures have it
    names : all spellings, the most frequent first
    members : indices of the exposures, in the order of time
    pointings : of these exposures
    shares : pairs of pointings that overlap, and the part
    group_by : how its exposures become products, see GroupBy
    why : evidence for another way of grouping than by target; empty for none
    merged : evidence of the names that have been joined
    """

    name: str
    names: tuple[str, ...]
    members: tuple[int, ...]
    pointings: tuple[Pointing, ...]
    shares: tuple[tuple[int, int, float], ...]
    group_by: GroupBy = "target"
    why: str = ""
    merged: tuple[Evidence, ...] = ()

    @property
    def place(self) -> str:
        """Of its first pointing, as J0332.6-2746."""
        return place_name(self.pointings[0].ra, self.pointings[0].dec)


def groups_of(
    exposures: Sequence[Candidate],
    confirm: str = "auto",
    decided: dict[frozenset[str], tuple[bool, str]] | None = None,
    time_factor: float = 3.0,
) -> tuple[list[Group], list[Evidence]]:
    """Groups of exposures, and all proposals to join some of them.

    Parameters
    ----------
    exposures : with places; those without have to be left out before
    confirm : auto: proposals are taken by rule; ask, file: only where somebody has decided
    decided : what persons have said of pairs of groups, by their names: whether they are one, and who said it
    time_factor : exposure times in one OB that differ by more are not combined

    Returns
    -------
    groups in the order of their names, and evidence in the order of groups
    """
    one = [candidate.exposure for candidate in exposures]
    pointings = pointings_of(
        [e.ra for e in one],
        [e.dec for e in one],
        [e.position_angle for e in one],
        [e.mode.partition("-")[0] or "WFM" for e in one],
    )
    shares = list(shared(pointings))
    # exposures of one place may have several names: nodes are names at pointings
    nodes: list[tuple[int, str, list[int]]] = []
    for number, pointing in enumerate(pointings):
        by_name: dict[str, list[int]] = {}
        for k in pointing.members:
            by_name.setdefault(normal_name(exposures[k].target), []).append(k)
        nodes += [(number, name, members) for name, members in by_name.items()]
    at: dict[int, list[int]] = {}
    for node, (number, _, _) in enumerate(nodes):
        at.setdefault(number, []).append(node)
    near = [(a, b, 1.0) for found in at.values() for a, b in combinations(found, 2)]
    near += [(a, b, part) for i, j, part in shares if part >= LEAST for a in at[i] for b in at[j]]
    sure = [(a, b) for a, b, _ in near if _one_name(nodes[a][1], nodes[b][1])]
    parts = connected(len(nodes), sure)
    part_of = {node: number for number, part in enumerate(parts) for node in part}
    titles = _titles([[k for node in part for k in nodes[node][2]] for part in parts], exposures)
    best: dict[tuple[int, int], tuple[float, float]] = {}
    for a, b, part in near:
        pair = part_of[a], part_of[b]
        if pair[0] != pair[1]:
            first, second = pointings[nodes[a][0]], pointings[nodes[b][0]]
            gap = separation(first.ra, first.dec, second.ra, second.dec)
            old = best.get((min(pair), max(pair)), (0.0, math.inf))
            best[min(pair), max(pair)] = max(old[0], part), min(old[1], gap)
    evidence = {
        pair: _evidence(
            [(titles[k], [e for node in parts[k] for e in nodes[node][2]]) for k in pair],
            exposures, facts, confirm, decided or {},
        )
        for pair, facts in sorted(best.items())
    }  # fmt: skip
    joined = connected(len(parts), [pair for pair, said in evidence.items() if said.confirmed])
    groups = []
    for together in joined:
        members = sorted(k for part in together for node in parts[part] for k in nodes[node][2])
        merged = tuple(said for pair, said in evidence.items() if said.confirmed and pair[0] in together)
        groups.append(_group(members, exposures, pointings, shares, merged, time_factor))
    named = _unique(groups)
    return sorted(named, key=lambda group: group.name), list(evidence.values())


def _one_name(first: str, second: str) -> bool:
    """Whether overlapping fields of two normalised names are one target without any doubt."""
    return first == second or (first != "" and stem_of(first) == stem_of(second) != first)


def _evidence(
    pair: list[tuple[str, list[int]]],
    exposures: Sequence[Candidate],
    facts: tuple[float, float],
    confirm: str,
    decided: dict[frozenset[str], tuple[bool, str]],
) -> Evidence:
    (first, members), (second, others) = pair
    one, other = normal_name(first), normal_name(second)
    same = tuple(
        what
        for what, key in (
            ("run", lambda c: c.exposure.run),
            ("programme", lambda c: c.exposure.program),
            ("container", lambda c: c.container),
            ("OB", lambda c: c.exposure.ob_id),
            ("PI", lambda c: c.programme.get("pi", "") or c.exposure.pi),
        )
        if {key(exposures[k]) for k in members} & {key(exposures[k]) for k in others} - {""}
    )
    part, gap = facts
    said = decided.get(frozenset((first, second)))
    if said is not None:
        confirmed, by = said
    else:
        confirmed = confirm == "auto" and (part >= MUCH or (part >= SOME and (bool(same) or alike(one, other))))
        by = "rule" if confirmed else ""
    return Evidence(first, second, part, gap, likeness(one, other), same, confirmed, by)


def _group(
    members: list[int],
    exposures: Sequence[Candidate],
    pointings: Sequence[Pointing],
    shares: Sequence[tuple[int, int, float]],
    merged: tuple[Evidence, ...],
    time_factor: float,
) -> Group:
    within = set(members)
    own: dict[int, Pointing] = {}
    for number, pointing in enumerate(pointings):
        kept = tuple(k for k in pointing.members if k in within)
        if kept:
            own[number] = Pointing(pointing.ra, pointing.dec, kept, pointing.angles, pointing.side)
    place = {number: k for k, number in enumerate(own)}
    names = Counter(exposures[k].target.strip() for k in members)
    spelt = tuple(sorted(names, key=lambda name: (-names[name], name)))
    title = _title(spelt, len(own))
    times: dict[str, list[float]] = {}
    for k in members:
        seconds = exposures[k].exposure.exposure_time
        if seconds > 0:
            times.setdefault(exposures[k].exposure.ob_id, []).append(seconds)
    apart = [(ob, min(t), max(t)) for ob, t in times.items() if max(t) > time_factor * min(t)]
    why = ""
    if apart:
        ob, low, high = apart[0]
        why = f"{len(apart)} OBs hold exposures of {low:g} to {high:g} s, as OB {ob or 'without number'}"
    return Group(
        name=title,
        names=spelt,
        members=tuple(members),
        pointings=tuple(own.values()),
        shares=tuple((place[i], place[j], part) for i, j, part in shares if i in place and j in place),
        group_by="exposure_time" if apart else "target",
        why=why,
        merged=merged,
    )


def _title(spelt: Sequence[str], n_pointings: int) -> str:
    """Name of a group: the stem of a series, else the most frequent spelling."""
    stems = {stem_of(normal_name(name)) for name in spelt}
    numbered = {normal_name(name) for name in spelt}
    if len(stems) == 1 and len(numbered) > 1 and n_pointings > 1:
        first = spelt[0]
        return first[: len(first.rstrip("0123456789"))].rstrip(" -_.") or first
    return next((name for name in spelt if name), "unnamed")


def _titles(parts: Sequence[list[int]], exposures: Sequence[Candidate]) -> list[str]:
    """Names of parts of the sky, each once: by its most frequent spelling, and its place where that is not enough."""
    spelt = [Counter(exposures[k].target.strip() for k in part) for part in parts]
    first = [min(names, key=lambda name: (-names[name], name)) or "unnamed" for names in spelt]
    often = Counter(first)
    return [
        name if often[name] == 1 else f"{name} {place_name(where.ra, where.dec)}"
        for name, where in zip(first, (exposures[part[0]].exposure for part in parts), strict=True)
    ]


def _unique(groups: Sequence[Group]) -> list[Group]:
    """Groups with names that differ: where several have one, each gets its place."""
    often = Counter(group.name for group in groups)
    return [group if often[group.name] == 1 else replace(group, name=f"{group.name} {group.place}") for group in groups]


def place_name(ra: float, dec: float) -> str:
    """A place [deg] as J0332.6-2746."""
    hours, minutes = divmod(round(ra % 360.0 * 40.0) / 10.0, 60.0)
    degrees, arcminutes = divmod(int(abs(dec) * 60.0), 60)
    return f"J{int(hours) % 24:02d}{minutes:04.1f}{'-' if dec < 0 else '+'}{degrees:02d}{arcminutes:02d}"
