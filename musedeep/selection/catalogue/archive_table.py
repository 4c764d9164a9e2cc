"""Exposures of a table without any file: the answer of an archive (VOTable, ECSV, CSV), or a table of a SQLite
database.

Which column is which fact is said by a mapping (YAML): names of facts (see `Exposure`) to names of columns. Without
one, the columns of ESO's archive are known. An exposure's tag follows from the columns `category`, `type` and
`technique`, as from the keywords of a header.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.table import Table

from musedeep.errors import MusedeepError, nearest
from musedeep.selection.catalogue.exposure import FIELDS, Exposure, completed, is_number
from musedeep.selection.night.classify import RAW_TAGS
from musedeep.storage.yaml_file import read_mapping

KINDS: Final = ("category", "type", "technique")
"""Of DPR CATG, DPR TYPE and DPR TECH."""
TABLE: Final = "table"
"""Key of a mapping that names the table of a database."""

ESO_ARCHIVE: Final[dict[str, str]] = {
    "name": "dp_id",
    "category": "dp_cat",
    "type": "dp_type",
    "technique": "dp_tech",
    "mode": "ins_mode",
    "date_obs": "date_obs",
    "mjd": "mjd_obs",
    "exposure_time": "exposure",
    "object": "object",
    "target": "target",
    "ra": "ra",
    "dec": "dec",
    "ob_id": "ob_id",
    "ob_name": "ob_name",
    "run": "prog_id",
    "pi": "pi_coi",
    "template": "tpl_id",
    "template_start": "tpl_start",
    "template_number": "tpl_expno",
    "template_total": "tpl_nexp",
    "airmass": "tel_airm_start",
    "seeing": "tel_ambi_fwhm_start",
    "release_date": "release_date",
}
"""Columns of the raw-data table of ESO's archive (`dbo.raw` of its TAP service)."""
NEEDED: Final = ("name", "mjd", "date_obs")
"""An exposure is told by one of these."""
FORMATS: Final = {
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".vot": "votable",
    ".xml": "votable",
    ".votable": "votable",
}
DATABASES: Final = (".sqlite", ".db")
TRUE_NAMES: Final = tuple(FIELDS) + KINDS


def read_table(path: Path, columns: Path | None = None) -> Iterator[Exposure | str]:
    """Exposures of a table, in its order; a text for each row that is none, which says why.

    Raises MusedeepError for a file that is no such table, a mapping that names what is not there, or columns without
    name and time of exposures.
    """
    mapping = dict(ESO_ARCHIVE)
    table = ""
    if columns is not None:
        given = read_mapping(columns, "mapping of columns", [*TRUE_NAMES, TABLE], as_text=True)
        for key in given:
            if key not in (*TRUE_NAMES, TABLE):
                near = nearest(key, TRUE_NAMES)
                raise MusedeepError(f"{columns}: unknown key '{key}'" + (f"; did you mean {near}?" if near else ""))
        table = given.pop(TABLE, "")
        mapping = {key: str(value) for key, value in given.items()}
    names, rows = _database(path, table) if path.suffix.lower() in DATABASES else _table(path)
    lower = {name.lower(): name for name in names}
    found = {key: lower[name.lower()] for key, name in mapping.items() if name.lower() in lower}
    lost = [name for name in mapping.values() if name.lower() not in lower]
    if columns is not None and lost:
        near = nearest(lost[0], names)
        raise MusedeepError(
            f"{path}: no column {lost[0]}, which {columns} names" + (f"; did you mean {near}?" if near else "")
        )
    if not any(key in found for key in NEEDED):
        raise MusedeepError(
            f"{path}: no column that names exposures or gives their time; say with --columns which columns these are"
        )
    for number, row in enumerate(rows, 1):
        one = _exposure({key: row[name] for key, name in found.items()})
        yield f"{path}: row {number}: {one}" if isinstance(one, str) else one


def _exposure(given: Mapping[str, Any]) -> Exposure | str:
    facts: dict[str, Any] = {}
    for key, value in given.items():
        if value is None or value is np.ma.masked or key in KINDS:
            continue
        if not is_number(key):
            facts[key] = _words(value)
            continue
        try:
            facts[key] = float(value)
        except (TypeError, ValueError):
            return f"{key} is {value}, no number"
    if "tag" not in given:
        words = [str(given.get(key) or "").strip().upper() for key in KINDS]
        facts["tag"] = RAW_TAGS.get((words[0], words[1].replace(" ", "")), "")
        if not facts["tag"] and "type" in given:
            return f"DPR CATG {words[0] or 'missing'} with DPR TYPE {words[1] or 'missing'} is no raw type of MUSE"
    return completed(facts)


def _words(value: Any) -> str:
    """A value as text: whole numbers, as of OBs, without a point."""
    if isinstance(value, float | np.floating):
        return f"{value:.0f}" if value == int(value) else str(value) if value == value else ""
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip()


def _table(path: Path) -> tuple[list[str], Iterator[Mapping[str, Any]]]:
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        known = ", ".join([*FORMATS, *DATABASES])
        raise MusedeepError(f"{path}: a table of exposures has one of the endings {known}; rename it")
    if not path.is_file():
        raise MusedeepError(f"{path}: no such table")
    try:
        table = Table.read(path, format=kind)
    except Exception as error:  # readers raise all kinds
        said = " ".join(str(error).split())[:200]
        raise MusedeepError(
            f"{path}: cannot be read as {kind.removeprefix('ascii.')} ({said}); make it again"
        ) from None
    # as columns of plain values: rows of astropy are slow
    columns = {name: table[name].tolist() for name in table.colnames}
    return table.colnames, (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _database(path: Path, table: str) -> tuple[list[str], Iterator[Mapping[str, Any]]]:
    if not path.is_file():
        raise MusedeepError(f"{path}: no such table")
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        known = [str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        if table not in known:
            which = f"no table '{table}'" if table else "a database"
            raise MusedeepError(f"{path}: {which}; name one with the key 'table' of --columns: {', '.join(known)}")
        rows = connection.execute(f'SELECT * FROM "{table}"')
        names = [str(one[0]) for one in rows.description]
        return names, (dict(zip(names, row, strict=True)) for row in rows)
    except sqlite3.Error as error:
        raise MusedeepError(f"{path}: no SQLite database that can be read ({error}); copy it again") from None
