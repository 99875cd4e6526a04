"""Write the same sessions into SQLite with the recorder's writer and with sqlite3.executemany, in turns.

    python -m bench.ingest_sqlite               # 5,000 sessions, batches of 500 and of 50, five turns

Two references, both over the same tables, indexes and foreign keys, with as many commits, as durable (WAL, FULL):
`rows` is handed the finished rows, keys and all, and knows that none is there yet; `script` makes the rows out of the
same parsed sessions first, as plainly as a script would, and knows the same. A parsed session holds its raw answer
compressed, because that is done where it was fetched and parsed: it costs neither side here, and is printed apart.
"""

import argparse
import gc
import json
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from time import process_time
from typing import Any, Final

from bench.measuring import Paired, Stopwatch, take_turns
from bench.sessions import (
    LARGE,
    NOW,
    SMALL,
    Scratch,
    StoredRows,
    in_batches,
    parsed,
    past_payloads,
    stored_rows,
    write,
)
from recorder.payloads import ResultSnapshot, SessionSnapshot


def main() -> int:
    """Print a line for each batch size and reference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=5000)
    options = parser.parse_args()
    payloads = past_payloads(options.sessions)
    began = process_time()
    snapshots = parsed(payloads)
    reading = (process_time() - began) / len(payloads) * 1e6
    results = sum(len(one.results) for one in snapshots)
    print(f"{len(snapshots)} sessions with {results} results; ratio = time of the reference / time of the recorder")
    print(f"parsing and compressing, before any of this: {reading:.0f} us of CPU a session")
    with Scratch() as scratch:
        for batch in (500, 50):
            engine = scratch.new_sqlite()
            write(engine, snapshots, batch=batch)
            rows = stored_rows(engine, batch=batch)
            engine.dispose()
            gc.freeze()  # what is held for the turns is no side's to walk over
            ours = partial(write_ours, scratch, snapshots, batch)
            report(batch, "rows", take_turns(ours, partial(write_rows, scratch, rows)), len(snapshots))
            script = partial(write_script, scratch, snapshots, rows, batch)
            report(batch, "script", take_turns(ours, script), len(snapshots))
    return 0


def report(batch: int, name: str, paired: Paired, sessions: int) -> None:
    """One line of the result."""
    per_session = {side: paired.median(side, "life_s") / sessions * 1e6 for side in ("ours", "theirs")}
    print(
        f"batch {batch:3} against {name:6}: ratio {paired.ratio('life_s'):.2f} (CPU {paired.ratio('cpu_s'):.2f}), "
        f"{per_session['ours']:.0f} us a session against {per_session['theirs']:.0f}",
        flush=True,
    )


def write_ours(scratch: Scratch, snapshots: Sequence[SessionSnapshot], batch: int, watch: Stopwatch) -> None:
    """The recorder's writer."""
    engine = scratch.new_sqlite()
    with watch.running():
        write(engine, snapshots, batch=batch)
    engine.dispose()


def write_rows(scratch: Scratch, rows: StoredRows, watch: Stopwatch) -> None:
    """Finished rows through sqlite3.executemany."""
    db, statements = prepare(scratch, rows)
    with watch.running():
        for table in SMALL:
            db.executemany(statements[table], rows.small[table])
        for batch in rows.batches:
            db.execute("BEGIN IMMEDIATE")
            for table in LARGE:
                db.executemany(statements[table], batch[table])
            db.execute("COMMIT")
    db.close()


def write_script(
    scratch: Scratch, snapshots: Sequence[SessionSnapshot], rows: StoredRows, batch: int, watch: Stopwatch
) -> None:
    """Rows made on the way, with the keys of checks and locations known beforehand."""
    db, statements = prepare(scratch, rows)
    checks = {row[1]: row[0] for row in rows.small["checks"]}
    locations = {row[1]: row[0] for row in rows.small["run_locations"]}
    sets = {tuple(json.loads(row[2])): row[0] for row in rows.small["location_sets"]}
    pk = 0
    with watch.running():
        for table in SMALL:
            db.executemany(statements[table], rows.small[table])
        for some in in_batches(snapshots, batch):
            made: dict[str, list[tuple[Any, ...]]] = {table: [] for table in LARGE}
            for one in some:
                pk += 1
                made["check_sessions"].append(session_row(pk, one, checks[one.check_id.bytes], sets[one.run_locations]))
                made["check_results"] += [result_row(pk, result, locations) for result in one.results]
                made["payloads"].append(("session", pk, as_text(NOW), one.deflated))
            db.execute("BEGIN IMMEDIATE")
            for table in LARGE:
                db.executemany(SCRIPT[table], made[table])
            db.execute("COMMIT")
    db.close()


def session_row(pk: int, one: SessionSnapshot, check_pk: int, set_pk: int) -> tuple[Any, ...]:
    """A finished session as a script would write it."""
    times = (as_text(one.started_at), as_number(one.stopped_at), as_number(NOW), as_number(NOW))
    retried = any(result.result_type == "ATTEMPT" for result in one.results)
    outcome = OUTCOMES[one.status]
    facts = (one.status, outcome, one.time_elapsed_ms, one.run_source, retried)
    return (pk, one.check_session_id.bytes, check_pk, set_pk, *times, *facts)


def result_row(pk: int, one: ResultSnapshot, locations: Mapping[str, int]) -> tuple[Any, ...]:
    """A result as a script would write it; it counts no attempts."""
    flags = (one.has_errors, one.has_failures, one.is_degraded, one.aborted, one.is_cancelled)
    outcome = "FAIL" if one.has_errors or one.has_failures else "DEGRADED" if one.is_degraded else "PASS"
    place = (one.check_result_id.bytes, pk, locations[one.run_location], one.result_type)
    return (*place, *flags, outcome, one.response_time_ms, as_number(one.started_at), as_number(one.stopped_at))


def as_text(instant: datetime) -> str:
    """A time by which rows are looked for, as the tables hold it."""
    return instant.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")


def as_number(instant: datetime | None) -> int | None:
    """Any other time."""
    return None if instant is None else round(instant.timestamp() * 1000)


OUTCOMES: Final = {"PASSED": "PASS", "DEGRADED": "DEGRADED", "FAILED": "FAIL", "TIMED_OUT": "FAIL", "CANCELLED": "VOID"}
SCRIPT: Final = {
    "check_sessions": (
        "INSERT INTO check_sessions (pk, check_session_id, check_pk, location_set_pk, started_at, stopped_at, "
        "recorded_at, final_at, status, outcome, time_elapsed_ms, run_source, has_attempts, origin, excluded) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'import', 0)"
    ),
    "check_results": (
        "INSERT INTO check_results (check_result_id, session_pk, run_location_pk, result_type, has_errors, "
        "has_failures, is_degraded, aborted, is_cancelled, outcome, response_time_ms, started_at, stopped_at, attempts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
    ),
    "payloads": "INSERT INTO payloads (kind, session_pk, received_at, body) VALUES (?, ?, ?, ?)",
}


def prepare(scratch: Scratch, rows: StoredRows) -> tuple[sqlite3.Connection, dict[str, str]]:
    """A migrated database, opened by the driver alone, and an INSERT of all columns for each table."""
    engine = scratch.new_sqlite()
    path = engine.url.database
    engine.dispose()
    db = sqlite3.connect(str(path), isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        db.execute(f"PRAGMA {pragma}")
    statements = {
        table: f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - our own tables
        for table, columns in rows.columns.items()
    }
    return db, statements


if __name__ == "__main__":
    sys.exit(main())
