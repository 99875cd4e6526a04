"""Use case that only reads: the status, which is what is recorded, what is open, and what a person should know."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from recorder.columns import UtcDateTime
from recorder.db import describe
from recorder.inspecting import all_rows, one_row, reading
from recorder.roster import SILENT_FOR


def status(engine: Engine, *, now: datetime) -> dict[str, Any]:
    """Counts and last times of what is recorded, what is open, and what needs a person.

    Abandoned are those without an end that are waited for no longer; they count as followed no more, even while they
    are asked for hourly.
    """
    with reading(engine) as connection:
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
        sessions = one_row(
            connection,
            "SELECT COUNT(*) AS recorded, COUNT(final_at) AS final, "
            "COUNT(CASE WHEN abandoned_at IS NULL THEN next_poll_at END) AS followed, "
            "MAX(started_at) AS last_started_at FROM session_history",
        )
        abandoned = all_rows(
            connection,
            "SELECT abandoned_reason AS reason, COUNT(*) AS sessions, "
            "COUNT(CASE WHEN abandoned_at >= :since THEN 1 END) AS last_24_hours FROM check_sessions "
            "WHERE abandoned_at IS NOT NULL AND final_at IS NULL GROUP BY abandoned_reason ORDER BY 1",
            {"since": UtcDateTime().process_bind_param(now - timedelta(hours=24), engine.dialect)},
        )
        results = connection.execute(text("SELECT COUNT(*) FROM check_results")).scalar_one()
        fires = all_rows(
            connection, "SELECT state, reason, COUNT(*) AS fires FROM fires GROUP BY state, reason ORDER BY 1, 2"
        )
        schedules = all_rows(
            connection,
            "SELECT sc.name AS schedule_name, sc.paused, MAX(f.scheduled_for) AS last_due_at FROM schedules sc "
            "LEFT JOIN fires f ON f.schedule_pk = sc.pk WHERE sc.removed_at IS NULL GROUP BY sc.pk, sc.name, sc.paused "
            "ORDER BY sc.name",
        )
        surprises = all_rows(
            connection, "SELECT what, times, last_seen_at FROM contract_surprises ORDER BY times DESC, what LIMIT 20"
        )
        malformed = all_rows(
            connection, "SELECT kind, COUNT(*) AS pieces FROM payloads WHERE kind <> 'session' GROUP BY kind"
        )
        clock = _checkly_clock(connection)
        daemons = all_rows(
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
        "checkly_clock": clock,
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


def _checkly_clock(connection: Connection) -> dict[str, Any]:
    """How many seconds Checkly's clock was ahead of ours at the newest trigger (less than 0: behind), and when it was.

    A session starts between the intent and the outcome of its fire. 0.0 where the two clocks say so together, else by
    how much they are apart at least. None before the first trigger.
    """
    newest = all_rows(
        connection,
        "SELECT f.intent_at, f.outcome_at, MIN(s.started_at) AS first_started_at, MAX(s.started_at) AS last_started_at "
        "FROM fires f JOIN check_sessions s ON s.fire_pk = f.pk WHERE f.pk = (SELECT pk FROM fires "
        "WHERE state = 'triggered' AND session_count > 0 AND intent_at IS NOT NULL AND resolved_at IS NULL "
        "ORDER BY scheduled_for DESC, pk DESC LIMIT 1) GROUP BY f.intent_at, f.outcome_at",
    )
    if not newest:
        return {"ahead_s": None, "seen_at": None}
    [fire] = newest
    ahead = max(fire["first_started_at"] - fire["outcome_at"], timedelta(0))
    behind = max(fire["intent_at"] - fire["last_started_at"], timedelta(0))
    return {"ahead_s": (ahead - behind).total_seconds(), "seen_at": fire["outcome_at"]}
