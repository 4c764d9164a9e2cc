from musedeep.campaign.cascade.flux_scale import odd_levels


def test_a_response_that_is_off_against_others_is_odd():
    assert odd_levels({"a": 40.0, "b": 37.5, "c": 40.1}, 2.0) == {"b"}
    assert odd_levels({"a": 40.0, "b": 40.5, "c": 40.1}, 2.0) == set()
    assert odd_levels({"a": 40.0, "b": 37.5}, 2.0) == set()
