"""What a person has changed in a plan since the last scan wrote it.

The plan is compared with what the scan had written. An exposure that has moved between products, rejected and
undecided is a decision; so is one that was taken out. Changed keys of a target, changed products and confirmed merges
are kept as they are.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from musedeep.selection.campaign.plan_file import BY_FILE, Memory, Plan, Product, Target
from musedeep.selection.campaign.rejection import HOLD, KEEP, REJECT, Decision

PERSON: Final = "plan"
"""Who has decided where a plan was edited and no name given."""
NEW: Final = "new"
"""Rule of an exposure that an earlier plan did not have."""
GONE: Final = "taken out of the plan by hand"


@dataclass
class Edits:
    """What a person has changed in a plan since it was written.

    Attributes
    ----------
    known : exposures that the last scan knew
    decisions : of a person, by exposure
    waiting : exposures that were new in an earlier scan and that nobody has decided on
    targets : the person's targets, by the exposures they hold
    changed : names of keys of targets (method, group_by, name, comment) that were changed, by name of the target
    products : products that a person has made or changed, by name of the target
    merges : decisions on names that may be one target
    dates : when exposures were decided on: what, rule, and date
    """

    known: set[str] = field(default_factory=set)
    decisions: dict[str, Decision] = field(default_factory=dict)
    waiting: dict[str, Decision] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    changed: dict[str, set[str]] = field(default_factory=dict)
    products: dict[str, list[Product]] = field(default_factory=dict)
    merges: dict[frozenset[str], tuple[bool, str]] = field(default_factory=dict)
    dates: dict[str, tuple[str, str, str]] = field(default_factory=dict)


def edits_of(plan: Plan, before: Memory | None) -> Edits:
    """A person's work in a plan: what differs from what the scan had written; all of it if that is not known."""
    edits = Edits()
    old = before.plan if before else Plan(campaign=plan.campaign)
    was, now = _states(old), _states(plan)
    edits.known = set(was) | set(now) | set(before.known if before else ())
    for name, decision in now.items():
        there = was.get(name)
        if there is None or decision.what != there.what or decision.by not in ("rule", there.by):
            edits.decisions[name] = replace(decision, by=PERSON if decision.by == "rule" else decision.by)
        elif there.by != "rule":
            edits.decisions[name] = there
    edits.dates = {name: (said.what, said.rule, said.date) for name, said in now.items() if said.date}
    edits.waiting = {name: said for name, said in now.items() if said.what == HOLD and said.rule == NEW}
    for name in set(was) - set(now):
        edits.decisions[name] = Decision(REJECT, "plan", GONE, PERSON)
    written = {exposure: target for target in old.targets for exposure in _exposures(target)}
    for target in plan.targets:
        first = next((written[one] for one in _exposures(target) if one in written), None)
        keys = {
            key
            for key in ("name", "method", "group_by", "comment")
            if first is None or getattr(target, key) != getattr(first, key)
        }
        edits.changed[target.name] = keys
        edits.targets |= dict.fromkeys(_exposures(target), target)
        mine = {product.name: product for product in first.products} if first else {}
        others = [p for p in target.products if p.name not in mine or _moved(p, mine, target, edits)]
        if others:
            edits.products[target.name] = others
    for merge in plan.merges:
        if merge.confirmed is not None and merge.by != "rule" and not merge.by.startswith(BY_FILE):
            edits.merges[frozenset((merge.first, merge.second))] = merge.confirmed, merge.by or PERSON
    mine_merges = {frozenset((one.first, one.second)): one.confirmed for one in old.merges}
    for merge in plan.merges:
        pair = frozenset((merge.first, merge.second))
        if merge.confirmed is not None and merge.confirmed != mine_merges.get(pair, merge.confirmed):
            edits.merges[pair] = (
                merge.confirmed,
                PERSON if merge.by in ("", "rule") or merge.by.startswith(BY_FILE) else merge.by,
            )
    return edits


def _moved(product: Product, mine: dict[str, Product], target: Target, edits: Edits) -> bool:
    """Whether inputs were moved between products, beyond being kept or left out."""
    elsewhere = {one for other in mine.values() if other.name != product.name for one in other.inputs}
    if product.variant:
        return set(product.inputs) != set(mine[product.name].inputs)
    added = set(product.inputs) - set(mine[product.name].inputs)
    return bool(added & elsewhere)


def _exposures(target: Target) -> list[str]:
    inputs = [one for product in target.products for one in product.inputs]
    return [*inputs, *(one.exposure for one in (*target.rejected, *target.undecided))]


def _states(plan: Plan) -> dict[str, Decision]:
    """What a plan says of each exposure."""
    found: dict[str, Decision] = {}
    for target in plan.targets:
        for what, remarks in ((HOLD, target.undecided), (REJECT, target.rejected)):
            found |= {one.exposure: Decision(what, one.rule, one.text, one.by, one.date) for one in remarks}
        found |= {one: Decision(by="rule") for product in target.products for one in product.inputs}
        found |= {
            one.exposure: Decision(KEEP, one.rule, one.text, one.by, one.date)
            for one in target.kept
            if found.get(one.exposure, Decision(HOLD)).what == KEEP
        }
    return found
