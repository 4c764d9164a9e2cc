"""The plan of a campaign (YAML), which `scan` writes and a person edits, and what the scan itself had proposed.

Beside PLAN.yaml lies PLAN.scan.json with what the last scan has written. What differs between the two is a person's
work and survives the next scan. If that file is lost, all of the plan counts as a person's.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from musedeep.errors import MusedeepError
from musedeep.selection.campaign.cascade_settings import CascadeSettings
from musedeep.selection.campaign.grouping import GroupBy
from musedeep.storage.models import validated
from musedeep.storage.outputs import appearing_whole
from musedeep.storage.yaml_file import read_mapping

Method = Literal["standard", "crowded"]
Category = Literal["DATACUBE_DEEP", "DATACUBE_COMBINED", "DATACUBE_SINGLE"]

HEAD: Final = """# Plan of a campaign. Edit it: move exposures between products, rejected and undecided; choose
# method (standard, crowded) and group_by (target, pointing, exposure_time, pointing+exposure_time) of a target;
# confirm merges; add products. The next `musedeep campaign scan` keeps what you have changed.
"""


class Strict(BaseModel):
    """A mapping without unknown keys."""

    model_config = ConfigDict(extra="forbid")


class Settings(Strict):
    """Numbers of the selection; where the release description of MUSE-DEEP has none they are musedeep's own."""

    max_inputs: Annotated[int | None, Field(ge=2)] = 125
    min_obs: Annotated[int, Field(ge=1)] = 2
    seeing_factor: Annotated[float, Field(gt=0)] = 2.0
    shortest: Annotated[float, Field(ge=0, le=1)] = 0.0
    time_factor: Annotated[float, Field(gt=1)] = 3.0
    split_overlap: Annotated[float, Field(ge=0, le=1)] = 0.1
    reuse_pointings: bool = False
    confirm: Literal["auto", "ask"] = "auto"
    wait_days: Annotated[float, Field(ge=0)] = 180.0
    deep_words: list[str] = ["deep", "ultra-deep", "ultradeep", "faint", "long exposure"]
    modes: list[str] = ["WFM-NOAO-N", "WFM-NOAO-E", "WFM-AO-N", "WFM-AO-E"]
    bad_exposures: str | None = None
    cascade: CascadeSettings = CascadeSettings()


class Remark(Strict):
    """An exposure that a rule speaks against: which rule, its numbers and words, and who has decided."""

    exposure: str
    rule: str = ""
    text: str = ""
    by: str = "rule"


class Product(Strict):
    """A cube: its inputs, in the order of time; the other facts are written by the scan."""

    name: str
    category: Category = "DATACUBE_DEEP"
    inputs: list[str]
    sky: list[str] = []
    obs: int = 0
    exposure_time: float = 0.0
    modes: list[str] = []
    runs: list[str] = []
    access: str = ""
    notes: list[str] = []
    version: int = 1
    supersedes: str = ""


class Target(Strict):
    """A target: its products, exposures that a person keeps against the rules, and those that are in no product."""

    name: str
    names: list[str] = []
    place: str = ""
    state: str = ""
    method: Method = "standard"
    group_by: GroupBy = "target"
    comment: str = ""
    evidence: list[str] = []
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


class _Dumper(yaml.CSafeDumper if hasattr(yaml, "CSafeDumper") else yaml.SafeDumper):  # type: ignore[misc]
    """Writes lists below their keys, and no references."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class Memory(Strict):
    """What the last scan has written, and all exposures that it knew, of targets without a deep cube too."""

    plan: Plan
    known: list[str]


def write_plan(path: Path, plan: Plan, known: Iterable[str]) -> None:
    """Write a plan, and beside it what has been written and which exposures were known, for the next scan."""
    text = HEAD + yaml.dump(_short(plan.model_dump(mode="json")), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    memory = Memory(plan=plan, known=sorted(known)).model_dump_json()
    with appearing_whole(memory_of(path), len(memory)) as partial:
        partial.write_text(memory, encoding="utf-8")
    with appearing_whole(path, len(text)) as partial:
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
            key: value if key == "cascade" else _short(value)
            for key, value in content.items()
            if key in _ALWAYS or value not in ([], "", 0)
        }
    if isinstance(content, list):
        return [_short(value) for value in content]
    return content


_ALWAYS: Final = ("settings", "shortest", "wait_days", "split_overlap", "reuse_pointings", "confirmed")
