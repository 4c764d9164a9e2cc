"""The plan of a campaign (YAML), which `scan` writes and a person edits, and what the scan itself had proposed.

Beside PLAN.yaml lies PLAN.scan.json with what the last scan has written. What differs between the two is a person's
work and survives the next scan. If that file is lost, all of the plan counts as a person's.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from musedeep.errors import MusedeepError
from musedeep.selection.campaign.cascade_settings import CascadeSettings
from musedeep.selection.campaign.grouping import GroupBy
from musedeep.selection.dates import mjd_of
from musedeep.storage.models import validated
from musedeep.storage.outputs import appearing_whole
from musedeep.storage.yaml_file import read_mapping

Method = Literal["standard", "crowded"]
Category = Literal["DATACUBE_DEEP", "DATACUBE_COMBINED", "DATACUBE_SINGLE"]

BY_FILE: Final = "file"
"""Who has decided on names, where a file did; the name of the person follows."""

HEAD: Final = """# Plan of a campaign. Edit it: move exposures between products, rejected and undecided; choose
# method (standard, crowded) and group_by (target, pointing, exposure_time, pointing+exposure_time) of a target;
# confirm merges; add products. The next `musedeep campaign scan` keeps what you have changed.
"""


class Strict(BaseModel):
    """A mapping without unknown keys."""

    model_config = ConfigDict(extra="forbid")


class Variant(Strict):
    """Another cube of each target, of some of its exposures: those that fulfil all that is given.

    Attributes
    ----------
    name : added to that of the product, as "best seeing"
    best_seeing : part of the exposures, those with the best measured seeing, 0 to 1
    max_seeing : measured at most [arcsec]
    modes, runs : one of these; empty: any
    """

    name: str
    best_seeing: Annotated[float | None, Field(gt=0, lt=1)] = None
    max_seeing: Annotated[float | None, Field(gt=0)] = None
    modes: list[str] = []
    runs: list[str] = []


def _expressions(value: Any) -> Any:
    for text in value if isinstance(value, list) else ():
        try:
            re.compile(str(text))
        except re.error as error:
            raise ValueError(f"a list of regular expressions, which '{text}' is not ({error})") from None
    return value


def _date(value: Any) -> Any:
    text = str(value)
    if text and mjd_of(text) != mjd_of(text):
        raise ValueError("a date as 2014-09-18")
    return text


Expressions = Annotated[list[str] | None, BeforeValidator(_expressions)]
Date = Annotated[str, BeforeValidator(_date)]


class Settings(Strict):
    """Numbers of the selection; where the release description of MUSE-DEEP has none they are musedeep's own.

    Attributes
    ----------
    max_inputs, min_obs : of a deep cube; null: no limit
    seeing_factor : measured over requested seeing from which an exposure is rejected
    shortest : exposures shorter than this part of their nominal time are held; 0: off
    sun_altitude : exposures with the Sun higher than this are held [deg]; null: off
    first_night : earlier exposures are held, as those of commissioning; empty: off
    rejected_comments, held_comments : regular expressions for comments of night logs; null: those of musedeep
    time_factor : exposure times in one OB that differ by more are not combined
    split_overlap, reuse_pointings : how a mosaic is divided
    confirm : whether names that may be one target are joined by rule, wait for a person, or are joined as a file says
    merges_file : that file, relative to the plan (see `read_merges`)
    wait_days : after the last exposure of a target; settle_days : after its runs have been completed
    velocity_span : barycentric velocities of a product that differ by more are said [km/s]
    variants : other cubes of each target
    """

    max_inputs: Annotated[int | None, Field(ge=2)] = 125
    min_obs: Annotated[int, Field(ge=1)] = 2
    seeing_factor: Annotated[float, Field(gt=0)] = 2.0
    shortest: Annotated[float, Field(ge=0, le=1)] = 0.0
    sun_altitude: Annotated[float | None, Field(ge=-90, le=90)] = None
    first_night: Date = ""
    rejected_comments: Expressions = None
    held_comments: Expressions = None
    time_factor: Annotated[float, Field(gt=1)] = 3.0
    split_overlap: Annotated[float, Field(ge=0, le=1)] = 0.1
    reuse_pointings: bool = False
    confirm: Literal["auto", "ask", "file"] = "auto"
    merges_file: str | None = None
    wait_days: Annotated[float, Field(ge=0)] = 180.0
    settle_days: Annotated[float, Field(ge=0)] = 45.0
    velocity_span: Annotated[float, Field(gt=0)] = 30.0
    variants: list[Variant] = []
    deep_words: list[str] = ["deep", "ultra-deep", "ultradeep", "faint", "long exposure"]
    modes: list[str] = ["WFM-NOAO-N", "WFM-NOAO-E", "WFM-AO-N", "WFM-AO-E"]
    bad_exposures: str | None = None
    cascade: CascadeSettings = CascadeSettings()


class Remark(Strict):
    """An exposure that a rule speaks against: which rule, its numbers and words, who has decided, and when."""

    exposure: str
    rule: str = ""
    text: str = ""
    by: str = "rule"
    date: Date = ""


class Product(Strict):
    """A cube: its inputs, in the order of time; the other facts are written by the scan.

    Attributes
    ----------
    inputs, sky : exposures of the target, and of the blank sky for them
    obs, exposure_time : number of OBs, and total [s]
    modes, runs, observing_modes : instrument modes, runs, SM (service) or VM (visitor)
    epochs : nights, each with its number of exposures
    velocity_span : of the barycentric velocities of its exposures [km/s]
    bytes : of the cube, as predicted
    variant : name of the variant of its target; empty for all exposures
    access : who may have it
    state : whether it has been made, and how much deeper the next version would be
    version, supersedes : of the cube to be made, and which one it replaces
    """

    name: str
    category: Category = "DATACUBE_DEEP"
    inputs: list[str]
    sky: list[str] = []
    obs: int = 0
    exposure_time: float = 0.0
    modes: list[str] = []
    runs: list[str] = []
    observing_modes: list[str] = []
    epochs: list[str] = []
    velocity_span: float = 0.0
    bytes: int = 0
    variant: str = ""
    access: str = ""
    state: str = ""
    notes: list[str] = []
    version: int = 1
    supersedes: str = ""


class Target(Strict):
    """A target: its products, exposures that a person keeps against the rules, and those that are in no product.

    `previews` are field images of its exposures that the catalogue knows.
    """

    name: str
    names: list[str] = []
    place: str = ""
    state: str = ""
    method: Method = "standard"
    group_by: GroupBy = "target"
    comment: str = ""
    evidence: list[str] = []
    previews: list[str] = []
    deeper: str = ""
    products: list[Product] = []
    kept: list[Remark] = []
    rejected: list[Remark] = []
    undecided: list[Remark] = []


class Merge(Strict):
    """Two names that may be one target: confirmed true or false, or null while nobody has decided."""

    first: str
    second: str
    confirmed: bool | None = None
    by: str = ""
    evidence: str = ""


class MergesFile(Strict):
    """A file of decisions on names, as the key `merges` of a plan."""

    merges: list[Merge]


class Unplanned(Strict):
    """A target that gets no deep cube, why, and what is final instead."""

    target: str
    final: Category
    exposures: int
    why: str


class Plan(Strict):
    """A plan file; see the classes of its parts."""

    campaign: str
    catalogue: str = ""
    scanned: str = ""
    settings: Settings = Settings()
    targets: list[Target] = []
    merges: list[Merge] = []
    no_deep_cube: list[Unplanned] = []


def read_plan(path: Path) -> Plan:
    """Read a plan.

    Raises MusedeepError for no such file, no YAML, an unknown or missing key, a wrong value, a product without
    inputs, two targets or products of one name.
    """
    content = read_mapping(path, "plan of a campaign", list(Plan.model_fields))
    plan = validated(Plan, content, path)
    targets: set[str] = set()
    products: set[str] = set()
    for target in plan.targets:
        if target.name in targets:
            raise MusedeepError(f"{path}: two targets {target.name}; give them names that differ")
        targets.add(target.name)
        for product in target.products:
            if product.name in products:
                raise MusedeepError(f"{path}: two products {product.name}; give them names that differ")
            products.add(product.name)
            if not product.inputs:
                raise MusedeepError(f"{path}: product {product.name} has no inputs; list exposures, or remove it")
            twice = next((one for one in product.inputs if product.inputs.count(one) > 1), None)
            if twice is not None:
                raise MusedeepError(f"{path}: product {product.name} has {twice} twice; name it once")
    return plan


def read_merges(path: Path) -> dict[frozenset[str], tuple[bool, str]]:
    """Decisions of a file on pairs of names: whether they are one target, and who says so.

    Raises MusedeepError for no such file, no YAML, an unknown or missing key, a wrong value.
    """
    found = validated(MergesFile, read_mapping(path, "file of merges", ["merges"]), path)
    return {
        frozenset((one.first, one.second)): (one.confirmed, f"{BY_FILE} {one.by}".strip())
        for one in found.merges
        if one.confirmed is not None
    }


class _Dumper(yaml.CSafeDumper if hasattr(yaml, "CSafeDumper") else yaml.SafeDumper):  # type: ignore[misc]
    """Writes lists below their keys, and no references."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class Memory(Strict):
    """What the last scan has written, and all exposures that it knew, of targets without a deep cube too."""

    plan: Plan
    known: list[str]


