"""The SQL views that people and reports-by-hand read: same names and columns on SQLite and PostgreSQL.

Ids are the hyphenated text that Checkly shows, times are UTC, `run_day`, `run_hour` and `run_dow` (1 = Monday) are
cut in UTC. A changed view needs a migration, an empty one will do: `migrations/env.py` then rebuilds all views.
"""

import hashlib
from typing import Final

from sqlalchemy import Connection

_SESSIONS_IN_THE_RATES: Final = "s.final_at IS NOT NULL AND NOT s.excluded AND s.origin <> 'reconciled'"

_RATED_FINALS: Final = f"""
    SELECT r.pk AS result_pk, r.session_pk, s.check_pk, r.run_location_pk, s.started_at, s.check_session_id,
           r.outcome, r.attempts, CASE WHEN r.outcome = 'FAIL' THEN 1 ELSE 0 END AS failed
    FROM check_results r JOIN check_sessions s ON s.pk = r.session_pk
    WHERE r.result_type = 'FINAL' AND r.outcome <> 'VOID' AND {_SESSIONS_IN_THE_RATES}"""

VIEWS: Final[dict[str, str]] = {
    "fire_history": """
        SELECT f.pk AS fire_id, sc.name AS schedule_name, f.origin, f.scheduled_for, f.state, f.reason, f.attempt,
               f.intent_at, f.outcome_at, f.http_status, f.session_count, f.request_body, f.gap_until, f.gap_count,
               f.evidence, f.resolved_at, f.resolved_by,
               {run_day:f.scheduled_for} AS run_day, {run_hour:f.scheduled_for} AS run_hour,
               {run_dow:f.scheduled_for} AS run_dow
        FROM fires f LEFT JOIN schedules sc ON sc.pk = f.schedule_pk""",
    "session_history": """
        SELECT {uuid:s.check_session_id} AS check_session_id, {uuid:c.check_id} AS check_id, c.name AS check_name,
               c.check_type, s.fire_pk AS fire_id, sc.name AS schedule_name, s.origin, s.status, s.outcome,
               s.started_at, {time:s.stopped_at} AS stopped_at, s.time_elapsed_ms, s.run_source, ls.run_locations,
               s.has_attempts, s.excluded, {time:s.recorded_at} AS recorded_at, {time:s.final_at} AS final_at,
               s.next_poll_at, s.abandoned_at, s.abandoned_reason,
               c.link || '/check-sessions/' || {uuid:s.check_session_id} AS check_session_link,
               {run_day:s.started_at} AS run_day, {run_hour:s.started_at} AS run_hour,
               {run_dow:s.started_at} AS run_dow, s.is_partial
        FROM check_sessions s
        JOIN checks c ON c.pk = s.check_pk
        JOIN location_sets ls ON ls.pk = s.location_set_pk
        LEFT JOIN fires f ON f.pk = s.fire_pk
        LEFT JOIN schedules sc ON sc.pk = f.schedule_pk""",
    "result_history": """
        SELECT {uuid:r.check_result_id} AS check_result_id, {uuid:s.check_session_id} AS check_session_id,
               {uuid:c.check_id} AS check_id, c.name AS check_name, c.check_type, l.name AS run_location, r.result_type,
               r.outcome, r.attempts, r.has_errors, r.has_failures, r.is_degraded, r.aborted, r.is_cancelled,
               r.response_time_ms, {time:r.started_at} AS result_started_at, {time:r.stopped_at} AS result_stopped_at,
               s.status AS session_status, s.started_at, s.time_elapsed_ms, s.origin, s.excluded,
               {run_day:s.started_at} AS run_day, {run_hour:s.started_at} AS run_hour, {run_dow:s.started_at} AS run_dow
        FROM check_results r
        JOIN check_sessions s ON s.pk = r.session_pk
        JOIN checks c ON c.pk = s.check_pk
        JOIN run_locations l ON l.pk = r.run_location_pk""",
    "daily_pass_rate": f"""
        SELECT {{uuid:c.check_id}} AS check_id, c.name AS check_name, l.name AS run_location, d.run_day, d.n, d.passed,
               d.degraded, d.failed, d.void, ROUND(1.0 * (d.passed + d.degraded) / NULLIF(d.n, 0), 6) AS pass_rate
        FROM (
            SELECT s.check_pk, r.run_location_pk, {{run_day:s.started_at}} AS run_day,
                   SUM(CASE WHEN r.outcome <> 'VOID' THEN 1 ELSE 0 END) AS n,
                   SUM(CASE WHEN r.outcome = 'PASS' THEN 1 ELSE 0 END) AS passed,
                   SUM(CASE WHEN r.outcome = 'DEGRADED' THEN 1 ELSE 0 END) AS degraded,
                   SUM(CASE WHEN r.outcome = 'FAIL' THEN 1 ELSE 0 END) AS failed,
                   SUM(CASE WHEN r.outcome = 'VOID' THEN 1 ELSE 0 END) AS void
            FROM check_results r JOIN check_sessions s ON s.pk = r.session_pk
            WHERE r.result_type = 'FINAL' AND {_SESSIONS_IN_THE_RATES}
            GROUP BY s.check_pk, r.run_location_pk, {{run_day:s.started_at}}
        ) d
        JOIN checks c ON c.pk = d.check_pk
        JOIN run_locations l ON l.pk = d.run_location_pk""",
    "flakiness": f"""
        WITH rated AS ({_RATED_FINALS}),
        turns AS (
            SELECT rated.*, COUNT(*) OVER one_session AS m, SUM(failed) OVER one_session AS k,
                   CASE WHEN failed <> LAG(failed, 1, failed) OVER pair THEN 1 ELSE 0 END AS turned
            FROM rated
            WINDOW one_session AS (PARTITION BY session_pk),
                   pair AS (PARTITION BY check_pk, run_location_pk ORDER BY started_at, check_session_id)
        ),
        runs AS (
            SELECT turns.*, SUM(turned) OVER (
                PARTITION BY check_pk, run_location_pk ORDER BY started_at, check_session_id
                ROWS UNBOUNDED PRECEDING) AS run_no
            FROM turns
        ),
        sized AS (
            SELECT runs.*, COUNT(*) OVER (PARTITION BY check_pk, run_location_pk, run_no) AS run_length,
                   MAX(run_no) OVER (PARTITION BY check_pk, run_location_pk) AS last_run_no
            FROM runs
        ),
        judged AS (
            SELECT check_pk, run_location_pk, started_at, failed, run_no,
                   CASE WHEN failed = 0 AND attempts > 0 THEN 1 ELSE 0 END AS retry_pass,
                   CASE WHEN failed = 1 AND run_length <= 2 AND run_no < last_run_no AND NOT (k >= 2 AND 2 * k > m)
                        THEN 1 ELSE 0 END AS isolated
            FROM sized
        )
        SELECT {{uuid:c.check_id}} AS check_id, c.name AS check_name, l.name AS run_location, j.n, j.failed,
               j.retry_pass, j.flake_events, ROUND(1.0 * j.flake_events / j.n, 6) AS flake_rate, j.incidents,
               j.first_started_at, j.last_started_at
        FROM (
            SELECT check_pk, run_location_pk, COUNT(*) AS n, SUM(failed) AS failed, SUM(retry_pass) AS retry_pass,
                   SUM(retry_pass + isolated) AS flake_events,
                   COUNT(DISTINCT CASE WHEN failed = 1 THEN run_no END) AS incidents,
                   MIN(started_at) AS first_started_at, MAX(started_at) AS last_started_at
            FROM judged GROUP BY check_pk, run_location_pk
        ) j
        JOIN checks c ON c.pk = j.check_pk
        JOIN run_locations l ON l.pk = j.run_location_pk""",
    "incidents": f"""
        WITH rated AS (
            SELECT s.pk, s.check_pk, s.started_at, s.check_session_id,
                   CASE WHEN s.outcome = 'FAIL' THEN 1 ELSE 0 END AS failed
            FROM check_sessions s
            WHERE s.outcome IN ('PASS', 'DEGRADED', 'FAIL') AND {_SESSIONS_IN_THE_RATES}
        ),
        turns AS (
            SELECT rated.*, CASE WHEN failed <> LAG(failed, 1, failed) OVER runs_of_check THEN 1 ELSE 0 END AS turned
            FROM rated WINDOW runs_of_check AS (PARTITION BY check_pk ORDER BY started_at, check_session_id)
        ),
        numbered AS (
            SELECT turns.*, SUM(turned) OVER (
                PARTITION BY check_pk ORDER BY started_at, check_session_id ROWS UNBOUNDED PRECEDING) AS run_no
            FROM turns
        ),
        spans AS (
            SELECT check_pk, run_no, MAX(failed) AS failed, COUNT(*) AS sessions, MIN(started_at) AS first_at,
                   MAX(started_at) AS last_at
            FROM numbered GROUP BY check_pk, run_no
        ),
        bounded AS (
            SELECT spans.*, LAG(last_at) OVER (PARTITION BY check_pk ORDER BY run_no) AS last_good_at,
                   LEAD(first_at) OVER (PARTITION BY check_pk ORDER BY run_no) AS recovered_at
            FROM spans
        )
        SELECT {{uuid:c.check_id}} AS check_id, c.name AS check_name, b.sessions AS failed_sessions, b.last_good_at,
               b.first_at AS first_failed_at, b.last_at AS last_failed_at, b.recovered_at
        FROM bounded b JOIN checks c ON c.pk = b.check_pk
        WHERE b.failed = 1""",
    "coverage": """
        SELECT sc.name AS schedule_name, d.run_day, d.due, d.triggered, d.no_match, d.rejected, d.ambiguous, d.missed,
               d.skipped, d.pending, d.sessions, d.sessions_final, d.missing_locations
        FROM (
            SELECT f.schedule_pk, {run_day:f.scheduled_for} AS run_day, SUM(COALESCE(f.gap_count, 1)) AS due,
                   SUM(CASE WHEN f.state = 'triggered' THEN 1 ELSE 0 END) AS triggered,
                   SUM(CASE WHEN f.state = 'no_match' THEN 1 ELSE 0 END) AS no_match,
                   SUM(CASE WHEN f.state = 'rejected' THEN 1 ELSE 0 END) AS rejected,
                   SUM(CASE WHEN f.state = 'ambiguous' THEN 1 ELSE 0 END) AS ambiguous,
                   SUM(CASE WHEN f.state = 'missed' THEN COALESCE(f.gap_count, 1) ELSE 0 END) AS missed,
                   SUM(CASE WHEN f.state = 'skipped' THEN COALESCE(f.gap_count, 1) ELSE 0 END) AS skipped,
                   SUM(CASE WHEN f.state IN ('due', 'intent') THEN 1 ELSE 0 END) AS pending,
                   CAST(SUM(COALESCE(n.sessions, 0)) AS bigint) AS sessions,
                   CAST(SUM(COALESCE(n.sessions_final, 0)) AS bigint) AS sessions_final,
                   CAST(SUM(COALESCE(n.missing_locations, 0)) AS bigint) AS missing_locations
            FROM fires f
            LEFT JOIN (
                SELECT s.fire_pk, COUNT(*) AS sessions,
                       SUM(CASE WHEN s.final_at IS NOT NULL THEN 1 ELSE 0 END) AS sessions_final,
                       SUM(CASE WHEN s.final_at IS NOT NULL THEN (
                           SELECT COUNT(*) FROM location_set_members m
                           WHERE m.location_set_pk = s.location_set_pk AND NOT EXISTS (
                               SELECT 1 FROM check_results r WHERE r.session_pk = s.pk
                               AND r.run_location_pk = m.run_location_pk AND r.result_type = 'FINAL'))
                           ELSE 0 END) AS missing_locations
                FROM check_sessions s WHERE s.fire_pk IS NOT NULL GROUP BY s.fire_pk
            ) n ON n.fire_pk = f.pk
            WHERE f.schedule_pk IS NOT NULL
            GROUP BY f.schedule_pk, {run_day:f.scheduled_for}
        ) d
        JOIN schedules sc ON sc.pk = d.schedule_pk""",
    "current_state": f"""
        SELECT {{uuid:c.check_id}} AS check_id, c.name AS check_name, l.name AS run_location, t.outcome, t.attempts,
               {{uuid:t.check_session_id}} AS check_session_id, t.started_at, t.last_ok_at, t.last_failed_at
        FROM (
            SELECT rated.*,
                   ROW_NUMBER() OVER (
                       PARTITION BY check_pk, run_location_pk
                       ORDER BY started_at DESC, check_session_id DESC) AS newest,
                   MAX(CASE WHEN failed = 0 THEN started_at END) OVER (
                       PARTITION BY check_pk, run_location_pk) AS last_ok_at,
                   MAX(CASE WHEN failed = 1 THEN started_at END) OVER (
                       PARTITION BY check_pk, run_location_pk) AS last_failed_at
            FROM ({_RATED_FINALS}) rated
        ) t
        JOIN checks c ON c.pk = t.check_pk
        JOIN run_locations l ON l.pk = t.run_location_pk
        WHERE t.newest = 1""",
    "exclusion_history": """
        SELECT x.pk AS exclusion_id, x.starts_at, x.ends_at,
               CASE WHEN x.check_pk IS NOT NULL THEN {uuid:c.check_id} END AS check_id, c.name AS check_name,
               l.name AS run_location, x.reason, x.created_at, x.created_by, x.removed_at, x.removed_by
        FROM exclusions x
        LEFT JOIN checks c ON c.pk = x.check_pk
        LEFT JOIN run_locations l ON l.pk = x.run_location_pk""",
}
"""View name -> SELECT; `{uuid:X}`, `{time:X}`, `{run_day:X}`, `{run_hour:X}`, `{run_dow:X}` are the dialect's words.

`time` is for the columns that SQLite holds as integers (`columns.CompactInstant`).
"""


