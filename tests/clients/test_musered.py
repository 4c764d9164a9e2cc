"""musered, unmodified, reduces a night through python-cpl and our plug-ins as it does through those of ESO.

What the real pipeline gives, up to the combined cube, is kept in musered_expected.json.xz: it takes half an hour. To
make it anew, after a change of the simulation: `python -m tests.clients.musered_night PLACE NIGHT PLUGINS PYTHON` with
the directory of ESO's plug-ins, then `python -m tests.clients.test_musered PLACE OUT.json`, and `xz OUT.json`.
"""

import json
import lzma
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

from tests.clients.musered_night import reduce
from tests.clients.product_trees import deviations, form, product
from tests.makers.client_environments import client_python
from tests.makers.cpl_plugin import build, missing_for_build
from tests.makers.places import ROOT

pytestmark = [pytest.mark.clients, pytest.mark.night]

COMMIT = "6054bc60996a8883e3fca73a48fd6f74d67aeffe"
SOURCE = os.environ.get("MUSEDEEP_TEST_MUSERED", "git+https://github.com/musevlt/musered")
"""musered is not on PyPI. MUSEDEEP_TEST_MUSERED may name another repository, as git+file:///DIRECTORY."""

# musered speaks the SQLAlchemy of its time
PACKAGES = ("python-cpl==0.7.4", "mpdaf==3.6", "dataset==1.6.2", "sqlalchemy==1.4.54")
EXPECTED = Path(__file__).with_name("musered_expected.json.xz")
COLUMNS = ("recipe_name", "name", "DPR_TYPE", "DPR_CATG", "OBJECT", "INS_MODE", "night", "DATE_OBS", "path")


LIMIT = 0.05
"""Largest deviation of quantiles, in units of the spread of the ESO pipeline's values (`product_trees.deviations`)."""

LIMITS = {
    # coefficients and residuals are compared as wavelengths and places on the CCD, see `solutions`
    "WAVECAL_TABLE/": np.inf,
    "TRACE_TABLE": np.inf,
    # the ESO pipeline's fits of the star lose 10 % of its light, see docs/validation/differences-second-stage.md
    "STD_FLUXES": np.inf,
    "/STD/": 0.3,
    "/scipost": 0.4,
    "/exp_": 0.4,
}
NEAR = {"WAVECAL_TABLE": 0.02, "TRACE_TABLE": 0.04}
"""Largest deviation of wavelengths [Angstrom], and of places [pixel]."""


def solutions(path: Path) -> list[float]:
    """Wavelengths in the middle of each slice, or places of its middle and edges, at three heights of the CCD."""
    rows = Table.read(path)
    heights = np.array([500.0, 2056.0, 3600.0])
    if path.name.startswith("WAVECAL_TABLE"):
        x = 85.3 * rows["SliceNo"] - 22.0
        terms = [(i, j) for i in range(3) for j in range(7)]
        found = [sum(rows[f"wlc{i}{j}"] * x**i * y**j for i, j in terms) for y in heights]
    else:
        found = [sum(rows[f"tc{c}_{k:02d}"] * y**k for k in range(6)) for c in range(3) for y in heights]
    return [round(float(value), 5) for value in np.ravel(found)]


def told(place: Path) -> dict[str, Any]:
    """What musered has made: products, the rows of its database, and the columns of its quality control."""
    products = {str(path.relative_to(place)): product(path) for path in sorted(place.glob("reduced/*/*/*.fits"))}
    solved = {name: solutions(place / name) for name in products if Path(name).name.startswith(tuple(NEAR))}
    database = sqlite3.connect(place / "musered.db")
    kept = f"SELECT {', '.join(COLUMNS)} FROM reduced_0_1 ORDER BY recipe_name, name, DPR_TYPE"
    rows = [list(row) for row in database.execute(kept)]
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'qc_%' ORDER BY name"
    quality = {
        name: [column for _, column, *_ in database.execute(f'PRAGMA table_info("{name}")')]
        for (name,) in database.execute(names).fetchall()
    }
    database.close()
    return {"products": products, "solutions": solved, "rows": rows, "quality": quality}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """Our plug-ins, one library for each recipe."""
    if missing := missing_for_build():
        pytest.skip(missing)
    return build(tmp_path_factory.mktemp("plugins"))


@pytest.fixture(scope="module")
def reduced(client_night, plugins, tmp_path_factory):
    """The directory in which musered has reduced the night; it runs once."""
    python = client_python("musered", *PACKAGES, f"{SOURCE}@{COMMIT}")
    place = tmp_path_factory.mktemp("musered") / "place"
    environment = os.environ | {"MUSEDEEP_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    try:
        reduce(place, client_night, plugins, python, environment)
    except RuntimeError as error:
        pytest.fail(f"{error}\n{(place / 'log').read_text()[-3000:]}")
    return place


@pytest.fixture(scope="module")
def ours(reduced):
    """What musered made with our plug-ins."""
    return told(reduced)


@pytest.fixture(scope="module")
def expected():
    """What musered made with the plug-ins of the ESO pipeline."""
    return json.loads(lzma.decompress(EXPECTED.read_bytes()))


def is_further(name: str) -> bool:
    """Whether a product is made after the combined cube: what is expected does not have it."""
    return "/scipost_cube/" in name or "/deep-field_mpdaf/" in name


def test_the_same_products(ours, expected):
    assert [name for name in ours["products"] if not is_further(name)] == list(expected["products"])
    for name, wanted in expected["products"].items():
        found = ours["products"][name]
        assert found["catg"] == wanted["catg"], name
        # numbers of rows, and grids that fit the rows, may differ
        assert [one[:2] + one[3:] for one in form(found)] == [one[:2] + one[3:] for one in form(wanted)], name
        assert set(wanted["keywords"]) <= set(found["keywords"]), name


def test_cubes_on_one_grid_are_combined_by_mpdaf(ours):
    further = [name for name in ours["products"] if is_further(name)]
    assert sum(Path(name).name == "DATACUBE_FINAL.fits" for name in further) == 3
    assert "reduced/exp_combine/deep-field_mpdaf/DATACUBE_FINAL_deep-field.fits" in further


def test_the_same_rows_in_the_database(ours, expected):
    made_later = ("muse_scipost_make_cube", "mpdaf_combine")
    assert [row for row in ours["rows"] if row[0] not in made_later] == expected["rows"]
    for table, columns in expected["quality"].items():
        assert set(columns) <= set(ours["quality"][table]), table


def test_the_same_values(ours, expected):
    wrong = []
    for name, wanted in expected["products"].items():
        limit = next((limit for part, limit in LIMITS.items() if part in name), LIMIT)
        for piece, change in deviations(ours["products"][name], wanted).items():
            if change > limit:
                wrong.append(f"{name} {piece}: {change:.2g}, at most {limit}")
    assert not wrong


def test_the_same_solutions(ours, expected):
    """Wavelengths of arc lines, and traces of slices."""
    assert set(ours["solutions"]) == set(expected["solutions"]) and expected["solutions"]
    for name, wanted in expected["solutions"].items():
        limit = next(limit for tag, limit in NEAR.items() if tag in Path(name).name)
        np.testing.assert_allclose(ours["solutions"][name], wanted, rtol=0, atol=limit, err_msg=name)


def test_nothing_is_left_in_the_way(reduced):
    """No temporary directory, and no store beside the FITS files."""
    assert not list((reduced / "tmp").iterdir())
    assert not list(reduced.rglob("*.zarr")) and not list(reduced.rglob(".esorex-*"))


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(told(Path(sys.argv[1])), indent=0))
