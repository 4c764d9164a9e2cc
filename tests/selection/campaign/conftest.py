"""The real database of a reduction of several nights, for tests of sets and masters."""

import sqlite3
from contextlib import closing

import pytest

from musedeep.selection.catalogue.archive_table import read_table
from musedeep.selection.catalogue.exposure import Exposure
from tests.selection.catalogue.test_archive_table import MUSERED, REAL


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The real rows, and a question to the real database."""
    if not REAL.exists():
        pytest.skip("the real database is not there")
    path = tmp_path_factory.mktemp("map") / "map.yaml"
    path.write_text(MUSERED)
    exposures = [one for one in read_table(REAL, path) if isinstance(one, Exposure)]
    with closing(sqlite3.connect(f"file:{REAL}?mode=ro&immutable=1", uri=True)) as database:
        database.row_factory = sqlite3.Row
        yield exposures, lambda text: [dict(row) for row in database.execute(text)]
