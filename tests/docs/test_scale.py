"""The page on scale states what its commands print, of exposures as the tests make them."""

import re

import numpy as np
import pytest

from benchmarks import workers
from benchmarks.run import SETS
from musedeep.graph.forecast.forecast import forecast
from musedeep.graph.forecast.rates import Rates, read_rates
from musedeep.reduction.cube.scan import select_ranges
from musedeep.storage.pixel_tables.ingest import ingest
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.pixel_tables.table import row_count
from tests.makers.pixel_tables import write_exposure
from tests.makers.scale_page import BLOCK, PAGE, renewed

LINES = 60


@pytest.mark.night
def test_the_page_states_what_its_commands_print():
    page = PAGE.read_text()
    assert page == renewed(page), "run `python -m tests.makers.scale_page`"


def test_the_page_has_every_number_of_workers():
    commands = [found[1] for found in BLOCK.finditer(PAGE.read_text())]
    assert [re.findall(r"benchmarks\.\w+", one) for one in commands].count(["benchmarks.workers"]) >= 2
    table = next(found[2] for found in BLOCK.finditer(PAGE.read_text()) if "benchmarks.workers" in found[1])
    rows = [line.split()[:3] for line in table.splitlines()[1:21]]
    assert rows == [
        [n, files, k] for n in ("125", "275") for files in ("FITS", "stores") for k in ["16", "32", "64", "128", "256"]
    ]


@pytest.mark.parametrize("angle", [0, 90])
@pytest.mark.parametrize("files", ["FITS", "stores"])
def test_the_computed_index_is_that_of_a_table(tmp_path, angle, files):
    high = workers.RANGE[0] + LINES * 1.25
    write_exposure(tmp_path / "a.fits", ifus=(1, 2), wavelength=(workers.RANGE[0], high), posang=angle, seed=7)
    if files == "stores":
        ingest([tmp_path / "a.fits"], tmp_path / "a.zarr")
    table = open_pixel_table(tmp_path / ("a.zarr" if files == "stores" else "a.fits"))
    index = table.index()
    rows = workers.Rows(angle, 7, ifus=2, lines=LINES)
    made = (workers.store_index if files == "stores" else workers.fits_index)(rows)
    assert rows.n_rows == table.n_rows
    if files == "FITS":
        np.testing.assert_array_equal(made["start"], index["start"])
    else:  # a line of pixels is bent: its ends may lie in the next band
        assert made.size == pytest.approx(index.size, rel=0.1)
    for name, most in (("lambda_min", 1.0), ("lambda_max", 1.0), ("x_min", 1e-7), ("x_max", 1e-7), ("y_min", 1e-7)):
        if files == "FITS":
            np.testing.assert_allclose(made[name], index[name], atol=most, rtol=0)
        else:
            outer = np.min if name.endswith("min") else np.max
            assert outer(made[name]) == pytest.approx(outer(index[name]), abs=most)
    assert made["stop"].max() == table.n_rows


def test_pointings_are_those_of_the_benchmarks():
    assert workers.pointings(SETS["125"].exposures, mosaic=False).total() == 125
    assert len(workers.pointings(125, mosaic=False)) == 12
    mosaic = workers.pointings(SETS["mosaic"].exposures, mosaic=True)
    fields = {(round(one.right / 55), round(one.up / 55)): 0 for one in mosaic}
    for one, number in mosaic.items():
        fields[round(one.right / 55), round(one.up / 55)] += number
    assert len(fields) == 9 and sorted(fields.values()) == [27] * 8 + [27 + 32]


@pytest.mark.parametrize("files", ["FITS", "stores"])
def test_a_small_table(files):
    known = workers.survey(4, files, ifus=2, lines=LINES)
    assert known.rows.sum() == 4 * 2 * 48 * LINES * 76 == pytest.approx(known.density.sum(), rel=1e-6)
    whole = [(one.segments["stop"] - one.segments["start"]).sum() for one in known.sample]
    assert whole == [known.rows[0]] * 4
    nz, ny, _ = known.grid.shape
    for one in known.sample:
        assert row_count(select_ranges(one.segments, 0, nz, 0, ny)) == known.rows[0]
    rates = Rates() if files == "FITS" else read_rates(workers.RATES)
    made = [forecast(known, n, 1, n << 30, rates) for n in (1, 2, 4)]
    words = workers.line(made[0], files, 1.0)
    assert len(words) == len(workers.NAMES) and words[:3] == ["4", files, "1"]
    shares = [int(word.removesuffix(" %")) for word in words[13:]]
    assert sum(shares) == pytest.approx(100, abs=4)
    assert workers.ends(made, [1.0, 0.9, 0.8]) == "above 50 % up to 4 workers"
    assert workers.ends(made, [1.0, 0.6, 0.4]).startswith("below 50 % between 2 and 4 workers: ")
