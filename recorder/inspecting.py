"""Use cases that only read: the list of sessions, one session, a query of one's own. Nothing here can write."""

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Boolean, Connection, Engine, TextClause, bindparam, select, text
from sqlalchemy.types import TypeEngine

from recorder.columns import UtcDateTime
from recorder.db import connect_to_sqlite, database_errors, describe
from recorder.dimensions import table_of
from recorder.errors import DatabaseError
from recorder.models import CheckSession

LISTED: Final = (
    *("started_at", "check_name", "status", "time_elapsed_ms"),
    *("run_locations", "origin", "check_session_id"),
)
"""The columns of a list of sessions."""
EXCLUSION_COLUMNS: Final = (
    *("exclusion_id", "starts_at", "ends_at", "check_id", "check_name", "run_location", "reason"),
    *("created_at", "created_by", "removed_at", "removed_by"),
)
"""The columns of a list of exclusions."""

_READING_STEPS: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_READING_PRAGMAS: Final = frozenset(
    "database_list foreign_key_list index_info index_list index_xinfo table_info table_list table_xinfo".split()
)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}")
_TIMES: Final = (
    "started_at stopped_at result_started_at result_stopped_at recorded_at final_at next_poll_at abandoned_at "
    "first_started_at last_started_at last_due_at last_seen_at seen_at refused_since starts_at ends_at "
    "created_at removed_at intent_at outcome_at"
).split()
_FLAGS: Final = ("has_attempts", "excluded", "paused")
_TYPES: Final[Mapping[str, TypeEngine[Any]]] = MappingProxyType(
    {**dict.fromkeys(_TIMES, UtcDateTime()), **dict.fromkeys(_FLAGS, Boolean())}
)
"""What columns of our own SQL hold where SQLite knows only text and numbers."""

sqlite3.register_converter("BOOLEAN", lambda stored: stored != b"0")


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions to list; None = any. `check` is a part of the name or a whole check id."""

    check: str | None = None
    status: str | None = None
    since: datetime | None = None
    limit: int = 20


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that blocks no writer and that the database itself keeps from writing."""
    with database_errors(engine), engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            yield connection.execution_options(postgresql_readonly=True)
            return
        connection.execution_options(recorder_readonly=True)
        connection.exec_driver_sql("PRAGMA query_only = ON")
        try:
            yield connection
        finally:
            connection.exec_driver_sql("PRAGMA query_only = OFF")


def list_sessions(engine: Engine, wanted: SessionFilter) -> list[dict[str, Any]]:
    """The newest sessions that fit, as `session_history` shows them."""
    where = ["1 = 1"]
    values: dict[str, object] = {"limit": wanted.limit}
    if wanted.check:
        where.append("(check_id = :check OR LOWER(check_name) LIKE :part ESCAPE '!')")
        escaped = wanted.check.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
        values |= {"check": wanted.check.lower(), "part": f"%{escaped}%"}
    if wanted.status:
        where.append("status = :status")
        values["status"] = wanted.status.upper()
    if wanted.since:
        where.append("started_at >= :since")
        values["since"] = UtcDateTime().process_bind_param(wanted.since, engine.dialect)
    with reading(engine) as connection:
        return all_rows(
            connection,
            f"SELECT {', '.join(LISTED)} FROM session_history WHERE {' AND '.join(where)} "
            "ORDER BY started_at DESC, check_session_id DESC LIMIT :limit",
            values,
        )


def list_exclusions(engine: Engine, *, removed_too: bool) -> list[dict[str, Any]]:
    """The exclusions that hold, or all there ever were, the oldest span first, as `exclusion_history` shows them."""
    where = "" if removed_too else "WHERE removed_at IS NULL "
    with reading(engine) as connection:
        return all_rows(
            connection,
            f"SELECT {', '.join(EXCLUSION_COLUMNS)} FROM exclusion_history {where}ORDER BY starts_at, exclusion_id",
        )


