"""Draw the way of the data, docs/images/way-of-the-data.svg.

python docs/pictures/way_of_the_data.py [PICTURE]
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

IMAGES = Path(__file__).resolve().parents[1] / "images"
INK, SOFT, EDGE = "#22303c", "#5d6d7a", "#607d8b"
BANDS = ("#3f6fb5", "#4a9a8f", "#8fb04b", "#e0a53a", "#cc5a4a")
"""Colours of wavelength bands, blue to red."""

STAGES = (
    (3.05, "calibrate", "bias, dark, flat\ntrace, wavelengths\ngeometry, twilight", "one task per\nexposure and IFU"),
    (7.05, "correct", "refraction, flux\ntelluric lines, sky\nvelocity, astrometry", "one exposure\nat a time"),
    (
        11.05,
        "combine",
        "common grid\ncosmic rays rejected\nresampled once",
        "one task per range of\nwavelengths, all exposures",
    ),
)
"""Place of the arrow, name of the stage, its work, and its tasks."""


def raw_frame(axes: Axes, x: float, y: float) -> None:
    """CCDs, one behind the other, with slices that are bright along the wavelengths."""
    for k in (2, 1, 0):
        left, low = x - 0.72 + 0.11 * k, y - 0.72 + 0.11 * k
        axes.add_patch(Rectangle((left, low), 1.25, 1.25, facecolor="#1c2733", edgecolor="white", lw=0.8))
    for s in range(8):
        axes.add_patch(Rectangle((x - 0.65 + 0.148 * s, y - 0.68), 0.085, 1.17, facecolor="#d8e2ea", edgecolor="none"))
        for line in (0.14, 0.45, 0.52, 0.83):
            axes.add_patch(
                Rectangle((x - 0.65 + 0.148 * s, y - 0.68 + 1.17 * line + 0.008 * (s % 3)), 0.085, 0.03,
                          facecolor="#f2b632", edgecolor="none")
            )  # fmt: skip


def pixel_table(axes: Axes, x: float, y: float) -> None:
    """Rows in bands of wavelength, columns of values."""
    for k in (1, 0):
        left, low = x - 0.7 + 0.12 * k, y - 0.72 + 0.12 * k
        axes.add_patch(Rectangle((left, low), 1.3, 1.25, facecolor="white", edgecolor=EDGE, lw=0.8))
    for b, colour in enumerate(BANDS):
        for r in range(3):
            low = y - 0.69 + 0.24 * b + 0.075 * r
            for c in range(5):
                axes.add_patch(
                    Rectangle((x - 0.66 + 0.25 * c, low), 0.22, 0.055, facecolor=colour, alpha=0.85, edgecolor="none")
                )


def cube(axes: Axes, x: float, y: float) -> None:
    """Planes of the cube in the colours of the bands."""
    for b, colour in reversed(list(enumerate(BANDS))):
        left, low = x - 0.72 + 0.13 * b, y - 0.72 + 0.13 * b
        side = 0.95
        axes.add_patch(
            Polygon([(left, low), (left + side, low), (left + side, low + side), (left, low + side)],
                    facecolor=colour, edgecolor="white", lw=1.0)
        )  # fmt: skip
    for dx, dy, size in ((0.3, 0.62, 0.11), (0.62, 0.3, 0.07), (0.7, 0.72, 0.05)):
        axes.add_patch(plt.Circle((x - 0.72 + dx, y - 0.72 + dy), size, facecolor="white", alpha=0.85))


def main() -> None:
    """Draw four kinds of data and the three stages between them."""
    picture = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES / "way-of-the-data.svg"
    plt.rcParams.update({"font.family": "DejaVu Sans", "svg.hashsalt": "musedeep"})
    figure = plt.figure(figsize=(11.2, 3.42))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, 14.1)
    axes.set_ylim(-2.3, 2.0)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.add_patch(
        FancyBboxPatch((0.05, -2.27), 14.0, 4.24, boxstyle="round,pad=0,rounding_size=0.12", facecolor="white", lw=0)
    )
    data = (
        (1.05, raw_frame, "raw frames", "24 CCDs per exposure"),
        (5.05, pixel_table, "pixel table", "one row per pixel"),
        (9.05, pixel_table, "reduced pixel table", "not resampled"),
        (13.05, cube, "cube", "and exposure map"),
    )
    for x, draw, name, note in data:
        draw(axes, x, 0.25)
        axes.text(x, -0.82, name, ha="center", va="top", fontsize=11, color=INK, weight="bold")
        axes.text(x, -1.16, note, ha="center", va="top", fontsize=9.5, color=SOFT)
    for x, name, work, division in STAGES:
        axes.add_patch(
            FancyArrowPatch((x - 0.98, 0.3), (x + 0.98, 0.3), arrowstyle="-|>", mutation_scale=15, color=EDGE, lw=1.8)
        )
        axes.text(x, 1.62, name, ha="center", va="center", fontsize=12, color=INK, weight="bold")
        axes.text(x, 0.52, work, ha="center", va="bottom", fontsize=9.5, color=INK, linespacing=1.35)
        axes.text(x, -1.86, division, ha="center", va="center", fontsize=9.5, color=INK, linespacing=1.3,
                  bbox={"boxstyle": "round,pad=0.4", "facecolor": "#eef2f4", "edgecolor": "none"})  # fmt: skip
    place = STAGES[1][0]
    axes.text(place, 0.1, "so far: the ESO pipeline", ha="center", va="top", fontsize=9, color=SOFT, style="italic")
    figure.savefig(picture, transparent=True, metadata={"Date": None} if picture.suffix == ".svg" else None)
    print(picture)


if __name__ == "__main__":
    main()
