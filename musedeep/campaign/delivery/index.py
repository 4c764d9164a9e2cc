"""The index of a delivery: all products and versions, as JSON, CSV and a page (HTML).

It is made of the folders that are there (delivery.json), each time anew. Who may have a product is that of the day.
"""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from musedeep.campaign.delivery.manifest import MANIFEST, DeliveredProduct
from musedeep.quality.record import read_record
from musedeep.selection.campaign.access import PUBLIC
from musedeep.storage.outputs import appearing_whole

CURRENT: Final = "current"
COLUMNS: Final = (
    "product", "target", "version", "state", "supersedes", "category", "access", "folder", "cube", "exposures",
    "seconds", "nights", "first", "last", "ra", "dec", "abmaglim", "sky_res", "qcflag", "certified", "method", "modes",
    "obs", "runs", "investigators", "observing_mode", "velocities", "bytes", "delivered", "acknowledgement",
)  # fmt: skip


def delivered_products(output: Path) -> list[tuple[Path, DeliveredProduct]]:
    """Folders of a delivery with what they say of themselves, by name and version."""
    found = [(path.parent, read_record(DeliveredProduct, path)) for path in output.glob(f"*/v*/{MANIFEST}")]
    return sorted(found, key=lambda one: (one[1].name, one[1].version))


def rows_of(found: Sequence[tuple[Path, DeliveredProduct]], output: Path, today: str) -> list[dict[str, Any]]:
    """Rows of the index, with the columns of `COLUMNS`."""
    rows = []
    for folder, one in found:
        newer = [_title(other) for _, other in found if _replaces(other, one)]
        older = [_title(other) for _, other in found if _replaces(one, other)]
        rows.append(
            {
                "product": one.name,
                "target": one.target,
                "version": one.version,
                "state": f"superseded by {newer[-1]}" if newer else CURRENT,
                "supersedes": one.supersedes or (older[-1] if older else ""),
                "category": one.category,
                "access": one.access_on(today),
                "folder": folder.relative_to(output).as_posix(),
                "cube": next((file.name for file in one.files if file.category == "SCIENCE.CUBE.IFS"), ""),
                "exposures": one.exposures,
                "seconds": one.seconds,
                "nights": len(one.nights),
                "first": one.first,
                "last": one.last,
                "ra": one.ra,
                "dec": one.dec,
                "abmaglim": one.depth,
                "sky_res": one.resolution,
                "qcflag": one.flag,
                "certified": one.certified,
                "method": one.method,
                "modes": one.modes,
                "obs": one.obs,
                "runs": one.runs,
                "investigators": one.investigators,
                "observing_mode": one.observing_mode,
                "velocities": one.velocities,
                "bytes": one.bytes,
                "delivered": one.delivered,
                "acknowledgement": one.acknowledgement,
            }
        )
    return rows


def _title(one: DeliveredProduct) -> str:
    return f"{one.name} v{one.version}"


def _replaces(new: DeliveredProduct, old: DeliveredProduct) -> bool:
    """Whether a product is a later version of another, or says that it supersedes it."""
    if new.name == old.name:
        return new.version > old.version
    return new.supersedes in (old.name, _title(old))


def write_index(output: Path, campaign: str, today: str) -> list[dict[str, Any]]:
    """Write index.json, index.csv and index.html; the rows. Raises MusedeepError if one cannot be written or read."""
    found = delivered_products(output)
    rows = rows_of(found, output, today)
    whole = [
        row
        | {"epochs": [night.model_dump() for night in one.nights], "files": [file.model_dump() for file in one.files]}
        for row, (_, one) in zip(rows, found, strict=True)
    ]
    _write(output / "index.json", json.dumps({"campaign": campaign, "day": today, "products": whole}, indent=1) + "\n")
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: " ".join(value) if isinstance(value, list) else value for key, value in row.items()})
    _write(output / "index.csv", table.getvalue())
    loader = PackageLoader("musedeep.campaign.delivery", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("index.html").render(
        campaign=campaign, today=today, rows=whole, current=CURRENT, public=PUBLIC
    )
    _write(output / "index.html", page)
    return rows


def _write(path: Path, text: str) -> None:
    with appearing_whole(path, len(text)) as partial:
        partial.write_text(text, encoding="utf-8")
