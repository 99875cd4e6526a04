"""Writes many rows at once by the quickest way that each database has; takes a `Session`, never commits.

SQLite: the driver's `executemany`. PostgreSQL: COPY, into the table itself while every row is new, else into a
temporary table and with one INSERT out of it that merges; in the order of a unique column either way, so that no two
writers deadlock. SQLAlchemy compiles a statement once and is not asked again for each row, which took most of the time.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Dialect,
    Table,
    any_,
    column,
    func,
    literal,
    select,
    table,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from recorder.columns import UtcDateTime, UuidKey

Insert = postgresql.Insert | sqlite.Insert
Row = Mapping[str, Any]
COPY_FROM: Final = 50
"""Rows from which a temporary table pays."""
_FEW: Final = 500
_COUNTED: Final = {"preserve_rowcount": True}


@dataclass(frozen=True)
class BulkInsert:
    """An INSERT of these columns of one table, which may say ON CONFLICT. Build it once for each database and keep it.

    `order_by` is the unique column that the statement is about.
    """

    statement: Insert
    named: frozenset[str]
    order_by: str

    def run(self, db: Session, rows: Sequence[Row], *, are_new: bool = False) -> int:
        """Write the rows; how many were inserted or changed. Raises SQLAlchemy's errors, whichever way they went.

        `are_new`: as far as the caller can tell none of them is there, so it is worth trying not to merge.
        """
        if not rows:
            return 0
        connection = db.connection()
        if connection.dialect.name == "sqlite":
            values = self._values(rows, connection.dialect)
            return connection.exec_driver_sql(self._for_sqlite, values, execution_options=_COUNTED).rowcount
        if len(rows) < COPY_FROM:
            ordered = [dict(row) for row in self._in_order(rows)]
            done = db.execute(self.statement, ordered, execution_options=_COUNTED)
            return cast("CursorResult[Any]", done).rowcount
        if are_new and self._copy_new(connection, self._values(self._in_order(rows), connection.dialect)):
            return len(rows)
        return self._copy_and_merge(connection, self._values(rows, connection.dialect))

    def _in_order(self, rows: Sequence[Row]) -> list[Row]:
        """By the unique column; UUIDs as integers, which are in the same order and compared twenty times faster."""

        def place(row: Row) -> Any:
            value = row[self.order_by]
            return value.int if isinstance(value, UUID) else value

        return sorted(rows, key=place)

    @cached_property
    def _target(self) -> Table:
        return cast(Table, self.statement.table)

    @cached_property
    def _columns(self) -> list[str]:
        """In the table's order, which is the one that SQLAlchemy writes them in."""
        return [one.name for one in self._target.columns if one.name in self.named]

    @cached_property
    def _for_sqlite(self) -> str:
        return str(self.statement.compile(dialect=sqlite.dialect(), column_keys=self._columns))

    @cached_property
    def _incoming(self) -> str:
        return f"incoming_{self._target.name}"

    @cached_property
    def _from_incoming(self) -> Insert:
        came = table(self._incoming, *(column(name) for name in self._columns))
        return self.statement.from_select(self._columns, select(came).order_by(came.c[self.order_by]))

    def _values(self, rows: Sequence[Row], dialect: Dialect) -> list[tuple[Any, ...]]:
        """The rows as the driver takes them: our own types say how, everything else goes as it is."""
        by_column = zip(*map(itemgetter(*self._columns), rows), strict=True)
        types = [self._target.c[name].type for name in self._columns]
        bound = [_bound(kind, values, dialect) for kind, values in zip(types, by_column, strict=True)]
        return list(zip(*bound, strict=True))

    def _copy_new(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> bool:
        """Copy into the table itself; False, with nothing changed, when a row is there after all."""
        try:
            with connection.begin_nested():
                self._copy(connection, self._target.name, rows)
        except IntegrityError:
            return False
        return True

    def _copy_and_merge(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
        empty = f"SELECT {self._names} FROM {self._target.name} WITH NO DATA"  # noqa: S608 - names of our own tables
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {self._incoming} ON COMMIT DROP AS {empty}")
        self._copy(connection, self._incoming, rows)
        written = connection.execute(self._from_incoming, execution_options=_COUNTED).rowcount
        connection.exec_driver_sql(f"DROP TABLE {self._incoming}")
        return written

    def _copy(self, connection: Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        driver: Any = connection.connection.driver_connection
        with (
            _errors_of(connection),
            driver.cursor() as cursor,
            cursor.copy(f"COPY {table} ({self._names}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    @cached_property
    def _names(self) -> str:
        return ", ".join(self._columns)


@dataclass(frozen=True)
class BulkSelect:
    """A SELECT of the rows that have one of many values in a column. Build it once and keep it.

    `wanted` are the other columns, as the driver returns them: no type of ours makes anything of their values.
    """

    key: ColumnElement[Any]
    wanted: tuple[ColumnElement[Any], ...]

    def rows(self, db: Session, values: Collection[Any]) -> Iterator[tuple[Any, ...]]:
        """Each row found: which of the values it has, and what is wanted of it."""
        connection = db.connection()
        bound = _bound(self.key.type, list(values), connection.dialect)
        named = dict(zip(bound, values, strict=True))
        for start in range(0, len(bound), _FEW):
            statement, parameters = self._spelled(connection.dialect, tuple(bound[start : start + _FEW]))
            for found, *wanted in connection.exec_driver_sql(statement, parameters).all():
                yield named[found], *wanted

    def by_key(self, db: Session, values: Collection[Any]) -> dict[Any, tuple[Any, ...]]:
        """What is wanted of each row, by its value, of a unique column."""
        return {value: tuple(wanted) for value, *wanted in self.rows(db, values)}

    def _spelled(self, dialect: Dialect, some: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        if dialect.name == "sqlite":
            return f"{self._start} IN ({', '.join('?' * len(some))})", some
        return f"{self._start} = ANY(%s)", (list(some),)

    @cached_property
    def _start(self) -> str:
        return f"{select(self.key, *self.wanted)} WHERE {self.key}"


def _bound(kind: Any, values: Sequence[Any], dialect: Dialect) -> Sequence[Any]:
    return kind.bind_column(values, dialect) if isinstance(kind, UtcDateTime | UuidKey) else values


def among(db: Session, one: ColumnElement[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether the column is one of many values: one parameter however many they are, where that is possible.

    PostgreSQL gets them as an array, SQLite gets many integers as a JSON array: it allows no more than 32,766
    parameters, and each of them is work for SQLAlchemy.
    """
    listed = list(values)
    if db.get_bind().dialect.name != "sqlite":
        return one == any_(literal(listed, postgresql.ARRAY(one.type)))
    if len(listed) <= _FEW or not isinstance(listed[0], int):
        return one.in_(listed)
    return one.in_(select(func.json_each(json.dumps(listed)).table_valued("value").c.value))


@contextmanager
def _errors_of(connection: Connection) -> Iterator[None]:
    """Give what the driver raises the classes that SQLAlchemy gives it elsewhere."""
    dialect = connection.dialect
    try:
        yield
    except dialect.loaded_dbapi.Error as error:
        gone = dialect.is_disconnect(error, cast(Any, connection.connection.driver_connection), None)
        raise DBAPIError.instance(
            None,
            None,
            error,
            dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=gone,
            dialect=dialect,
        ) from error
