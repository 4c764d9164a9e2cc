"""The pages, as HTML: the table of the campaign, and one page per product. The same for the server and for a folder.

All links are relative. The addresses are

    index.html
    assets/review.css, review.js, icon.svg
    products/FIELD-001/v1/index.html
    products/FIELD-001/v1/pictures/field.png, depth.png, single-0.png, residual-0.png, figure-0.png ...
    products/FIELD-001/v1/logs/0.txt
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from musedeep.campaign.review.campaign import Campaign, Item
from musedeep.campaign.review.decisions import redo_of, seen
from musedeep.campaign.review.pictures import Field, Pictures
from musedeep.campaign.review.plan_text import RULE
from musedeep.campaign.review.plot import depth_plot
from musedeep.campaign.review.texts import BITS, NOTES, VERBS, number_text, time_parts, time_text
from musedeep.errors import MusedeepError
from musedeep.quality.record import Score
from musedeep.selection.campaign.plan_file import Target

STATES: Final = ("to review", "accepted", "certified", "rejected")
COLUMNS: Final = (
    ("Product", "Name, and target", False), ("State", "Of the review", False),
    ("QCFLAG", "Ten flags, 0 is good", False), ("Failed", "Scores outside their ranges", True),
    ("Findings", "To look at", True), ("Inputs", "Exposures in the cube", True),
    ("Time", "Exposure time in the cube", True),
    ("FWHM", "Of stars [arcsec]", True), ("ABMAGLIM", "Limiting magnitude, 5 sigma", True),
    ("Method", "standard or crowded", False), ("Made", "Date", False),
)  # fmt: skip
SHEET: Final = "single:"
"""What names of figures of exposures begin with."""
ASSETS: Final = ("review.css", "review.js", "icon.svg")


@dataclass(frozen=True)
class Visitor:
    """Who looks at a page.

    Attributes
    ----------
    writable : whether decisions may be made
    by : name that is filled in
    token : of the form
    message : why the last decision was refused
    typed : what was typed then
    """

    writable: bool = False
    by: str = ""
    token: str = ""
    message: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)


class Pages:
    """Makes the pages of a campaign."""

    def __init__(self, campaign: Campaign, pictures: Pictures) -> None:
        self.campaign, self.pictures = campaign, pictures
        self._templates = Environment(
            loader=PackageLoader("musedeep.campaign.review"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip

    def index(self, visitor: Visitor) -> str:
        """The table of the campaign."""
        items = self.campaign.newest()
        states = Counter(item.state for item in items)
        redo = {item.key: redo_of(item.product, self.campaign.target(item.product.name)) for item in items}
        counts = [{"state": "", "label": "products", "number": len(items)}]
        counts += [{"state": state, "label": state, "number": states[state]} for state in STATES]
        return self._templates.get_template("index.html").render(
            root="", campaign=self.campaign.name, plan=self.campaign.plan_path.name, writable=visitor.writable,
            scanned=self.campaign.scanned, total=time_text(sum(item.seconds for item in items)), counts=counts,
            rows=[_row(item, redo[item.key]) for item in items], plot=depth_plot(items, _href),
            unmade=self._unmade({item.product.name for item in items}),
            command=f"musedeep campaign run {self.campaign.plan_path.name}",
            troubles=[item.trouble for item in items if item.trouble][:5],
            columns=[{"label": label, "title": title, "number": number} for label, title, number in COLUMNS],
        )  # fmt: skip

    def _unmade(self, made: set[str]) -> list[str]:
        """Names of products that the plan has and the campaign has not; none if the plan cannot be read now."""
        try:
            targets = self.campaign.plan().targets
        except MusedeepError:
            return []
        return [one.name for target in targets for one in target.products if one.name not in made]

    def product(self, item: Item, visitor: Visitor) -> str:
        """The page of a product."""
        # first what a decision will be compared with, then what is shown: never something newer than that
        review_seen, plan_seen = seen(self.campaign, item)
        item = self.campaign.item(item.key) or item
        items = self.campaign.newest()
        keys = [one.key for one in items]
        older = [one for one in self.campaign.items() if one.product.name == item.product.name]
        older = older[: [one.key for one in older].index(item.key)]
        newer = next((one for one in items if one.product.name == item.product.name and one.key != item.key), None)
        here = keys.index(newer.key if newer else item.key)
        target = self.campaign.target(item.product.name)
        image, depth = self.pictures.field(item), self.pictures.depth(item)
        root = "../" * (item.key.count("/") + 2)
        about = [("Campaign", item.product.campaign), ("Access", item.product.access), ("Cube", item.product.cube),
                 ("Supersedes", item.product.supersedes), ("Runs", _words(one.run for one in item.product.exposures)),
                 ("Modes", _words(one.mode for one in item.product.exposures)),
                 ("Comment in the plan", target.comment if target else "")]  # fmt: skip
        return self._templates.get_template("product.html").render(
            root=root, item=item, campaign=self.campaign.name, writable=visitor.writable, by=visitor.by,
            message=visitor.message, typed={"by": "", "text": "", "exposure": "", "method": "", **visitor.typed},
            form_token=visitor.token, position=f"{here + 1} of {len(keys)}",
            previous=f"{root}{_href(items[here - 1])}" if here > 0 else "",
            next=f"{root}{_href(items[here + 1])}" if here + 1 < len(items) else "",
            newer={"href": f"{root}{_href(newer)}", "version": newer.product.version} if newer else None,
            older=[{"href": f"../{one.folder.name}/index.html", "version": one.product.version} for one in older],
            redo=redo_of(item.product, target), command=f"musedeep campaign run {self.campaign.plan_path.name}"
            + (f" --target {target.name}" if target else ""),
            time=time_parts(item.seconds),
            scored=len({one.name for one in item.quality.scores if one.score is not None}),
            bits=_bits(item.quality.flag), field=image and image[1], depth=depth and depth[1],
            depth_label=time_text(depth[1].high) if depth else "", radius=_radius(image and image[1]),
            bar=_bar(image and image[1]), singles=bool(self.pictures.with_images(item)),
            exposures=self._exposures(item, target), figures=self.figures(item), scores=_scores(item.quality.scores),
            steps=self._steps(item), verbs=VERBS, in_plan=target is not None and newer is None,
            plan_method=target.method if target else "", review_seen=review_seen, plan_seen=plan_seen,
            about=[(name, value) for name, value in about if value],
        )  # fmt: skip

    def figures(self, item: Item) -> list[dict[str, str]]:
        """Names of the figures of a product that are there, and their addresses."""
        return [
            {"name": name.replace("_", " "), "file": f"pictures/figure-{number}.png"}
            for number, name in enumerate(item.quality.figures)
            if not name.startswith(SHEET) and self.figure(item, number) is not None
        ]

    def sheets(self, item: Item) -> dict[str, str]:
        """Addresses of the figures of exposures that are there, by name of the exposure."""
        return {
            name.removeprefix(SHEET): f"pictures/figure-{number}.png"
            for number, name in enumerate(item.quality.figures)
            if name.startswith(SHEET) and self.figure(item, number) is not None
        }

    def figure(self, item: Item, number: int) -> Path | None:
        """The file of a figure; None if it is no PNG of the campaign."""
        paths = list(item.quality.figures.values())
        path = self.campaign.within(paths[number]) if 0 <= number < len(paths) else None
        return path if path is not None and path.suffix.lower() == ".png" else None

    def log(self, item: Item, number: int) -> Path | None:
        """A log of `logs_of`; None if there is none in the campaign."""
        logs = logs_of(item)
        return self.campaign.within(logs[number]) if 0 <= number < len(logs) else None

    def _exposures(self, item: Item, target: Target | None) -> list[dict[str, Any]]:
        numbers = {one.name: number for number, one in enumerate(self.pictures.with_images(item))}
        planned = next((one for one in target.products if one.name == item.product.name), None) if target else None
        inputs = set(planned.inputs) if planned else set()
        remarks = {one.exposure: one for one in target.rejected} if target else {}
        sheets = self.sheets(item)
        rows = []
        for one in item.product.exposures:
            remark = remarks.get(one.name)
            label, why = ("put aside", one.excluded) if one.excluded else ("", "")
            if planned and one.name not in inputs and remark is not None:
                label, why = f"out, {remark.by}", remark.text or remark.rule
            elif planned and one.name not in inputs and not one.excluded:
                label, why = "out", "not in the plan any more"
            can = "exclude" if one.name in inputs else "include" if remark and remark.rule == RULE else ""
            cosine = math.cos(math.radians(self._declination(item)))
            rows.append({
                "name": one.name, "number": numbers.get(one.name), "sheet": sheets.get(one.name, ""),
                "when": one.date_obs[:16].replace("T", " ") or one.name,
                "ob": one.ob_name or one.ob_id, "time": time_text(one.exposure_time), "matched": one.matched,
                "residual": one.residual, "fwhm": item.of(one, "fwhm"),
                "transparency": item.of(one, "transparency"),
                "background": item.of(one, "background"), "label": label, "why": why, "can": can, "out": bool(why),
                "ra": None if one.ra_offset is None else one.ra_offset * 3600.0 * cosine,
                "dec": None if one.dec_offset is None else one.dec_offset * 3600.0,
                "findings": [finding.kind for finding in item.quality.findings if finding.exposure == one.name],
            })  # fmt: skip
        return rows

    def _declination(self, item: Item) -> float:
        image = self.pictures.field(item)
        return image[1].dec if image else 0.0

    def _steps(self, item: Item) -> list[dict[str, Any]]:
        """One row per recipe, for all exposures and IFUs, with the parameters that all its runs share."""
        numbers = {log: number for number, log in enumerate(logs_of(item)) if self.log(item, number)}
        rows = []
        for recipe in dict.fromkeys(step.recipe for step in item.product.steps):
            runs = [step for step in item.product.steps if step.recipe == recipe]
            shared = {
                name: value
                for name, value in runs[0].parameters.items()
                if all(run.parameters.get(name) == value for run in runs)
            }
            logs = [log for log in dict.fromkeys(run.log for run in runs) if log in numbers]
            rows.append({
                "recipe": recipe, "label": runs[0].label if len(runs) == 1 else f"{len(runs)} runs",
                "parameters": shared, "inputs": sum(len(run.inputs) for run in runs),
                "time": time_text(sum(run.seconds for run in runs)),
                "logs": [{"name": Path(log).stem, "file": f"logs/{numbers[log]}.txt"} for log in logs],
            })  # fmt: skip
        return rows


def logs_of(item: Item) -> list[str]:
    """Paths of all logs of a product, each once."""
    return list(dict.fromkeys(step.log for step in item.product.steps if step.log))


def _href(item: Item) -> str:
    return f"products/{item.key}/index.html"


def _row(item: Item, redo: Sequence[str]) -> dict[str, Any]:
    product = item.product
    fwhm, limit = item.fwhm, item.limit
    flag = Markup("").join(_bit(bit, k) for k, bit in enumerate(item.quality.flag))
    return {
        "name": product.name, "version": product.version, "target": product.target, "href": _href(item),
        "state": item.state, "rank": STATES.index(item.state), "redo": "; ".join(redo), "flag": flag,
        "failed": item.failed, "scored": bool(item.quality.scores), "findings": len(item.quality.findings),
        "attention": bool(item.failed or item.quality.findings or item.trouble), "used": len(product.used),
        "inputs": len(product.exposures), "seconds": item.seconds, "time": time_text(item.seconds),
        "fwhm": number_text(fwhm, 2), "fwhm_v": "" if fwhm is None else fwhm, "limit": number_text(limit, 2),
        "limit_v": "" if limit is None else limit, "method": product.method, "made": product.made[:10],
    }  # fmt: skip


def _bit(bit: str, place: int) -> Markup:
    if bit != "1":
        return escape(bit)
    return Markup("<i>1</i>") if place in NOTES else Markup("<b>1</b>")


def _bits(flag: str) -> list[dict[str, Any]]:
    known = [*BITS, *((f"#{k + 1}", "") for k in range(len(BITS), len(flag)))]
    return [
        {"value": bit, "name": name, "title": title, "note": k in NOTES}
        for k, (bit, (name, title)) in enumerate(zip(flag, known, strict=False))
    ]


def _radius(image: Field | None) -> float:
    return 1.0 if image is None else max(3.0, image.width / 45.0)


def _bar(image: Field | None) -> dict[str, Any] | None:
    """A bar of 1, 2, 5, 10 ... arcsec, about a fifth of the field."""
    if image is None or not image.scale:
        return None
    field = image.width * image.scale
    step = 10.0 ** math.floor(math.log10(field / 4.0))
    length = max(one for one in (step, 2 * step, 5 * step) if one <= field / 4.0)
    label = f"{length:g}″" if length < 60 else f"{length / 60:.3g}\N{PRIME}"
    x, y = image.width * 0.04, image.height * 0.96
    return {"x": round(x, 1), "y": round(y, 1), "length": round(length / image.scale, 1), "label": label}


def _scores(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Rows of scores, those that failed first; of exposures that are good, the one that is closest to a limit."""
    failed = [one for one in scores if one.score == 1]
    good: dict[str, list[Score]] = {}
    for one in scores:
        if one.score != 1:
            good.setdefault(one.name, []).append(one)
    rows = [(one, one.exposure) for one in failed]
    for alike in good.values():
        worst = max(alike, key=_closeness)
        rows.append((worst, worst.exposure if len(alike) == 1 else f"worst of {len(alike)} exposures"))
    return [
        {"name": one.name, "exposure": exposure, "value": number_text(one.value), "unit": one.unit,
         "score": one.score, "source": one.source, "range": _range(one), "gauge": _gauge(one)}
        for one, exposure in rows
    ]  # fmt: skip


