"""A small store."""

import pytest

from musedeep.storage.pixel_tables import zarr as store_format
from musedeep.storage.pixel_tables.ingest import ingest
from tests.makers.pixel_tables import SMALL, write_exposure


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(store_format, "SHARD_ROWS", 12_000)
    write_exposure(tmp_path / "a.fits", **SMALL)
    return ingest([tmp_path / "a.fits"], tmp_path / "a.zarr", chunk_rows=4000)
