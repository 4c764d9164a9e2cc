"""Reference ranges: those of the package, and a user's."""

import pytest

from musedeep.errors import MusedeepError
from musedeep.quality.ranges import read_ranges


def test_every_range_of_the_package_tells_where_it_comes_from():
    ranges = read_ranges()
    assert ranges["lambda_shift"].high == 0.2 and ranges["lambda_shift"].strict
    assert all("release" in one.source or "ESO" in one.source or "musedeep" in one.source for one in ranges.values())


@pytest.mark.parametrize(
    ("name", "value", "score"),
    [
        ("arc_days", 1.5, 0), ("arc_days", 1.51, 1), ("saturated", 299, 0), ("saturated", 300, 1), ("fwhm", None, None),
        ("n_sources", 0, 1), ("histo_17", -20, 1), ("histo_17", -19.9, 0), ("lambda_shift", 0.2, 1),
        ("n_sources", 1, 0), ("fwhm", float("nan"), None), ("offset", 6e-5, 1), ("offset", 5.9e-5, 0),
        ("flux_ratio", 10.2, 1),
        ("flux_ratio", 0.1, 1),
    ],
)  # fmt: skip
def test_scores(name, value, score):
    assert read_ranges()[name].score(value) == score


def test_a_user_replaces_some_and_switches_off_others(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("lambda_shift: {high: 0.5}\nnaxis1: null\nfwhm: {high: 0.8, source: our grade A}\n")
    ranges = read_ranges(path)
    assert ranges["lambda_shift"].high == 0.5 and not ranges["lambda_shift"].strict
    assert ranges["lambda_shift"].unit == "Angstrom" and ranges["lambda_shift"].source == "mine.yaml"
    assert "naxis1" not in ranges and ranges["fwhm"].source == "our grade A" and ranges["fwhm"].low is None
    assert read_ranges()["lambda_shift"].high == 0.2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("lamda_shift: {high: 1}", "no quality parameter lamda_shift; did you mean lambda_shift?"),
        ("fwhm: {low: 2, high: 1}", "fwhm: low is 2, high is 1; low cannot be larger"),
        ("fwhm: {}", "fwhm: give low, high, or both"),
        ("fwhm: {hihg: 1}", "fwhm: unknown key 'hihg'; did you mean high?"),
        ("fwhm: {high: wide}", "fwhm: high: 'wide' is not right; it has to be a number"),
        ("fwhm: 3", "fwhm: it has to be a mapping"),
        ("- fwhm", "a file of reference ranges has the keys"),
        ("fwhm: {high: 1}\nfwhm: {high: 2}", "given twice"),
    ],
)
def test_a_file_that_is_no_good(tmp_path, content, said):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(MusedeepError, match=r"mine\.yaml") as raised:
        read_ranges(path)
    assert said in str(raised.value) and "\n" not in str(raised.value)
    with pytest.raises(MusedeepError, match="no such file of reference ranges"):
        read_ranges(tmp_path / "none.yaml")