def _closeness(score: Score) -> float:
    """How close a value is to a limit: the larger, the closer; least if there is no value."""
    if score.value is None or not math.isfinite(score.value):
        return -math.inf
    away = [score.value - score.low] if score.low is not None else []
    away += [score.high - score.value] if score.high is not None else []
    return -min(away, default=math.inf)


def _range(score: Score) -> str:
    low, high = number_text(score.low), number_text(score.high)
    if score.low is None:
        return "" if score.high is None else f"≤ {high}"
    return f"≥ {low}" if score.high is None else low if score.low == score.high else f"{low} to {high}"


def _gauge(score: Score) -> dict[str, float | None] | None:
    """The good range as a bar, and the value as a dot, in a drawing that is 120 wide."""
    if score.low is None and score.high is None:
        return None
    value, low, high = score.value, score.low, score.high
    known = [one for one in (low, high, value) if one is not None and math.isfinite(one)]
    span = (max(known) - min(known)) or abs(known[0]) or 1.0
    first, last = min(known) - 0.15 * span, max(known) + 0.15 * span

    def place(one: float) -> float:
        return round(6.0 + 108.0 * (one - first) / (last - first), 1)

    start, end = 0.0 if low is None else place(low), 120.0 if high is None else place(high)
    at = place(value) if value is not None and math.isfinite(value) else None
    return {"x": start, "width": round(max(end - start, 3.0), 1), "at": at}


def _words(words: Any) -> str:
    return ", ".join(sorted({word for word in words if word}))
