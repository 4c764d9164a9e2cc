"""`musedeep campaign scan`: from a catalogue to a plan, and from a plan that a person has edited to the next one.

1. Exposures of targets are grouped (`grouping`); those without a place on the sky or a mode of MUSE are left out by
   name.
2. Rules decide on each exposure of a group (`rejection`); what a person has decided goes before.
3. What is kept becomes products: by target, pointing or exposure time, and divided where there are more inputs than
   allowed (`splitting`).
4. A product of at least two OBs is a deep cube. Of other targets the plan says which product is final, and why.
5. In a rescan, exposures that the last scan did not know are undecided, with what the rules would do, and the plan
   says how much deeper the cube would become.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import isfinite

from musedeep.errors import MusedeepError
from musedeep.selection.campaign.edits import GONE, NEW, Edits, edits_of
from musedeep.selection.campaign.ephemeris import barycentric_velocities
from musedeep.selection.campaign.exposures import Candidate
from musedeep.selection.campaign.finished import Finished, with_version
from musedeep.selection.campaign.grouping import Evidence, Group, groups_of
from musedeep.selection.campaign.plan_file import (
    GroupBy,
    Memory,
    Merge,
    Plan,
    Product,
    Remark,
    Settings,
    Target,
    Unplanned,
)
from musedeep.selection.campaign.products import divided, product_of, varied
from musedeep.selection.campaign.rejection import HOLD, KEEP, REJECT, Decision, Rules, decide
from musedeep.selection.dates import date_of


def scan(
    campaign: str,
    candidates: Sequence[Candidate],
    settings: Settings,
    today: str,
    before: Plan | None = None,
    memory: Memory | None = None,
    bad: dict[str, str] | None = None,
    finished: Mapping[str, Finished] | None = None,
    previews: Mapping[str, str] | None = None,
    merges: Mapping[frozenset[str], tuple[bool, str]] | None = None,
) -> tuple[Plan, list[str]]:
    """The plan of a campaign.

    Parameters
    ----------
    campaign : its name
    candidates : exposures of targets and of the blank sky, in the order of time
    today : ISO date
    before : the plan as it is now, with a person's edits; None: there is none
    memory : what the last scan has written and known
    bad : exposures to reject, with the reason
    finished : last versions of products that have been made, by name
    previews : paths of field images, by exposure
    merges : decisions of a file on pairs of names, see `read_merges`; those of the plan go before

    Returns
    -------
    the new plan, and notes on exposures that were left out, and on names of bad ones that are unknown

    Raises
    ------
    MusedeepError
        The plan names exposures that are not in the catalogue.
    """
    edits = edits_of(before, memory) if before else Edits()
    names = {one.name for one in candidates}
    lost = [name for name, decision in edits.decisions.items() if name not in names and decision.text != GONE]
    if lost:
        raise MusedeepError(
            f"exposure {lost[0]} of the plan is not in the catalogue; add it (`musedeep catalogue add`) or take it out"
        )
    notes, usable = [], []
    for one in candidates:
        if one.exposure.tag != "OBJECT":
            continue
        if isfinite(one.exposure.ra) and isfinite(one.exposure.dec) and abs(one.exposure.dec) <= 90:
            usable.append(one)
        else:
            notes.append(f"{one.name}: no position, keywords RA and DEC: left out")
    if strange := sorted(set(bad or ()) - names):
        notes.append(f"{strange[0]}{' and others' if strange[1:] else ''}: bad, but not in the catalogue")
    groups, evidence = groups_of(usable, settings.confirm, dict(merges or {}) | edits.merges, settings.time_factor)
    pairs = {frozenset((one.first, one.second)) for one in evidence}
    notes += [
        f"{' and '.join(sorted(pair))}: no names of overlapping fields" for pair in merges or {} if pair not in pairs
    ]
    skies = [one for one in candidates if one.exposure.tag == "SKY"]
    rules, velocities = _rules(settings, bad), _velocities(usable)
    facts = Facts(usable, skies, rules, settings, today, edits, before is None, velocities, previews or {})
    plan = Plan(campaign=campaign, scanned=today, settings=settings)
    elsewhere = _apart(groups, usable)
    for group in groups:
        target = _target(group, facts)
        target.evidence += elsewhere.get(group.name, [])
        target.products = [with_version(product, target.method, finished or {}) for product in target.products]
        deep = [product for product in target.products if product.category == "DATACUBE_DEEP"]
        other = [p for p in target.products if p.category != "DATACUBE_DEEP" and not p.variant]
        mine = edits.targets.get(usable[group.members[0]].name)
        if deep or target.undecided or mine is not None:
            plan.targets.append(target)
        plan.no_deep_cube += [_unplanned(target, one, settings) for one in other]
        if not target.products and not target.undecided:
            why = f"all {len(target.rejected)} exposures are rejected: {_most(one.rule for one in target.rejected)}"
            plan.no_deep_cube.append(
                Unplanned(target=target.name, final="DATACUBE_SINGLE", exposures=len(target.rejected), why=why)
            )
    plan.merges = [_merge(one) for one in evidence]
    return plan, notes


def _most(rules: Iterable[str]) -> str:
    return ", ".join(f"{rule} ({number})" for rule, number in Counter(rules).most_common())


def _merge(one: Evidence) -> Merge:
    said = [f"share {100 * one.shared:.0f} % of a field", f"names alike by {one.likeness:.0f} %"]
    said += [f"the same {', '.join(one.same)}"] if one.same else []
    confirmed = True if one.confirmed else False if one.by else None
    return Merge(first=one.first, second=one.second, confirmed=confirmed, by=one.by, evidence="; ".join(said))


def _unplanned(target: Target, product: Product, settings: Settings) -> Unplanned:
    why = f"{product.obs} OB{'s' if product.obs != 1 else ''}; a deep cube needs {settings.min_obs}"
    if len(product.inputs) == 1:
        why = "one exposure"
    return Unplanned(target=product.name, final=product.category, exposures=len(product.inputs), why=why)


@dataclass(frozen=True)
class Facts:
    """What the targets of a plan are made from; see `scan`.

    `velocities` are barycentric ones by exposure [km/s]; `first` says that there was no plan before.
    """

    exposures: Sequence[Candidate]
    skies: Sequence[Candidate]
    rules: Rules
    settings: Settings
    today: str
    edits: Edits
    first: bool
    velocities: Mapping[str, float]
    previews: Mapping[str, str]


def _rules(settings: Settings, bad: dict[str, str] | None) -> Rules:
    own = Rules()
    rejected, held = settings.rejected_comments, settings.held_comments
    return Rules(
        modes=tuple(settings.modes),
        seeing_factor=settings.seeing_factor,
        shortest=settings.shortest,
        sun_altitude=settings.sun_altitude,
        first_night=settings.first_night,
        bad=bad,
        rejected_comments=own.rejected_comments if rejected is None else tuple(rejected),
        held_comments=own.held_comments if held is None else tuple(held),
    )


def _velocities(exposures: Sequence[Candidate]) -> dict[str, float]:
    one = [candidate.exposure for candidate in exposures]
    middles = [e.mjd + (e.exposure_time if e.exposure_time > 0 else 0.0) / 172800.0 for e in one]
    found = barycentric_velocities([e.ra for e in one], [e.dec for e in one], middles)
    return {e.name: float(velocity) for e, velocity in zip(one, found, strict=True)}


def _apart(groups: Sequence[Group], exposures: Sequence[Candidate]) -> dict[str, list[str]]:
    """Of groups that share an OB, whose pointings do not overlap then: a sentence, by name of the group."""
    holders: dict[str, dict[str, None]] = {}
    for group in groups:
        for k in group.members:
            if ob := exposures[k].exposure.ob_id:
                holders.setdefault(ob, {})[group.name] = None
    found: dict[str, list[str]] = {}
    for ob, names in holders.items():
        for name in names:
            others = [other for other in names if other != name]
            if others and name not in found:
                found[name] = [f"OB {ob} holds pointings that do not overlap, also of {', '.join(others)}"]
    return found


def _target(group: Group, facts: Facts) -> Target:
    exposures, settings, today, edits = facts.exposures, facts.settings, facts.today, facts.edits
    members = [exposures[k] for k in group.members]
    decisions: dict[int, Decision] = {}
    new = []
    for k, one, ruled in zip(group.members, members, decide(members, facts.rules), strict=True):
        given = edits.decisions.get(one.name)
        if given is not None:
            # a rule that a person does not follow stays in the plan
            decisions[k] = given if given.what != KEEP else replace(given, rule=ruled.rule, text=ruled.text)
        elif one.name in edits.waiting and ruled.what != REJECT:
            decisions[k] = edits.waiting[one.name]
        elif facts.first or one.name in edits.known or ruled.what == REJECT:
            decisions[k] = ruled
        else:
            would = f"new; the rules would {ruled.what} it" + (f": {ruled.text}" if ruled.text else "")
            decisions[k] = Decision(HOLD, NEW, would)
            new.append(one)
    mine = next((edits.targets[one.name] for one in members if one.name in edits.targets), None)
    kept_keys = edits.changed.get(mine.name, set()) if mine else set()
    group_by: GroupBy = mine.group_by if mine and "group_by" in kept_keys else group.group_by
    name = mine.name if mine else group.name
    target = Target(
        name=name,
        names=list(group.names),
        place=group.place,
        state=_state(members, settings, today),
        method=mine.method if mine else "standard",
        group_by=group_by,
        comment=mine.comment if mine else "",
        evidence=[*_words(members, settings), *([group.why] if group.why else [])],
    )
    if new:
        seconds = sum(one.exposure.exposure_time for one in new if one.exposure.exposure_time > 0)
        target.deeper = f"deeper version possible: + {len(new)} exposures, + {seconds:.0f} s; decide on them"
    for what, remarks in ((KEEP, target.kept), (REJECT, target.rejected), (HOLD, target.undecided)):
        remarks += [
            Remark(
                exposure=exposures[k].name,
                rule=said.rule,
                text=said.text,
                by=said.by,
                date=_decided(exposures[k].name, said, facts),
            )
            for k, said in decisions.items()
            if said.what == what and (what != KEEP or (said.by != "rule" and said.rule))
        ]
    fixed = edits.products.get(mine.name, []) if mine else []
    taken = {one for product in fixed if not product.variant for one in product.inputs}
    kept = {k for k, said in decisions.items() if said.what == KEEP and exposures[k].name not in taken}
    by_name = {one.name: one for one in members}
    for title, inputs in divided(group, kept, exposures, group_by, settings, name):
        whole = [exposures[k] for k in inputs]
        target.products.append(product_of(title, whole, facts.skies, settings, today, facts.velocities))
        target.products += _variants(target.products[-1], whole, {one.name for one in fixed}, facts)
    for product in fixed:
        chosen = [by_name[one] for one in product.inputs if one in by_name]
        if chosen:
            target.products.append(
                product_of(product.name, chosen, facts.skies, settings, today, facts.velocities, product.variant)
            )
    whole_ones = [product for product in target.products if not product.variant]
    if len(whole_ones) > 1 and settings.max_inputs is not None and len(kept) > settings.max_inputs:
        target.evidence.append(
            f"divided: {len(kept)} exposures, max_inputs is {settings.max_inputs}; musedeep needs no limit (null)"
        )
    target.previews = list(dict.fromkeys(facts.previews[one.name] for one in members if one.name in facts.previews))
    shared = Counter(one for product in whole_ones for one in product.inputs)
    for product in whole_ones:
        if twice := sum(shared[one] > 1 for one in product.inputs):
            product.notes.append(f"{twice} inputs are in another product, too")
    return target


def _variants(product: Product, inputs: Sequence[Candidate], taken: set[str], facts: Facts) -> list[Product]:
    """Other cubes of a product's exposures, as wished: of two at least, and not of all."""
    found = []
    for variant in facts.settings.variants:
        name = f"{product.name} {variant.name}"
        chosen = varied(inputs, variant)
        if 1 < len(chosen) < len(inputs) and name not in taken:
            found.append(
                product_of(name, chosen, facts.skies, facts.settings, facts.today, facts.velocities, variant.name)
            )
    return found


