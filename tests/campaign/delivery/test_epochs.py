"""Nights and velocities of a product."""

import pytest

from musedeep.campaign.delivery.epochs import epochs_of, velocity_span
from musedeep.campaign.delivery.facts import Finished
from musedeep.quality.record import ExposureRecord, ProductRecord, QualityRecord, ReviewRecord
from musedeep.selection.dates import date_of


def product(tmp_path, *times: tuple[float, float | None]):
    exposures = [
        ExposureRecord(name=f"MUSE.{date_of(mjd)}", date_obs=date_of(mjd), mjd=mjd, exposure_time=1000.0, barycentric=v)
        for mjd, v in times
    ]
    record = ProductRecord(name="a", target="a", category="DATACUBE_DEEP", exposures=exposures)
    return Finished(tmp_path, tmp_path, record, QualityRecord(), ReviewRecord())


def test_nights(tmp_path):
    found = epochs_of(product(tmp_path, (57000.1, None), (57000.3, None), (57001.1, None)))
    assert [(one.exposures, one.seconds) for one in found] == [(2, 2000.0), (1, 1000.0)]
    assert [one.night for one in found] == ["2014-12-08", "2014-12-09"]


def test_the_span_of_records(tmp_path):
    assert velocity_span(product(tmp_path, (57000.0, -12.5), (57001.0, 3.0)), None, None) == 15.5


def test_the_span_is_computed_where_records_have_none(tmp_path):
    """Half a year apart, in the ecliptic: some 2 x 30 km/s. The value is that of astropy for Paranal."""
    span = velocity_span(product(tmp_path, (57001.12, None), (57001.12 + 182.6, 1.0)), 0.0, 0.0)
    assert span == pytest.approx(58.9, abs=1.5)
    assert velocity_span(product(tmp_path, (57001.12, None)), None, None) is None
