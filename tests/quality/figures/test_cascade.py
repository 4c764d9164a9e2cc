"""The diagram of a cascade."""

from matplotlib.figure import Figure

from musedeep.quality.figures.cascade import _cascade
from musedeep.quality.record import AlignmentTry, ExposureRecord, ProductRecord, StepRecord


def texts(obs, sky=False, **values):
    exposures = [
        ExposureRecord(name=f"E{k}", date_obs="", mjd=57920.0, exposure_time=900.0, ob_id=str(k // 2), sky=sky)
        for k in range(2 * obs)
    ]
    record = ProductRecord(
        name="UDF", target="UDF", category="DATACUBE_DEEP", exposures=exposures, aligned=True,
        steps=[StepRecord(recipe="muse_scipost")] * 3, **values,
    )  # fmt: skip
    figure = Figure()
    _cascade(figure, record)
    return [text.get_text() for text in figure.axes[0].texts]


def test_all_obs_are_shown_if_they_are_few():
    found = texts(
        3, alignment=[AlignmentTry(threshold=10, matched=0), AlignmentTry(threshold=8, matched=5, accepted=True)]
    )
    assert [text for text in found if text.startswith("OB ")] == [f"OB {k}\n2 OBJECT" for k in range(3)]
    assert "6 exposures of 3 OBs, 1.50 h; method standard; without dedicated SKY" in found
    assert "muse_exp_align  (threshold 8, 2 tries)" in found and "3 runs" in found
    assert not any("create_sky" in text for text in found)


def test_many_obs_are_drawn_together_and_a_sky_beside_them():
    found = texts(13, sky=True)
    assert "… 9 OBs,\n18 OBJECT …" in found and "OB 12\n2 OBJECT" in found
    assert "muse_scibasic\nmuse_create_sky" in found
