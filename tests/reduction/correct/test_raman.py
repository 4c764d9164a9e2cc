"""Raman light is found in rows of known light, beside OH, objects and cosmic rays, and subtracted."""

from pathlib import Path

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.reduction.correct.raman import measure_raman, subtract_raman
from musedeep.reduction.correct.raman_images import raman_hdus
from musedeep.reduction.rows.source import corrected
from musedeep.statics.raman import raman_lines
from musedeep.storage.calibrations.sky_lines import SkyLineTable
from tests.makers.field_tables import field_header, observation
from tests.makers.raman_tables import IFU, UNITS, brightness, profiles, raman_rows
from tests.makers.row_sources import RowsInMemory

AO = {"ESO_INS_MODE": "WFM-AO-N"}


def table(**changed):
    lines = raman_lines()
    values = {"group": lines.group.astype(np.int64), "wavelength": lines.wavelength, "flux": lines.flux} | changed
    return SkyLineTable(Path("raman_lines.fits"), np.array(lines.name), **values)


def measured(rows, workers=1, **given):
    return measure_raman(
        [RowsInMemory(rows, UNITS)], observation(**AO), table(), {IFU: profiles()}, workers=workers, **given
    )


@pytest.fixture(scope="module")
def made():
    return raman_rows()


@pytest.fixture(scope="module")
def light(made):
    rows = {name: values.copy() for name, values in made[0].items()}
    rng = np.random.default_rng(2)
    # cosmic rays, and a galaxy with a continuum
    hit = rng.choice(rows["data"].size, 300, replace=False)
    rows["data"][hit] += rng.uniform(100, 5000, 300).astype(np.float32)
    rows["data"] += 80.0 * np.exp(-0.5 * ((rows["xpos"] - 40.0) ** 2 + (rows["ypos"] + 5.0) ** 2) / 9.0)
    return measured(rows)


def test_the_flux_of_both_molecules_is_found(light):
    x, y = np.meshgrid(np.arange(-140.0, 141.0, 20.0), np.arange(-11.0, 0.0, 2.0))
    u, v = x / 150.0, y / 150.0
    c = light.field
    found = c[0] * u * u + c[1] * u * v + c[2] * v * v + c[3] * u + c[4] * v + c[5]
    for factor, true in zip(light.factors, (0.04, 0.05), strict=True):
        np.testing.assert_allclose(factor * found, true * brightness(x, y), rtol=0.01)


def test_subtraction_leaves_the_other_light(made, light):
    rows, raman = made
    source = RowsInMemory(rows, UNITS)
    left = corrected(source, subtract_raman(observation(**AO), [source], light)).read(
        np.array([[0, source.n_rows]]), ("data",)
    )["data"]
    removed = rows["data"].astype(np.float64) - left
    assert abs(removed.sum() / raman.sum() - 1.0) < 0.005
    assert np.abs(removed - raman).max() < 0.015 * raman.max()


def test_keywords_and_images(light):
    values = {key: value for key, value, _ in light.cards()}
    lines = raman_lines()
    for name, group, factor in (("O2", 0, 0.04), ("N2", 1, 0.05)):
        total = factor * lines.flux[lines.group == group].sum() * 1e-20
        assert values[f"ESO QC SCIPOST RAMAN FLUX {name}"] == pytest.approx(total, rel=0.02)
    assert values["ESO QC SCIPOST RAMAN SPATIAL X"] == pytest.approx(3e-4, abs=5e-5)
    hdus = raman_hdus(light, field_header())
    names = [hdu.name for hdu in hdus[1:]]
    assert names == [
        "DATA", "RAMAN_IMAGE_O2", "SKY_MASK_O2", "RAMAN_IMAGE_N2", "SKY_MASK_N2", "RAMAN_FIT_O2", "RAMAN_FIT_N2",
    ]  # fmt: skip
    shape = light.bands[0].grid.shape[1:]
    assert hdus["DATA"].data.shape == (1, *shape) and hdus["SKY_MASK_O2"].data.dtype.kind == "i"
    middle = hdus["RAMAN_FIT_N2"].data[shape[0] // 2, 150]
    assert middle == pytest.approx(values["ESO QC SCIPOST RAMAN FLUX N2"], rel=0.05)
    assert 0.5 < hdus["SKY_MASK_N2"].data.mean() < 0.8


def test_without_raman_light_none_is_found():
    rows, _ = raman_rows(0.0, 0.0)
    light = measured(rows)
    assert np.all(light.factors < 1e-3)


def test_threads_and_blocks_make_no_difference(made):
    rows, _ = made
    half = rows["lambda"].size // 2
    parts = [RowsInMemory({k: v[a:b] for k, v in rows.items()}, UNITS) for a, b in ((0, half), (half, None))]
    found = [measure_raman(parts, observation(**AO), table(), {IFU: profiles()}, workers=workers) for workers in (1, 3)]
    np.testing.assert_array_equal(found[0].field, found[1].field)
    np.testing.assert_array_equal(found[0].factors, found[1].factors)


@pytest.mark.parametrize(
    ("header", "lines", "words"),
    [
        ({"ESO_INS_MODE": "WFM-NOAO-N"}, {}, "a mode without laser"),
        ({"ESO_DRS_MUSE_PIXTABLE_RAMAN": True}, {}, "Raman light is subtracted already"),
        ({"ESO_DRS_MUSE_PIXTABLE_SKYSUB": True}, {}, "the sky is subtracted already"),
        ({"ESO_DRS_MUSE_PIXTABLE_WCS": "projected (intermediate)"}, {}, "positions are projected"),
        ({}, {"group": np.ones(120, np.int64)}, "no line of O2"),
    ],
)
def test_bad_input(made, header, lines, words):
    source = RowsInMemory(made[0], UNITS)
    with pytest.raises(MusedeepError, match=words) as raised:
        measure_raman([source], observation(**AO | header), table(**lines), {IFU: profiles()})
    assert "\n" not in str(raised.value)


def test_other_bad_rows(made):
    counts = RowsInMemory(made[0])
    with pytest.raises(MusedeepError, match="calibrate the flux first"):
        measure_raman([counts], observation(**AO), table(), {IFU: profiles()})
    source = RowsInMemory(made[0], UNITS)
    with pytest.raises(MusedeepError, match="no LSF_PROFILE"):
        measure_raman([source], observation(**AO), table(), {})
    blue = RowsInMemory({k: v[made[0]["lambda"] < 6600] for k, v in made[0].items()}, UNITS)
    with pytest.raises(MusedeepError, match="no rows between 6817 and 6837"):
        measure_raman([blue], observation(**AO), table(), {IFU: profiles()})
