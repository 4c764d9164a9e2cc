"""Recipes over IFUs: progress of each, and helper processes that end."""

import os
import signal
import time

import pytest

from musedeep.errors import MusedeepError
from musedeep.progress import Silent
from musedeep.recipes.bias.recipe import RECIPE
from musedeep.recipes.run_ifus import IfuProducts, RecipeCall, run_ifus
from musedeep.storage.outputs import partial_name


class Told(Silent):
    def __init__(self):
        self.told = []

    def begin(self, total, unit, done=0, cost=None):
        self.told.append((total, unit))

    def advance(self, n=1, *, rows=0, cost=None, made=True):
        self.told.append(n)

    def stop(self):
        self.told.append("stop")


def process(call, ifu):
    """Makes a small file; IFU 9 has no light, 13 is killed while another one is at work."""

    def write(call, ifu):
        path = call.output / f"PRODUCT-{ifu:02d}.fits"
        path.write_text("whole")
        return [("PRODUCT", path)]

    if ifu == 9:
        raise MusedeepError("no light")
    if ifu in (13, 14):
        partial_name(call.output / f"PRODUCT-{ifu:02d}.fits").write_text("half")
        while len(list(call.output.glob(".PRODUCT-*.part"))) < 2:
            time.sleep(0.01)
        if ifu == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    return IfuProducts(writers=[write])


def call(output, nifu, progress):
    return RecipeCall({}, RECIPE.parse({"nifu": nifu}), output, workers=2, progress=progress)


@pytest.mark.parametrize("nifu", [0, -1])
def test_progress_of_ifus_one_after_the_other_and_in_processes(tmp_path, nifu):
    told = Told()
    outcome = run_ifus(RECIPE, process, call(tmp_path, nifu, told), ["PRODUCT"], [2, 9, 4])
    assert told.told == [(3, "IFUs"), 1, 1, 1, "stop"]
    assert [path.name for path in outcome.paths] == ["PRODUCT-02.fits", "PRODUCT-04.fits"]
    assert outcome.failures == {9: "IFU 9: no light"}


def test_a_killed_process_is_one_line_and_leaves_nothing_half_made(tmp_path):
    began = time.monotonic()
    with pytest.raises(MusedeepError, match=r"a process was killed, .*; give fewer --workers"):
        run_ifus(RECIPE, process, call(tmp_path, -1, Silent()), ["PRODUCT"], [13, 14])
    assert time.monotonic() - began < 50 and list(tmp_path.iterdir()) == []
