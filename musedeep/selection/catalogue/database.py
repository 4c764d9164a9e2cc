"""The database of a catalogue: SQLite in a file by default, any other that SQLAlchemy opens by its URL.

What is added again changes nothing. Facts of headers replace those of tables; what a source does not know stays as
another one has said it. An exposure that two files show with different content is not taken a second time: which of
them is right has to be decided by a person.
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Connection, Engine, Table, create_engine, delete, func, insert, inspect, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, SQLAlchemyError

from musedeep.errors import MusedeepError, reason
from musedeep.selection.catalogue import tables
from musedeep.selection.catalogue.exposure import FIELDS, Exposure, is_number, unknown
from musedeep.selection.catalogue.headers import FileFacts, Product
from musedeep.selection.catalogue.night_log import NightLog
from musedeep.selection.dates import mjd_of, night_of

SAME: Final = ("tag", "mode", "exposure_time", "ob_id", "run")
"""Facts in which two files of one exposure agree; the others may have been corrected by the archive."""
AT_ONCE: Final = 500
"""Keys in one question: SQLite takes a limited number of values."""
PATIENCE: Final = 10
"""Seconds to wait for another process that writes."""

Row = dict[str, Any]


class Catalogue:
    """A database of exposures, products, night logs and programmes.

    Use it as a context, or `close` it. Raises MusedeepError for a database that cannot be opened, is locked or not
    writable, holds other tables, or was made by a newer version.
    """

    def __init__(self, engine: Engine, place: str) -> None:
        self._engine, self.place = engine, place

    @classmethod
    def open(cls, place: str | Path, create: bool = False) -> Self:
        """Open a catalogue: path of a SQLite file, or URL of a database; made if wanted and not there."""
        given = str(place)
        is_file = "://" not in given
        if is_file and not create and not os.path.exists(given):
            raise MusedeepError(f"{given}: no such catalogue; `musedeep catalogue add` makes one")
        if is_file and not Path(given).absolute().parent.is_dir():
            raise MusedeepError(f"{given}: its directory does not exist; create it first")
        try:
            url = make_url(f"sqlite:///{os.path.abspath(given)}" if is_file else given)
            # a URL may hold a password
            shown = given if is_file else url.render_as_string(hide_password=True)
            sqlite = url.get_backend_name() == "sqlite"
            engine = create_engine(url, connect_args={"timeout": PATIENCE} if sqlite else {})
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise MusedeepError(
                f"{given.partition('://')[0]}://...: no database that can be opened ({reason(error)}); "
                "give the path of a file, or a URL as SQLAlchemy knows them"
            ) from None
        found = cls(engine, shown)
        found._check(create)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back connections."""
        self._engine.dispose()

    def _check(self, create: bool) -> None:
        with self._transaction() as connection:
            names = set(inspect(connection).get_table_names())
            if tables.VERSIONS.name in names:
                version = connection.execute(select(tables.VERSIONS.c.version)).scalar()
                if version != tables.VERSION:
                    raise MusedeepError(
                        f"{self.place}: a catalogue of version {version}, this is musedeep for version "
                        f"{tables.VERSION}; use the musedeep that made it, or make another catalogue"
                    )
            elif names & set(tables.METADATA.tables) or (names and not create):
                raise MusedeepError(f"{self.place}: a database with other tables, no catalogue; give another one")
            elif create:
                tables.METADATA.create_all(connection)
                connection.execute(insert(tables.VERSIONS).values(version=tables.VERSION))
            else:
                raise MusedeepError(f"{self.place}: an empty database; `musedeep catalogue add` makes a catalogue")

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Changes that are made all or not at all."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except DatabaseError as error:
            said = reason(error.orig) if error.orig is not None else reason(error)
            if "locked" in said:
                raise MusedeepError(
                    f"{self.place}: another process writes into it; try again when it is done"
                ) from None
            if "disk is full" in said or "No space left" in said:
                raise MusedeepError(f"{self.place}: disk full; free some space and start again") from None
            if "readonly" in said or "read-only" in said or "unable to open" in said:
                raise MusedeepError(
                    f"{self.place}: cannot be written ({said}); check its rights and the disk"
                ) from None
            raise MusedeepError(f"{self.place}: {said}; check the database") from None
        except SQLAlchemyError as error:
            raise MusedeepError(f"{self.place}: {reason(error)}; check the database") from None

    def add_exposures(self, exposures: Sequence[Exposure], from_headers: bool = False) -> "Added":
        """Add exposures that tables or headers tell of."""
        added, _ = self._put_exposures(exposures, from_headers)
        return added

    def _put_exposures(self, exposures: Sequence[Exposure], from_headers: bool) -> tuple["Added", dict[str, str]]:
        """Also which exposures are not taken, by name, and why."""
        rows = {}
        for one in exposures:
            row = {key: None if unknown(value) else value for key, value in asdict(one).items()}
            rows[one.name] = row | {"night": night_of(one.mjd) or None, "headers": int(from_headers)}
        with self._transaction() as connection:
            there = self._rows(connection, tables.EXPOSURES, "name", list(rows))
            new = [row for name, row in rows.items() if name not in there]
            changed, problems = [], dict[str, str]()
            for name, old in there.items():
                row = rows[name]
                differ = next((key for key in SAME if _differ(old[key], row[key])), None)
                if differ and from_headers and old["headers"]:
                    problems[name] = f"{differ} of {name} is {row[differ]} here, and {old[differ]} in the catalogue"
                    continue
                first, second = (old, row) if from_headers or not old["headers"] else (row, old)
                merged = first | {key: value for key, value in second.items() if value is not None}
                merged["headers"] = max(old["headers"], row["headers"])
                if merged != old:
                    changed.append(merged)
            _insert(connection, tables.EXPOSURES, new)
            for row in changed:
                connection.execute(update(tables.EXPOSURES).where(tables.EXPOSURES.c.name == row["name"]).values(row))
        same = len(there) - len(changed) - len(problems)
        return Added(len(new), len(changed), same, problems=tuple(problems.values())), problems

    def add_files(self, files: Sequence[FileFacts]) -> "Added":
        """Add what headers of files say: exposures and products; other files are counted as foreign."""
        raws = [(one, one.content) for one in files if isinstance(one.content, Exposure)]
        unique: dict[str, Exposure] = {}
        clashes = []
        for file, exposure in raws:
            first = unique.setdefault(exposure.name, exposure)
            if differ := next(
                (k for k in SAME if _differ(getattr(first, k) or None, getattr(exposure, k) or None)), None
            ):
                clashes.append(
                    f"{file.path}: {differ} of {exposure.name} is {getattr(exposure, differ)} here, "
                    f"and {getattr(first, differ)} in another file; remove the wrong one"
                )
        added, problems = self._put_exposures(list(unique.values()), from_headers=True)
        clashes += [
            f"{file.path}: {problems[exposure.name]}; remove the wrong one"
            for file, exposure in raws
            if exposure.name in problems
        ]
        with self._transaction() as connection:
            good = [(file, one) for file, one in raws if not any(c.startswith(f"{file.path}:") for c in clashes)]
            self._replace_files(connection, [(file.path, one.name, float(file.size)) for file, one in good])
            products = [one.content for one in files if isinstance(one.content, Product)]
            new, changed = self._add_products(connection, products)
        foreign = [f"{one.path}: {one.content}" for one in files if isinstance(one.content, str)]
        return Added(
            new=added.new,
            changed=added.changed,
            same=added.same,
            products=new + changed,
            problems=tuple(clashes),
            foreign=tuple(foreign),
        )

    def _replace_files(self, connection: Connection, files: Sequence[tuple[str, str, float]]) -> None:
        """Paths of exposures; those of the same exposures that are no longer there are forgotten (they have moved)."""
        there = self._rows(connection, tables.FILES, "name", [name for _, name, _ in files], many=True)
        gone = [row["path"] for rows in there.values() for row in rows if not os.path.exists(row["path"])]
        for chunk in _chunks([*gone, *(path for path, _, _ in files)]):
            connection.execute(delete(tables.FILES).where(tables.FILES.c.path.in_(chunk)))
        rows = {path: {"path": path, "name": name, "bytes": size} for path, name, size in files}
        _insert(connection, tables.FILES, list(rows.values()))

    def _add_products(self, connection: Connection, products: Sequence[Product]) -> tuple[int, int]:
        rows = {}
        for one in products:
            row = {k: v or None for k, v in asdict(one).items() if k != "quality"}
            rows[one.path] = row | {"raw": " ".join(one.raw) or None}
        there = self._rows(connection, tables.PRODUCTS, "path", list(rows))
        quality = {one.path: one.quality for one in products}
        kept = {
            path for path, row in there.items() if row == rows[path] and self._same_quality(connection, path, quality)
        }
        for chunk in _chunks([path for path in there if path not in kept]):
            connection.execute(delete(tables.QUALITY).where(tables.QUALITY.c.path.in_(chunk)))
            connection.execute(delete(tables.PRODUCTS).where(tables.PRODUCTS.c.path.in_(chunk)))
        _insert(connection, tables.PRODUCTS, [row for path, row in rows.items() if path not in kept])
        _insert(
            connection,
            tables.QUALITY,
            [
                {"path": path, "hdu": hdu, "keyword": keyword}
                | ({"number": value, "text": None} if isinstance(value, float) else {"number": None, "text": value})
                for path, values in quality.items()
                if path not in kept
                for (hdu, keyword), value in {(hdu, keyword): value for hdu, keyword, value in values}.items()
            ],
        )
        return len(rows) - len(there), len(there) - len(kept)

    def _same_quality(self, connection: Connection, path: str, quality: Mapping[str, Sequence[Any]]) -> bool:
        there = connection.execute(select(tables.QUALITY).where(tables.QUALITY.c.path == path)).mappings()
        old = {(row["hdu"], row["keyword"]): row["text"] if row["number"] is None else row["number"] for row in there}
        new = {(hdu, key): None if value != value else value for hdu, key, value in quality[path]}
        return old == new

    def add_log(self, log: NightLog) -> bool:
        """Add a night log; whether it was new or said something else than before."""
        key = {"ob_id": log.ob_id, "ob_start": log.ob_start}
        facts = {k: getattr(log, k) for k in ("ob_name", "target", "run", "container", "comments", "grade")}
        night = next((night_of(mjd_of(one.name.partition(".")[2])) for one in log.files), "")
        with self._transaction() as connection:
            changed = _put(connection, tables.EXECUTIONS, [key | facts])
            changed |= _put(
                connection,
                tables.CONSTRAINTS,
                [
                    key | {"constraint_name": one.name, "fulfilled": one.fulfilled, "requested": one.requested}
                    for one in log.constraints
                ],
            )
            changed |= _put(
                connection,
                tables.LOGGED,
                [
                    key | {"name": one.name, "seeing": _known(one.seeing), "airmass": _known(one.airmass)}
                    for one in log.files
                ],
            )
            if night:
                changed |= _put(
                    connection,
                    tables.WEATHER,
                    [
                        {"night": night, "time": time, "conditions": conditions, "comment": comment}
                        for time, conditions, comment in log.weather
                    ],
                )
        return changed

    def add_programmes(self, programmes: Iterable[Mapping[str, str]]) -> int:
        """Add programmes by their run or programme (keys of `tables.PROGRAMMES`); how many were new or changed."""
        columns = [column.name for column in tables.PROGRAMMES.columns]
        with self._transaction() as connection:
            return sum(
                _put(connection, tables.PROGRAMMES, [{key: one.get(key, "") for key in columns}]) for one in programmes
            )

    def exposures(self, **wanted: str | Sequence[str]) -> list[Exposure]:
        """Exposures in the order of time, all or those whose fields have one of the values."""
        columns = [tables.EXPOSURES.c[name] for name in FIELDS]
        question = select(*columns).order_by(tables.EXPOSURES.c.mjd, tables.EXPOSURES.c.name)
        for key, value in wanted.items():
            question = question.where(tables.EXPOSURES.c[key].in_([value] if isinstance(value, str) else list(value)))
        with self._transaction() as connection:
            rows = connection.execute(question).all()
        return [_exposure(row) for row in rows]

    def rows(self, table: str, **wanted: str) -> list[Row]:
        """Rows of a table, those whose columns have the values; in the order of its keys."""
        one = tables.METADATA.tables[table]
        question = select(one).order_by(*one.primary_key.columns)
        for key, value in wanted.items():
            question = question.where(one.c[key] == value)
        with self._transaction() as connection:
            return [dict(row) for row in connection.execute(question).mappings()]

    def counts(self) -> dict[str, int]:
        """Number of rows by table."""
        with self._transaction() as connection:
            return {
                name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
                for name, table in tables.METADATA.tables.items()
                if table is not tables.VERSIONS
            }

    def _rows(
        self, connection: Connection, table: Table, key: str, values: Sequence[str], many: bool = False
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for chunk in _chunks(values):
            for row in connection.execute(select(table).where(table.c[key].in_(chunk))).mappings():
                if many:
                    found.setdefault(row[key], []).append(dict(row))
                else:
                    found[row[key]] = dict(row)
        return found


@dataclass(frozen=True)
class Added:
    """What has been added: counts; exposures with two contents, and files that do not belong there, a line for each."""

    new: int = 0
    changed: int = 0
    same: int = 0
    products: int = 0
    problems: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()

    def __add__(self, other: "Added") -> "Added":
        return Added(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]


def _insert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _put(connection: Connection, table: Table, rows: Sequence[Row]) -> bool:
    """Insert rows or replace those of the same keys; whether anything has changed."""
    keys = [column.name for column in table.primary_key.columns]
    changed = False
    for row in rows:
        there = table.select().where(*(table.c[key] == row[key] for key in keys))
        old = connection.execute(there).mappings().first()
        if old is None:
            connection.execute(insert(table).values(row))
        elif dict(old) != row:
            connection.execute(update(table).where(*(table.c[key] == row[key] for key in keys)).values(row))
        changed |= old is None or dict(old) != row
    return changed


def _differ(first: Any, second: Any) -> bool:
    """Whether two facts are known and not the same."""
    if unknown(first) or unknown(second):
        return False
    if isinstance(first, float) and isinstance(second, float):
        return not math.isclose(first, second, rel_tol=1e-6)
    return bool(first != second)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


_NONE: Final = tuple(math.nan if is_number(name) else "" for name in FIELDS)


def _exposure(row: Sequence[Any]) -> Exposure:
    """An exposure from the columns of its fields."""
    values: list[Any] = [none if value is None else value for value, none in zip(row, _NONE, strict=True)]
    return Exposure(*values)
