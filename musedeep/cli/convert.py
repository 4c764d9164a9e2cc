"""`musedeep ingest` and `musedeep export`: FITS pixel tables to stores and back."""

import os
from collections.abc import Sequence
from pathlib import Path

from musedeep.cli.report import print_facts, size_on_disk, size_text
from musedeep.errors import MusedeepError


def ingest_files(paths: Sequence[Path], store: Path, workers: int | None, overwrite: bool) -> None:
    """Make a store of the pixel tables of one exposure."""
    missing = next((p for p in paths if not p.is_file()), None)
    if missing is not None:
        raise MusedeepError(f"{missing}: no such file; give the FITS pixel tables of one exposure, then the store")
    refuse_existing(store, overwrite)
    from musedeep.cli.progress import TerminalProgress
    from musedeep.storage.ingest import ingest

    with TerminalProgress(0) as progress:
        ingest(paths, store, workers=workers or len(os.sched_getaffinity(0)), progress=progress, overwrite=overwrite)
    before, after = sum(p.stat().st_size for p in paths), size_on_disk(store)
    print_facts(f"{store}:", [("size", f"{size_text(after)}, from {size_text(before)}")])


def export_store(store: Path, file: Path, overwrite: bool) -> None:
    """Make a FITS pixel table of a store."""
    if not store.is_dir():
        raise MusedeepError(f"{store}: no such store; `musedeep ingest` makes one")
    refuse_existing(file, overwrite)
    from musedeep.storage.ingest import export

    export(store, file, overwrite=overwrite)
    print_facts(f"{file}:", [("size", size_text(size_on_disk(file)))])


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Refuse to replace what exists unless asked to."""
    if path.exists() and not overwrite:
        raise MusedeepError(f"{path} exists; give --overwrite to replace it, or another name")
