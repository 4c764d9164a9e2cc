"""A campaign as its reviewers see it: all products with their records, read again only where a file has changed."""

import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from musedeep.campaign.review.plan_text import PlanText
from musedeep.errors import MusedeepError
from musedeep.quality.record import (
    PRODUCT,
    QUALITY,
    REVIEW,
    ExposureRecord,
    Kind,
    ProductRecord,
    QualityRecord,
    ReviewRecord,
    campaign_folder,
    products_of,
    read_record,
)
from musedeep.selection.campaign.plan_file import Plan, Target, read_plan

Shown = Literal["to review", "accepted", "certified", "rejected"]
"""State as it is shown: `review` of a record is "accepted" once a reviewer has said so."""

NO_VERDICT: Final = "comment"
"""The action that decides nothing; all others do, those of the cascade too ("made again")."""


@dataclass(frozen=True)
class Item:
    """A product in one version.

    Attributes
    ----------
    folder : of the product in this version
    key : of its page, as FIELD-001/v1
    product, quality, review : its records; the last two as if empty where they are not there
    trouble : why a record could not be read
    """

    folder: Path
    key: str
    product: ProductRecord
    quality: QualityRecord = field(default_factory=QualityRecord)
    review: ReviewRecord = field(default_factory=ReviewRecord)
    trouble: str = ""

    @property
    def state(self) -> Shown:
        """Its state as it is shown."""
        if self.review.state != "review":
            return self.review.state
        last = next((one.action for one in reversed(self.review.history) if one.action != NO_VERDICT), "")
        return "accepted" if last == "accept" else "to review"

    @property
    def failed(self) -> list[str]:
        """Names of the scores that failed, each once."""
        return list(dict.fromkeys(score.name for score in self.quality.scores if score.score == 1))

    @property
    def seconds(self) -> float:
        """Exposure time in the cube [s]."""
        return self.product.seconds

    def value(self, *names: str) -> float | None:
        """A number of quality control, by the first of these names that it has; upper and lower case are one."""
        values = {name.lower(): value for name, value in self.quality.values.items()}
        return next((values[name.lower()] for name in names if values.get(name.lower()) is not None), None)

    @property
    def fwhm(self) -> float | None:
        """FWHM of stars in the cube [arcsec]; else the median of its exposures."""
        measured = self.value("fwhm")
        return measured if measured is not None else median(self.of(one, "fwhm") for one in self.product.used)

    def of(self, exposure: ExposureRecord, name: Literal["fwhm", "transparency", "background"]) -> float | None:
        """A number of an exposure: of its record, else of quality control."""
        known: float | None = getattr(exposure, name)
        return known if known is not None else self._measured.get((exposure.name, name))

    @cached_property
    def _measured(self) -> dict[tuple[str, str], float | None]:
        return {(one.exposure, one.name.lower()): one.value for one in self.quality.scores}

    @property
    def limit(self) -> float | None:
        """ABMAGLIM [mag]."""
        return self.value("ABMAGLIM")


def median(values: Iterable[float | None]) -> float | None:
    """Median of the values that are known."""
    known = sorted(value for value in values if value is not None)
    return (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2 if known else None


def digest(raw: bytes) -> str:
    """A short name of a content, that tells whether it has changed."""
    return hashlib.sha256(raw).hexdigest()[:24]


def content_of(path: Path) -> bytes:
    """The content of a file; empty if there is none. Raises MusedeepError if it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise MusedeepError(f"{path}: {error.strerror}") from error


class Campaign:
    """The products of a campaign, for many threads at once.

    Raises MusedeepError: no such plan; the campaign has no products.
    """

    def __init__(self, plan: Path) -> None:
        self.plan_path = plan
        self.folder = campaign_folder(plan)
        self._lock = threading.Lock()
        self._read: dict[Path, tuple[tuple[object, ...], Item]] = {}
        self._plan: tuple[tuple[object, ...], Plan, dict[str, Target]] | None = None
        self.name, self.scanned = self.plan().campaign, self.plan().scanned
        if not self.items():
            raise MusedeepError(f"{self.folder}: no finished product; make them with `musedeep campaign run {plan}`")

    def plan(self) -> Plan:
        """The plan as it is now. Raises MusedeepError if it is none."""
        return self._plan_now()[0]

    def target(self, product: str) -> Target | None:
        """The target of a product in the plan; None if the plan does not have it (any more), or is no plan now."""
        try:
            return self._plan_now()[1].get(product)
        except MusedeepError:
            return None

    def _plan_now(self) -> tuple[Plan, dict[str, Target]]:
        with self._lock:
            stamp = _stamp(self.plan_path)
            if self._plan is None or self._plan[0] != stamp:
                first = self._plan is None  # when the command starts, what is wrong with a plan is said in full
                plan = read_plan(self.plan_path) if first else PlanText(self.plan_path, content_of(self.plan_path)).plan
                self._plan = stamp, plan, {one.name: target for target in plan.targets for one in target.products}
            return self._plan[1:]

    def items(self) -> list[Item]:
        """All products in all versions, by name and version."""
        found = [self._item(folder) for folder in products_of(self.folder)]
        return sorted(found, key=lambda item: (item.product.name.casefold(), item.product.version))

    def newest(self) -> list[Item]:
        """All products, each in its newest version."""
        return list({item.product.name: item for item in self.items()}.values())

    def item(self, key: str) -> Item | None:
        """The product of a page; None if there is no such product."""
        folder = next((path for path in products_of(self.folder) if _key(path) == key), None)
        return self._item(folder) if folder is not None else None

    def within(self, path: str) -> Path | None:
        """A file of the campaign by its path in a record; None if it is none, or lies elsewhere."""
        if not path or "\0" in path:
            return None
        full, root = (self.folder / path).resolve(), self.folder.resolve()
        return full if full.is_relative_to(root) and full.is_file() else None

    def _item(self, folder: Path) -> Item:
        stamp = tuple(_stamp(folder / name) for name in (PRODUCT, QUALITY, REVIEW))
        with self._lock:
            known = self._read.get(folder)
        if known is not None and known[0] == stamp:
            return known[1]
        item = _read(folder)
        with self._lock:
            self._read[folder] = stamp, item
        return item


def _key(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def _read(folder: Path) -> Item:
    troubles: list[str] = []
    name, version = folder.parent.name, folder.name.removeprefix("v")
    product = ProductRecord(name=name, target=name, category="", version=int(version) if version.isdigit() else 0)
    quality, review = QualityRecord(), ReviewRecord()
    product = _or_empty(product, folder / PRODUCT, troubles)
    quality = _or_empty(quality, folder / QUALITY, troubles, optional=True)
    review = _or_empty(review, folder / REVIEW, troubles, optional=True)
    return Item(folder, _key(folder), product, quality, review, "; ".join(troubles))


def _or_empty(empty: Kind, path: Path, troubles: list[str], optional: bool = False) -> Kind:
    if optional and not path.exists():
        return empty
    try:
        return read_record(type(empty), path)
    except MusedeepError as error:
        troubles.append(str(error))
        return empty


def _stamp(path: Path) -> tuple[object, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino
