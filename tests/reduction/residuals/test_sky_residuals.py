"""The whole subtraction on small cubes: what is left of the residuals, what sources keep, masks, memory."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.progress import Silent
from musedeep.reduction.residuals.components import MOST
from musedeep.reduction.residuals.sky_residuals import Choices, cleaned, read_mask, threads_within
from tests.makers.residual_cubes import small

MEMORY = 2 << 30


@pytest.fixture(scope="module")
def cube():
    return small()


@pytest.fixture(scope="module")
def path(cube, tmp_path_factory):
    return cube.write(tmp_path_factory.mktemp("cube") / "cube.fits")


@pytest.fixture(scope="module")
def truth(cube):
    """Residual, and sources with noise."""
    nz = cube.shape[0]
    residual = np.concatenate([cube.residual(a, b) for a, b in cube.bands()])
    return residual, np.concatenate([cube.data(a, b) for a, b in cube.bands()])[:nz] - residual


def result(path, choices=None, threads=1):
    with cleaned(path, choices or Choices(), path.with_name("out.fits"), MEMORY, threads, Silent()) as made:
        return made, made.data.read_box(0, made.shape[0])


def test_residuals_are_gone_and_sources_are_not(cube, path, truth):
    residual, clean = truth
    made, data = result(path)
    assert 2 <= sum(one.values.size for one in made.spectra.segments) <= 12
    sky = ~cube.source_mask()
    left, noise = data - clean, np.sqrt(cube.variance)
    planes = cube.sky > 200
    before, after = (np.sqrt(np.mean((v[planes][:, sky] / noise[planes, None]) ** 2)) for v in (residual, left))
    assert before > 0.8
    assert after < 0.35 * before
    for star in cube.sources[0]:
        y, x = round(star.y), round(star.x)
        near = np.s_[:, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
        light = cube.light(0, cube.shape[0])[near].sum()
        assert abs(left[near].sum() / light) < 0.03
    lost = []
    for line in cube.sources[1]:
        plane, y, x = round((line.wavelength - cube.first) / 1.25), round(line.y), round(line.x)
        box = np.s_[max(plane - 4, 0) : plane + 5, max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5]
        profile = (cube.line_profile(line)[:, None, None] * cube.point(line.x, line.y))[box]
        lost.append(-(left[box] * profile).sum() / (profile**2).sum() / line.flux)
    assert np.median(np.abs(lost)) < 0.2


def test_threads_do_not_matter(path):
    one, three = (result(path, threads=threads)[1] for threads in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_more_segments_and_given_components(path):
    made, _ = result(path, Choices(edges=(8400.0, 8450.0), components=3))
    assert [one.values.size for one in made.spectra.segments] == [3, 3, 3]
    assert np.concatenate([one.planes for one in made.spectra.segments]).tolist() == list(range(200))


def test_without_components_the_level_alone_goes(path, cube):
    made, data = result(path, Choices(components=0))
    given = np.concatenate([cube.data(a, b) for a, b in cube.bands()])
    np.testing.assert_allclose(given - data, np.broadcast_to(made.data.sky.level[:, None, None], data.shape), atol=1e-3)
    kept = result(path, Choices(components=0, subtract_level=False))[1]
    np.testing.assert_array_equal(kept, given)


def test_scaled_variances_are_those_of_the_sky(path, cube):
    made, data = result(path, Choices(scale_variance=True))
    sky = made.mask
    low, high = np.quantile(data[:, sky], (0.1587, 0.8413), axis=1)
    stat = made.stat.read_box(0, cube.shape[0])
    np.testing.assert_allclose(stat[:, 0, 0], ((high - low) / 2) ** 2, rtol=0.02)
    unscaled, _ = result(path)
    assert unscaled.stat is unscaled.cube.stat


def test_planes_that_are_not_used_stay_as_they_are(tmp_path):
    cube = small(first=5700.0, ao_gap=True)
    path = cube.write(tmp_path / "cube.fits")
    with fits.open(path, mode="update") as hdus:
        hdus["DATA"].data[3, :, :50] = np.nan
        hdus["DATA"].data[150:160] = 1e6  # within the notch
    made, data = result(path)
    notch = (cube.wavelengths >= 5800) & (cube.wavelengths <= 5971)
    used = made.data.sky.used
    assert not used[notch].any() and not used[3] and used[~notch].sum() == (~notch).sum() - 1
    given = fits.getdata(path, "DATA")
    np.testing.assert_array_equal(data[~used], given[~used])
    assert np.array_equal(np.isnan(data), np.isnan(given))


def test_flagged_voxels_do_not_count(tmp_path, cube, path):
    flagged = tmp_path / "cube.fits"
    with fits.open(path) as hdus:
        dq = np.zeros(cube.shape, np.int32)
        dq[50:60, 5, :40] = 1
        hdus["DATA"].data[50:60, 5, :40] = 1e5
        hdus.append(fits.ImageHDU(dq, name="DQ"))
        hdus.writeto(flagged)
    (_, one), (_, other) = result(path), result(flagged)
    far = np.delete(np.arange(20), 5)
    difference = np.abs(one[:, far] - other[:, far]).max(axis=(1, 2))
    assert (difference < 0.3 * np.sqrt(cube.variance)).all()


def test_masks(tmp_path):
    sources = np.zeros((4, 6), np.uint8)
    sources[1, 2] = 7
    for name, image, header in (
        ("sources", sources, fits.Header()),
        ("sky", 1 - sources // 7, fits.Header([("HIERARCH ESO PRO CATG", "SKY_MASK")])),
    ):
        fits.PrimaryHDU(image, header).writeto(tmp_path / f"{name}.fits")
        assert np.array_equal(read_mask(tmp_path / f"{name}.fits", (4, 6)), sources == 0)
    with pytest.raises(MusedeepError, match="the mask has 6 x 4 spaxels, the cube 6 x 5; give"):
        read_mask(tmp_path / "sky.fits", (5, 6))
    fits.PrimaryHDU(sources + 1).writeto(tmp_path / "all.fits")
    with pytest.raises(MusedeepError, match="masks every spaxel"):
        read_mask(tmp_path / "all.fits", (4, 6))


def test_memory_decides_on_threads():
    shape = (3681, 320, 320)
    assert threads_within(16 << 30, shape, 3681, 2) == 2
    fewer = [threads_within(memory << 20, shape, 3681, 64) for memory in (1500, 2500, 4000, 8000)]
    assert fewer == sorted(fewer) and fewer[0] >= 1
    with pytest.raises(MusedeepError, match=r"500 MiB of memory, at least \d+ MiB .*--segments paper"):
        threads_within(500 << 20, shape, 3681, 1)
    assert MOST * 4 * 320 * 320 < 100 << 20
