"""Depths of a campaign, and of one product: what the pictures show."""

import numpy as np
from matplotlib.figure import Figure

from musedeep.quality.figures import depth
from musedeep.quality.figures.depth import Limit, Stack


def test_mosaics_are_left_out_and_the_expected_slope_is_drawn():
    limits = [Limit(f"E{k}", 900.0, 24.0 + 0.01 * k, False) for k in range(5)]
    limits += [Limit("deep", 90_000.0, 26.4, True), Limit("crowded", 9e3, 24.1, True, dominated=True)]
    limits += [Limit("mosaic", 9e4, 27.0, True, mosaic=True)]
    axes = Figure().add_subplot()
    depth._limits(axes, limits)
    shown = np.concatenate([one.get_offsets() for one in axes.collections])
    assert len(shown) == 7 and shown[:, 1].max() == 26.4
    line = next(one for one in axes.lines if one.get_label() == "1.25 log t")
    hours, magnitudes = line.get_data()
    assert np.allclose(np.diff(magnitudes) / np.diff(np.log10(hours)), 1.25)
    assert abs(np.interp(np.log10(0.25), np.log10(hours), magnitudes) - 24.02) < 1e-6
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "deep, crowded or extended" in labels


def test_the_noise_of_stacks_is_told(tmp_path):
    rng = np.random.default_rng(1)
    stacks = [Stack(f"{n}", 100.0 * n, rng.normal(0, 3 / n**0.5, (60, 60))) for n in (1, 4)]
    path = tmp_path / "depth.png"
    depth.draw_depth(stacks, path)
    assert path.read_bytes().startswith(b"\x89PNG")
