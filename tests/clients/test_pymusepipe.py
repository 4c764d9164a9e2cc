"""pymusepipe, unmodified, reduces a night through us as it does through the real esorex.

What the real pipeline gives is kept in pymusepipe_expected.json.xz: it takes half an hour. To make it anew, after a
change of the simulation: the same driver, with the real esorex in PATH behind `real_esorex` and a likwid-pin, then
`python -m tests.clients.product_trees PLACE/data/Deep OUT.json`, and `xz OUT.json`.
"""

import json
import lzma
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

from tests.clients import product_trees, pymusepipe_night
from tests.makers.client_environments import client_python

pytestmark = pytest.mark.clients

PACKAGES = ("pymusepipe==2.30.1", "mpdaf==3.6", "fitsio==1.4.2")
EXPECTED = Path(__file__).with_name("pymusepipe_expected.json.xz")
HOURS = 2

OFFSETS = [[0.0, 0.0], [0.6855, 0.0863], [0.1355, -0.0104]]
"""Those that the real pipeline finds, arcsec."""

NOT_WRITTEN = {
    "EXTEND",
    # of the sources of an exposure, where it takes noise for some, and of an offset of 0
    *(f"ESO QC SCIPOST {one}# {axis}" for one in ("FWHM", "POS") for axis in "XY"),
    *(f"ESO DRS MUSE OFFSET# {one}" for one in ("DATE-OBS", "DRA", "DDEC")),
}
"""Keywords that only the real pipeline writes."""

OTHER_FORMS = ("ARC_RESAMPLED", "Combined/Pipe_products/PIXTABLE_COMBINED")
"""Not compared: the former has a layout of its own, the latter is of one exposure, where only ours has the weights."""


@dataclass(frozen=True)
class Limit:
    """What products of a category may differ by.

    Attributes
    ----------
    values : differences of quantiles, in units of their spread
    rows : relative difference of the numbers of rows
    free : pattern of extensions and columns whose values may be anything
    """

    values: float = 0.05
    rows: float = 1e-4
    free: str = "^$"


LIMIT = Limit()
LIMITS = {
    # what MPDAF makes of the cubes
    "": Limit(0.4),
    # profiles of the star that converge, and a model of the absorption instead of bridges: docs/validation
    "STD_FLUXES": Limit(0.15, free="STAT"),
    "STD_RESPONSE": Limit(0.15, 0.01),
    "STD_TELLURIC": Limit(0.25, 3.0),
    # fluxes that follow from them; lines are fitted, and the continuum is corrected for the choice of dark spaxels
    **dict.fromkeys(("SKY_IMAGE", "SKY_SPECTRUM", "SKY_CONTINUUM"), Limit(0.5, 1e-3)),
    "SKY_LINES": Limit(0.5, free="group"),
    **dict.fromkeys(("DATACUBE_FINAL", "IMAGE_FOV", "PREVIEW_FOV"), Limit(0.4)),
    # the reference cuts the spectrum of the flats to the wavelengths asked for
    **dict.fromkeys(("PIXTABLE_REDUCED", "PIXTABLE_COMBINED"), Limit(0.4, free="PIXTABLE_FLAT_FIELD")),
    # one faint source more or less
    "SOURCE_LIST": Limit(0.5, 0.2, free="Id|Roundness|Sharpness"),
    # all iterations, and those before the last
    "WAVECAL_RESIDUALS": Limit(0.5, 1.5, free="iteration|rejlimit"),
    # the same wavelengths and edges from other coefficients
    "WAVECAL_TABLE": Limit(free=r"wlc|MSE"),
    "TRACE_TABLE": Limit(free=r"tc\d_0[2-5]|MSE"),
}
"""By category; LIMIT for the others."""


@pytest.fixture(scope="module")
def reduced(client_night, client_environment, tmp_path_factory):
    """The tree that pymusepipe makes, data/Deep; it runs once."""
    python = client_python("pymusepipe", *PACKAGES)
    place = tmp_path_factory.mktemp("pymusepipe") / "place"
    command = [str(python), pymusepipe_night.__file__, str(place), str(client_night)]
    log = place.with_name("log")
    with log.open("w") as stream:
        done = subprocess.run(
            command, env=client_environment, stdout=stream, stderr=stream, check=False, timeout=HOURS * 3600
        )
    assert done.returncode == 0, log.read_text()[-3000:]
    return place / "data" / pymusepipe_night.TARGET


