"""Fluxes of stars by each profile, in whole fields and at their edges."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.instrument import DQ
from musedeep.kernels.flux.star_profile import BETA, WIDTH_X
from musedeep.recipes.standard.star_fluxes import (
    EDGE,
    Window,
    measure,
    measure_all,
    profile_of,
    window_of,
)
from musedeep.recipes.standard.stars import Star, Stars

WAVES = 6800.0 + 1.25 * np.arange(160)
WIDTH, FLUX, SKY = 4.0, 8e4, 15.0
SIZE = 61


def image(x0, y0, width=WIDTH, lines=SIZE, columns=SIZE):
    """Share of the light of a star in each pixel; the pixels are small beside the star."""
    scale = 0.5 * width / np.sqrt(2.0 ** (1.0 / 2.8) - 1.0)
    y, x = np.indices((lines, columns)).astype(float)
    fine = np.linspace(-0.4, 0.4, 5)
    places = [(a + b, c + d) for a in fine for b in fine for c in fine for d in fine]  # pixel and voxel
    total = np.zeros(x.shape)
    for dx, dy in places[::7]:
        total += (1.0 + ((x - x0 + dx) ** 2 + (y - y0 + dy) ** 2) / scale**2) ** -2.8
    return 1.8 / np.pi / scale**2 * total / len(places[::7])


class MadeUpCube:
    """What is needed of a `FieldCube`."""

    class grid:
        shape = (WAVES.size, SIZE, SIZE)

    def __init__(self, stars, noise=True):
        rng = np.random.default_rng(1)
        self.data = np.full(self.grid.shape, SKY)
        for x, y, flux in stars:
            self.data += flux * image(x, y)
        self.stat = self.data + 5.0
        if noise:
            self.data = self.data + rng.normal(size=self.data.shape) * np.sqrt(self.stat)

    def lines(self, planes, lines):
        part = slice(*planes), slice(*lines)
        return self.data[part].astype(np.float32), self.stat[part].astype(np.float32)


def star(x, y):
    return Star(x, y, 0.0, 0.0)


@pytest.mark.parametrize(
    ("profile", "share", "scatter"),
    [("smoffat", 1.0, 0.006), ("moffat", 1.0, 0.02), ("gaussian", 0.89, 0.01), ("circle", 0.994, 0.01),
     ("square", 0.986, 0.01)],
)  # fmt: skip
def test_the_flux_of_a_star(profile, share, scatter):
    cube = MadeUpCube([(30.3, 29.8, FLUX)])
    window = window_of(cube, star(30.3, 29.8), WIDTH, profile, "made")
    found = measure(window, WIDTH, profile, WAVES)
    assert found.flux.mean() / FLUX == pytest.approx(share, abs=0.008)
    assert found.flux.std() / FLUX < scatter
    assert (found.quality == 0).all() and (found.variance > 0).all()
    if profile in ("moffat", "smoffat"):
        assert np.median(found.shapes[:, BETA]) == pytest.approx(2.8, abs=0.1)
        assert np.median(found.shapes[:, 2]) == pytest.approx(30.3, abs=0.02)
    else:
        assert profile == "gaussian" or np.isnan(found.shapes[:, WIDTH_X]).all()


def test_a_moffat_function_needs_no_whole_star():
    cube = MadeUpCube([(30.3, 5.2, FLUX)])
    window = window_of(cube, star(30.3, 5.2), WIDTH, "smoffat", "made")
    assert window.data.shape[1:] == (18, 24)
    assert measure(window, WIDTH, "smoffat", WAVES).flux.mean() == pytest.approx(FLUX, rel=0.015)


def test_windows_stay_clear_of_the_edge():
    cube = MadeUpCube([(30.3, 12.0, FLUX)], noise=False)
    assert window_of(cube, star(30.3, 12.0), WIDTH, "circle", "made").half == pytest.approx(12.0 - EDGE)
    assert window_of(cube, star(30.0, 30.0), WIDTH, "circle", "made").half == pytest.approx(4 * WIDTH)
    assert window_of(cube, star(30.0, 30.0), WIDTH, "square", "made").half == pytest.approx(3 * WIDTH)


@pytest.mark.parametrize(
    ("profile", "y", "words"), [("circle", 8.0, ", or profile=smoffat"), ("smoffat", 3.0, "IFUs$")]
)
def test_a_star_that_is_cut_by_the_edge(profile, y, words):
    cube = MadeUpCube([(30.3, y, FLUX), (30.0, 40.0, FLUX)])
    with pytest.raises(MusedeepError, match=rf"made: the star at x 31\.3, y {y + 1:.1f} .* is cut by .*{words}"):
        window_of(cube, star(30.3, y), WIDTH, profile, "made")
    stars = Stars((star(30.3, y), star(30.0, 40.0)), WIDTH)
    cut, whole = measure_all(cube, stars, profile, WAVES, "made")
    assert np.isnan(cut.flux).all() and (cut.quality == DQ.MISSING).all()
    assert np.isfinite(whole.flux).all()
    with pytest.raises(MusedeepError, match="is cut by the edge"):
        measure_all(cube, Stars((star(30.3, y),), WIDTH), profile, WAVES, "made")


@pytest.mark.parametrize("profile", ["smoffat", "moffat", "circle"])
def test_planes_without_data_or_light(profile):
    cube = MadeUpCube([(30.3, 29.8, FLUX)])
    cube.data[40:60] = np.nan
    cube.data[80:100] = SKY + np.random.default_rng(2).normal(size=(20, SIZE, SIZE))
    window = window_of(cube, star(30.3, 29.8), WIDTH, profile, "made")
    found = measure(window, WIDTH, profile, WAVES)
    assert np.isnan(found.flux[40:60]).all() and (found.quality[40:60] == DQ.MISSING).all()
    if profile != "moffat":
        assert np.abs(found.flux[80:100]).max() < 0.01 * FLUX
    good = np.r_[0:40, 60:80, 100:160]
    assert np.median(found.flux[good]) == pytest.approx(FLUX * (0.994 if profile == "circle" else 1.0), rel=0.01)


def test_no_light_at_all():
    empty = np.random.default_rng(3).normal(size=(160, 25, 25)).astype(np.float32)
    found = measure(Window(empty, np.ones_like(empty), 12.0, 12.0, 12.0, (0, 0)), WIDTH, "smoffat", WAVES)
    assert np.isnan(found.flux).all()


def test_what_auto_stands_for():
    assert profile_of("auto", False) == "smoffat"
    assert profile_of("auto", True) == "circle"
    assert profile_of("square", True) == "square"
