"""Limiting magnitude against time."""

import itertools

from musedeep.campaign.review.campaign import Item
from musedeep.campaign.review.plot import depth_plot
from musedeep.quality.record import ExposureRecord, ProductRecord, QualityRecord


def item(folder, seconds, limit):
    exposure = ExposureRecord(name="MUSE", date_obs="", mjd=0.0, exposure_time=seconds)
    product = ProductRecord(name=f"{seconds:g}", target="", category="", exposures=[exposure])
    return Item(folder, f"{seconds:g}", product, QualityRecord(values={"ABMAGLIM": limit}))


def test_points_follow_their_values(tmp_path):
    items = [item(tmp_path, *one) for one in ((1000.0, 23.0), (10000.0, 24.25), (100000.0, 25.5), (500.0, None))]
    plot = depth_plot(items, lambda one: one.key)
    assert plot is not None
    points = plot["points"]
    assert [one["href"] for one in points] == ["1000", "10000", "100000"]
    assert points[1]["x"] - points[0]["x"] == points[2]["x"] - points[1]["x"] > 50
    assert (
        abs((points[0]["y"] - points[1]["y"]) - (points[1]["y"] - points[2]["y"])) < 0.2
        and points[0]["y"] > points[2]["y"]
    )
    # on the line of an empty field, if the middle one is
    x0, y0, x1, y1 = plot["trend"]
    at = y0 + (points[1]["x"] - x0) * (y1 - y0) / (x1 - x0)
    assert abs(at - points[1]["y"]) < 0.5
    places = [one["at"] for one in plot["x_ticks"]]
    assert len(places) >= 3 and min(b - a for a, b in itertools.pairwise(places)) >= 42
    assert all(8 <= one["y"] <= plot["floor"] and plot["left"] <= one["x"] <= plot["width"] for one in points)


def test_too_few(tmp_path):
    assert depth_plot([item(tmp_path, 100.0, 23.0), item(tmp_path, 100.0, None)], lambda one: "") is None
    same = depth_plot([item(tmp_path, 100.0, 23.0), item(tmp_path, 100.0, 23.0)], lambda one: "")
    assert same is not None and len(same["points"]) == 2
