"""Groups of exposures: names, places, runs, and what speaks for two names being one target."""

import pytest

from musedeep.selection.campaign.grouping import groups_of, place_name
from tests.makers.campaign_exposures import candidate, udf


def names_of(exposures, **how):
    groups, evidence = groups_of(exposures, **how)
    return sorted(sorted({exposures[k].target for k in group.members}) for group in groups), evidence


def test_spellings_of_one_name():
    exposures = [candidate(name) for name in ("UDF-01", "udf 01", "UDF01")]
    groups, evidence = groups_of(exposures)
    (group,) = groups
    assert group.members == (0, 1, 2) and not evidence and set(group.names) == {"UDF-01", "udf 01", "UDF01"}


def test_one_name_at_two_places_is_two_targets():
    exposures = [candidate("field", ra=30.0), candidate("field", ra=31.0), candidate("field", ra=31.0)]
    groups, evidence = groups_of(exposures)
    assert [len(group.members) for group in groups] == [1, 2] and not evidence
    assert len({group.name for group in groups}) == 2


def test_fields_without_overlap_are_two_groups():
    groups, _ = groups_of([candidate("M 87"), candidate("M 87", east=100.0)])
    assert len(groups) == 2


def test_a_mosaic_is_one_group():
    exposures = [candidate("M 87", x, y) for x in (0.0, 50.0) for y in (0.0, 50.0)]
    (group,), _ = groups_of(exposures)
    assert len(group.pointings) == 4 and group.name == "M 87"
    (group,), _ = groups_of(udf())
    assert group.name == "UDF" and len(group.members) == 275 and len(group.pointings) == 10


def test_numbers_tell_fields_apart():
    groups, _ = groups_of([candidate("HDFS-34"), candidate("HDFS-35", east=90.0)])
    assert [group.name for group in groups] == ["HDFS-34", "HDFS-35"]


def test_two_programmes_on_one_field():
    exposures = [candidate("SMACS 2131"), candidate("RXC J2131", east=5.0, run="097.B-0001(A)")]
    both, evidence = names_of(exposures)
    assert both == [["RXC J2131", "SMACS 2131"]]
    (one,) = evidence
    assert one.confirmed and one.by == "rule" and one.shared > 0.9 and one.same == ()
    apart, evidence = names_of(exposures, confirm="ask")
    assert len(apart) == 2 and evidence[0].by == "" and not evidence[0].confirmed


@pytest.mark.parametrize(
    ("east", "facts", "one"),
    [
        (40.0, {"run": "094.A-0205(B)"}, True),  # shares a third of the field, and the run
        (40.0, {"run": "097.B-0001(A)", "ob_id": "x"}, False),
        (56.0, {"run": "094.A-0205(B)"}, False),
    ],
)
def test_more_has_to_speak_for_fields_that_share_less(east, facts, one):
    exposures = [candidate("Carina 1x"), candidate("Trumpler", east, **facts)]
    groups, evidence = names_of(exposures)
    assert (len(groups) == 1) == one and evidence[0].confirmed == one


def test_a_person_has_the_last_word():
    exposures = [candidate("SMACS 2131"), candidate("RXC J2131", run="097.B-0001(A)")]
    pair = frozenset(("SMACS 2131", "RXC J2131"))
    for said in (True, False):
        groups, evidence = names_of(exposures, confirm="ask", decided={pair: (said, "JD")})
        assert (len(groups) == 1) == said and evidence[0].by == "JD"


def test_exposure_times_that_differ():
    exposures = [candidate(exposure_time=t, ob_id="7") for t in (10.0, 100.0, 1000.0)]
    (group,), _ = groups_of(exposures)
    assert group.group_by == "exposure_time" and "10 to 1000 s, as OB 7" in group.why
    (group,), _ = groups_of([candidate(exposure_time=t, ob_id="7") for t in (600.0, 900.0)])
    assert group.group_by == "target" and not group.why


def test_names_that_say_nothing():
    (group,), _ = groups_of([candidate(""), candidate("")])
    assert group.name == "unnamed"
    assert groups_of([]) == ([], [])


@pytest.mark.parametrize(
    ("ra", "dec", "name"),
    [(53.16, -27.78, "J0332.6-2746"), (359.9999, 0.5, "J0000.0+0030"), (0.0, -89.99, "J0000.0-8959")],
)
def test_names_of_places(ra, dec, name):
    assert place_name(ra, dec) == name
