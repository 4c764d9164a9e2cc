"""What pages say."""

import re

import pytest

from musedeep.campaign.review.campaign import Campaign
from musedeep.campaign.review.pages import Pages, Visitor, _bar, _gauge, _range, _scores
from musedeep.campaign.review.pictures import Field, Pictures
from musedeep.quality.record import (
    PRODUCT,
    Decision,
    ProductRecord,
    ReviewRecord,
    Score,
    StepRecord,
    read_record,
    write_record,
)


@pytest.fixture
def pages(plan):
    campaign = Campaign(plan)
    return Pages(campaign, Pictures(campaign))


def text_of(page):
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_the_table_has_all(pages):
    page = pages.index(Visitor())
    said = text_of(page)
    assert "2 products · 2.5 h of exposures · plan deep.yaml, scanned 2017-07-01" in said
    assert "FIELD-001 to review 00 1 0000 1 00 1 1 3 1.2 h 0.70 24.50 standard 2017-07-01" in said
    assert "FIELD-002 to review 00 1 0000000 0 0 3 1.2 h 0.70 24.60 standard" in said
    assert page.count("<circle") == 2 and 'href="products/FIELD-002/v1/index.html"' in page


def test_products_that_are_not_made(pages):
    assert "not made yet" not in pages.index(Visitor())
    path = pages.campaign.plan_path
    path.write_text(path.read_text().replace("- name: FIELD-002\n    ", "- name: deepest\n    "))
    assert "1 product of the plan is not made yet deepest musedeep campaign run deep.yaml" in text_of(
        pages.index(Visitor())
    )


def test_a_product_has_all(pages):
    item = pages.campaign.item("FIELD-001/v1")
    record = read_record(ProductRecord, item.folder / PRODUCT)
    record.exposures[2].excluded = "flux ratio 9.7"
    record.exposures[0].fwhm, record.exposures[0].transparency, record.exposures[0].background = 0.71, 0.93, -1.26
    record.aligned = False
    write_record(record, item.folder / PRODUCT)
    page = pages.product(pages.campaign.item("FIELD-001/v1"), Visitor(True, "A. Reviewer", "form"))
    said = text_of(page)
    for words in (
        "2 of 3 exposures", "50 min exposure time", "1 of 2 scores failed", "HISTO_17 -22.4 ≥ -20 1 · look table 4",
        "NUM_SAT", "0 to 300", "misaligned", "put aside flux ratio 9.7", "0.71 0.93 -1.3", "not aligned".capitalize(),
        "10 7 0.030 ″ taken", "muse_exp_combine step 4 save=cube 1 60 s log", "099.A-0001(A)",
        "Nobody has decided yet", "1 of 2",
    ):  # fmt: skip
        assert words in said, words
    assert page.count("pictures/figure-0.png") == 2 and "figure-1" not in page
    assert 'value="A. Reviewer"' in page and page.count("data-pick=") == 3
    # neighbours are those of the table
    assert 'rel="next" href="../../../products/FIELD-002/v1/index.html"' in page and 'rel="prev" aria-disabled' in page


def test_a_product_with_nothing_but_a_name(pages):
    item = pages.campaign.item("FIELD-002/v1")
    write_record(ProductRecord(name="FIELD-002", target="x", category="DATACUBE_DEEP"), item.folder / PRODUCT)
    (item.folder / "quality.json").unlink()
    said = text_of(pages.product(pages.campaign.item("FIELD-002/v1"), Visitor(True)))
    assert "0 exposures" in said and "with MUSE.2017-06-16T04:48:00.000: reduction if it is new" in said
    assert "FIELD-002" in text_of(pages.index(Visitor()))


def test_history_and_sheets_of_exposures(pages):
    item = pages.campaign.item("FIELD-001/v1")
    name = item.product.exposures[1].name
    quality = item.quality.model_copy(update={"figures": {f"single:{name}": item.quality.figures["overview"]}})
    write_record(quality, item.folder / "quality.json")
    history = [Decision(date="2026-11-29T01:02:03Z", by="musedeep", action="made again", text="without <one>")]
    write_record(ReviewRecord(history=history), item.folder / "review.json")
    page = pages.product(pages.campaign.item("FIELD-001/v1"), Visitor())
    assert 'href="pictures/figure-0.png" title="Figures of this exposure"' in page and "figures-title" not in page
    assert "Made again by musedeep 2026-11-29 01:02 without &lt;one&gt;" in text_of(page)


