"""Where rows lie is found from the rows alone."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.kernels.cube.voxels import PIXEL
from musedeep.reduction.cube.row_survey import survey_rows
from musedeep.storage.pixel_tables import table
from tests.makers.field_rows import field_sources
from tests.makers.pixel_tables import UNITS, exposure_rows
from tests.makers.row_sources import RowsInMemory


def test_every_row_is_in_the_box_of_its_segment(monkeypatch):
    monkeypatch.setattr(table, "ROWS_AT_ONCE", 4096)
    survey = survey_rows(field_sources(), 0.0)
    assert survey.in_pixels and not survey.native and survey.n_rows == sum(s.n_rows for s in survey.sources)
    for source, segments in zip(survey.sources, survey.segments, strict=True):
        assert segments["start"][0] == 0 and segments["stop"][-1] == source.n_rows
        assert (segments["stop"][:-1] == segments["start"][1:]).all()
        for one in segments:
            here = slice(one["start"], one["stop"])
            for name, key in (("lambda", "lambda"), ("xpos", "x"), ("ypos", "y")):
                values = source.rows[name][here]
                assert one[f"{key}_min"] <= values.min() and values.max() <= one[f"{key}_max"]
    rows = [np.concatenate([s.rows[name] for s in survey.sources]) for name in ("xpos", "ypos", "lambda")]
    np.testing.assert_array_equal(survey.limits, [(v.min(), v.max()) for v in rows])


def test_limits_are_those_of_the_wavelengths_that_count():
    survey = survey_rows(field_sources(), 0.0, wavelengths=(7010.0, 7020.0))
    assert 7010.0 <= survey.limits[2, 0] < 7011.5 and 7018.5 < survey.limits[2, 1] <= 7020.0


def test_limits_on_the_sky_are_relative_to_the_reference():
    truth = exposure_rows(wavelength=(7000.0, 7010.0))
    survey = survey_rows([RowsInMemory(truth.rows, dict(UNITS))], np.radians(2.2), shift=(1.0, 2.0))
    assert survey.native
    east = np.degrees(truth.xi) / np.cos(np.radians(2.2))
    np.testing.assert_allclose(survey.limits[0], [east.min() + 1.0, east.max() + 1.0], atol=1e-6)
    np.testing.assert_allclose(survey.limits[1], np.degrees([truth.eta.min(), truth.eta.max()]) + 2.0, atol=1e-6)


def _unit(sources, unit):
    sources[1].units["xpos"] = unit


def _nan(sources, _):
    sources[1].rows["ypos"][17] = np.nan


@pytest.mark.parametrize(
    ("spoil", "what", "message"),
    [
        (_unit, "mm", "column xpos has unit 'mm', expected pix, rad or deg"),
        (_unit, "rad", "positions have unit 'rad', those of memory 'pix'"),
        (_nan, "", "column ypos is not finite in row 17"),
    ],
)
def test_rows_that_cannot_be_placed(spoil, what, message):
    sources = field_sources()
    spoil(sources, what)
    with pytest.raises(MusedeepError, match=message):
        survey_rows(sources, 0.0)


def test_no_rows_between_the_wavelengths():
    with pytest.raises(MusedeepError, match="no rows between 5000 and 6000 Angstrom, but from 70"):
        survey_rows(field_sources(), 0.0, wavelengths=(5000.0, 6000.0))


def test_scale_of_positions():
    assert survey_rows(field_sources(), 0.0).scale == PIXEL
