import numpy as np
import pytest

from musedeep.storage.pixel_tables import open_tables
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.pixel_tables.open_tables import OpenTables
from tests.makers.pixel_tables import write_exposure


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    place = tmp_path_factory.mktemp("tables")
    paths = [place / f"{k}.fits" for k in range(4)]
    for k, path in enumerate(paths):
        write_exposure(path, ifus=(12,), wavelength=(7000.0, 7003.0), seed=k)
    return [(str(path),) for path in paths]


def test_tables_used_longest_ago_stay_without_their_headers(files, monkeypatch):
    monkeypatch.setattr(open_tables, "OPEN_TABLES", 2)
    tables = OpenTables()
    opened = [tables.get(key) for key in files]
    assert [table._facts is None for table in opened] == [True, True, False, False]
    for key, table in zip(files, opened, strict=True):
        again = tables.get(key, table.identity)
        assert again is table
        assert again.facts["DATE-OBS"] == open_pixel_table(key[0]).facts["DATE-OBS"]
        assert again.read(np.array([[0, 9]]), ("data",))["data"].size == 9


def test_of_others_few_stay(files, monkeypatch):
    """As stores, whose checksums take memory."""
    monkeypatch.setattr(open_tables, "OPEN_TABLES", 2)
    tables = OpenTables()
    opened = [open_pixel_table(key[0]) for key in files]
    for key, table in zip(files, opened, strict=True):
        table.light = False
        tables.keep(key, table)
    assert [tables.get(key) is table for key, table in zip(files[2:], opened[2:], strict=True)] == [True, True]
    assert tables.get(files[0]) is not opened[0]


def test_no_more_stay_than_that(files, monkeypatch):
    monkeypatch.setattr(open_tables, "OPEN_TABLES", 1)
    monkeypatch.setattr(open_tables, "LIGHT_TABLES", 2)
    tables = OpenTables()
    opened = [tables.get(key) for key in files]
    assert tables.get(files[3]) is opened[3]
    assert tables.get(files[1]) is opened[1]
    assert tables.get(files[0]) is not opened[0]
    tables.forget()
    assert tables.get(files[3]) is not opened[3]
