"""Bytes of a session with 2.5 results on SQLite: the recorder's tables against the same facts under text keys.

    python -m bench.bytes_per_session           # 20,000 sessions

Both hold the same facts with an index for the same questions (a session by its id, a check's sessions in time, all
sessions in time, a session's results) and no raw payloads, which are the same bytes in either. `text` is the layout
that the API suggests and an ORM would make: every id and name as text in every row, ISO times, ordinary tables.
"""

import argparse
import sqlite3
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from bench.sessions import NOW, Scratch, in_batches, parsed, write
from recorder.payloads import SessionSnapshot
from tests.factories import result, session, some_id

TEXT_TABLES: Final = """
CREATE TABLE sessions (
    check_session_id TEXT PRIMARY KEY, check_id TEXT NOT NULL, check_name TEXT, check_type TEXT, fire_id TEXT,
    origin TEXT, status TEXT, outcome TEXT, started_at TEXT, stopped_at TEXT, time_elapsed_ms INTEGER, run_source TEXT,
    run_locations TEXT, has_attempts BOOLEAN, excluded BOOLEAN, recorded_at TEXT, final_at TEXT);
CREATE INDEX sessions_of_check ON sessions (check_id, started_at);
CREATE INDEX sessions_in_time ON sessions (started_at);
CREATE INDEX sessions_of_fire ON sessions (fire_id);
CREATE TABLE results (
    check_result_id TEXT PRIMARY KEY, check_session_id TEXT NOT NULL, run_location TEXT, result_type TEXT,
    has_errors BOOLEAN, has_failures BOOLEAN, is_degraded BOOLEAN, aborted BOOLEAN, is_cancelled BOOLEAN, outcome TEXT,
    attempts INTEGER, response_time_ms REAL, started_at TEXT, stopped_at TEXT);
CREATE INDEX results_of_session ON results (check_session_id);
"""


def main() -> int:
    """Print bytes per session of both layouts and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20_000)
    sessions = parser.parse_args().sessions
    payloads = [made(number) for number in range(sessions)]
    with Scratch() as scratch:
        ours = scratch.new_sqlite()
        empty = size_of(ours)
        for some in in_batches(payloads, 500):
            write(ours, parsed(some), batch=500)
        compact = size_of(ours) - empty
        path = scratch.new_path()
        text = write_text(path, parsed(payloads))
    results = sum(len(one["results"]) for one in payloads) / sessions
    print(
        f"{sessions} sessions with {results:.2f} results: {compact / sessions:.0f} bytes a session, "
        f"{text / sessions:.0f} with text keys, ratio {compact / text:.2f}"
    )
    return 0


def made(number: int) -> dict[str, Any]:
    """One of a hundred checks, two or three results."""
    locations = ("eu-central-1", "us-east-1", "ap-southeast-2")[: 2 + number % 2]
    name = f"bytes {number}"
    began = f"2026-11-{1 + number // 1440 % 28:02}T{number // 60 % 24:02}:{number % 60:02}:00.123Z"
    times = {"startedAt": began, "stoppedAt": began.replace(":00.123", ":07.456")}
    results = [result(name, location, **times) for location in locations]
    check = some_id(f"check {number % 100}")
    return session(name, results, checkId=check, name=f"Check {number % 100}", runLocations=list(locations), **times)


def size_of(engine: Engine) -> int:
    """Bytes of the file once it is compact and holds no raw payloads."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        driver: Any = connection.connection.driver_connection
        driver.rollback()
        for statement in ("DELETE FROM payloads", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            driver.execute(statement)
    return Path(str(engine.url.database)).stat().st_size


def write_text(path: Path, snapshots: Sequence[SessionSnapshot]) -> int:
    """The same facts with text keys; bytes of the file."""
    db = sqlite3.connect(path)
    db.executescript(TEXT_TABLES)
    now = as_text(NOW)
    for one in snapshots:
        start, stop = as_text(one.started_at), one.stopped_at
        assert stop is not None
        ended = as_text(stop)
        of_check = (str(one.check_id), one.name, one.check_type, None, "schedule", one.status, "PASS")
        rest = (one.time_elapsed_ms, one.run_source, str(list(one.run_locations)), False, False, now, now)
        row = (str(one.check_session_id), *of_check, start, ended, *rest)
        db.execute(f"INSERT INTO sessions VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - question marks
        for found in one.results:
            flags = (found.has_errors, found.has_failures, found.is_degraded, found.aborted, found.is_cancelled)
            ids = (str(found.check_result_id), str(one.check_session_id), found.run_location, found.result_type)
            fact = (*ids, *flags, "PASS", 0, found.response_time_ms, start, ended)
            db.execute(f"INSERT INTO results VALUES ({', '.join('?' * len(fact))})", fact)  # noqa: S608 - the same
    db.commit()
    db.execute("VACUUM")
    db.close()
    return path.stat().st_size


def as_text(instant: datetime) -> str:
    """As the API writes it."""
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    sys.exit(main())