def test_many_steps_are_few_rows(pages):
    """One row per recipe; runs of an exposure share a log."""
    item = pages.campaign.item("FIELD-001/v1")
    logs = [step.log for step in item.product.steps]
    steps = [
        StepRecord(recipe="muse_scibasic", label=f"exposure {k} IFU {ifu}", parameters={"nifu": ifu, "crop": True},
                   inputs=[["a", "OBJECT"]], log=logs[k], seconds=30.0)
        for k in range(3) for ifu in range(24)
    ]  # fmt: skip
    write_record(item.product.model_copy(update={"steps": steps}), item.folder / PRODUCT)
    page = pages.product(pages.campaign.item("FIELD-001/v1"), Visitor())
    said = text_of(page)
    assert "muse_scibasic 72 runs crop=True 72 36 min 3 logs muse_scibasic muse_scipost muse_exp_align" in said
    assert [f"logs/{k}.txt" in page for k in range(4)] == [True, True, True, False]


def test_many_scores_of_exposures_are_few_rows():
    """Those that failed, and of the others the closest to a limit."""
    ages = [0.2, 1.2, 7.0, None, 0.4]
    scores = [
        Score(name="arc_days", value=age, high=1.5, score=None if age is None else int(age > 1.5), exposure=f"e{k}")
        for k, age in enumerate(ages)
    ]
    rows = _scores([Score(name="n_sources", value=3.0, low=0, score=0), *scores])
    assert [(one["name"], one["value"], one["exposure"]) for one in rows] == [
        ("arc_days", "7", "e2"), ("n_sources", "3", ""), ("arc_days", "1.2", "worst of 4 exposures"),
    ]  # fmt: skip


def test_versions(pages):
    item = pages.campaign.item("FIELD-001/v1")
    second = item.folder.with_name("v2")
    second.mkdir()
    write_record(item.product.model_copy(update={"version": 2}), second / PRODUCT)
    assert 'href="../../../products/FIELD-001/v2/index.html">version 2' in pages.product(item, Visitor())
    newest = pages.campaign.item("FIELD-001/v2")
    page = pages.product(newest, Visitor())
    assert "There is a newer version" not in page and '<a href="../v1/index.html">version 1</a>' in page
    assert 'rel="next" href="../../../products/FIELD-002/v1/index.html"' in pages.product(item, Visitor())


@pytest.mark.parametrize(
    ("low", "high", "value", "said", "inside"),
    [
        (0, 10, 5, "0 to 10", True), (0, 10, 12, "0 to 10", False), (None, 0.2, 0.1, "≤ 0.2", True),
        (-20, None, -30, "≥ -20", False), (3, 3, 3, "3", True), (0, 10, None, "0 to 10", None),
        (0, 0, 0, "0", True), (0, 1e6, float("nan"), "0 to 1000000", None),
    ],
)  # fmt: skip
def test_gauge(low, high, value, said, inside):
    score = Score(name="x", value=value, low=low, high=high)
    gauge = _gauge(score)
    assert _range(score) == said and gauge is not None and 0 <= gauge["x"] <= gauge["x"] + gauge["width"] <= 120
    if inside is None:
        assert gauge["at"] is None
    else:
        assert (gauge["x"] - 0.1 <= gauge["at"] <= gauge["x"] + gauge["width"] + 0.1) == inside
        assert 4.5 <= gauge["at"] <= 115.5
    assert _gauge(Score(name="x", value=1.0)) is None


@pytest.mark.parametrize(
    ("width", "scale", "label"), [(300, 0.2, "10″"), (60, 0.2, "2″"), (900, 0.6, "1.67\N{PRIME}"), (300, 0.025, "1″")]
)
def test_bar(width, scale, label):
    bar = _bar(Field(width, width, scale, 0, 1, 0.0, []))
    assert bar is not None and bar["label"] == label and 0.05 * width < bar["length"] <= 0.25 * width
    assert _bar(None) is None and _bar(Field(9, 9, None, 0, 1, 0.0, [])) is None
