"""The sky goes from rows, once."""

from pathlib import Path

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.reduction.correct.sky import (
    STEP,
    ModelSubtraction,
    Original,
    SkyTables,
    sky_range,
    subtract_model,
    subtract_spectrum,
)
from musedeep.reduction.rows.source import corrected
from musedeep.reduction.sky.model import SkyModel
from musedeep.storage.calibrations.sky_continuum import SkyContinuumTable
from musedeep.storage.calibrations.sky_lines import SkyLineTable
from musedeep.storage.calibrations.sky_spectrum import SkySpectrumTable
from tests.makers.field_tables import observation
from tests.makers.row_sources import RowsInMemory
from tests.makers.sky_exposures import FACTORS, SHIFT, UNITS, continuum_of, line_table, lsf_of, sky_rows, true_sky

LSFS = {12: lsf_of(12), 13: lsf_of(13)}


def model_of():
    """The true sky."""
    lines = line_table()
    flux = lines.flux * np.array([FACTORS[int(group)] for group in lines.group])
    true = SkyLineTable(lines.path, lines.name, lines.group, lines.wavelength + SHIFT, flux)
    wavelength = np.arange(6260.0, 6400.0, 0.25)
    return SkyModel(true, SkyContinuumTable(Path("c"), wavelength, continuum_of(wavelength)))


def calibrated(**changed):
    return observation(**({"ESO_DRS_MUSE_PIXTABLE_FLUXCAL": True} | changed))


def test_the_true_sky_leaves_nothing():
    """Profiles differ between slices and IFUs; the error of the tables is 2e-4 of the strongest line."""
    rows = [sky_rows(ifu, LSFS, noise=0.0) for ifu in LSFS]
    sources = [RowsInMemory(one, UNITS) for one in rows]
    corrections = subtract_model(calibrated(), sources, model_of(), LSFS)
    for source, one in zip(sources, rows, strict=True):
        left = corrected(source, corrections).read(np.array([[0, source.n_rows]]), ("data", "stat"))
        assert np.abs(left["data"]).max() < 2e-4 * one["data"].max()
        np.testing.assert_array_equal(left["stat"], one["stat"])
    assert next(card for c in corrections for card in c.cards())[:2] == ("ESO DRS MUSE PIXTABLE SKYSUB", True)


def test_tables_are_those_of_the_slices():
    tables = SkyTables(model_of(), LSFS)
    assert tables.of_ifu(12).shape == (48, tables.bins + 2) and tables.of_ifu(12) is tables.of_ifu(12)
    assert tables.start == 6256.0
    # coefficients about a knot give the spectrum there
    c = tables.of_ifu(13)[5].astype(float)
    k = 150
    value = (c[k] + 4.0 * c[k + 1] + c[k + 2]) / 6.0
    place = np.array([tables.start + STEP * k], np.float32)
    assert value == pytest.approx(true_sky(place, np.array([13 << 6 | 6]), LSFS)[0], rel=1e-4)


def test_rows_of_an_ifu_without_line_spread_functions():
    rows = sky_rows(13, LSFS, slices=(1,))
    with pytest.raises(MusedeepError, match="rows of IFU 13, of which there is no LSF_PROFILE"):
        ModelSubtraction(SkyTables(model_of(), {12: LSFS[12]})).apply(rows)


def test_a_spectrum_is_subtracted_from_data_of_any_unit():
    rows = sky_rows(12, LSFS, slices=(1, 2))
    spectrum = SkySpectrumTable(
        Path("s"), np.array([6000.0, 6300.0, 6500.0]), np.array([1.0, 4.0, 0.0]), np.ones(3), np.array([0, 0, 0])
    )
    before = rows["data"].copy()
    (correction,) = subtract_spectrum(observation(), spectrum)
    correction.apply(rows)
    expected = before - np.interp(rows["lambda"], spectrum.wavelength, spectrum.data)
    np.testing.assert_allclose(rows["data"], expected, atol=1e-3)
    assert spectrum.ends == (6000.0, 6500.0)


def test_the_sky_is_not_subtracted_twice():
    done = calibrated(ESO_DRS_MUSE_PIXTABLE_SKYSUB=True)
    sources = [RowsInMemory(sky_rows(12, LSFS, slices=(1,)), UNITS)]
    spectrum = SkySpectrumTable(Path("s"), np.array([1.0, 2.0]), np.zeros(2), np.zeros(2), np.zeros(2, int))
    for call in (lambda: subtract_model(done, sources, model_of(), LSFS), lambda: subtract_spectrum(done, spectrum)):
        with pytest.raises(MusedeepError, match="the sky is subtracted already"):
            call()


def test_counts_are_refused():
    sources = [RowsInMemory(sky_rows(12, LSFS, slices=(1,)))]
    with pytest.raises(MusedeepError, match=r"data have unit 'count'.*calibrate the flux first"):
        subtract_model(observation(), sources, model_of(), LSFS)


def test_where_a_model_is_good():
    low, high = sky_range(model_of())
    assert low == pytest.approx(6258.75) and high == pytest.approx(6401.0)


def test_the_data_before_are_kept_in_a_column():
    rows = sky_rows(12, LSFS, slices=(1,))
    correction = Original("count")
    correction.apply(rows)
    assert rows["orig"] is not rows["data"] and np.array_equal(rows["orig"], rows["data"])
    assert correction.units == {"orig": "count"}
