"""Use cases that only read: status, the list of sessions, one session, a query of one's own. Nothing here can write."""

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
from recorder.roster import SILENT_FOR

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
    "last_started_at last_due_at last_seen_at seen_at refused_since starts_at ends_at created_at removed_at"
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


def status(engine: Engine, *, now: datetime) -> dict[str, Any]:
    """Counts and last times of what is recorded, what is open, and what needs a person.

    Abandoned are those without an end that are waited for no longer; they count as followed no more, even while they
    are asked for hourly.
    """
    with reading(engine) as connection:
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
        sessions = _one(
            connection,
            "SELECT COUNT(*) AS recorded, COUNT(final_at) AS final, "
            "COUNT(CASE WHEN abandoned_at IS NULL THEN next_poll_at END) AS followed, "
            "MAX(started_at) AS last_started_at FROM session_history",
        )
        abandoned = _all(
            connection,
            "SELECT abandoned_reason AS reason, COUNT(*) AS sessions, "
            "COUNT(CASE WHEN abandoned_at >= :since THEN 1 END) AS last_24_hours FROM check_sessions "
            "WHERE abandoned_at IS NOT NULL AND final_at IS NULL GROUP BY abandoned_reason ORDER BY 1",
            {"since": UtcDateTime().process_bind_param(now - timedelta(hours=24), engine.dialect)},
        )
        results = connection.execute(text("SELECT COUNT(*) FROM check_results")).scalar_one()
        fires = _all(
            connection, "SELECT state, reason, COUNT(*) AS fires FROM fires GROUP BY state, reason ORDER BY 1, 2"
        )
        schedules = _all(
            connection,
            "SELECT sc.name AS schedule_name, sc.paused, MAX(f.scheduled_for) AS last_due_at FROM schedules sc "
            "LEFT JOIN fires f ON f.schedule_pk = sc.pk WHERE sc.removed_at IS NULL GROUP BY sc.pk, sc.name, sc.paused "
            "ORDER BY sc.name",
        )
        surprises = _all(
            connection, "SELECT what, times, last_seen_at FROM contract_surprises ORDER BY times DESC, what LIMIT 20"
        )
        malformed = _all(
            connection, "SELECT kind, COUNT(*) AS pieces FROM payloads WHERE kind <> 'session' GROUP BY kind"
        )
        daemons = _all(
            connection,
            "SELECT host, pid, seen_at, refused_since, refused_why FROM daemons WHERE stopped_at IS NULL "
            "ORDER BY seen_at DESC",
        )
    return {
        "health": _health(daemons) | {"notes": list(_notes(abandoned))},
        "database": describe(engine),
        "schema": revision,
        "sessions": sessions | {"results": results},
        "abandoned": abandoned,
        "fires": fires,
        "schedules": schedules,
        "contract_surprises": surprises,
        "unreadable": malformed,
    }


def _health(daemons: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Whether Checkly refuses a daemon; of those that died nobody knows better, so the last seen together speak."""
    together = [one for one in daemons if daemons[0]["seen_at"] - one["seen_at"] < SILENT_FOR]
    refused = [one for one in together if one["refused_since"] is not None]
    if not refused:
        return {"state": "ok", "since": None, "why": None}
    return {"state": "failing", "since": refused[0]["refused_since"], "why": refused[0]["refused_why"]}


def _notes(abandoned: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What a person should know although nobody refuses, a sentence each."""
    lately = [(one["last_24_hours"], one["reason"]) for one in abandoned if one["last_24_hours"]]
    if lately:
        reasons = ", ".join(f"{sessions} {reason}" for sessions, reason in lately)
        yield f"sessions given up in the last 24 hours: {reasons}"


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
        return _all(
            connection,
            f"SELECT {', '.join(LISTED)} FROM session_history WHERE {' AND '.join(where)} "
            "ORDER BY started_at DESC, check_session_id DESC LIMIT :limit",
            values,
        )


def list_exclusions(engine: Engine, *, removed_too: bool) -> list[dict[str, Any]]:
    """The exclusions that hold, or all there ever were, the oldest span first, as `exclusion_history` shows them."""
    where = "" if removed_too else "WHERE removed_at IS NULL "
    with reading(engine) as connection:
        return _all(
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
        found = _one(connection, text(f"SELECT * FROM session_history {one}").bindparams(wanted), values)
        results = _all(
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


def _one(connection: Connection, sql: str | TextClause, values: Mapping[str, object] | None = None) -> dict[str, Any]:
    return _all(connection, sql, values)[0]


def _all(
    connection: Connection, sql: str | TextClause, values: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    statement = text(sql) if isinstance(sql, str) else sql
    result = connection.execute(statement.columns(**_TYPES), values or {})
    return [_with_locations(dict(row)) for row in result.mappings()]


def _with_locations(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its run locations as a list; the column holds a JSON array as text."""
    return row | {"run_locations": json.loads(row["run_locations"])} if "run_locations" in row else row
