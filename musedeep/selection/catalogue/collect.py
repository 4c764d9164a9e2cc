"""Adding to a catalogue: directories, files of headers, night logs, tables and programmes, as a person names them."""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from musedeep.errors import MusedeepError
from musedeep.progress import Progress
from musedeep.selection.catalogue.archive_table import DATABASES, FORMATS, read_table
from musedeep.selection.catalogue.database import Added, Catalogue
from musedeep.selection.catalogue.exposure import Exposure
from musedeep.selection.catalogue.headers import read_files
from musedeep.selection.catalogue.night_log import SUFFIX, read_night_log
from musedeep.selection.catalogue.programmes import read_programmes
from musedeep.selection.night.classify import FITS_NAME, files_below

T = TypeVar("T")

AT_ONCE: Final = 2000
"""Files or rows between two changes of the database: what has been added stays if the work is interrupted."""


def collect(
    catalogue: Catalogue,
    paths: Sequence[Path],
    progress: Progress,
    columns: Path | None = None,
    programmes: Sequence[Path] = (),
) -> Added:
    """Add what paths hold to a catalogue.

    Parameters
    ----------
    paths : FITS files, night logs and tables, or directories, of which FITS files and night logs are taken
    columns : mapping of the columns of tables (YAML); None: those of ESO's archive
    programmes : tables of programmes (CSV or YAML)

    Raises
    ------
    MusedeepError
        A path that is not there or of no known kind; a table, night log or programme table that cannot be read. Files
        of directories that do not belong there are counted, and named in the result.
    """
    programme_rows = [row for path in programmes for row in read_programmes(path)]
    given = [path for path in paths if not path.is_dir()]
    kinds = {path: kind_of(path) for path in given}
    found = [one for path in paths if path.is_dir() for one in files_below(path)]
    images = _once([*(path for path in given if kinds[path] == "fits"), *(path for path in found if _is_fits(path))])
    logs = _once([*(path for path in given if kinds[path] == "log"), *(p for p in found if p.name.endswith(SUFFIX))])
    tables = [path for path in given if kinds[path] == "table"]
    added = Added(changed=catalogue.add_programmes(programme_rows))
    for path in tables:
        added += _add_table(catalogue, path, columns, progress)
    progress.begin(len(images) + len(logs), "files")
    named = {os.path.abspath(path) for path in given}
    for batch in _batches(images):
        facts = []
        for one in read_files(batch):
            facts.append(one)
            progress.advance()
        # a file that was named has to belong there
        wrong = next((one for one in facts if isinstance(one.content, str) and one.path in named), None)
        if wrong is not None:
            raise MusedeepError(f"{wrong.path}: {wrong.content}")
        added += catalogue.add_files(facts)
    for path in logs:
        try:
            catalogue.add_log(read_night_log(path))
        except MusedeepError as error:
            if os.path.abspath(path) in named:
                raise
            added += Added(problems=(str(error),))
        progress.advance()
    progress.stop()
    return added


def _add_table(catalogue: Catalogue, path: Path, columns: Path | None, progress: Progress) -> Added:
    added = Added()
    progress.begin(0, f"rows of {path.name}")
    for batch in _batches(read_table(path, columns)):
        foreign = tuple(one for one in batch if isinstance(one, str))
        added += catalogue.add_exposures([one for one in batch if isinstance(one, Exposure)]) + Added(foreign=foreign)
        progress.advance(len(batch))
    progress.stop()
    return added


def kind_of(path: Path) -> str:
    """What a path holds that was named: directory, fits, log or table; MusedeepError for none of these."""
    if path.is_dir():
        return "directory"
    if not path.exists():
        raise MusedeepError(f"{path}: no such file or directory")
    if _is_fits(path):
        return "fits"
    if path.name.endswith(SUFFIX):
        return "log"
    if path.suffix.lower() in (*FORMATS, *DATABASES):
        return "table"
    known = f"FITS files, night logs ({SUFFIX}) and tables ({', '.join([*FORMATS, *DATABASES])})"
    raise MusedeepError(f"{path}: is none of {known}; give one of these, or a directory")


def _is_fits(path: Path) -> bool:
    return FITS_NAME.search(path.name) is not None


def _once(paths: Iterable[Path]) -> list[Path]:
    return list({os.path.realpath(path): path for path in paths}.values())


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, AT_ONCE)):
        yield batch
