"""The spectrum of the sky, with cosmic rays and without."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.kernels.sky.sky_rows import SkyField
from musedeep.reduction.rows.sums import add_up
from musedeep.reduction.sky.spectrum import PlaneLevels, SkySpectrum
from tests.makers.row_sources import RowsInMemory
from tests.makers.sky_exposures import RANGE, lsf_of, sky_rows


def field_of(rows, limit=60.0):
    """Everything is sky, and usual is what the sky is."""
    planes = np.arange(RANGE[0], RANGE[1], 1.25)
    place = np.rint((rows["lambda"] - RANGE[0]) / 1.25).astype(int).clip(0, planes.size - 1)
    level = np.array([np.median(rows["data"][place == k]) for k in range(planes.size)])
    shape = (40, 320)
    start = rows["xpos"].min() - 2, rows["ypos"].min() - 2
    steep = np.abs(np.gradient(level))
    return SkyField(np.zeros(shape, np.float32), *start, level, limit + 2 * steep, RANGE[0], 1.25)


@pytest.fixture(scope="module")
def rows():
    return sky_rows(12, {12: lsf_of(12)}, noise=5.0, cosmics=1e-3, slices=tuple(range(1, 25)))


def test_cosmic_rays_are_left_out(rows):
    clean = sky_rows(12, {12: lsf_of(12)}, noise=5.0, slices=tuple(range(1, 25)))
    found = {}
    for name, one in (("hit", rows), ("clean", clean)):
        sums = SkySpectrum(field_of(clean), 6272.0, 360)
        sums.add(one)
        found[name] = sums.finished()
    hit, clean_one = found["hit"], found["clean"]
    assert len(SkySpectrum(field_of(clean), 6272.0, 360).doubtful) == 0
    assert np.abs(hit.data / clean_one.data - 1.0).max() < 0.02
    assert hit.slices.sum() == rows["lambda"].size
    np.testing.assert_allclose(hit.stat, 25.0, rtol=1e-5)
    # scatter is the noise, but in the lines, whose profiles differ
    assert np.quantile(clean_one.scatter, 0.2) == pytest.approx(25.0, rel=0.1)


def test_without_a_limit_all_rows_count(rows):
    sums = SkySpectrum(field_of(rows), 6272.0, 360)
    sums.add(rows)
    assert sums.finished(0.0).data.sum() > 1.02 * _finished(rows).data.sum()


def _finished(rows):
    sums = SkySpectrum(field_of(rows), 6272.0, 360)
    sums.add(rows)
    return sums.finished()


@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_bits_whatever_the_threads(rows, workers):
    half = rows["lambda"].size // 2
    sources = [RowsInMemory({name: v[part] for name, v in rows.items()}) for part in (slice(half), slice(half, None))]
    sums = SkySpectrum(field_of(rows), 6272.0, 360)
    add_up(sources, [sums], workers)
    one, other = SkySpectrum(field_of(rows), 6272.0, 360), SkySpectrum(field_of(rows), 6272.0, 360)
    one.add(sources[0].rows)
    other.add(sources[1].rows)
    one.merge(other)
    assert one.finished().data.tobytes() == sums.finished().data.tobytes()


def test_bins_without_rows_are_left_out_of_the_table(rows):
    sums = SkySpectrum(field_of(rows), 6200.0, 360)
    sums.add(rows)
    spectrum = sums.finished()
    table = spectrum.table("x")
    assert np.isnan(spectrum.data[0]) and table.wavelength[0] > 6268.0
    assert np.isfinite(table.data).all() and not table.dq.any()


def test_no_row_of_the_sky(rows):
    field = field_of(rows)._replace(x=1e4)
    sums = SkySpectrum(field, 6272.0, 360)
    sums.add(rows)
    with pytest.raises(MusedeepError, match="no row of the exposure is in the sky mask"):
        sums.finished()


def test_the_usual_value_of_planes():
    levels = PlaneLevels(5000.0, 1.25, 6)
    rng = np.random.default_rng(1)
    data = (100.0 + 3.0 * rng.standard_normal((4, 30, 40))).astype(np.float32)
    data[1, 5:9] = 1e4
    data[2] = np.nan
    levels.add(1, data)
    level, limit = levels.usual()
    assert level == pytest.approx(100.0, abs=1.0)
    assert limit == pytest.approx(35.0, rel=0.4)
    assert PlaneLevels(5000.0, 1.25, 3).usual()[1].tolist() == [np.inf] * 3
