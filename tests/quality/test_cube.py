"""One pass over a cube."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.quality.cube import cube_facts
from musedeep.storage.cubes.open_cube import open_cube
from tests.makers.cubes import create

NOISE, FWHM = 3.0, 6.0


def a_cube(path, hole=0.0, line=False):
    """Two sources in noise, the first with a hole in its middle (in a line only, if wanted)."""
    rng = np.random.default_rng(1)
    shape = (40, 50, 60)
    y, x = np.mgrid[:50, :60]
    first, second = (np.exp(-4 * np.log(2) * ((x - a) ** 2 + (y - b) ** 2) / FWHM**2) for a, b in ((15, 20), (40, 30)))
    dark = hole * (np.hypot(x - 15, y - 20) < 1.5)
    light = np.full(40, 0.0 if line else 60.0)
    light[18:22] = 400.0
    data = (
        light[:, None, None] * (first * (1.0 - dark) + second)
        + rng.normal(0.0, NOISE, shape)
        + np.arange(40)[:, None, None]
    )
    data[:, :, 58:] = np.nan
    stat = np.where(np.isfinite(data), NOISE**2, np.nan)
    cube = create(path, shape)
    cube.write_box(0, 0, data.astype(np.float32), stat.astype(np.float32))
    cube.discard_layout()
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["INSTRUME"] = "MUSE"
    empty = (first < 0.01) & (second < 0.01)
    return cube_facts(open_cube(path), np.array([[15.0, 20.0], [40.0, 30.0]]), FWHM, empty, 0.2), data


def test_levels_and_noise_of_planes(tmp_path):
    facts, data = a_cube(tmp_path / "cube.fits")
    assert np.allclose(facts.median, np.arange(40), atol=0.8) and np.allclose(facts.expected, NOISE)
    assert np.allclose(facts.noise[:18], NOISE, rtol=0.15)
    assert facts.local_noise == pytest.approx(NOISE, rel=0.1) and facts.local_ratio == pytest.approx(1.0, rel=0.1)
    assert np.allclose(facts.image[:, :58], data[:, :, :58].mean(axis=0), atol=1e-3)
    assert np.isnan(facts.image[:, 58:]).all()
    assert facts.histogram.size == np.isfinite(data).sum() - (np.abs(data) > 500).sum()
    assert (facts.holes == 0).all()


@pytest.mark.parametrize("line", [False, True])
def test_a_hole_in_a_bright_source_is_found(tmp_path, line):
    facts, _ = a_cube(tmp_path / "cube.fits", hole=0.9, line=line)
    assert facts.holes[0] > 0.2 and facts.holes[1] == 0.0
