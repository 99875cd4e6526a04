"""Writes many rows at once by the quickest way that each database has; takes a connection, never commits.

SQLite: the driver's `executemany`. PostgreSQL: binary COPY, of new rows into the table itself, of others into a
temporary table and with one INSERT out of it that merges; in the order of a unique column either way, so that no two
writers deadlock. SQLAlchemy compiles a statement once and is not asked again for each row, which took most of the time.
Rows are handed over column by column, because that is how their values are bound in the fewest steps.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Table,
    any_,
    column,
    func,
    insert,
    literal,
    select,
    table,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from recorder.columns import bind_values

Insert = postgresql.Insert | sqlite.Insert
Columns = Mapping[str, Sequence[Any]]
"""Rows as columns of one length, by their names."""
COPY_FROM: Final = 50
"""Rows from which a temporary table pays."""
_FEW: Final = 500
_COUNTED: Final = {"preserve_rowcount": True}


def insert_new(connection: Connection, target: Table, columns: Columns, *, order_by: str) -> None:
    """Insert rows of which none may be there; `order_by` is a unique column.

    Raises SQLAlchemy's errors, IntegrityError when one is there after all.
    """
    if not columns[order_by]:
        return
    names = _told(target, columns)
    rows = _bound_rows(target, names, columns, connection.dialect)
    if connection.dialect.name == "sqlite":
        _execute_many(connection, _plain_insert(target, names), rows)
    else:
        _copy(connection, target.name, target, names, _in_order(rows, names.index(order_by)))


def new_keys(connection: Connection, target: Table, count: int) -> list[int]:
    """Keys for `count` rows that are about to be inserted.

    On SQLite they are free for as long as this transaction holds the right to write, on PostgreSQL for ever.
    """
    if connection.dialect.name == "sqlite":
        [(newest,)] = _fetch(connection, f"SELECT max(pk) FROM {target.name}", ())  # noqa: S608 - our own table
        return list(range((newest or 0) + 1, (newest or 0) + count + 1))
    return [pk for (pk,) in _fetch(connection, _NEXT_KEYS, (f"{target.name}_pk_seq", count))]


_NEXT_KEYS: Final = "SELECT nextval(%s::regclass) FROM generate_series(1, %s)"


@dataclass(frozen=True)
class BulkMerge:
    """An INSERT of these columns of one table that says ON CONFLICT. Build it once for each database and keep it.

    `order_by` is the unique column that the statement is about.
    """

    statement: Insert
    named: frozenset[str]
    order_by: str

    def run(self, connection: Connection, columns: Columns) -> int:
        """Write the rows; how many were inserted or changed. Raises SQLAlchemy's errors, whichever way they went."""
        count = len(columns[self.order_by])
        if not count:
            return 0
        if connection.dialect.name == "sqlite":
            values = _bound_rows(self._target, self._columns, columns, connection.dialect)
            return _execute_many(connection, self._for_sqlite, values)
        if count < COPY_FROM:
            values = list(zip(*(columns[name] for name in self._columns), strict=True))
            ordered = [dict(zip(self._columns, row, strict=True)) for row in _in_order(values, self._place)]
            return connection.execute(self.statement, ordered, execution_options=_COUNTED).rowcount
        return self._copy_and_merge(connection, _bound_rows(self._target, self._columns, columns, connection.dialect))

    @cached_property
    def _target(self) -> Table:
        return cast(Table, self.statement.table)

    @cached_property
    def _columns(self) -> tuple[str, ...]:
        """In the table's order, which is the one that SQLAlchemy writes them in."""
        return tuple(one.name for one in self._target.columns if one.name in self.named)

    @cached_property
    def _place(self) -> int:
        return self._columns.index(self.order_by)

    @cached_property
    def _for_sqlite(self) -> str:
        return str(self.statement.compile(dialect=sqlite.dialect(), column_keys=self._columns))

    @cached_property
    def _incoming(self) -> str:
        return f"incoming_{self._target.name}"

    @cached_property
    def _from_incoming(self) -> Insert:
        came = table(self._incoming, *(column(name) for name in self._columns))
        return self.statement.from_select(list(self._columns), select(came).order_by(came.c[self.order_by]))

    def _copy_and_merge(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
        empty = f"SELECT {', '.join(self._columns)} FROM {self._target.name} WITH NO DATA"  # noqa: S608 - our own names
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {self._incoming} ON COMMIT DROP AS {empty}")
        _copy(connection, self._incoming, self._target, self._columns, rows)
        written = connection.execute(self._from_incoming, execution_options=_COUNTED).rowcount
        connection.exec_driver_sql(f"DROP TABLE {self._incoming}")
        return written


def _fetch(connection: Connection, statement: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Past SQLAlchemy, which takes longer over a statement than either database over these."""
    driver: Any = connection.connection.driver_connection
    with _errors_of(connection):
        found: list[tuple[Any, ...]] = driver.execute(statement, parameters).fetchall()
    return found


def _execute_many(connection: Connection, statement: str, rows: list[tuple[Any, ...]]) -> int:
    """On SQLite; how many rows were inserted or changed."""
    return connection.exec_driver_sql(statement, rows, execution_options=_COUNTED).rowcount


def _told(target: Table, columns: Columns) -> tuple[str, ...]:
    """The columns, in the table's order, but for those that hold nothing: what is not named becomes NULL as well."""
    empty = {name for name in _nullable(target) & columns.keys() if columns[name].count(None) == len(columns[name])}
    return tuple(name for name in target.columns.keys() if name in columns and name not in empty)  # noqa: SIM118 - no dict


@cache
def _nullable(target: Table) -> frozenset[str]:
    return frozenset(one.name for one in target.columns if one.nullable)


@cache
def _plain_insert(target: Table, names: tuple[str, ...]) -> str:
    return str(insert(target).compile(dialect=sqlite.dialect(), column_keys=names))


def _bound_rows(target: Table, names: tuple[str, ...], columns: Columns, dialect: Dialect) -> list[tuple[Any, ...]]:
    """The rows as the driver takes them."""
    types = _types(target, names)
    bound = [bind_values(kind, columns[name], dialect) for kind, name in zip(types, names, strict=True)]
    return list(zip(*bound, strict=True))


@cache
def _types(target: Table, names: tuple[str, ...]) -> list[TypeEngine[Any]]:
    return [target.c[name].type for name in names]


def _in_order(rows: Sequence[tuple[Any, ...]], place: int) -> list[tuple[Any, ...]]:
    """By a unique column; UUIDs as integers, which are in the same order and compared twenty times faster."""

    def key(row: tuple[Any, ...]) -> Any:
        value = row[place]
        return value.int if isinstance(value, UUID) else value

    return sorted(rows, key=key)


def _copy(
    connection: Connection, into: str, like: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """COPY into a table whose columns have the types that those of `like` have."""
    driver: Any = connection.connection.driver_connection
    with (
        _errors_of(connection),
        driver.cursor() as cursor,
        cursor.copy(f"COPY {into} ({', '.join(names)}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types([_type_name(like, name) for name in names])
        for row in rows:
            copy.write_row(row)


@cache
def _type_name(target: Table, name: str) -> str:
    """A column's type by PostgreSQL's own name, without its precision."""
    dialect: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    spelled = target.c[name].type.compile(dialect=dialect)
    return re.sub(r"\(\d+\)", "", spelled).lower()


@dataclass(frozen=True)
class BulkSelect:
    """A SELECT of the rows that have one of many values in a column. Build it once and keep it.

    `wanted` are the other columns, as the driver returns them: no type of ours makes anything of their values.
    """

    key: ColumnElement[Any]
    wanted: tuple[ColumnElement[Any], ...]

    def rows(self, connection: Connection, values: Collection[Any]) -> Iterator[tuple[Any, ...]]:
        """Each row found: which of the values it has, and what is wanted of it."""
        bound = bind_values(self.key.type, list(values), connection.dialect)
        named: dict[Any, Any] = {}
        for start in range(0, len(bound), _FEW):
            statement, parameters = self._spelled(connection.dialect, tuple(bound[start : start + _FEW]))
            for found, *wanted in _fetch(connection, statement, parameters):
                named = named or dict(zip(bound, values, strict=True))
                yield named[found], *wanted

    def by_key(self, connection: Connection, values: Collection[Any]) -> dict[Any, tuple[Any, ...]]:
        """What is wanted of each row, by its value, of a unique column."""
        return {value: tuple(wanted) for value, *wanted in self.rows(connection, values)}

    def _spelled(self, dialect: Dialect, some: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        if dialect.name == "sqlite":
            return f"{self._start} IN ({', '.join('?' * len(some))})", some
        if isinstance(some[0], UUID):  # psycopg would dump each of a list by itself
            return f"{self._start} = ANY(%s::uuid[])", ("{" + ",".join([one.hex for one in some]) + "}",)
        return f"{self._start} = ANY(%s)", (list(some),)

    @cached_property
    def _start(self) -> str:
        return f"{select(self.key, *self.wanted)} WHERE {self.key}"


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
