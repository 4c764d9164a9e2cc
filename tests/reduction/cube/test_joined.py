"""The manual's two ways to make a large cube in pieces (7.3.3, 7.3.4): the same cube as in one go."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.recipes.exp_combine.products import ExpCombine
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.reduction.cube.make import make_cube_here
from musedeep.tools.cube import muse_cube_combine, muse_cube_concatenate
from tests.makers.output_wcs import write_output_wcs
from tests.makers.pixel_tables import write_dithers

FIRST, STEP, N = 6990.0, 1.25, 24
OPTIONS = {"ifus": (11, 12), "wavelength": (6985.0, 7025.0), "cosmics": 3e-3}
MIB = 2**20


@pytest.fixture(scope="module")
def exposures(tmp_path_factory):
    return write_dithers(tmp_path_factory.mktemp("exposures"), 3, step=50.0, **OPTIONS)[0]


@pytest.fixture
def combined(exposures, tmp_path):
    """Makes a cube or a piece of it; returns its path."""

    def make(name: str, first: int = 0, n: int = N, **parameters) -> Path:
        wcs = write_output_wcs(tmp_path / f"{name}-wcs.fits", FIRST + first * STEP, n)
        recipe = ExpCombine(
            exposures, RECIPE.parse(parameters), tmp_path / name, output_wcs=wcs,
            parameter_texts=tuple((key, str(value)) for key, value in parameters.items()),
        )  # fmt: skip
        return next(p for p in make_cube_here(recipe, memory=310 * MIB, workers=1) if "DATACUBE" in p.name)

    return make


def planes_that_differ(one: Path, other: Path) -> list[int]:
    with fits.open(one) as a, fits.open(other) as b:
        assert a["DATA"].header["CRVAL3"] == b["DATA"].header["CRVAL3"]
        assert np.isfinite(a["DATA"].data).any((1, 2)).all()
        return [
            k
            for k in range(N)
            if any(not np.array_equal(a[x].data[k], b[x].data[k], equal_nan=True) for x in ("DATA", "STAT"))
        ]


@pytest.mark.parametrize(("crsigma", "planes"), [(-1, 2), (5, 5)])
def test_overlapping_pieces(combined, tmp_path, crsigma, planes):
    whole = combined("whole", crsigma=crsigma)
    half = planes * STEP / 2
    cuts = FIRST + 7.5 * STEP, FIRST + 15.5 * STEP
    pieces = [
        combined("blue", crsigma=crsigma, lambdamax=cuts[0] + half),
        combined("green", crsigma=crsigma, lambdamin=cuts[0] - half, lambdamax=cuts[1] + half),
        combined("red", crsigma=crsigma, lambdamin=cuts[1] - half),
    ]
    assert muse_cube_combine([str(tmp_path / "out.fits"), *map(str, pieces)]) == 0
    assert planes_that_differ(whole, tmp_path / "out.fits") == []
    for name in ("PRIMARY", "DATA", "STAT"):
        assert cards_of(tmp_path / "out.fits", name) == cards_of(whole, name)


def cards_of(path: Path, name: str) -> dict[str, object]:
    """The cards of a header, but for names of files, times and checksums."""
    left_out = ("", "DATE", "PIPEFILE", "HISTORY", "CHECKSUM", "DATASUM", "DATAMD5", "ESO PRO REC1 CAL1 NAME")
    return {c.keyword: c.value for c in fits.getheader(path, name).cards if c.keyword not in left_out}


def test_adjacent_pieces(combined, tmp_path):
    whole = combined("whole", crsigma=-1)
    ranges, margin = ((0, 6), (6, 12), (12, 18), (18, 24)), 3 * STEP
    pieces = []
    for k, (first, last) in enumerate(ranges):
        limits = {}
        if k > 0:
            limits["lambdamin"] = FIRST + first * STEP - margin
        if k < 3:
            limits["lambdamax"] = FIRST + (last - 1) * STEP + margin
        pieces.append(combined(f"range-{k}", first, last - first, crsigma=-1, **limits))
    assert muse_cube_concatenate([str(tmp_path / "out.fits"), *map(str, pieces)]) == 0
    assert planes_that_differ(whole, tmp_path / "out.fits") == []
