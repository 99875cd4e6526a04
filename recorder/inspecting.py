"""Use cases that only read: status, the list of sessions, one session, a query of one's own. Nothing here can write."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, TextClause, bindparam, select, text
from sqlalchemy.engine import RowMapping

from recorder.db import current_revision, database_errors, describe
from recorder.dimensions import table_of
from recorder.models import CheckSession, UtcDateTime

Rows = Sequence[RowMapping]


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


def status(engine: Engine) -> dict[str, Any]:
    """Counts and last times of what is recorded, what is open, and what needs a person."""
    revision = current_revision(engine)
    with reading(engine) as connection:
        sessions = _one(
            connection,
            "SELECT COUNT(*) AS recorded, COUNT(final_at) AS final, COUNT(next_poll_at) AS followed, "
            "COUNT(abandoned_at) AS abandoned, MAX(started_at) AS last_started_at FROM session_history",
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
    return {
        "database": describe(engine),
        "schema": revision,
        "sessions": sessions | {"results": results},
        "fires": fires,
        "schedules": schedules,
        "contract_surprises": surprises,
        "unreadable": malformed,
    }


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
            "SELECT started_at, check_name, status, time_elapsed_ms, run_locations, origin, check_session_id "
            f"FROM session_history WHERE {' AND '.join(where)} "
            "ORDER BY started_at DESC, check_session_id DESC LIMIT :limit",
            values,
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
    """Run one statement that may only read; the column names and the rows. Raises DatabaseError for anything else."""
    with reading(engine) as connection:
        result = connection.exec_driver_sql(sql)
        if not result.returns_rows:
            return [], []
        return list(result.keys()), [tuple(row) for row in result]


def _one(connection: Connection, sql: str | TextClause, values: Mapping[str, object] | None = None) -> dict[str, Any]:
    return _all(connection, sql, values)[0]


def _all(
    connection: Connection, sql: str | TextClause, values: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    statement = text(sql) if isinstance(sql, str) else sql
    return [dict(row) for row in connection.execute(statement, values or {}).mappings()]
