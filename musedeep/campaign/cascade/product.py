"""One product of a campaign, from its nights to its record.

1. The nights are planned. If the product is there and was made from the same, nothing is done.
2. Nights are reduced as far as its exposures need. An exposure that cannot be is left out, and the record says why.
3. Flux scales are checked, then offsets are found (`flux_scale`, `alignment`).
4. Exposures are combined in a hidden folder beside the product's.
5. Images, logs and the record join the cube there. Then the folder gets its name, all at once.
6. If the plan has a command for finished cubes, it runs (`after_cube`).

Whatever is interrupted goes on at the next start: nights and combinations have journals, the rest is done again.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from musedeep.campaign.cascade.after_cube import TO_BE_RUN, run_after_cube, to_be_run
from musedeep.campaign.cascade.alignment import Aligned, align
from musedeep.campaign.cascade.combination import (
    LOG_NAME,
    OFFSETS,
    combine_exposures,
    deep_names,
    remove_made,
    write_offsets,
)
from musedeep.campaign.cascade.facts import catalogue_facts, exposure_record, image_facts, relative
from musedeep.campaign.cascade.flux_scale import Image, check_scales, image_of
from musedeep.campaign.cascade.logs import by_task, read_lines, seconds_of, write_log
from musedeep.campaign.cascade.nights import (
    NIGHT_LOG,
    Nights,
    plan_nights,
    product_key,
    recipe_parameters,
    run_night,
    wanted_of,
    why_failed,
)
from musedeep.campaign.cascade.request import CascadeRequest, ProductOutcome
from musedeep.errors import MusedeepError
from musedeep.progress import LOG
from musedeep.quality.record import (
    PRODUCT,
    REVIEW,
    Decision,
    ExposureRecord,
    ProductRecord,
    ReviewRecord,
    StepRecord,
    folder_name,
    now,
    product_folder,
    read_record,
    write_record,
)
from musedeep.selection.campaign.cascade_settings import texts
from musedeep.selection.campaign.plan_file import Product, Target
from musedeep.storage.outputs import make_directory, replace_directory

MADE_BY: Final = "musedeep"
SINGLES, LOGS, ALIGN = "singles", "logs", ".align"
KEY: Final = ".key"
"""In the folder where a product is made: what it is made from."""


@dataclass
class _Work:
    """A product in the making."""

    request: CascadeRequest
    target: Target
    product: Product
    nights: Nights
    images: list[Image] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return product_folder(self.request.campaign, self.product.name, self.product.version)

    @property
    def making(self) -> Path:
        return making_of(self.folder)

    @property
    def used(self) -> list[Image]:
        return [one for one in self.images if not one.excluded]


def recover(campaign: Path, products: Iterable[Product]) -> None:
    """Put right what a killed run has left half renamed, and remove what it was making of products that are gone."""
    for former in campaign.glob("products/*/.v*.old"):
        target = former.with_name(former.name.split(".")[1])
        if target.exists():
            shutil.rmtree(former, ignore_errors=True)
        else:
            os.rename(former, target)
    wanted = {making_of(product_folder(campaign, one.name, one.version)) for one in products}
    for place in campaign.glob("products/*/.v*.making"):
        if place not in wanted:
            shutil.rmtree(place, ignore_errors=True)


def making_of(folder: Path) -> Path:
    """Where a product is made."""
    return folder.with_name(f".{folder.name}.making")


def existing(folder: Path) -> ProductRecord | None:
    """The record of a product that is there with its cube; None if there is none that can be read."""
    try:
        record = read_record(ProductRecord, folder / PRODUCT)
    except MusedeepError:
        return None
    return record if (folder / Path(record.cube).name).exists() else None


def make_product(request: CascadeRequest, target: Target, product: Product, dry_run: bool = False) -> ProductOutcome:
    """Make a product, unless it is there and up to date; with `dry_run` only say which of the two.

    Raises
    ------
    MusedeepError
        There are fewer than two exposures left; too little memory or disk; a folder that cannot be written.
    """
    outcome, record = _made(request, target, product, dry_run)
    if record is None:
        return outcome
    if to_be_run(request.settings.after_cube, record):
        if dry_run:
            outcome.state, outcome.why = "to do", TO_BE_RUN
        else:
            outcome.after_cube = run_after_cube(request.settings.after_cube, record, outcome.folder, request.campaign)
    return _as_it_is(outcome, record)


def _made(
    request: CascadeRequest, target: Target, product: Product, dry_run: bool
) -> tuple[ProductOutcome, ProductRecord | None]:
    """The product as it is, or is made now; no record if it would have to be made."""
    began = time.monotonic()
    wanted = wanted_of(request.archive, target, product)
    nights = plan_nights(request, wanted)
    work = _Work(request, target, product, nights)
    outcome = ProductOutcome(target.name, product.name, "up to date", work.folder, len(product.inputs))
    there = existing(work.folder)
    if there is not None and there.campaign != request.plan.campaign:
        raise MusedeepError(
            f"{work.folder}: is a product of the campaign {there.campaign}; give this plan a name of its own"
        )
    key = product_key(request, target, product, nights, wanted)
    if there is not None and there.key == key and not nights.failed:
        return outcome, there
    if dry_run:
        outcome.state, outcome.why = "to do", "not made yet" if there is None else "what it is made from has changed"
        outcome.left_out = dict(nights.failed)
        return outcome, None
    for night, sets in nights.sets.items():
        mine = [one for one in wanted if nights.of.get(one) == night and one.name not in nights.failed]
        posts = [sets.exposures[one.name] for one in mine]
        if posts:
            LOG.info(f"{product.name}: night {night.date}, {night.mode}, {len(posts)} exposures")
            done = nights.outcomes[night] = run_night(request, sets, posts)
            for one, post in zip(mine, posts, strict=True):
                if why := why_failed(sets, post, done):
                    nights.failed[one.name] = why
    key = product_key(request, target, product, nights, wanted)
    if there is not None and there.key == key:
        return outcome, there
    for one in wanted:
        if one.name not in nights.failed:
            try:
                work.images.append(image_of(nights.post(one), one, request.settings.flux_radius))
            except MusedeepError as error:
                nights.failed[one.name] = str(error)
    _at_least_two(work, len(work.images))
    work.notes += check_scales(request, nights, work.images)
    _at_least_two(work, len(work.used))
    _begin(work, key)
    LOG.info(f"{product.name}: aligning and combining {len(work.used)} exposures")
    aligned = align([one.view for one in work.used], request.settings, target.method == "crowded", work.making / ALIGN)
    for note in aligned.notes:
        LOG.warning(f"{product.name}: {note}")
    record = _combined(work, aligned, key)
    _finish(work, record, there)
    outcome.state, outcome.seconds = "made", time.monotonic() - began
    return outcome, record


def _as_it_is(outcome: ProductOutcome, record: ProductRecord) -> ProductOutcome:
    outcome.used, outcome.aligned, outcome.notes = len(record.used), record.aligned, record.notes
    outcome.left_out = {one.name: one.excluded for one in record.exposures if one.excluded}
    return outcome


def _at_least_two(work: _Work, number: int) -> None:
    if number >= 2:
        return
    why = [f"{name}: {said}" for name, said in work.nights.failed.items()]
    why += [f"{one.wanted.name}: {one.excluded}" for one in work.images if one.excluded]
    left = "one exposure is" if number == 1 else "no exposure is"
    raise MusedeepError(
        f"{work.product.name}: {left} left of {len(work.product.inputs)}, a cube needs two"
        + (f"; {'; '.join(why[:3])}" + (f"; and {len(why) - 3} more" if len(why) > 3 else "") if why else "")
    )


def _begin(work: _Work, key: str) -> None:
    """An empty folder to make the product in, or that of an earlier start on the same."""
    names = [one.wanted.name for one in work.used]
    mark = hashlib.sha256(json.dumps([key, names, [one.wanted.response for one in work.used]]).encode()).hexdigest()
    place = work.making / KEY
    if not (place.exists() and place.read_text() == mark):
        shutil.rmtree(work.making, ignore_errors=True)
        make_directory(work.making)
        place.write_text(mark)


def _combined(work: _Work, aligned: Aligned, key: str) -> ProductRecord:
    """Combine, and make the record, with all that belongs to it."""
    request, campaign, making = work.request, work.request.campaign, work.making
    used = work.used
    views = [one.view for one in used]
    if not (making / OFFSETS).exists() or not list(making.glob("DATACUBE_*")):
        write_offsets(making / OFFSETS, views, aligned.offsets, [None] * len(used))
    tables = [_table(work, one) for one in used]
    filters = next((Path(path) for path, tag in work.nights.post(used[0].wanted).frames if tag == "FILTER_LIST"), None)
    frames = combine_exposures(request, tables, filters, making)
    cube, images, times = deep_names(making, work.product.category)
    final = relative(work.folder, campaign)
    record = ProductRecord(
        name=work.product.name, target=work.target.name, category=work.product.category, method=work.target.method,
        version=work.product.version, supersedes=work.product.supersedes, campaign=request.plan.campaign,
        access=work.product.access, notes=[*work.product.notes, *work.notes, *aligned.notes, *_lost(work)],
        cube=f"{final}/{cube}", images=[f"{final}/{name}" for name in images],
        exposure_map=f"{final}/{times}" if times else "", offsets=f"{final}/{OFFSETS}", aligned=aligned.aligned,
        alignment=aligned.tries, key=key, made=now(),
    )  # fmt: skip
    record.exposures = _exposures(work, aligned, final)
    _singles(work)
    record.steps = _steps(work, aligned, frames, final)
    return record


def _table(work: _Work, one: Image) -> Path:
    from musedeep.storage.set_of_frames import existing_form

    return Path(existing_form(work.nights.post(one.wanted).products[1]))


def _lost(work: _Work) -> list[str]:
    """What single exposures went on without."""
    posts = {work.nights.post(one.wanted).name: one.wanted.name for one in work.used}
    return [
        f"{posts[name]}: without {why}"
        for outcome in work.nights.outcomes.values()
        for name, why in outcome.lost.items()
        if name in posts
    ]


def _exposures(work: _Work, aligned: Aligned, final: str) -> list[ExposureRecord]:
    """Records of all inputs, in the order of the plan."""
    request, nights = work.request, work.nights
    found: dict[str, ExposureRecord] = {}
    for one in work.images:
        sets = nights.sets[nights.of[one.wanted]]
        record = exposure_record(request.archive, sets, nights.post(one.wanted), one.wanted, request.campaign)
        image_facts(record, one.view, one.stars)
        record.image = f"{final}/{SINGLES}/{folder_name(one.wanted.name)}.fits"
        record.flux_ratio, record.excluded = one.ratio, one.excluded
        found[record.name] = record
    for k, one in enumerate(work.used):
        record = found[one.wanted.name]
        record.ra_offset, record.dec_offset = (float(value) for value in aligned.offsets[k])
        record.matched, record.residual = aligned.matches[k].number, aligned.matches[k].residual
    bright = max((one.level for one in work.used if one.level), default=0.0)
    for one in work.used:
        if one.level:
            found[one.wanted.name].transparency = one.level / bright
    for name, why in nights.failed.items():
        found[name] = ExposureRecord(**catalogue_facts(request.archive, name), excluded=why)
    return [found[name] for name in work.product.inputs]


def _singles(work: _Work) -> None:
    place = work.making / SINGLES
    make_directory(place)
    for one in work.images:
        shutil.copyfile(one.view.path, place / f"{folder_name(one.wanted.name)}.fits")


def _steps(work: _Work, aligned: Aligned, frames: list[list[str]], final: str) -> list[StepRecord]:
    """All steps, each with a log in the folder of the product."""
    campaign, nights = work.request.campaign, work.nights
    logs = work.making / LOGS
    make_directory(logs)
    common = recipe_parameters(work.request.settings)
    steps: list[StepRecord] = []
    written: set[tuple[Path, str]] = set()
    logs_of = {
        sets.place: by_task(read_lines(sets.place / NIGHT_LOG))
        for sets in [*nights.sets.values(), *nights.standards.values()]
    }
    for one in work.images:
        own: list[StepRecord] = []
        mine: list[dict[str, Any]] = []
        log = f"{folder_name(one.wanted.name)}.log"
        for sets, behind in nights.behind(one.wanted):
            step = StepRecord(
                recipe=behind.recipe, label=behind.name, log=f"{final}/{LOGS}/{log}",
                parameters={**common.get(behind.recipe, {}), **dict(behind.parameters)}
                | ({"nifu": behind.ifu} if behind.ifu else {}),
                inputs=[[relative(path, campaign), tag] for path, tag in behind.frames],
                seconds=seconds_of(logs_of[sets.place].get(behind.name, ())),
            )  # fmt: skip
            own.append(step)
            mine += logs_of[sets.place].get(behind.name, [])
            if (sets.place, behind.name) not in written:
                written.add((sets.place, behind.name))
                steps.append(step)
        write_log(logs / log, own, sorted(mine, key=lambda entry: str(entry.get("time", ""))))
    views = [[f"{final}/{SINGLES}/{folder_name(one.wanted.name)}.fits", "IMAGE_FOV"] for one in work.used]
    log = f"{final}/{LOGS}/product.log"
    last = [
        StepRecord(recipe="muse_exp_align", label="align", parameters=dict(one), inputs=views, log=log)
        for one in aligned.parameters
    ]
    lines = read_lines(work.making / LOG_NAME)
    combine = StepRecord(
        recipe="muse_exp_combine", label="combine", log=log,
        parameters=texts(work.request.settings.combine),
        inputs=[[relative(_final(work, path), campaign), tag] for path, tag in frames],
        seconds=sum(entry["seconds"] for entry in lines if entry.get("event") == "end"),
    )  # fmt: skip
    last.append(combine)
    write_log(logs / "product.log", last, lines)
    return steps + last


def _final(work: _Work, path: str) -> Path:
    """Where a file will be that lies in the folder where the product is made."""
    place = Path(path)
    return work.folder / place.relative_to(work.making) if place.is_relative_to(work.making) else place


def _finish(work: _Work, record: ProductRecord, before: ProductRecord | None) -> None:
    """Write the record, and give the folder its name; what a person has decided on the product before stays known."""
    making = work.making
    for name in (KEY, LOG_NAME):
        (making / name).unlink(missing_ok=True)
    remove_made(making)
    if before is not None and (work.folder / REVIEW).exists():
        review = read_record(ReviewRecord, work.folder / REVIEW)
        review.history.append(Decision(date=now(), by=MADE_BY, action="made again", text="; ".join(review.redo)))
        review.state, review.redo = "review", []
        write_record(review, making / REVIEW)
    write_record(record, making / PRODUCT)
    replace_directory(making, work.folder)
