"""The pictures of tracing and wavelength calibration: what is drawn where, and the files."""

import numpy as np
import pytest
from astropy.io import fits

from tests.makers.calibrations import (
    SAMPLES_Y,
    edges,
    solution,
    write_flat,
    write_residuals,
    write_samples,
    write_trace,
    write_wavecal,
)

matplotlib = pytest.importorskip("matplotlib")

from matplotlib import image as pictures_in  # noqa: E402
from matplotlib.collections import PathCollection  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from musedeep.reduction import pictures  # noqa: E402
from musedeep.tools.trace_plots import muse_trace_plot_samples, muse_trace_plot_widths  # noqa: E402
from musedeep.tools.wave_plots import muse_wave_plot_column, muse_wave_plot_residuals  # noqa: E402


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, without writing them."""
    figures = []

    def draw(drawing, output, overwrite, size=(10.0, 6.5)):
        figure = Figure(figsize=size)
        drawing(figure)
        figures.append(figure)

    monkeypatch.setattr(pictures, "draw", draw)
    return figures


def points(axes):
    return [c for c in axes.collections if isinstance(c, PathCollection)]


def text(axes):
    return " ".join([axes.get_title(loc="left"), *(t.get_text() for t in axes.texts)])


def test_samples_of_the_central_slices(tmp_path, drawn):
    samples = write_samples(tmp_path / "samples.fits")
    assert muse_trace_plot_samples([str(samples)]) == 0
    axes = drawn[0].axes[0]
    left, middle, right = (np.asarray(p.get_offsets()) for p in points(axes))
    expected = np.concatenate([edges(n, SAMPLES_Y)[0] for n in (24, 25)])
    np.testing.assert_allclose(left, np.stack([expected, np.tile(SAMPLES_Y, 2)], 1))
    np.testing.assert_allclose(middle[:, 0], (left[:, 0] + right[:, 0]) / 2)
    assert not axes.lines and not axes.images
    assert "slices 24 to 25, IFU 6" in text(axes)


def test_samples_with_trace_and_flat(tmp_path, drawn):
    samples = write_samples(tmp_path / "samples.fits", failed=(10,))
    trace = write_trace(tmp_path / "trace.fits", failed=(10,))
    flat = write_flat(tmp_path / "flat.fits")
    assert muse_trace_plot_samples(["-s1", "9", "-s2", "11", str(samples), str(trace), str(flat)]) == 0
    axes = drawn[0].axes[0]
    assert len(axes.lines) == 6
    x, y = axes.lines[0].get_data()
    np.testing.assert_allclose(x, edges(9, y)[0])
    assert y[0] == 1
    assert y[-1] == 4112
    assert "no valid trace: slice 10" in text(axes)
    # a pixel of the image covers half a pixel on both sides of its number
    shown, (first, last, bottom, top) = axes.images[0].get_array(), axes.images[0].get_extent()
    np.testing.assert_array_equal(shown, fits.getdata(flat, "DATA")[:, int(first - 0.5) : int(last - 0.5)])
    assert (bottom, top) == (0.5, 4112.5)


def test_widths(tmp_path, drawn):
    samples = write_samples(tmp_path / "samples.fits", failed=(30,))
    assert muse_trace_plot_widths([str(samples)]) == 0
    axes = drawn[0].axes[0]
    assert len(axes.lines) == 48
    y, width = axes.lines[46].get_data()
    np.testing.assert_allclose(y, SAMPLES_Y)
    np.testing.assert_allclose(width, 75.47)
    # green on the left, red on the right; neighbours have different symbols
    (r0, g0, *_), (r1, g1, *_) = axes.lines[0].get_color(), axes.lines[47].get_color()
    assert g0 > r0 and r1 > g1
    assert all(a.get_marker() != b.get_marker() for a, b in zip(axes.lines, axes.lines[1:], strict=False))
    assert "75.01 to 75.48 pix" in text(axes)


def test_residuals(tmp_path, drawn):
    path = write_residuals(tmp_path / "residuals.fits")
    data = fits.getdata(path, 1)
    assert muse_wave_plot_residuals([str(path)]) == 0
    assert muse_wave_plot_residuals(["-l", "-s", "12", "-i", "1", "-c", "-1e-1", "0.2", str(path)]) == 0
    (whole,), (one,) = points(drawn[0].axes[0]), points(drawn[1].axes[0])
    # the last iteration of each slice
    last = np.where(data["slice"] == 12, 3, 2) == data["iteration"]
    assert len(whole.get_offsets()) == last.sum()
    np.testing.assert_allclose(np.sort(whole.get_array()), np.sort(data["residual"][last]))
    low, high = whole.get_clim()
    assert low == -high
    assert high == pytest.approx(np.percentile(np.abs(data["residual"][last]), 99))
    chosen = (data["slice"] == 12) & (data["iteration"] == 1)
    assert one.get_clim() == (-0.1, 0.2)
    order = np.lexsort(np.asarray(one.get_offsets()).T)
    found = np.asarray(one.get_offsets())[order]
    expected = np.stack([data["x"][chosen], data["lambda"][chosen]], 1)
    np.testing.assert_allclose(found, expected[np.lexsort(expected.T)])


def test_column(tmp_path, drawn, capsys):
    table, residuals = write_wavecal(tmp_path / "w.fits"), write_residuals(tmp_path / "r.fits")
    data = fits.getdata(residuals, 1)
    files = [str(table), str(residuals)]
    assert muse_wave_plot_column(["-s", "12", "-r", *files]) == 0
    assert muse_wave_plot_column(["-c", "1000", *files]) == 0
    mine = (data["slice"] == 12) & (data["iteration"] == 3)
    found = np.concatenate([np.asarray(p.get_offsets()) for p in points(drawn[0].axes[0])])
    expected = np.stack([data["lambda"][mine], data["residual"][mine]], 1)
    np.testing.assert_allclose(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)], atol=1e-6)
    assert "IFU 10, slice 12" in text(drawn[0].axes[0])
    axes = drawn[1].axes[0]
    (column,) = points(axes)
    assert len(column.get_offsets()) == 20
    y, curve = axes.lines[0].get_data()
    np.testing.assert_allclose(curve, solution(1000.0, y))
    assert "column 1000 (slice 12)" in text(axes)
    assert capsys.readouterr().err == ""


def test_tables_of_two_runs_are_told(tmp_path, drawn, capsys):
    table, residuals = write_wavecal(tmp_path / "w.fits"), write_residuals(tmp_path / "r.fits")
    with fits.open(table, mode="update") as hdus:
        hdus[1].data["wlc00"] += 0.5
    assert muse_wave_plot_column(["-s", "12", "-r", str(table), str(residuals)]) == 0
    assert "differ from those of" in capsys.readouterr().err


def test_files(tmp_path, capsys):
    samples, residuals = write_samples(tmp_path / "s.fits"), write_residuals(tmp_path / "r.fits")
    out = tmp_path / "widths.png"
    assert muse_trace_plot_widths(["-o", str(out), str(samples)]) == 0
    seen = pictures_in.imread(out)
    assert seen.shape[:2] == (975, 1500)
    assert 0.7 < np.mean(seen[..., :3].min(axis=2) > 0.99) < 0.99  # white paper, ink on it
    assert muse_trace_plot_widths(["-o", str(out), str(samples)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert muse_trace_plot_widths(["--overwrite", "-o", str(out), str(samples)]) == 0
    assert muse_wave_plot_residuals(["-o", str(tmp_path / "map.pdf"), str(residuals)]) == 0
    assert (tmp_path / "map.pdf").read_bytes().startswith(b"%PDF")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.pdf", "r.fits", "s.fits", "widths.png"]


@pytest.mark.parametrize(
    ("tool", "arguments", "status", "message"),
    [
        (muse_trace_plot_samples, ["{s}"], 1, "no display"),
        (muse_trace_plot_samples, ["-o", "{d}/x.doc", "{s}"], 1, ".doc is no format"),
        (muse_trace_plot_samples, ["-o", "{d}/x.png", "{r}"], 1, "give a TRACE_SAMPLES"),
        (muse_trace_plot_samples, ["-o", "{d}/x.png", "-s1", "9", "-s2", "3", "{s}"], 2, "run backwards"),
        (muse_trace_plot_samples, ["-o", "{d}/x.png", "-s1", "49", "{s}"], 2, "49 is not in 1 to 48"),
        (muse_trace_plot_samples, ["-o", "{d}/x.png", "{s}", "{t}"], 1, "is of IFU 7"),
        (muse_trace_plot_samples, ["-o", "{d}/x.png", "{s}", "{t}", "{w}"], 1, "give the MASTER_FLAT"),
        (muse_trace_plot_widths, ["-o", "{d}/x.png", "-s1", "30", "-s2", "30", "{s}"], 1, "lower --edgefrac"),
        (muse_trace_plot_widths, ["-o", "{d}/x.png", "{d}/none.fits"], 1, "no such file"),
        (muse_wave_plot_residuals, ["-o", "{d}/x.png", "-i", "7", "{r}"], 1, "iterations 1 to 3"),
        (muse_wave_plot_residuals, ["-o", "{d}/x.png", "-c", "1", "0", "{r}"], 2, "runs backwards"),
        (muse_wave_plot_residuals, ["-o", "{d}/x.png", "-s", "40", "{r}"], 1, "slices 11 to 13"),
        (muse_wave_plot_column, ["-o", "{d}/x.png", "{w}", "{r}"], 2, "-s -c is required"),
        (muse_wave_plot_column, ["-o", "{d}/x.png", "-s", "13", "{w}", "{r}"], 1, "no valid solution for slice 13"),
        (muse_wave_plot_column, ["-o", "{d}/x.png", "-s", "12", "{r}", "{w}"], 1, "give a WAVECAL_TABLE"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, monkeypatch, tool, arguments, status, message):
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {
        "d": tmp_path,
        "s": write_samples(tmp_path / "s.fits", failed=(30,)),
        "t": write_trace(tmp_path / "t.fits", ifu=7 if len(arguments) < 5 else 6),
        "r": write_residuals(tmp_path / "r.fits"),
        "w": write_wavecal(tmp_path / "w.fits", failed=(13,)),
    }
    assert tool([a.format(**names) for a in arguments]) == status
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not (tmp_path / "x.png").exists()


def test_a_window(tmp_path, monkeypatch):
    from matplotlib import pyplot

    shown = []
    monkeypatch.setattr(pyplot, "get_backend", lambda: "qtagg")
    monkeypatch.setattr(pyplot, "show", lambda: shown.append(pyplot.gcf()))
    pyplot.switch_backend("agg")
    assert muse_trace_plot_widths([str(write_samples(tmp_path / "s.fits"))]) == 0
    assert len(shown[0].axes[0].lines) == 48
    pyplot.close("all")
