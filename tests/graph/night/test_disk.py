"""Disk that a night takes: by product, by what is there already, and by what is free. See also the full-size night in
tests/reference/test_reduce_night.py, which measures."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from musedeep.errors import MusedeepError
from musedeep.graph.night.disk import Disk, check_room, free_bytes, needed, products_of
from musedeep.graph.night.plan import FrameSet
from musedeep.instrument import IMAGE_BYTES as IMAGE
from musedeep.recipes.registry import first_stage

Usage = namedtuple("Usage", "total used free")


def frame_set(recipe, ifu, raws, biases=1):
    frames = (("raw", "RAW"),) * raws + (("bias", "MASTER_BIAS"),) * biases
    return FrameSet("x", recipe.removeprefix("muse_"), recipe, ifu, frames)


def test_every_recipe_of_a_night_has_sizes():
    assert all(any(product.nbytes for product in recipe.products) for recipe in first_stage())


def test_products_count_by_exposures_ifus_and_parameters():
    science = frame_set("muse_scibasic", 7, 5)
    assert products_of(science, {"saveimage": False, "resample": False}, False) == {"PIXTABLE_": 5 * 145_000_000}
    more = products_of(science, {"saveimage": True, "resample": True}, True)
    assert more == {"PIXTABLE_": 5 * 521_000_000, "_RED_": 5 * IMAGE, "_RESAMPLED_": 5 * 54_000_000}
    sky = frame_set("muse_twilight", 0, 3, biases=24)
    assert products_of(sky, {}, False) == {"DATACUBE_SKYFLAT": 24 * 530_000, "TWILIGHT_CUBE": 24 * 415_000}
    finer = {"lambdamin": 5000.0, "lambdamax": 9000.0, "dlambda": 25.0}
    assert products_of(sky, finer, False)["TWILIGHT_CUBE"] == 240 * 415_000
    assert products_of(sky, finer | {"dlambda": 0.0}, False)["TWILIGHT_CUBE"] == 24 * 415_000
    assert products_of(frame_set("muse_bias", 3, 11), {}, True) == {"MASTER_BIAS": IMAGE}
    arcs = frame_set("muse_wavecal", 3, 9)
    kinds = [products_of(arcs, {"resample": True, "lampwise": value}, False) for value in (True, False)]
    assert [list(found) for found in kinds] == [
        ["WAVECAL_TABLE", "ARC_RESAMPLED_0001"],
        ["WAVECAL_TABLE", "ARC_RED_0001", "ARC_RESAMPLED_0001"],
    ]
    science = frame_set("muse_scipost", 0, 1)
    sizes = [
        products_of(science, {"save": ("individual",), "reduced": kind}, False) for kind in ("rows", "corrections")
    ]
    assert sizes[0]["PIXTABLE_REDUCED_"] > 50 * sizes[1]["PIXTABLE_REDUCED_"] > 0
    narrow = products_of(science, {"save": ("cube",), "lambdamin": 5000.0, "lambdamax": 5046.0}, False)
    whole = products_of(science, {"save": ("cube",), "lambdamin": 4000.0, "lambdamax": 10000.0}, False)
    assert whole == products_of(science, {"save": ("cube",)}, False)
    assert narrow["DATACUBE_FINAL"] == pytest.approx(whole["DATACUBE_FINAL"] / 100, rel=1e-3)
    masks = products_of(frame_set("muse_geometry", 0, 60, biases=2), {"saveimage": True}, False)
    # raw frames are uncompressed for one IFU after the other
    assert masks["MASK_REDUCED_"] == 120 * IMAGE and masks["raw frames"] == 60 * 36_000_000


def test_what_is_replaced_goes_only_when_the_new_product_is_there():
    assert needed([(10, 0), (20, 0)], 2) == 30
    assert needed([(10, 10), (20, 20), (5, 5)], 1) == 20
    assert needed([(10, 10), (20, 20), (5, 5)], 2) == 30
    assert needed([(10, 50), (10, 0)], 1) == 20
    assert needed([], 4) == 0


def test_discarded_tables_make_room_for_what_follows():
    sizes = [(10, 0), (10, 0), (1, 0), (12, 0), (12, 0)]
    assert needed(sizes, 1) == 45
    assert needed(sizes, 1, [0, 0, 0, 10, 10]) == 35
    assert needed(sizes, 2, [0, 0, 0, 10, 10]) == 45
    assert needed(sizes, 1, [0, 0, 20, 0, 0]) == 25
    # what was there before is in the table of what is free
    assert needed([(10, 10), (12, 0)], 1, [0, 10]) == 22


def test_room_is_that_of_the_file_system_where_the_output_will_be(tmp_path, monkeypatch):
    asked = []

    def usage(path):
        asked.append(Path(path))
        return Usage(100, 40, 50)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert free_bytes(tmp_path / "a" / "b") == 50 and asked == [tmp_path]
    check_room(tmp_path, Disk({"bias": 50}, 50, 50))
    with pytest.raises(MusedeepError) as found:
        check_room(tmp_path / "a", Disk({"bias": 2 * 10**9, "lsf": 0, "scibasic": 145 * 10**8}, 165 * 10**8, 10**9))
    text = str(found.value)
    assert text.startswith(
        f"{tmp_path}/a: 1000000000 bytes are free, but about 16500000000 bytes are needed (bias 2 GB,"
    )
    assert "scibasic 14.5 GB); free 15500000000 bytes, or give another --output-dir, fewer --ifus" in text
