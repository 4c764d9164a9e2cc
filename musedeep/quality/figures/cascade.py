"""The cascade of a product as a diagram (figures 1 and 2 of the release description): inputs, recipes, products."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from musedeep.quality.record import ProductRecord
from musedeep.reduction.pictures import FAINT, INK, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RAW, RECIPE, PRODUCT = "#e9eef5", "#23282f", "#e7f2ea"
"""Fill of boxes."""
LEVELS = {"raw": 3.0, "scibasic": 2.3, "scipost": 1.5, "align": 0.75, "combine": 0.0}


def draw_cascade(record: ProductRecord, path: Path) -> None:
    """Draw how a product was made; raises as `pictures.draw`."""
    draw(lambda figure: _cascade(figure, record), path, True, (11.0, 6.6))


def _cascade(figure: "Figure", record: ProductRecord) -> None:
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(0, 11)
    axes.set_ylim(-0.75, 4.3)
    used = record.used
    obs = Counter(one.ob_id or "unknown" for one in used)
    sky = any(one.sky for one in used)
    hours = sum(one.exposure_time for one in used) / 3600
    axes.text(0.1, 4.15, record.name, fontsize=15, fontweight="bold", va="top", color=INK)
    words = f"{len(used)} exposures of {len(obs)} OBs, {hours:.2f} h; method {record.method}; " + (
        "with dedicated SKY" if sky else "without dedicated SKY"
    )
    axes.text(0.1, 3.85, words, fontsize=10.5, va="top", color=FAINT)
    steps = Counter(one.recipe for one in record.steps)
    columns = _obs_shown(obs)
    width = (7.6 if sky else 9.6) / len(columns)
    for number, (ob, text) in enumerate(columns):
        x = 0.7 + width * (number + 0.5)
        box(axes, x, LEVELS["raw"], min(width - 0.15, 2.1), text, RAW)
        if ob is None:
            continue
        arrow(axes, x, LEVELS["raw"] - 0.22, x, LEVELS["scibasic"] + 0.2)
        box(axes, x, LEVELS["scibasic"], min(width - 0.15, 2.1), "muse_scibasic", RECIPE)
        arrow(axes, x, LEVELS["scibasic"] - 0.2, x, LEVELS["scipost"] + 0.2)
        box(axes, x, LEVELS["scipost"], min(width - 0.15, 2.1), "muse_scipost", RECIPE)
        arrow(axes, x, LEVELS["scipost"] - 0.2, 5.5 + 0.36 * (x - 5.5), LEVELS["align"] + 0.2)
    if sky:
        x = 9.7
        box(axes, x, LEVELS["raw"], 1.7, "SKY exposures", RAW)
        arrow(axes, x, LEVELS["raw"] - 0.22, x, LEVELS["scibasic"] + 0.2)
        box(axes, x, LEVELS["scibasic"], 1.7, "muse_scibasic\nmuse_create_sky", RECIPE)
        arrow(
            axes,
            x - 0.4,
            LEVELS["scibasic"] - 0.26,
            0.7 + width * (len(columns) - 0.5) + 0.75,
            LEVELS["scipost"] + 0.05,
        )
    good = next((one for one in record.alignment if one.accepted), None)
    tries = f"threshold {good.threshold:g}" if good else ("offsets of headers" if not record.aligned else "")
    many = f", {len(record.alignment)} tries" if len(record.alignment) > 1 else ""
    box(axes, 5.5, LEVELS["align"], 3.6, f"muse_exp_align  ({tries}{many})" if tries else "muse_exp_align", RECIPE)
    arrow(axes, 5.5, LEVELS["align"] - 0.2, 5.5, LEVELS["combine"] + 0.2)
    box(axes, 5.5, LEVELS["combine"], 3.6, "muse_exp_combine", RECIPE)
    arrow(axes, 5.5, LEVELS["combine"] - 0.2, 5.5, -0.35)
    box(axes, 5.5, -0.52, 5.2, f"{record.category}, IMAGE_FOV, exposure map", PRODUCT)
    for name, y in (("muse_scibasic", "scibasic"), ("muse_scipost", "scipost"), ("muse_exp_align", "align"),
                    ("muse_exp_combine", "combine")):  # fmt: skip
        runs = steps.get(name, 0)
        if runs:
            text = f"{runs} run{'s' * (runs > 1)}"
            axes.text(0.02, LEVELS[y], text, fontsize=9, color=FAINT, va="center")


def _obs_shown(obs: Counter[str]) -> list[tuple[str | None, str]]:
    """OBs as columns: all up to five, else the first three, those between as one, and the last."""
    rows: list[tuple[str | None, str]] = [(ob, f"OB {ob}\n{n} OBJECT") for ob, n in obs.items()]
    if len(rows) <= 5:
        return rows
    between = list(obs.items())[3:-1]
    return [*rows[:3], (None, f"… {len(between)} OBs,\n{sum(n for _, n in between)} OBJECT …"), rows[-1]]


def box(axes: "Axes", x: float, y: float, width: float, text: str, fill: str, height: float | None = None) -> None:
    """A box around its middle, with text; units of the axes are inches."""
    from matplotlib.patches import FancyBboxPatch

    dark = fill == RECIPE
    if height is None:
        height = 0.34 if "\n" not in text else 0.44
    box = FancyBboxPatch(
        (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0.0,rounding_size=0.06", fc=fill,
        ec="#9aa1aa" if not dark else fill, lw=0.8,
    )  # fmt: skip
    axes.add_patch(box)
    # a letter is about 0.6 of its size wide, and a unit of the axes an inch
    size = min(10.0, 0.9 * 72 * width / (0.6 * max(len(line) for line in text.split("\n"))))
    axes.text(x, y, text, ha="center", va="center", fontsize=size, color="white" if dark else INK)


def arrow(axes: "Axes", x0: float, y0: float, x1: float, y1: float) -> None:
    """A line that ends in a head."""
    axes.annotate("", (x1, y1), (x0, y0), arrowprops={"arrowstyle": "-|>", "color": "#9aa1aa", "lw": 1.1})