def find_session(engine: Engine, session_id: UUID) -> dict[str, Any] | None:
    """One session with its results, or None when it is not recorded."""
    sessions = table_of(CheckSession)
    with reading(engine) as connection:
        started_at = connection.scalar(select(sessions.c.started_at).where(sessions.c.check_session_id == session_id))
        if started_at is None:
            return None
        wanted = bindparam("started_at", started_at, sessions.c.started_at.type)  # indexed, unlike an id as text
        one = "WHERE started_at = :started_at AND check_session_id = :id"
        values = {"id": str(session_id)}
        found = one_row(connection, text(f"SELECT * FROM session_history {one}").bindparams(wanted), values)
        results = all_rows(
            connection,
            text(
                "SELECT check_result_id, run_location, result_type, outcome, attempts, response_time_ms, "
                f"result_started_at, result_stopped_at FROM result_history {one} "
                "ORDER BY run_location, result_started_at, check_result_id"
            ).bindparams(wanted),
            values,
        )
    return found | {"results": results}


def query(engine: Engine, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one statement of a person's own, which may read anything; its column names (unique) and its rows.

    Nothing can be changed, whatever the words are: SQLite asks about every step before it runs the statement,
    PostgreSQL runs it in a transaction that is read only, in a pipeline, which takes a single statement, so that none
    can end that transaction first. Raises DatabaseError.
    """
    if engine.dialect.name == "sqlite":
        return _query_sqlite(engine, sql)
    with reading(engine) as connection:
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        driver: Any = connection.connection.driver_connection
        try:  # outside of a pipeline, `COMMIT; DELETE ...` would run
            with driver.pipeline() as pipeline, driver.cursor() as cursor:
                cursor.execute(sql)
                pipeline.sync()
                return _column_names(cursor.description), list(cursor) if cursor.description else []
        except engine.dialect.loaded_dbapi.Error as error:
            connection.invalidate()  # after a COPY nothing else can be asked through it
            first_line = str(error).strip().split("\n", 1)[0]
            raise DatabaseError(f"database {describe(engine)}: {first_line}") from error


def _query_sqlite(engine: Engine, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """As `query`, on a connection that knows which columns are times and truth values."""
    with database_errors(engine), closing(connect_to_sqlite(engine, detect_types=sqlite3.PARSE_DECLTYPES)) as db:
        db.execute("PRAGMA query_only = ON")
        db.set_authorizer(_allow)
        try:
            cursor = db.execute(sql)
        except sqlite3.DatabaseError as error:
            if "authoriz" not in str(error):
                raise
            raise DatabaseError("a query only reads, and this statement does more: nothing was changed") from error
        return _column_names(cursor.description), [tuple(map(_timed, row)) for row in cursor]


def _allow(step: int, what: str | None, *_: str | None) -> int:
    """SQLite asks before a statement runs: reading is fine, and so is what `json_each` does to be set up."""
    is_set_up = step == sqlite3.SQLITE_UPDATE and what == "sqlite_master"  # and yet SQLite lets nobody write it
    is_look_up = step == sqlite3.SQLITE_PRAGMA and what in _READING_PRAGMAS
    return sqlite3.SQLITE_OK if step in _READING_STEPS or is_set_up or is_look_up else sqlite3.SQLITE_DENY


def _timed(value: Any) -> Any:
    """SQLite has no type for times: text in the form of `columns.UtcDateTime` is one."""
    if isinstance(value, str) and _TIME.fullmatch(value):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value


def _column_names(description: Sequence[Sequence[Any]] | None) -> list[str]:
    """The names of the columns; a second `n` becomes `n_2`, for nothing may hide a column."""
    names: list[str] = []
    for column in description or ():
        name, again = column[0], 2
        while name in names:
            name, again = f"{column[0]}_{again}", again + 1
        names.append(name)
    return names


def one_row(
    connection: Connection, sql: str | TextClause, values: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """The one row that a statement of our own gives."""
    return all_rows(connection, sql, values)[0]


def all_rows(
    connection: Connection, sql: str | TextClause, values: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """The rows that a statement of our own gives, their columns with the types that they have on every database."""
    statement = text(sql) if isinstance(sql, str) else sql
    result = connection.execute(statement.columns(**_TYPES), values or {})
    return [_with_locations(dict(row)) for row in result.mappings()]


def _with_locations(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its run locations as a list; the column holds a JSON array as text."""
    return row | {"run_locations": json.loads(row["run_locations"])} if "run_locations" in row else row
