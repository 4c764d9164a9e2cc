"""Names of targets in the spellings of observers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.selection.campaign.names import alike, likeness, normal_name, stem_of


@pytest.mark.parametrize(
    "spellings",
    [
        ("UDF-01", "udf 01", "UDF01", "UDF_1", "UDF-01 rep", "udf-01_offset2"),
        ("Abell 2714", "ACO2714", "A 2714", "ABELL-2714"),
        ("47 Tuc", "NGC 104", "NGC_104 AO"),
        ("Étoile 1", "ETOILE-1"),
        ("HE0435-1223", "he 0435-1223"),
    ],
)
def test_one_name(spellings):
    assert len({normal_name(one) for one in spellings}) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("HDFS-34", "HDFS-35"),
        ("J0001+12", "J0001-12"),
        ("NGC 104", "NGC 1040"),
        ("UDF-1", "UDF-10"),
        ("CDFS deep 3", "CDFS"),
    ],
)
def test_two_names(first, second):
    assert not alike(normal_name(first), normal_name(second))


def test_typing_errors():
    assert alike(normal_name("Horsehead 3"), normal_name("Horsehaed 3"))
    assert not alike(normal_name("Horsehead 3"), normal_name("Carina 3"))
    assert not alike("", "") or likeness("", "") == 100.0


def test_series():
    assert stem_of(normal_name("UDF-01")) == stem_of(normal_name("UDF-10")) == "udf"
    assert stem_of("m") == "m" and stem_of("47") == "47"


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text(first, second):
    one, other = normal_name(first), normal_name(second)
    assert normal_name(one) == one
    assert 0 <= likeness(one, other) == likeness(other, one) <= 100
