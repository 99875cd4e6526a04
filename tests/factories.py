"""Builds session payloads as Checkly would send them, and rows of the history out of them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import Engine, text

from recorder.db import transact
from recorder.payloads import SessionSnapshot, parse_session
from recorder.store import Recording, Written, record_sessions

NOW: Final = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
CHECK_ID: Final = "a4cd4ad9-4815-4a9e-92d2-0a7c562ee69a"
LOCATIONS: Final = ("eu-central-1", "us-east-1")


def some_id(name: str) -> str:
    """The same UUID for the same name."""
    return str(uuid5(NAMESPACE_URL, name))


def result(session: str, location: str, **changes: Any) -> dict[str, Any]:
    """A FINAL result that passed, but for `changes`."""
    kind = changes.get("resultType", "FINAL")
    return {
        "checkResultId": some_id(f"{session}/{location}/{kind}"),
        "checkResultLink": "https://app.checklyhq.com/x",
        "checkId": CHECK_ID,
        "checkType": "API",
        "name": "Checkout",
        "runLocation": location,
        "resultType": "FINAL",
        "hasErrors": False,
        "hasFailures": False,
        "isDegraded": False,
        "aborted": False,
        "isCancelled": False,
        "responseTime": 120.5,
        "startedAt": "2026-11-18T11:00:01.000Z",
        "stoppedAt": "2026-11-18T11:00:01.500Z",
    } | changes


def session(name: str = "one", results: Sequence[dict[str, Any]] | None = None, /, **changes: Any) -> dict[str, Any]:
    """A finished session that passed in both locations, but for `changes`."""
    check_session_id = some_id(name)
    return {
        "checkSessionId": check_session_id,
        "checkSessionLink": f"https://app.checklyhq.com/checks/{CHECK_ID}/check-sessions/{check_session_id}",
        "checkId": CHECK_ID,
        "checkType": "API",
        "name": "Checkout",
        "status": "PASSED",
        "startedAt": "2026-11-18T11:00:00.000Z",
        "stoppedAt": "2026-11-18T11:00:02.000Z",
        "timeElapsed": 2000,
        "runLocations": list(LOCATIONS),
        "runSource": "TRIGGER_API",
        "results": [result(name, location) for location in LOCATIONS] if results is None else list(results),
    } | changes


def running(name: str = "one", /, **changes: Any) -> dict[str, Any]:
    """The same session while it runs: no results yet."""
    return session(name, [], status="STARTED", stoppedAt=None, timeElapsed=0) | changes


def json_lines(*payloads: Any, end: str = "\n") -> bytes:
    """The payloads as a file of JSON lines."""
    return "".join(json.dumps(payload) + end for payload in payloads).encode()


def snapshot(payload: dict[str, Any]) -> SessionSnapshot:
    return parse_session(payload)


def record(engine: Engine, *payloads: dict[str, Any], now: datetime = NOW, **how: Any) -> Written:
    """Write payloads in one transaction, closed when they are final unless `how` says otherwise."""
    recordings = [
        Recording(parsed, how.get("origin", "import"), closes=how.get("closes", parsed.is_final), **_rest(how))
        for parsed in map(parse_session, payloads)
    ]
    return transact(engine, lambda db: record_sessions(db, recordings, now=now))


def open_session(
    engine: Engine,
    name: str = "one",
    /,
    *,
    timeout: timedelta = timedelta(hours=1),
    now: datetime = NOW,
    **changes: Any,
) -> UUID:
    """Write a running session that is due to be asked for; its id."""
    record(engine, running(name, **changes), now=now, origin="manual", next_poll_at=NOW, deadline_at=NOW + timeout)
    return UUID(some_id(name))


def rows(engine: Engine, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql), values)]


def dump(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the tables that hold the history, for comparing before and after."""
    tables = (
        *("checks", "run_locations", "location_sets", "check_sessions", "check_results", "payloads", "fires"),
        "contract_surprises",
    )
    return {table: rows(engine, f"SELECT * FROM {table} ORDER BY pk") for table in tables}  # noqa: S608 - names above


def _rest(how: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in how.items() if key in {"fire_pk", "next_poll_at", "expected_at", "deadline_at"}
    }
