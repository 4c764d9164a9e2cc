"""What a reviewer does to a product: checked, then written into review.json, and into the plan where it concerns it.

A decision says which content of review.json and of the plan its reviewer has seen. If another content is there when it
is to be written, because of another tab, another reviewer or an editor, it is refused and nothing is written.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, get_args

from musedeep.campaign.review.campaign import Campaign, Item, content_of, digest
from musedeep.campaign.review.plan_text import PlanText
from musedeep.errors import MusedeepError
from musedeep.quality.record import (
    REVIEW,
    Decision,
    ProductRecord,
    ReviewRecord,
    State,
    now,
    read_if_there,
    write_record,
)
from musedeep.selection.campaign.plan_file import Method, Target
from musedeep.storage.lock import output_lock
from musedeep.storage.outputs import appearing_whole

Action = Literal["accept", "reject", "certify", "reopen", "comment", "exclude", "include", "method"]

STATES: Final[dict[str, State]] = {"accept": "review", "reject": "rejected", "certify": "certified", "reopen": "review"}
NEED_TEXT: Final = ("reject", "comment", "exclude")
IN_PLAN: Final = ("exclude", "include", "method")
LONGEST: Final = 2000
"""Characters of a text."""
WORK: Final = ".review"
"""Folder of a campaign with the lock of reviewers, and with pictures that are made when they are looked at."""

_TURN = threading.Lock()


class Conflict(MusedeepError):
    """Somebody else was faster: what the reviewer has seen is no longer there."""


@dataclass(frozen=True)
class Wish:
    """What a reviewer wants.

    Attributes
    ----------
    action : one of `Action`, which `decide` checks
    by : name of the reviewer
    text : comment, or reason
    exposure : to exclude, or to take back
    method : new one
    review_seen, plan_seen : `digest` of review.json and of the plan as the reviewer has seen them
    """

    action: str
    by: str
    text: str = ""
    exposure: str = ""
    method: str = ""
    review_seen: str = ""
    plan_seen: str = ""


def seen(campaign: Campaign, item: Item) -> tuple[str, str]:
    """Digests of review.json and of the plan as they are now."""
    return digest(content_of(item.folder / REVIEW)), digest(content_of(campaign.plan_path))


def redo_of(product: ProductRecord, target: Target | None) -> list[str]:
    """What has to be made again of a product, as the plan is now; empty if its cube is what the plan says."""
    planned = next((one for one in target.products if one.name == product.name), None) if target else None
    if target is None or planned is None:
        return []
    inputs, there = set(planned.inputs), {one.name for one in product.exposures}
    again = "alignment, combination and quality control"
    redo = [f"without {one.name}: {again}" for one in product.used if one.name not in inputs]
    redo += [f"with {name}: reduction if it is new, {again}" for name in planned.inputs if name not in there]
    if target.method != product.method:
        redo.append(f"by the {target.method} method: sky and flux calibration of all exposures, {again}")
    return redo


def decide(campaign: Campaign, item: Item, wish: Wish) -> None:
    """Do what a reviewer wants.

    Raises
    ------
    Conflict
        review.json or the plan is not what the reviewer has seen.
    MusedeepError
        It is not possible, or something is missing, as a reason; a file cannot be written.
    """
    wish = _checked(wish)
    with _TURN, output_lock(campaign.folder / WORK):
        _compare(item.folder / REVIEW, wish.review_seen)
        if wish.action in IN_PLAN:
            _change_plan(campaign, item, wish)
            return
        review = _review_of(item.folder)
        redo = redo_of(item.product, campaign.target(item.product.name))
        if wish.action in ("accept", "certify") and redo:
            raise MusedeepError(f"{item.product.name} has to be made again first: {redo[0]}")
        if wish.action in ("accept", "certify") and item.trouble:
            raise MusedeepError(item.trouble)
        if wish.action == "certify" and review.state == "rejected":
            raise MusedeepError(f"{item.product.name} is rejected; reopen it first")
        write_record(_with(review, wish, wish.text, redo), item.folder / REVIEW)


def _checked(wish: Wish) -> Wish:
    """The wish with texts in one line; MusedeepError if something is missing."""
    if wish.action not in get_args(Action):
        raise MusedeepError(f"no action {wish.action}; choose {', '.join(get_args(Action))}")
    by, text = (" ".join(_plain(word).split()) for word in (wish.by, wish.text))
    if not by:
        raise MusedeepError("give your name: it is kept with the decision")
    if max(len(by), len(text)) > LONGEST:
        raise MusedeepError(f"at most {LONGEST} characters, please")
    if wish.action in NEED_TEXT and not text:
        raise MusedeepError("write the comment" if wish.action == "comment" else f"say why you {wish.action} it")
    if wish.action in ("exclude", "include") and not wish.exposure:
        raise MusedeepError(f"say which exposure to {wish.action}")
    if wish.action == "method" and wish.method not in get_args(Method):
        raise MusedeepError(f"no method {wish.method}; choose {' or '.join(get_args(Method))}")
    return Wish(wish.action, by, text, wish.exposure, wish.method, wish.review_seen, wish.plan_seen)


def _plain(text: str) -> str:
    """Without control characters, which YAML does not take."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _compare(path: Path, known: str) -> None:
    if digest(content_of(path)) != known:
        raise Conflict(f"{path}: was changed after you opened this page; nothing was written. Look again, then decide")


