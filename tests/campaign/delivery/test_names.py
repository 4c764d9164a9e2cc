"""Names of delivered files, as real archive listings have them."""

import pytest

from musedeep.campaign.delivery.facts import Finished
from musedeep.campaign.delivery.names import names_of, original_name
from musedeep.quality.record import ExposureRecord, ProductRecord, QualityRecord, ReviewRecord
from musedeep.selection.dates import mjd_of


def product(
    tmp_path, dates: list[str], category: str = "DATACUBE_DEEP", ob_id: str = "3250018", mode: str = "WFM-NOAO-N"
):
    exposures = [
        ExposureRecord(
            name=f"MUSE.{date}", date_obs=date, mjd=mjd_of(date), exposure_time=600.0, ob_id=ob_id, mode=mode
        )
        for date in dates
    ]
    record = ProductRecord(name="a", target="a", category=category, exposures=exposures)
    return Finished(tmp_path, tmp_path, record, QualityRecord(), ReviewRecord())


def test_the_name_of_a_real_cube(tmp_path):
    """The first in the order of time gives it, whatever the order of the record."""
    names = names_of(product(tmp_path, ["2022-07-01T01:00:00.000", "2022-06-24T08:46:05.083"]))
    assert names.cube == "MU_SCBD_3250018_2022-06-24T08:46:05.083_WFM-NOAO-N_OBJ.fits"
    assert names.image == "MU_SIMD_3250018_2022-06-24T08:46:05.083_WFM-NOAO-N_OBJ.fits"
    assert names.exposure_map == "MU_SXPM_3250018_2022-06-24T08:46:05.083_WFM-NOAO-N_OBJ.fits"
    assert (names.log, names.figure) == (
        "r.MUSE.2022-06-24T08:46:05.083_dpc.log", "r.MUSE.2022-06-24T08:46:05.083_dpc.png",
    )  # fmt: skip
    assert list(names.figures.values()) == [
        "r.MUSE.2022-06-24T08:46:05.083_pst.png", "r.MUSE.2022-07-01T01:00:00.000_pst.png",
    ]  # fmt: skip
    assert max(map(len, names.all)) <= 68


@pytest.mark.parametrize(
    ("category", "cube", "figure", "figures"),
    [("DATACUBE_COMBINED", "MU_SCBC_", "_tpl.png", 1), ("DATACUBE_SINGLE", "MU_SCBS_", "_pst.png", 0)],
)
def test_other_categories(tmp_path, category, cube, figure, figures):
    names = names_of(product(tmp_path, ["2022-06-24T08:46:05.083"], category))
    assert names.cube.startswith(cube) and names.figure.endswith(figure) and len(names.figures) == figures
    assert len(set(names.all)) == len(names.all)


@pytest.mark.parametrize(("ob_id", "word"), [("", "0"), ("100/2", "1002"), ("Öb 7", "b7")])
def test_odd_numbers_of_obs(ob_id, word):
    name = original_name("CB", "D", ob_id, "MUSE.2022-06-24T08:46:05.083", "")
    assert name == f"MU_SCBD_{word}_2022-06-24T08:46:05.083_UNKNOWN_OBJ.fits"


def test_275_exposures(tmp_path):
    """As many as the deepest field has."""
    dates = [f"2014-09-{1 + k // 24:02d}T{k % 24:02d}:00:00.000" for k in range(275)]
    names = names_of(product(tmp_path, dates))
    assert len(set(names.figures.values())) == 275