def _decided(name: str, said: Decision, facts: Facts) -> str:
    """Date of a decision: of an earlier scan if it says the same, else today."""
    what, rule, day = facts.edits.dates.get(name, ("", "", ""))
    return said.date or (day if (what, rule) == (said.what, said.rule) else "") or facts.today


def _state(members: Sequence[Candidate], settings: Settings, today: str) -> str:
    """Whether observations have come to an end: all runs are completed, or the last exposure is long ago."""
    completed = [one.programme.get("completed", "")[:10] for one in members]
    last = date_of(max(one.exposure.mjd for one in members))[:10]
    if all(completed):
        end = date.fromisoformat(max(completed)) + timedelta(days=settings.settle_days)
        why = f"its runs are completed since {max(completed)}"
    else:
        end = date.fromisoformat(last) + timedelta(days=settings.wait_days)
        why = f"its last exposure is of {last}"
    day = end.isoformat()
    return f"ready: {why}" if day <= today else f"waiting until {day} for more observations: {why}"


def _words(members: Sequence[Candidate], settings: Settings) -> list[str]:
    """Words in titles and abstracts that tell of depth: evidence, never a reason to leave something out."""
    found: dict[str, set[str]] = {}
    for one in members:
        text = f"{one.programme.get('title', '')} {one.programme.get('abstract', '')}".lower()
        for word in settings.deep_words:
            if word.lower() in text:
                found.setdefault(one.exposure.program, set()).add(word)
    return [f"programme {run}: {', '.join(sorted(words))}" for run, words in sorted(found.items())]
