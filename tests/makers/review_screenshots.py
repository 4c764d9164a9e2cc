"""Screenshots of docs/howto/campaign-review.md, of a made-up campaign: python -m tests.makers.review_screenshots."""

import math
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

from musedeep.campaign.review.campaign import Campaign, Item
from musedeep.campaign.review.decisions import Action, Wish, decide, seen
from musedeep.quality.assess import assess
from musedeep.quality.record import PRODUCT, QUALITY, ProductRecord, QualityRecord, read_record, write_record
from tests.makers.browser import browser, resize
from tests.makers.finished_campaign import Trail, finished_campaign
from tests.makers.places import ROOT
from tests.makers.review_server import review_server

PRODUCTS, EXPOSURES, SHIFTED = 24, 8, 5
WIDTH, HEIGHT = 1440, 900
PLACE = ROOT / "docs" / "images"


def varied_campaign(parent: Path) -> Path:
    """A campaign whose first product is judged by quality control; those of the others are like it, and shallower."""
    shape, shifted = (8, 300, 300), {SHIFTED: 0.7}
    made = finished_campaign(parent, PRODUCTS, EXPOSURES, shifted, Trail(2, 12.0), shape=shape, stars=40)
    quality = assess(made.products[0])
    limit, draw = quality.values.get("abmaglim") or 25.0, random.Random(3)
    for folder in made.products[1:]:
        record = read_record(ProductRecord, folder / PRODUCT)
        used = draw.sample(record.exposures, draw.randint(2, EXPOSURES))
        used = [one for one in record.exposures if one in used]
        for one in used:
            one.exposure_time = draw.choice([600.0, 1200.0, 1500.0, 2700.0])
        deeper = 1.25 * math.log10(sum(one.exposure_time for one in used) / record.used[0].exposure_time / EXPOSURES)
        good = draw.random() < 0.7
        findings = [] if good else quality.findings[:1]
        scores = [one for one in quality.scores if not (good and one.score)]
        values = {**quality.values, "abmaglim": limit + deeper + draw.gauss(0, 0.12), "fwhm": draw.uniform(0.6, 0.95)}
        flag = quality.flag[:9] + ("0" if good else "1")
        method = "crowded" if draw.random() < 0.2 else "standard"
        write_record(record.model_copy(update={"exposures": used, "method": method}), folder / PRODUCT)
        write_record(QualityRecord(flag=flag, scores=scores, findings=findings, values=values), folder / QUALITY)
    made.plan.write_text(_plan_of(made.products, made.plan.read_text()))
    campaign = Campaign(made.plan)
    _act(campaign, campaign.newest()[0], "comment", text="MUSE.2017-06-25T05:24 looks doubled; see its residual.")
    for item in campaign.newest()[1:]:
        for action in _actions(item, draw):
            _act(campaign, item, action, text="waves in the background" if action == "reject" else "")
    item = campaign.newest()[9]
    _act(campaign, item, "exclude", text="satellite", exposure=item.product.exposures[1].name)
    return made.plan


def _plan_of(folders: list[Path], text: str) -> str:
    """The plan, with the exposures and methods of the records."""
    import yaml

    plan = yaml.safe_load(text)
    for target, folder in zip(plan["targets"], folders, strict=True):
        record = read_record(ProductRecord, folder / PRODUCT)
        target["method"] = record.method
        target["products"][0]["inputs"] = [one.name for one in record.exposures]
    return str(yaml.safe_dump(plan, sort_keys=False))


def _actions(item: Item, draw: random.Random) -> list[Action]:
    """What a reviewer may do to a product, who sees what is wrong."""
    if item.failed:
        return draw.choice([[], [], ["reject"]])
    return draw.choice([[], ["accept"], ["accept", "certify"], ["accept", "certify"]])


def _act(campaign: Campaign, item: Item, action: Action, **words: str) -> None:
    review, plan = seen(campaign, item)
    decide(campaign, item, Wish(action, "A. Reviewer", review_seen=review, plan_seen=plan, **words))


def shoot(driver: Any, name: str, height: int = HEIGHT) -> None:
    """Keep what is seen, as a small file."""
    resize(driver, WIDTH, height)
    done = "return [...document.images].filter((one) => one.loading !== 'lazy').every((one) => one.complete)"
    while not driver.execute_script(done):
        time.sleep(0.1)
    time.sleep(0.3)
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        driver.save_screenshot(file.name)
        Image.open(file.name).convert("RGB").save(PLACE / f"{name}.webp", quality=55, method=6)
    print(PLACE / f"{name}.webp", (PLACE / f"{name}.webp").stat().st_size)


def main() -> None:
    """Make all of them."""
    with tempfile.TemporaryDirectory(prefix="review-shots-") as folder:
        place = Path(folder)
        plan = varied_campaign(place)
        with review_server(plan) as address, browser(place / "light") as light, browser(place / "dark", True) as dark:
            home = address.split("?")[0]
            for driver, kind in ((light, "light"), (dark, "dark")):
                driver.get(address)
                if kind == "light":
                    shoot(driver, "review-table")
                driver.get(f"{home}products/FIELD-001/v1/index.html")
                time.sleep(4)
                if kind == "light":
                    shoot(driver, "review-product")
                    continue
                driver.execute_script(
                    "document.querySelectorAll('.findings a')[0]?.click();"
                    "document.querySelector('#exposures-title').scrollIntoView(); scrollBy(0, -90)"
                )
                shoot(driver, "review-exposures", 980)


if __name__ == "__main__":
    main()
