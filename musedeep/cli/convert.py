"""`musedeep ingest` and `musedeep export`: FITS pixel tables to stores and back."""

import time
from collections.abc import Sequence
from pathlib import Path

from musedeep.cli.progress import TerminalProgress, shown
from musedeep.cli.report import size_on_disk
from musedeep.cli.text import duration, size_text
from musedeep.errors import MusedeepError
from musedeep.processors import available_processors
from musedeep.storage.stores.location import location


def ingest_files(paths: Sequence[Path], store: str, workers: int | None, overwrite: bool) -> None:
    """Make a store of the pixel tables of one exposure."""
    target = location(store)
    missing = next((p for p in paths if not p.exists()), None)
    if missing is not None:
        raise MusedeepError(f"{missing}: no such file; give the FITS pixel tables of one exposure, then the store")
    from musedeep.storage.pixel_tables.ingest import ingest

    began = time.monotonic()
    with shown(_nothing) as progress:
        ingest(paths, target, workers=workers or available_processors(), overwrite=overwrite, progress=progress)
    before, after = sum(p.stat().st_size for p in paths), size_on_disk(target)
    print(f"{target}: {size_text(after)}, from {size_text(before)}, in {duration(time.monotonic() - began)}")


def export_store(store: str, file: Path, workers: int | None, overwrite: bool) -> None:
    """Make a FITS pixel table of a store."""
    source = location(store)
    if isinstance(source, Path) and not source.is_dir():
        raise MusedeepError(f"{store}: no such store; `musedeep ingest` makes one")
    from musedeep.storage.pixel_tables.ingest import export

    began = time.monotonic()
    with shown(_nothing) as progress:
        export(source, file, workers=workers or available_processors(), overwrite=overwrite, progress=progress)
    print(f"{file}: {size_text(size_on_disk(file))}, in {duration(time.monotonic() - began)}")


def _nothing(progress: TerminalProgress) -> str:
    """What an interrupted conversion leaves."""
    return "nothing was written, start again"
