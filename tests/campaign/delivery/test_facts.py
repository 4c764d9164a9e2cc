"""What is known of a product: from its records, and from the catalogue."""

import pytest

from musedeep.campaign.delivery.facts import Finished, chosen
from musedeep.errors import MusedeepError
from musedeep.quality.record import Decision, ExposureRecord, ProductRecord, QualityRecord, ReviewRecord
from tests.makers.campaign_exposures import candidate


def finished(tmp_path, candidates, known=True, review=None, **facts) -> Finished:
    exposures = [
        ExposureRecord(
            name=one.name,
            date_obs=one.exposure.date_obs,
            mjd=one.exposure.mjd,
            exposure_time=one.exposure.exposure_time,
        )
        for one in candidates
    ]
    record = ProductRecord(name="b", target="a", category="DATACUBE_DEEP", exposures=exposures, **facts)
    catalogue = {one.name: one for one in candidates} if known else {}
    return Finished(tmp_path, tmp_path, record, QualityRecord(), review or ReviewRecord(), catalogue)


def test_facts_of_the_catalogue(tmp_path):
    """What the record has stays; what it lacks comes from the catalogue."""
    many = [candidate(run=run, ob_id=ob, pi=pi) for run, ob, pi in (("A", "7", "Y"), ("B", "8", "X"), ("A", "7", ""))]
    one = finished(tmp_path, many)
    assert (one.runs, one.obs, one.investigators, one.modes) == (["A", "B"], ["7", "8"], ["X", "Y"], ["WFM-NOAO-N"])
    one.record.exposures[1].run = "C"
    assert finished(tmp_path, many).runs == ["A", "B"] and Finished(
        tmp_path, tmp_path, one.record, one.quality, one.review, one.known
    ).runs == ["A", "C"]


@pytest.mark.parametrize(
    ("grades", "programmes", "expected"),
    [
        ("AB", [{}, {}], "SM"),
        (["", ""], [{"observing_mode": "VM"}] * 2, "VM"),
        (["A", ""], [{}, {"observing_mode": "VM"}], "SM,VM"),
        (["", ""], [{}, {}], ""),
    ],
)
def test_service_and_visitor_mode(tmp_path, grades, programmes, expected):
    many = [candidate(grade=grade, programme=programme) for grade, programme in zip(grades, programmes, strict=True)]
    assert finished(tmp_path, many).observing_mode == expected


@pytest.mark.parametrize(
    ("dates", "known", "access", "release"),
    [
        (["2018-01-01", "2019-01-01"], True, "public", "2019-01-01"),
        (["2018-01-01", "2030-01-01"], True, "pi:R until 2030-01-01", "2030-01-01"),
        (["2018-01-01", ""], True, "unknown: no release date of some inputs", ""),
        (["2018-01-01", "2019-01-01"], False, "unknown: no catalogue", ""),
    ],
)
def test_access(tmp_path, dates, known, access, release):
    many = [candidate(run="R", programme={"release_date": date}) for date in dates]
    one = finished(tmp_path, many, known)
    assert (one.access("2026-01-01"), one.release_date) == (access, release)


def test_access_of_the_record_without_a_catalogue(tmp_path):
    assert finished(tmp_path, [candidate()], False, access="public").access("2026-01-01") == "public"


def test_the_certificate_is_the_last_one(tmp_path):
    history = [
        Decision(date="2020-01-01", by="A", action="certify"), Decision(date="2020-01-02", by="B", action="reopen"),
        Decision(date="2020-01-03", by="C", action="certify"), Decision(date="2020-01-04", by="D", action="comment"),
    ]  # fmt: skip
    review = ReviewRecord(state="certified", history=history)
    certificate = finished(tmp_path, [candidate()], review=review).certificate
    assert certificate is not None and certificate.by == "C"
    assert finished(tmp_path, [candidate()], review=ReviewRecord(state="review", history=history)).certificate is None


def test_chosen_products(tmp_path):
    one = finished(tmp_path, [candidate()])
    assert chosen([one], []) == chosen([one], ["a"]) == chosen([one], ["b"]) == [one]
    with pytest.raises(MusedeepError, match="--target c: no finished product of it; there are a"):
        chosen([one], ["c"])
