"""Pictures: their colours, where sources are marked, and that they are made once."""

import os

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from musedeep.campaign.review.campaign import Campaign
from musedeep.campaign.review.pictures import DEPTH, GREY, Pictures, limits_of, save_png, sources_of


def test_png(tmp_path):
    image = np.array([[0.0, 1.0, 2.0], [3.0, np.nan, 5.0]])
    save_png(tmp_path / "a.png", image, 1.0, 3.0, ((0, 0, 0), (254, 254, 254)))
    pixels = np.array(Image.open(tmp_path / "a.png").convert("RGBA"))
    # the first row is below
    assert pixels[1, :, 0].tolist() == [0, 0, 127] and pixels[0, 0].tolist() == [254, 254, 254, 255]
    assert pixels[0, 1, 3] == 0 and pixels[0, 2, 0] == 254
    save_png(tmp_path / "b.png", np.full((2, 2), 7.0), 7.0, 7.0, GREY)
    assert np.array(Image.open(tmp_path / "b.png").convert("RGB"))[0, 0].tolist() == list(GREY[0])


def test_limits():
    assert limits_of(np.full((3, 3), np.nan)) == (0.0, 1.0)
    low, high = limits_of(np.random.default_rng(1).normal(size=(50, 50)))
    assert -4 < low < -1 and 1 < high < 4
    low, high = limits_of(np.full((30, 30), 5.0))
    assert high > low


@pytest.mark.parametrize("factor", [1, 2])
def test_sources_are_where_they_are(factor):
    y, x = np.mgrid[:80, :100]
    image = np.random.default_rng(2).normal(size=(80, 100))
    for place in ((20, 30), (70, 12)):
        image += 100 * np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / 5)
    found = sources_of(image.astype(np.float32), factor, 80 // factor)
    wanted = {((px + 0.5) / factor, (80 - py - 0.5) / factor) for px, py in ((20, 30), (70, 12))}
    assert len(found) == 2
    assert all(any(np.hypot(a - u, b - v) < 0.2 for u, v in wanted) for a, b in found)
    assert sources_of(np.zeros((20, 20), np.float32), 1, 20) == []


def test_made_once_and_again_when_an_input_changes(plan):
    campaign = Campaign(plan)
    item, pictures = campaign.item("FIELD-001/v1"), Pictures(campaign)
    first, facts = pictures.field(item)
    assert pictures.field(item)[0] == first and facts.width == facts.height == 48 and facts.scale == pytest.approx(0.2)
    assert facts.dec == pytest.approx(-27.78, abs=1e-3) and 3 <= len(facts.sources) <= 8
    stamp = first.stat().st_mtime_ns
    assert pictures.field(item)[0].stat().st_mtime_ns == stamp
    depth, depth_facts = pictures.depth(item)
    assert depth_facts.high == 4500.0
    assert np.array(Image.open(depth).convert("RGB"))[24, 24].tolist() == list(DEPTH[-1])
    single = pictures.exposure(item, "single", 0)
    os.utime(campaign.folder / item.product.exposures[2].image, (1, 1))
    os.utime(campaign.folder / item.product.images[0], (1, 1))
    assert pictures.field(item)[0] != first and not first.exists()
    assert pictures.exposure(item, "single", 0) != single and not single.exists()
    assert [pictures.exposure(item, "residual", k) for k in (-1, 3)] == [None, None]


def test_images_that_cannot_be_read(plan):
    campaign = Campaign(plan)
    item, pictures = campaign.item("FIELD-001/v1"), Pictures(campaign)
    for path in (item.product.images[0], item.product.exposure_map, item.product.exposures[0].image):
        (campaign.folder / path).unlink()  # of two products the files are one
        (campaign.folder / path).write_text("no FITS")
    assert (
        pictures.field(item) is None and pictures.depth(item) is None and pictures.exposure(item, "single", 1) is None
    )
    assert not list(pictures.root.rglob("*.png"))
    (campaign.folder / item.product.exposures[0].image).unlink()
    fits.PrimaryHDU(np.zeros((5, 5), np.float32)).writeto(campaign.folder / item.product.images[0], overwrite=True)
    assert len(pictures.with_images(item)) == 2 and pictures.field(item)[1].sources == []


def test_a_folder_that_nobody_may_write(plan, monkeypatch):
    monkeypatch.setattr("musedeep.campaign.review.pictures.os.access", lambda *given: False)
    campaign = Campaign(plan)
    pictures = Pictures(campaign)
    path, _ = pictures.field(campaign.item("FIELD-001/v1"))
    assert not path.is_relative_to(campaign.folder) and path.exists()
    pictures.close()
    assert not path.exists()
