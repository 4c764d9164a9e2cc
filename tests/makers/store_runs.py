"""Combinations of a small field of stores, and their cubes bit by bit."""

import numpy as np
from astropy.io import fits

from musedeep.graph.combine.exp_combine import Request, combine
from musedeep.recipes.exp_combine.recipe import RECIPE


def run(stores, output, progress=None, **options):
    request = Request(list(stores), RECIPE.parse({"crsigma": 5}), output, **({"threads": 2} | options))
    return combine(request, progress)


def voxels(output):
    with fits.open(output / "DATACUBE_FINAL.fits") as hdus:
        return [hdus[name].data.view(">u4").copy() for name in ("DATA", "STAT")]


def assert_same(output, expected):
    for a, b in zip(voxels(output), expected, strict=True):
        np.testing.assert_array_equal(a, b)
