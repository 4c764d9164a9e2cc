"""Masters and their quality parameters: real ones are certified, spoiled ones fail."""

import pytest

from musedeep.selection.campaign.calibrations import sets_of
from musedeep.selection.campaign.masters import master_ranges, verdicts_of
from musedeep.selection.catalogue.exposure import Exposure
from musedeep.selection.dates import date_of
from tests.selection.campaign.test_calibrations import series


def test_the_real_masters_are_certified(real):
    exposures, ask = real
    products, quality = [], []
    for category in master_ranges():
        for number, row in enumerate(ask(f'SELECT * FROM "qc_{category}"')):
            path = f"/{category}/{number}.fits"
            name = row["name"] if category == "STD_RESPONSE" else row["DATE_OBS"]
            products.append({"path": path, "category": category, "date_obs": name})
            quality += [
                {"path": path, "keyword": key.replace("_", " "), "number": float(value)}
                for key, value in row.items()
                if key.startswith("QC_") and isinstance(value, int | float)
            ]
    sets = sets_of(exposures)
    verdicts = verdicts_of(exposures, sets, products, quality)
    assert {one.status for one in verdicts.values()} == {"certified"}
    assert sorted(key.split()[0] for key in verdicts) == ["ARC"] * 3 + ["BIAS"] * 4 + ["FLAT"] * 3 + ["SKYFLAT", "STD"]


def verdict(*values, category="MASTER_BIAS", frames=None):
    frames = frames or [Exposure(**vars(one) | {"date_obs": date_of(one.mjd)}) for one in series("BIAS", 57000.4)]
    rows = [{"path": f"/{k}.fits", "category": category, "date_obs": frames[0].date_obs} for k in range(len(values))]
    quality = [
        {"path": f"/{k}.fits", "keyword": keyword, "number": number} for k, (keyword, number) in enumerate(values)
    ]
    return verdicts_of(frames, sets_of(frames), rows, quality)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([("QC BIAS MASTER1 RON", 2.5)], "certified"),
        ([("QC BIAS MASTER1 RON", 2.5), ("QC BIAS MASTER4 RON", 9.0)], "failed"),
        ([("QC BIAS MASTER4 RON", 9.0), ("QC BIAS MASTER1 RON", 2.5)], "failed"),
        ([("QC BIAS MASTER1 RON", None)], None),
        ([("QC BIAS MASTER1 MEAN", 9.0)], None),
        ([], None),
    ],
)
def test_one_parameter_beyond_its_range(values, status):
    found = verdict(*values)
    assert [one.status for one in found.values()] == ([status] if status else [])
    if status == "failed":
        (one,) = found.values()
        assert one.why.endswith("QC BIAS MASTER4 RON is 9, a good one has at least 1 and at most 5")


def test_products_of_other_frames():
    assert verdict(("QC FLAT MASTER MEDIAN", 1.0), category="MASTER_FLAT") == {}
    assert verdict(("QC FLAT MASTER MEDIAN", 1.0), category="IMAGE_FOV") == {}
