"""PIXNOISE and ABMAGLIM; the numbers of ESO 2.8.7 are held in tests/reference/test_science_keywords.py."""

import math

import numpy as np
import pytest

from musedeep.reduction.cube.depth import collapse_cube, limiting_magnitude, pixel_noise
from tests.makers.cubes import create

FWHM = 2.354820045030949
LIMITS = (5200.0, 7400.0)


def plain_limit(image, width):
    """The same in plain loops and other functions."""
    reach, sigma = int(width), width / FWHM
    padded = np.pad(image.astype(np.float64), reach, mode="symmetric")
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    values = []
    for line in range(image.shape[0]):
        for column in range(image.shape[1]):
            part = padded[line : line + 2 * reach + 1, column : column + 2 * reach + 1]
            ok = np.isfinite(part)
            if ok.any():
                values.append((part[ok] * kernel[ok]).sum() / kernel[ok].sum())
    values = np.array(values)
    step = 2 * 3.49 * 1.4826 * np.median(np.abs(values - np.median(values))) / values.size ** (1 / 3)
    start = values.min() - step / 2
    counts, edges = np.histogram(values, start + step * np.arange(np.ceil((values.max() - start) / step) + 2))
    k = int(counts.argmax())
    a, b, c = (int(counts[k - 1]) if k else 0), int(counts[k]), int(counts[k + 1])
    mode = edges[:-1][counts == b].mean() + step * (b - a) / (2 * b - a - c)
    low = values[values <= mode]
    noise = 1.4826 * np.median(np.abs(low - np.median(low))) / math.sqrt(1 - 2 / math.pi)
    zero = -2.5 * math.log10(3.34e4 * LIMITS[0] * LIMITS[1] / 3631) + 50
    return zero - 2.5 * math.log10(5 * noise * 4 * math.pi * sigma**2)


@pytest.mark.parametrize("width", [1.0, 1.9, 3.4, 6.2])
def test_limit_is_that_of_the_plain_twin(width):
    rng = np.random.default_rng(int(10 * width))
    image = rng.normal(-2.0, 1.5, (43, 57)).astype(np.float32)
    image[5, 8], image[30, 40] = 4e3, 90  # stars
    assert limiting_magnitude(image, width, LIMITS) == pytest.approx(plain_limit(image, width), abs=1e-9)
    image[:, :11] = image[17:29, 20:40] = np.nan
    image[rng.random(image.shape) < 0.2] = np.nan
    assert limiting_magnitude(image, width, LIMITS) == pytest.approx(plain_limit(image, width), abs=1e-9)


def test_noise_is_what_went_in():
    """Without smoothing to speak of, the limit is that of the noise; ten times the noise is 2.5 mag less."""
    image = np.random.default_rng(3).normal(20.0, 0.7, (300, 300))
    limit = limiting_magnitude(image, 1.0, LIMITS)
    # the kernel's own sum of squares over the square of its sum
    line = np.exp(-0.5 * (np.arange(-1, 2) * FWHM) ** 2)
    left = 0.7 * (line**2).sum() / line.sum() ** 2
    flux = 5 * left * 4 * math.pi / FWHM**2
    assert limit == pytest.approx(-2.5 * math.log10(3.34e4 * 5200 * 7400 / 3631 * flux) + 50, abs=0.02)
    assert limiting_magnitude(20 + 10 * (image - 20), 1.0, LIMITS) == pytest.approx(limit - 2.5, abs=1e-6)


def test_a_bright_star_does_not_cost_memory():
    image = np.random.default_rng(4).normal(size=(40, 40)).astype(np.float32)
    expected = limiting_magnitude(image, 1.5, LIMITS)
    image[10, 10] = 1e30
    assert limiting_magnitude(image, 1.5, LIMITS) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize(
    ("image", "width"),
    [
        (np.full((20, 20), np.nan), 3.0),
        (np.full((20, 20), 0.1, np.float32), 3.0),
        (np.zeros((20, 20)), 3.0),
        (np.where(np.eye(20) > 0, 1.0, 2.0)[:1, :1], 1.5),
        (np.random.default_rng(5).normal(size=(20, 30)), 0.9),
        (np.random.default_rng(5).normal(size=(20, 30)), 11.0),
        (np.random.default_rng(5).normal(size=(30, 20)), 11.0),
        (np.random.default_rng(5).normal(size=(20, 30)), 1e4),
    ],
)
def test_no_limit(image, width):
    assert limiting_magnitude(image, width, LIMITS) is None


def test_smoothing_as_wide_as_the_image():
    assert limiting_magnitude(np.random.default_rng(5).normal(size=(20, 30)), 10.9, LIMITS) is not None


def test_images_and_variances_of_a_cube(tmp_path):
    rng = np.random.default_rng(6)
    data = rng.normal(size=(37, 6, 9)).astype(np.float32)
    stat = rng.uniform(-2, 30, data.shape).astype(np.float32)
    stat[3, 2, :4] = [0.0, 25.0, 25.0001, np.inf]
    data[rng.random(data.shape) < 0.3] = np.nan
    data[:, 4, 4] = np.nan
    stat[np.isnan(data)] = np.nan
    cube = create(tmp_path / "CUBE.fits", data.shape)
    cube.write_box(0, 0, data, stat)
    weights = rng.uniform(0, 1, 37)
    (mean, weighted), variances = collapse_cube(cube, [np.ones(37), weights], count_variances=True)
    assert mean.dtype == np.float32 and np.isnan(mean[4, 4])
    others = np.isfinite(mean)
    finite = np.isfinite(data)
    wide = np.where(finite, data, 0).astype(np.float64)
    np.testing.assert_allclose(mean[others], (wide.sum(0)[others] / finite.sum(0)[others]), rtol=1e-6)
    expected = np.einsum("z,zyx->yx", weights, wide)[others] / np.einsum("z,zyx->yx", weights, 1.0 * finite)[others]
    np.testing.assert_allclose(weighted[others], expected, rtol=2e-6, atol=1e-7)
    counted = stat[(stat >= 0) & (stat <= 25)].astype(np.float64)
    np.testing.assert_array_equal(variances, np.bincount((counted / 0.04).astype(int), minlength=626))
    assert not collapse_cube(cube, [np.ones(37)])[1].any()


def test_pixel_noise():
    variances = np.zeros(626, np.int64)
    assert pixel_noise(variances) is None
    variances[[250, 400]] = 7, 7
    assert pixel_noise(variances) == pytest.approx(math.sqrt(10.02), rel=1e-14)
    variances[625] = 8
    assert pixel_noise(variances) == pytest.approx(math.sqrt(25.02), rel=1e-14)