class _Word:
    """One word of a dialect: formatting it with a column gives the SQL."""

    def __init__(self, template: str) -> None:
        self._template = template

    def __format__(self, column: str) -> str:
        return self._template.replace("@", column)


_SQLITE: Final = {
    "uuid": _Word(
        "lower(substr(hex(@), 1, 8) || '-' || substr(hex(@), 9, 4) || '-' || substr(hex(@), 13, 4) || '-' || "
        "substr(hex(@), 17, 4) || '-' || substr(hex(@), 21))"
    ),
    "time": _Word("strftime('%Y-%m-%d %H:%M:%f', @ / 1000.0, 'unixepoch')"),
    "run_day": _Word("substr(@, 1, 10)"),
    "run_hour": _Word("CAST(substr(@, 12, 2) AS INTEGER)"),
    "run_dow": _Word("((CAST(strftime('%w', @) AS INTEGER) + 6) % 7 + 1)"),
}
_POSTGRESQL: Final = {
    "uuid": _Word("CAST(@ AS text)"),
    "time": _Word("@"),
    "run_day": _Word("CAST(@ AT TIME ZONE 'UTC' AS date)"),
    "run_hour": _Word("CAST(EXTRACT(hour FROM @ AT TIME ZONE 'UTC') AS integer)"),
    "run_dow": _Word("CAST(EXTRACT(isodow FROM @ AT TIME ZONE 'UTC') AS integer)"),
}


def create_views(connection: Connection) -> None:
    """Create every view; the caller's transaction commits."""
    words = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL
    for name, select in VIEWS.items():
        connection.exec_driver_sql(
            f"CREATE VIEW {name} AS {select.format_map(words)}".replace("%", _percent(connection))
        )


def drop_views(connection: Connection) -> None:
    """Drop every view that is there; the caller's transaction commits."""
    for name in reversed(VIEWS):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")


def digest() -> str:
    """A short digest of all definitions; the newest migration carries it, so that no changed view goes unshipped."""
    return hashlib.sha256("\n".join(f"{name}: {select}" for name, select in VIEWS.items()).encode()).hexdigest()[:16]


def _percent(connection: Connection) -> str:
    """How the driver wants a literal percent sign written."""
    return "%" if connection.dialect.paramstyle in {"qmark", "numeric"} else "%%"
