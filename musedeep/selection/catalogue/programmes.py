"""Programme tables (CSV or YAML): investigator, title, abstract, day of release, service or visitor mode, last day."""

import csv
from pathlib import Path
from typing import Any, Final

from musedeep.errors import MusedeepError, nearest
from musedeep.selection.dates import mjd_of
from musedeep.storage.yaml_file import read_mapping

KEYS: Final = ("run", "pi", "title", "abstract", "release_date", "observing_mode", "completed")
ALSO: Final = {
    "prog_id": "run", "prog id": "run", "programme": "run", "program": "run", "prog. id": "run",
    "pi_coi": "pi", "pi/coi": "pi", "principal investigator": "pi", "release": "release_date",
    "obs_mode": "observing_mode", "mode": "observing_mode",
}  # fmt: skip
"""Other names of columns."""
MODES: Final = {"SM": "SM", "SERVICE": "SM", "S": "SM", "VM": "VM", "VISITOR": "VM", "V": "VM", "": ""}


def read_programmes(path: Path) -> list[dict[str, str]]:
    """Programmes of a table, each with the keys of `KEYS`.

    A YAML file has the key `programmes`, a list of mappings. A programme without the letter of a run, as 094.A-0115,
    stands for all its runs. Raises MusedeepError for an unreadable file, unknown columns, a row without run, a date
    that is none.
    """
    rows = _yaml(path) if path.suffix.lower() in (".yaml", ".yml") else _csv(path)
    found = []
    for where, row in rows:
        one = dict.fromkeys(KEYS, "")
        for key, value in row.items():
            name = ALSO.get(key.strip().lower(), key.strip().lower())
            if name not in KEYS:
                near = nearest(key, [*KEYS, *ALSO])
                hint = f"did you mean {near}?" if near else f"known are {', '.join(KEYS)}"
                raise MusedeepError(f"{path}: unknown column '{key}'; {hint}")
            one[name] = str(value or "").strip()
        if not one["run"]:
            raise MusedeepError(f"{path}: {where}: no run; give one, as 094.A-0115(A)")
        for key in ("release_date", "completed"):
            if one[key] and mjd_of(one[key]) != mjd_of(one[key]):
                raise MusedeepError(f"{path}: {where}: {key} is {one[key]}; give a date as 2026-11-28")
        mode = MODES.get(one["observing_mode"].upper())
        if mode is None:
            raise MusedeepError(f"{path}: {where}: observing_mode is {one['observing_mode']}; give SM or VM")
        found.append(one | {"observing_mode": mode})
    return found


def _csv(path: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [(f"line {reader.line_num}", row) for row in reader]
            names = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise MusedeepError(f"{path}: cannot be read as CSV in UTF-8 ({said}); correct it") from None
    if not names:
        raise MusedeepError(f"{path}: empty; a programme table has the columns {', '.join(KEYS)}")
    for where, row in rows:
        if None in row or None in row.values():
            raise MusedeepError(f"{path}: {where}: not as many cells as the first line has; correct it")
    return rows


def _yaml(path: Path) -> list[tuple[str, dict[str, Any]]]:
    content = read_mapping(path, "programme table", ["programmes"])
    rows = content.get("programmes")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MusedeepError(f"{path}: a programme table has the key 'programmes', a list of mappings")
    return [(f"programme {number}", row) for number, row in enumerate(rows, 1)]
