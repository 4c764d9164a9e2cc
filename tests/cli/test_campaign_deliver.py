"""From a finished product to a valid delivery, by quality control, review and delivery themselves."""

import pytest
from astropy.io import fits

from musedeep.campaign.delivery.log import read_log
from musedeep.campaign.review.campaign import Campaign
from musedeep.campaign.review.decisions import Wish, decide, seen
from musedeep.campaign.validate.validate import validate
from musedeep.cli.main import run
from musedeep.quality.assess import assess
from musedeep.quality.record import PRODUCT, ProductRecord, read_record, write_record
from tests.makers.certified_campaign import certified_campaign, know_astrometry
from tests.makers.finished_campaign import finished_campaign
from tests.makers.pixel_tables import write_dithers

pytest.importorskip("matplotlib")


def test_judged_certified_and_delivered(tmp_path, capsys):
    made = finished_campaign(tmp_path, exposures=3, shape=(8, 40, 40))
    folder = made.products[0]
    know_astrometry(folder / "DATACUBE_DEEP.fits")
    assert run(["campaign", "deliver", str(made.plan)]) == 0
    assert "1 products are not certified: `musedeep campaign review" in capsys.readouterr().out
    quality = assess(folder)
    campaign = Campaign(made.plan)
    (item,) = campaign.items()
    decide(campaign, item, Wish("certify", "A. Reviewer", "good", "", "", *seen(campaign, item)))
    assert run(["campaign", "deliver", str(made.plan)]) == 0
    place = made.folder / "delivery/FIELD-001/v1"
    assert [one.line for one in validate(sorted(place.glob("*.fits")))] == []
    pictures = sorted(place.glob("*.png"))
    assert len(pictures) == 1 + 3 and all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    (log,) = place.glob("*.log")
    facts = read_log(log).facts
    assert facts["QCFLAG"] == [quality.flag] and facts["certified"][0].endswith("by A. Reviewer")
    assert len(read_log(log).raws) == len(read_record(ProductRecord, folder / PRODUCT).used) == 3


def test_a_cube_of_the_recipe_is_valid(tmp_path):
    """What muse_exp_combine writes of exposures with complete headers, few IFUs, two runs and an AO mode."""
    campaign = certified_campaign(tmp_path, exposures=2, runs=("A", "B"))
    folder = campaign.products[0]
    path = folder / PRODUCT
    record = read_record(ProductRecord, path)
    tables, _ = write_dithers(tmp_path, 2, step=3.0, ifus=(9,), wavelength=(5200.0, 5206.0))
    for table, exposure in zip(tables, record.exposures, strict=True):
        exposure.mode = "WFM-AO-N"
        cards = {
            "ORIGIN": "ESO-PARANAL", "RADECSYS": "FK5", "EQUINOX": 2000.0, "SPECSYS": "BARYCENT", "CSYER1": 6e-7,
            "CSYER2": 9e-7, "DATE-OBS": exposure.date_obs, "MJD-OBS": exposure.mjd, "EXPTIME": exposure.exposure_time,
            "ARCFILE": f"{exposure.name}.fits", "ESO OBS ID": int(exposure.ob_id), "ESO OBS PROG ID": exposure.run,
            "ESO INS MODE": exposure.mode, "ESO TEL IA FWHMLIN": 0.8,
        }  # fmt: skip
        with fits.open(table, mode="update") as hdus:
            for key, value in cards.items():
                hdus[0].header[f"HIERARCH {key}" if " " in key else key] = value
    sof = tmp_path / "in.sof"
    sof.write_text("".join(f"{table} PIXTABLE_REDUCED\n" for table in tables))
    words = ["--format=sdpCube", "--save=cube,exposures", str(sof), "--output-dir", str(folder / "made")]
    (folder / "made").mkdir()
    assert run(["recipe", "muse_exp_combine", *words]) == 0
    place = (folder / "made").relative_to(campaign.folder)
    files = {"cube": f"{place}/DATACUBE_FINAL.fits", "exposure_map": f"{place}/EXPOSURE_MAP.fits"}
    images = [f"{place}/IMAGE_FOV_0001.fits"]
    write_record(record.model_copy(update={**files, "images": images, "exposures": record.exposures}), path)
    assert run(campaign.arguments()) == 0
    delivered = sorted((campaign.folder / "delivery").rglob("*.fits"))
    problems = validate(delivered)
    assert [(one.keyword, one.level) for one in problems] == [("STREHL", "warning")]
    header = fits.getheader(delivered[0])
    assert delivered[0].name.endswith("_WFM-AO-N_OBJ.fits")
    assert (header["PROG_ID"], header["RADESYS"], header["NCOMBINE"]) == ("MULTI", "FK5", 2)
    assert header["EXPTIME"] <= header["TEXPTIME"] == sum(one.exposure_time for one in record.exposures)
