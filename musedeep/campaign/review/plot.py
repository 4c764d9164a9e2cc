"""Limiting magnitude against exposure time, as a drawing on the page of a campaign."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from musedeep.campaign.review.campaign import Item
from musedeep.campaign.review.texts import number_text, time_text

WIDTH, HEIGHT, LEFT, FLOOR = 460, 168, 40, 134
TIMES: Final = (60, 300, 600, 1200, *(hours * 3600 for hours in (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200)))
APART: Final = 42
"""Of labels, at least."""
TREND: Final = 1.25
"""Magnitudes per factor of ten in time, of an empty field."""


def depth_plot(items: Sequence[Item], href: Callable[[Item], str]) -> dict[str, Any] | None:
    """Places of points and ticks; None for fewer than two products whose limit is known."""
    known = [(item, item.seconds, item.limit) for item in items if item.limit is not None and item.seconds > 0]
    points = [(item, math.log10(seconds), limit) for item, seconds, limit in known if limit is not None]
    if len(points) < 2:
        return None
    times, limits = [one[1] for one in points], [one[2] for one in points]
    first, last = min(times) - 0.08, max(times) + 0.08
    least, most = math.floor(2 * min(limits) - 0.2) / 2, math.ceil(2 * max(limits) + 0.2) / 2

    def x(time: float) -> float:
        return round(LEFT + (WIDTH - 8 - LEFT) * (time - first) / (last - first), 1)

    def y(limit: float) -> float:
        return round(FLOOR - (FLOOR - 8) * (limit - least) / (most - least), 1)

    step = next(one for one in (0.5, 1.0, 2.0, 5.0, 100.0) if (most - least) / one <= 4)
    ticks = [least + k * step for k in range(round((most - least) / step) + 1)]
    # as deep as the time allows: through the median of what is above or below
    zero = sorted(limit - TREND * time for time, limit in zip(times, limits, strict=True))[len(points) // 2]
    ends = [max(first, (least - zero) / TREND), min(last, (most - zero) / TREND)]
    trend = (
        [x(ends[0]), y(zero + TREND * ends[0]), x(ends[1]), y(zero + TREND * ends[1])] if ends[0] < ends[1] else None
    )
    return {
        "width": WIDTH, "height": HEIGHT, "left": LEFT, "floor": FLOOR, "radius": 4.5 if len(points) < 100 else 3.0,
        "trend": trend,
        "x_ticks": _apart(
            [{"at": x(math.log10(t)), "label": time_text(t)} for t in TIMES if first <= math.log10(t) <= last]
        ),
        "y_ticks": [{"at": y(tick), "label": f"{tick:g}"} for tick in ticks],
        "points": [
            {"x": x(time), "y": y(limit), "href": href(item), "state": item.state,
             "crowded": item.product.method == "crowded",
             "title": f"{item.product.name}: {number_text(limit, 2)} mag in {time_text(item.seconds)}"}
            for item, time, limit in points
        ],
    }  # fmt: skip


def _apart(ticks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ticks whose labels do not touch."""
    kept: list[dict[str, Any]] = []
    for tick in ticks:
        if not kept or tick["at"] - kept[-1]["at"] >= APART:
            kept.append(tick)
    return kept