def _review_of(folder: Path) -> ReviewRecord:
    return read_if_there(ReviewRecord, folder / REVIEW)


def _with(review: ReviewRecord, wish: Wish, text: str, redo: list[str], state: State | None = None) -> ReviewRecord:
    done = Decision(date=now(), by=wish.by, action=wish.action, text=text)
    return ReviewRecord(
        state=state or STATES.get(wish.action, review.state), history=[*review.history, done], redo=redo
    )


def _change_plan(campaign: Campaign, item: Item, wish: Wish) -> None:
    """Change the plan, and tell all products of the target that are concerned."""
    path = campaign.plan_path
    _compare(path, wish.plan_seen)
    newest = {one.product.name: one for one in campaign.newest()}
    if newest[item.product.name].key != item.key:
        raise MusedeepError(f"{item.product.name} has a newer version; change the plan from its page")
    raw = content_of(path)
    plan = PlanText(path, raw)
    name, today = item.product.name, datetime.now(UTC).date().isoformat()
    if wish.action == "exclude":
        names, text = plan.exclude(name, wish.exposure, wish.text, wish.by, today), f"{wish.exposure}: {wish.text}"
    elif wish.action == "include":
        with_it = [key for key, one in newest.items() if any(e.name == wish.exposure for e in one.product.exposures)]
        names, text = plan.include(name, wish.exposure, with_it), ": ".join(filter(None, (wish.exposure, wish.text)))
    else:
        method: Method = "crowded" if wish.method == "crowded" else "standard"
        names, text = plan.set_method(name, method), ": ".join(filter(None, (method, wish.text)))
    target = plan.target_of(name)
    reviews: list[tuple[Path, ReviewRecord]] = []
    for one in (newest[name] for name in names if name in newest):
        review = _with(_review_of(one.folder), wish, text, redo_of(one.product, target), "review")
        reviews.append((one.folder / REVIEW, review))
    before = [(place, content_of(place)) for place, _ in reviews]
    _write(path, plan.text.encode(), lambda: _compare(path, wish.plan_seen))
    try:
        for place, review in reviews:
            write_record(review, place)
    except MusedeepError:
        # not half of it: neither the plan nor some of the records
        for place, old in [(path, raw), *before]:
            _restore(place, old)
        raise


def _write(path: Path, raw: bytes, last_look: Callable[[], None]) -> None:
    with appearing_whole(path, len(raw)) as partial:
        partial.write_bytes(raw)
        os.chmod(partial, path.stat().st_mode & 0o777)
        last_look()


def _restore(path: Path, raw: bytes) -> None:
    if not raw:
        path.unlink(missing_ok=True)
    elif content_of(path) != raw:
        _write(path, raw, lambda: None)
