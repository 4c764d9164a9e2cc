"""Scores, and the ten characters of QCFLAG: each defect sets exactly its own."""

import pytest

from musedeep.quality.ranges import read_ranges
from musedeep.quality.record import ExposureRecord, ProductRecord
from musedeep.quality.scores import exposure_flag, exposure_values, flag, product_values, scores_of

GOOD = {
    "sky_converged": True, "sky": True, "arc_days": 0.4, "twilight": True, "saturated": 299, "lambda_shift": 0.19,
    "matched": 5, "ra_offset": 1e-5, "dec_offset": -2e-5,
}  # fmt: skip
FOUND = {"n_sources": 3.0, "histo_17": -7.0}


def product(category="DATACUBE_DEEP", **changes):
    """A product of four exposures, of which one is excluded and bad in every respect; `changes` are of the third."""
    exposures = [
        ExposureRecord(name=f"E{k}", date_obs="", mjd=57920.0 + k, exposure_time=600.0, **GOOD) for k in range(4)
    ]
    exposures[2] = exposures[2].model_copy(update=changes)
    bad = {"sky_converged": False, "arc_days": 9.0, "saturated": 9999, "lambda_shift": 1.0, "ra_offset": 1.0}
    exposures[1] = exposures[1].model_copy(update={"excluded": "flux ratio 10", **bad})
    return ProductRecord(name="a", target="a", category=category, exposures=exposures, aligned=True)


def flag_of(one, **found):
    values = product_values(one) | FOUND | found
    return flag(one, [exposure_values(exposure) for exposure in one.used], values, read_ranges())


@pytest.mark.parametrize(
    ("number", "changes", "found"),
    [
        (0, {}, {}), (1, {"sky_converged": False}, {}), (4, {"arc_days": 1.6}, {}), (6, {"saturated": 300}, {}),
        (7, {}, {"n_sources": 0.0}), (8, {}, {"histo_17": -20.0}), (9, {"lambda_shift": 0.2}, {}),
        (10, {"ra_offset": 7.1e-5}, {}), (10, {"matched": 0}, {}), (10, {"dec_offset": -8.1e-5}, {}),
    ],
)  # fmt: skip
def test_each_defect_sets_its_own_character(number, changes, found):
    expected = "".join(str(int(k == number)) for k in range(1, 11))
    assert flag_of(product(**changes), **found) == (expected, [])


def test_without_a_sky_exposure_the_third_is_set():
    one = product()
    bare = one.model_copy(update={"exposures": [e.model_copy(update={"sky": False}) for e in one.exposures]})
    assert flag_of(bare)[0] == "0010000000"
    assert flag_of(product(sky=False))[0] == "0000000000"


def test_twilight_counts_for_cubes_of_one_ob_alone():
    assert flag_of(product(twilight=False))[0] == "0000000000"
    assert flag_of(product("DATACUBE_COMBINED", twilight=False))[0] == "0000100000"
    (score,) = [s for s in scores_of(exposure_values(product(twilight=False).exposures[2]), read_ranges(), "exposure")
                if s.name == "no_twilight"]  # fmt: skip
    assert score.score == 1


def test_what_is_not_known_is_told_and_of_no_concern():
    text, (finding,) = flag_of(product(arc_days=None, saturated=None), histo_17=None)
    assert text == "0000000000" and finding.kind == "flag incomplete"
    assert "#4 (arc_days of 1 of 3" in finding.text and "#6" in finding.text and "#8" in finding.text
    crowded = product(sky_converged=None).model_copy(update={"method": "crowded"})
    assert flag_of(crowded) == ("0000000000", [])


def test_an_unaligned_product_matches_nothing():
    one = product().model_copy(update={"aligned": False})
    assert product_values(one)["unmatched"] == 3.0 and flag_of(one)[0] == "0000000001"


def test_flags_of_exposures():
    ranges = read_ranges()
    one = product(arc_days=2.0, twilight=False, sky=False, lambda_shift=0.3)
    assert exposure_flag(one, one.exposures[2], ranges) == "0011100010"
    assert exposure_flag(one, one.exposures[0], ranges) == "0000000000"


def test_values_of_products():
    values = product_values(product())
    assert values["exposures"] == 3.0 and values["exposure_time"] == 1800.0 and values["span_days"] == 3.0
    assert values["offset"] == 0.0 and values["barycentric_span"] is None
    scores = {one.name: one for one in scores_of(values | FOUND, read_ranges(), "product")}
    assert scores["span_days"].score == 0 and scores["histo_17"].low == -20.0
    assert scores["barycentric_span"].score is None and "naxis3" not in scores