def write_plan(path: Path, plan: Plan, known: Iterable[str]) -> None:
    """Write a plan, and beside it what has been written and which exposures were known, for the next scan.

    Both appear once both are whole: one without the other would make a person's work of what the scan has written.
    """
    text = HEAD + yaml.dump(_short(plan.model_dump(mode="json")), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    memory = Memory(plan=plan, known=sorted(known)).model_dump_json()
    with appearing_whole(memory_of(path), len(memory)) as remembered, appearing_whole(path, len(text)) as partial:
        remembered.write_text(memory, encoding="utf-8")
        partial.write_text(text, encoding="utf-8")


def memory_of(path: Path) -> Path:
    """The file beside a plan that keeps what the last scan has written."""
    return path.with_suffix(".scan.json")


def read_memory(path: Path) -> Memory | None:
    """What the last scan has written into a plan; None if that is not known."""
    try:
        return Memory.model_validate_json(memory_of(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _short(content: Any) -> Any:
    """Without empty lists and texts, which say nothing."""
    if isinstance(content, Mapping):
        return {
            key: value if key == "settings" else _short(value)
            for key, value in content.items()
            if key in _ALWAYS or value not in ([], "", 0)
        }
    if isinstance(content, list):
        return [_short(value) for value in content]
    return content


_ALWAYS: Final = ("settings", "confirmed")
