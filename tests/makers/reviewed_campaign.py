"""A small campaign for reviewers: products with quality records and a figure, made once and copied."""

import shutil
from pathlib import Path

from PIL import Image

from musedeep.quality.record import (
    PRODUCT,
    QUALITY,
    Finding,
    ProductRecord,
    QualityRecord,
    Score,
    read_record,
    write_record,
)
from tests.makers.finished_campaign import finished_campaign


def reviewed_campaign(parent: Path, products: int = 2, exposures: int = 3) -> Path:
    """Make one in a folder; returns its plan. The first product has a failed score, a finding, and a figure."""
    made = finished_campaign(parent, products, exposures, shape=(4, 48, 48), stars=5)
    for number, folder in enumerate(made.products):
        record = read_record(ProductRecord, folder / PRODUCT)
        figures = folder / "figures"
        figures.mkdir(exist_ok=True)
        Image.new("L", (8, 8), 128).save(figures / "overview.png")
        where = folder.relative_to(made.folder)
        failed = number == 0
        finding = Finding(kind="misaligned", text="<b>dipoles</b>", exposure=record.exposures[1].name)
        quality = QualityRecord(
            flag="0010000100" if failed else "0010000000",
            scores=[
                Score(name="HISTO_17", value=-22.4 if failed else -8.0, low=-20, score=int(failed), source="table 4"),
                Score(name="NUM_SAT", value=12, low=0, high=300, score=0, exposure=record.exposures[0].name),
                Score(name="SPAN", value=None, unit="d"),
            ],
            findings=[finding] if failed else [],
            values={"ABMAGLIM": 24.5 + 0.1 * number, "fwhm": 0.7, "PIXNOISE": None},
            figures={"overview": str(where / "figures/overview.png"), "secret": "../deep.yaml", "lost": "lost.png"},
        )  # fmt: skip
        write_record(quality, folder / QUALITY)
    return made.plan


def copied(plan: Path, parent: Path) -> Path:
    """A copy of a campaign; returns its plan."""
    for path in plan.parent.iterdir():
        if path.is_dir():
            shutil.copytree(path, parent / path.name)
        else:
            shutil.copy2(path, parent / path.name)
    return parent / plan.name
