"""States of products in the index: what supersedes what, and who may have it on a day."""

import json

import pytest

from musedeep.campaign.delivery.index import rows_of, write_index
from musedeep.campaign.delivery.manifest import MANIFEST, DeliveredProduct
from musedeep.quality.record import write_record


def one(name: str = "UDF-10", version: int = 1, **facts: object) -> DeliveredProduct:
    return DeliveredProduct(
        **{
            "name": name, "target": "UDF", "category": "DATACUBE_DEEP", "version": version, "source": "0",
            "delivered": "2026", "access": "unknown", "exposures": 2, "seconds": 10.0,
            "first": "2014-01-01", "last": "2014-01-02", **facts,
        }
    )  # fmt: skip


def states(tmp_path, *products: DeliveredProduct) -> list[tuple[str, str]]:
    found = [(tmp_path / part.name / f"v{part.version}", part) for part in products]
    return [(row["state"], row["supersedes"]) for row in rows_of(found, tmp_path, "2026-01-01")]


def test_versions(tmp_path):
    assert states(tmp_path, one(version=1), one(version=2), one(version=4)) == [
        ("superseded by UDF-10 v4", ""), ("superseded by UDF-10 v4", "UDF-10 v1"), ("current", "UDF-10 v2"),
    ]  # fmt: skip


@pytest.mark.parametrize("supersedes", ["UDF-09", "UDF-09 v1"])
def test_another_product(tmp_path, supersedes):
    """As a mosaic that replaces its pointings."""
    assert states(tmp_path, one("UDF-09"), one("UDF", supersedes=supersedes)) == [
        ("superseded by UDF v1", ""), ("current", supersedes),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("release", "runs", "day", "access"),
    [
        ("2026-05-01", ["A"], "2026-04-30", "pi:A until 2026-05-01"),
        ("2026-05-01", ["A", "B"], "2026-04-30", "closed until 2026-05-01"),
        ("2026-05-01", [], "2026-04-30", "closed until 2026-05-01"),
        ("2026-05-01", ["A", "B"], "2026-05-01", "public"),
        ("", ["A"], "2026-05-01", "unknown"),
    ],
)
def test_access_of_the_day(release, runs, day, access):
    assert one(release_date=release, runs=runs).access_on(day) == access


def test_names_in_a_page(tmp_path):
    """What looks like HTML stays text."""
    folder = tmp_path / "x/v1"
    folder.mkdir(parents=True)
    write_record(one("<script>alert(1)</script>", investigators=['O"Brien & <b>']), folder / MANIFEST)
    write_index(tmp_path, "deep & <more>", "2026-01-01")
    page = (tmp_path / "index.html").read_text()
    assert "&lt;script&gt;" in page and "deep &amp; &lt;more&gt;" in page
    assert not any(tag in page for tag in ("<script>", "<b>", "<more>"))
    assert json.loads((tmp_path / "index.json").read_text())["products"][0]["investigators"] == ['O"Brien & <b>']
