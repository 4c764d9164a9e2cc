"""Making a pixel-table store, on disk or in object storage; it appears when it is whole, or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musedeep.errors import MusedeepError
from musedeep.storage.outputs import check_space, partial_name, refuse_existing, replace_directory, write_error
from musedeep.storage.stores import object_storage
from musedeep.storage.stores.checked_store import METADATA, RecordedStore
from musedeep.storage.stores.location import Location, StoreUrl


def refuse_existing_store(store: Location, overwrite: bool) -> None:
    """Raise MusedeepError if there is something at the location that may not be replaced, or it cannot be written."""
    if isinstance(store, Path):
        refuse_existing(store, overwrite)
    elif object_storage.exists(store):
        if not overwrite:
            raise MusedeepError(f"{store}: exists already; give another name, or --overwrite to replace it")
        if not _is_zarr(store):
            raise MusedeepError(f"{store}: is no store, and is not replaced; give another name")


def _is_zarr(store: StoreUrl) -> bool:
    files, path = object_storage.file_system(store.url)
    return bool(files.exists(f"{path}/{METADATA}"))


@contextmanager
def new_store(store: Location, overwrite: bool, need: int) -> Iterator[RecordedStore]:
    """A zarr store to fill, of about `need` bytes. It is at its location when the block ends without an error.

    On disk a former store is replaced in the end; in object storage, which cannot rename, it is removed before.

    Raises
    ------
    MusedeepError
        The store exists; no space; it cannot be written.
    """
    refuse_existing_store(store, overwrite)
    if isinstance(store, StoreUrl):
        object_storage.remove(store)
        target = RecordedStore(store)
        try:
            yield target
            target.finish()
        except BaseException:
            _remove_quietly(store)
            raise
        return
    check_space(store, need)
    partial = partial_name(store)
    try:
        target = RecordedStore(partial)
        yield target
        target.finish()
        replace_directory(partial, store)
    except OSError as error:
        raise write_error(store, error, need) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _remove_quietly(store: StoreUrl) -> None:
    """Remove an unfinished store; an error leaves one without checksums, which is no store."""
    try:
        object_storage.remove(store)
    except MusedeepError:
        pass