@pytest.fixture(scope="module")
def ours(reduced):
    """What the tree holds."""
    return product_trees.tree(reduced)


@pytest.fixture(scope="module")
def expected():
    """What the tree of the real pipeline holds."""
    return json.loads(lzma.decompress(EXPECTED.read_bytes()))


def messages(place: Path) -> list[str]:
    """What commands wrote on standard error: pymusepipe's own comments, and the commands themselves, left out."""
    found: list[str] = []
    for path in place.glob("*/Log/*.log.err"):
        lines = path.read_text().splitlines()
        found += [line for line in lines if line.strip() and not re.match(r"# At|\s*(mv|cp) |likwid-pin ", line)]
    return found


def test_all_calls_succeed(reduced):
    """pymusepipe looks at no exit status: a recipe that fails shows here alone."""
    said = messages(reduced)
    assert not [line for line in said if "[ ERROR ]" in line or "Traceback" in line]
    # the pixel tables of IFUs that the night does not have; nothing else is missing
    missing = [line for line in said if "cannot stat" in line]
    assert len(missing) == 22 * 5 and all(re.search(r"-(0[3-9]|1\d|2[0-4])\.fits'", line) for line in missing)
    logs = list(reduced.glob("*/Esorex_log/*.log"))
    assert len(logs) == 15 and all(re.search(r"[1-9]\d* products? created", path.read_text()) for path in logs)


def test_tree(ours, expected):
    """The same directories and files, of products and of pymusepipe itself."""
    assert ours["directories"] == expected["directories"]
    files, theirs = set(ours["files"]), set(expected["files"])
    assert theirs - files == {"OB001/Pipe_products/ARC_RESAMPLED_0001.fits"}
    own = {f"OB001/Pipe_products/ARC_RESAMPLED_0001-0{ifu}.fits" for ifu in (1, 2)}
    assert files - theirs == own | {"OB001/Pipe_products/SKY_CONTINUUM_0001.fits"}


def test_tables(reduced, ours, expected):
    """pymusepipe's tables of exposures: the same rows."""
    tables = [name for name in expected["products"] if "/Astro_tables/" in name]
    assert len(tables) > 10
    for name in tables:
        assert ours["products"][name] == expected["products"][name], name
    assert len(Table.read(reduced / "OB001" / "Astro_tables" / "PRO_object_list_table.fits")) == 3


def compared(expected: dict[str, Any]) -> list[str]:
    """Products that are held against each other."""
    return [name for name in expected["products"] if not any(other in name for other in OTHER_FORMS)]


def test_forms(ours, expected):
    """Categories, extensions, columns, units and keywords of every product."""
    wrong: list[str] = []
    for name in compared(expected):
        mine, theirs = ours["products"][name], expected["products"][name]
        if mine["catg"] != theirs["catg"] or product_trees.form(mine) != product_trees.form(theirs):
            wrong.append(f"{name}: {product_trees.form(mine)}, expected {product_trees.form(theirs)}")
        for place in ("keywords", "extension keywords"):
            missing = set(theirs[place]) - set(mine[place]) - NOT_WRITTEN
            wrong += [f"{name}: no {', '.join(sorted(missing))} ({place})"] if missing else []
    assert not wrong, "\n".join(wrong)


def test_values(ours, expected):
    """Quantiles of the values of all extensions and columns, and numbers of rows."""
    wrong: list[str] = []
    for name in compared(expected):
        mine, theirs = ours["products"][name], expected["products"][name]
        limit = LIMITS.get(theirs["catg"] or "", LIMIT)
        rows = product_trees.rows_of(mine)
        for place, number in product_trees.rows_of(theirs).items():
            if abs(rows[place] - number) > limit.rows * number and not re.search(limit.free, place):
                wrong.append(f"{name} {place}: {rows[place]} rows, expected {number}")
        for place, value in product_trees.deviations(mine, theirs).items():
            if value > limit.values and not re.search(limit.free, place):
                wrong.append(f"{name} {place}: {value:.2g}, limit {limit.values}")
    assert not wrong, "\n".join(wrong)


def test_offsets(reduced):
    """The offsets that muse_exp_align finds, arcsec."""
    found = Table.read(reduced / "OB001" / "Object" / "OFFSET_LIST_Cousins_R_OBJECT_OB001_ALL.fits")
    offsets = np.transpose([found["RA_OFFSET"], found["DEC_OFFSET"]]) * 3600.0
    assert np.abs(offsets - OFFSETS).max() < 0.05
