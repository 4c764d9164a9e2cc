"""Nights of a product: which are needed, what is done of them, and the exposures that come of it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from musedeep.campaign.cascade.archive import Archive, NightKey
from musedeep.campaign.cascade.facts import keep_scibasic_facts
from musedeep.campaign.cascade.logs import logged
from musedeep.campaign.cascade.night_sets import CUBE, NightSets, Wanted, night_sets
from musedeep.campaign.cascade.request import CascadeRequest
from musedeep.errors import MusedeepError
from musedeep.graph.night.discards import KINDS
from musedeep.graph.night.journal import Journal, task_key
from musedeep.graph.night.plan import FrameSet
from musedeep.graph.night.run import NightOutcome, NightRequest, reduce_night
from musedeep.provenance_key import code_state
from musedeep.recipes.registry import modules
from musedeep.selection.campaign.cascade_settings import CascadeSettings, texts
from musedeep.selection.campaign.plan_file import Product, Target
from musedeep.storage.set_of_frames import other_form

NIGHT_LOG = "night.jsonl"


def wanted_of(archive: Archive, target: Target, product: Product) -> list[Wanted]:
    """The exposures of a product, each with the SKY exposure that it belongs to."""
    skies = [archive.of(name) for name in product.sky]
    found = []
    for name in product.inputs:
        one = archive.of(name)
        near = [sky for sky in skies if (sky.night, sky.mode) == (one.night, one.mode)]
        best = min(near, key=lambda sky: (sky.ob_id != one.ob_id, abs(sky.mjd - one.mjd), sky.name), default=None)
        found.append(Wanted(name, target.method == "crowded", best.name if best else ""))
    return found


@dataclass
class Nights:
    """The nights of one product.

    Attributes
    ----------
    sets : of each night
    of : night of each exposure that is wanted
    failed : why an exposure could not be reduced
    outcomes : of the nights that were run
    standards : nights of which another standard star was taken, by its STD_RESPONSE
    """

    sets: dict[NightKey, NightSets] = field(default_factory=dict)
    of: dict[Wanted, NightKey] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    outcomes: dict[NightKey, NightOutcome] = field(default_factory=dict)
    standards: dict[str, NightSets] = field(default_factory=dict)

    def post(self, one: Wanted) -> FrameSet:
        """The set of muse_scipost of an exposure."""
        return self.sets[self.of[one]].exposures[one.name]

    def exchange(self, one: Wanted, mended: Wanted, sets: NightSets, standard: NightSets) -> None:
        """Take an exposure as it was reduced with the standard star of another night."""
        key = self.of.pop(one)
        self.of[mended], self.sets[key] = key, sets
        self.standards[mended.response] = standard

    def behind(self, one: Wanted) -> list[tuple[NightSets, FrameSet]]:
        """All sets that make an exposure, with their nights, in an order in which they can run."""
        other = self.standards.get(one.response)
        star = other.behind(other.makers()[other.standard]) if other else []
        own = self.sets[self.of[one]]
        return [(other, each) for each in star if other] + [(own, each) for each in own.behind(self.post(one))]


def plan_nights(request: CascadeRequest, wanted: Sequence[Wanted]) -> Nights:
    """The sets of all nights that exposures need; what is wrong with a night fails its exposures."""
    nights = Nights()
    by_night: dict[NightKey, list[Wanted]] = {}
    for one in wanted:
        by_night.setdefault(request.archive.night_of(one.name), []).append(one)
    for key, members in sorted(by_night.items(), key=lambda item: (item[0].date, item[0].mode)):
        place = key.folder(request.campaign)
        try:
            found = night_sets(request.archive, key, place, members, request.settings)
        except MusedeepError as error:
            nights.failed |= {one.name: str(error) for one in members}
            continue
        nights.sets[key] = found
        for one in members:
            nights.of[one] = key
            if one.name in found.missing:
                nights.failed[one.name] = found.missing[one.name]
    return nights


def run_night(
    request: CascadeRequest, sets: NightSets, targets: Sequence[FrameSet], dry_run: bool = False
) -> NightOutcome:
    """Do what some sets of a night need, and these.

    Raises
    ------
    MusedeepError
        As `reduce_night`: too little memory or disk, another run at work there.
    """
    machine, settings = request.machine, request.settings
    night = NightRequest(
        sets=sets.needed(targets), output=sets.place, modules=modules(),
        parameters=recipe_parameters(settings),
        workers=machine.workers, threads=machine.threads, memory=machine.memory, scheduler=machine.scheduler,
        cluster=machine.cluster,
    )  # fmt: skip
    if dry_run:
        return reduce_night(night, request.progress, dry_run=True)
    with logged(sets.place / NIGHT_LOG):
        outcome = reduce_night(night, request.progress, interrupted=request.leave)
    over = {*outcome.made, *outcome.earlier}
    done = [one for one in targets if one.step == "scipost" and one.name in over]
    for one in done:
        keep_scibasic_facts(sets.place, one)
    _discard(sets, targets, done, settings)
    return outcome


def _discard(sets: NightSets, targets: Sequence[FrameSet], done: Sequence[FrameSet], settings: CascadeSettings) -> None:
    """Remove what is not needed any more, when all targets are done; the journal of the night knows of it."""
    names = [] if settings.keep_single else [f"{one.directory}/{CUBE}" for one in done]
    if len(done) == len(targets):
        starts = tuple(KINDS[kind] for kind in settings.discard)
        made = [Path(path) for one in sets.needed(done) if one.ifu for path in one.products]
        forms = [str(path.relative_to(sets.place)) for path in made if starts and path.name.startswith(starts)]
        names += [form for name in forms for form in (name, other_form(name))]
    Journal(sets.place).discard(names)


def recipe_parameters(settings: CascadeSettings) -> dict[str, dict[str, str]]:
    """Parameters of recipes of a night as texts; those of muse_scipost are given to each exposure."""
    return {recipe: texts(given) for recipe, given in settings.recipes.items() if recipe != "muse_scipost"}


def why_failed(sets: NightSets, post: FrameSet, outcome: NightOutcome) -> str:
    """Why a set has not been done; empty if it has."""
    if post.name in outcome.failed:
        return outcome.failed[post.name]
    if post.name not in outcome.skipped:
        return ""
    causes = [f"{one.name}: {outcome.failed[one.name]}" for one in sets.behind(post) if one.name in outcome.failed]
    return "; ".join(causes) or f"needs {', '.join(outcome.skipped[post.name])}"


def fingerprint(sets: NightSets, post: FrameSet, settings: CascadeSettings) -> str:
    """A key that changes with all that an exposure is made from; MusedeepError if a raw frame is gone."""
    keys: dict[str, str] = {}
    common = recipe_parameters(settings)
    key = ""
    for one in sets.behind(post):
        parameters: Mapping[str, object] = {**common.get(one.recipe, {}), **dict(one.parameters), "nifu": one.ifu}
        key = task_key(one.recipe, parameters, one.frames, keys)
        keys.update(dict.fromkeys(one.products, key))
    return keys[post.products[0]]


def product_key(
    request: CascadeRequest, target: Target, product: Product, nights: Nights, wanted: Sequence[Wanted]
) -> str:
    """A key of all that a cube is made from, as long as some exposures, those that have not failed, can be reduced."""
    exposures = {}
    for one in wanted:
        if one.name in nights.failed:
            continue
        key = nights.of[one]
        exposures[one.name] = fingerprint(nights.sets[key], nights.sets[key].exposures[one.name], request.settings)
    facts = [
        product.name, product.category, product.version, product.notes, product.access, target.method, exposures,
        request.settings.model_dump(mode="json", exclude={"discard", "keep_single", "after_cube"}), code_state(),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
