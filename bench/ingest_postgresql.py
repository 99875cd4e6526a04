"""Write the same sessions into PostgreSQL with the recorder's writer and with COPY into the same tables, in turns.

    python -m bench.ingest_postgresql           # 5,000 sessions, batches of 500, five turns, a server of its own

All references copy into the tables themselves, with their indexes and foreign keys, and commit as often. They know that
none of the rows is there yet; a second COPY would fail. `rows` is handed the finished rows, keys and all, and copies
them as psycopg does unless told otherwise, `binary` copies the same rows in PostgreSQL's binary format, as the
recorder does, and `script` makes the rows out of the same parsed sessions first, and copies them as `binary` does.
"""

import argparse
import gc
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import psycopg
from sqlalchemy import Engine

from bench.ingest_sqlite import OUTCOMES, report
from bench.measuring import Stopwatch, take_turns
from bench.sessions import LARGE, NOW, SMALL, StoredRows, in_batches, parsed, past_payloads, stored_rows, write
from recorder import db
from recorder.payloads import ResultSnapshot, SessionSnapshot

BATCH = 500
Driver: TypeAlias = psycopg.Connection[Any]
Rows: TypeAlias = Sequence[tuple[Any, ...]]
Copying: TypeAlias = Callable[[Driver, str, Rows], None]


def main() -> int:
    """Print a line for each reference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=5000)
    snapshots = parsed(past_payloads(parser.parse_args().sessions))
    with tempfile.TemporaryDirectory(prefix="recorder-bench-") as name:
        Path(name).chmod(0o755)
        os.environ["TMPDIR"] = name
        from tests.kill.postgresql import own_postgresql  # noqa: PLC0415 - it reads TMPDIR when it is imported

        with own_postgresql() as server:
            engine = db.open_engine(server.url)
            write(engine, snapshots, batch=BATCH)
            rows = stored_rows(engine, batch=BATCH)
            gc.freeze()  # what is held for the turns is no side's to walk over
            ours = partial(write_ours, engine, snapshots)
            references = {
                "rows": partial(copy_rows, engine, rows, copy),
                "binary": partial(copy_rows, engine, rows, partial(copy_binary, types_of(engine))),
                "script": partial(write_script, engine, snapshots, rows),
            }
            print(f"{len(snapshots)} sessions; ratio = time of the reference / time of the recorder")
            for reference, side in references.items():
                report(BATCH, reference, take_turns(ours, side), len(snapshots))
            engine.dispose()
    return 0


def empty(engine: Engine) -> None:
    """Start from nothing, with nothing of the last turn left to be written."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"TRUNCATE {', '.join(SMALL + LARGE)} CASCADE")
        connection.exec_driver_sql("CHECKPOINT")


def write_ours(engine: Engine, snapshots: Sequence[SessionSnapshot], watch: Stopwatch) -> None:
    """The recorder's writer."""
    empty(engine)
    with watch.running():
        write(engine, snapshots, batch=BATCH)


def copy_rows(engine: Engine, rows: StoredRows, copying: Copying, watch: Stopwatch) -> None:
    """Finished rows through COPY."""
    empty(engine)
    with raw_connection(engine) as driver, watch.running():
        for table in SMALL:
            copying(driver, table, rows.small[table])
        for batch in rows.batches:
            for table in LARGE:
                copying(driver, table, batch[table])
            driver.commit()


def copy(driver: Driver, table: str, rows: Rows) -> None:
    """One COPY of one table."""
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as sink:
        for row in rows:
            sink.write_row(row)


def copy_binary(types: Mapping[str, Mapping[str, str]], driver: Driver, table: str, rows: Rows) -> None:
    """The same in binary, whose types must be told; `table` may name its columns, in parentheses."""
    name, _, listed = table.partition(" ")
    told = listed.strip("()").split(", ") if listed else list(types[name])
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as sink:
        sink.set_types([types[name][column] for column in told])
        for row in rows:
            sink.write_row(row)


def write_script(engine: Engine, snapshots: Sequence[SessionSnapshot], rows: StoredRows, watch: Stopwatch) -> None:
    """Rows made on the way, with the keys of checks and locations known beforehand."""
    empty(engine)
    checks = {row[1]: row[0] for row in rows.small["checks"]}
    locations = {row[1]: row[0] for row in rows.small["run_locations"]}
    sets = {tuple(json.loads(row[2])): row[0] for row in rows.small["location_sets"]}
    copying = partial(copy_binary, types_of(engine))
    pk = 0
    with raw_connection(engine) as driver, watch.running():
        for table in SMALL:
            copying(driver, table, rows.small[table])
        for some in in_batches(snapshots, BATCH):
            made: dict[str, list[tuple[Any, ...]]] = {table: [] for table in LARGE}
            for one in some:
                pk += 1
                made["check_sessions"].append(session_row(pk, one, checks[one.check_id], sets[one.run_locations]))
                made["check_results"] += [result_row(pk, result, locations) for result in one.results]
                made["payloads"].append(("session", pk, NOW, one.deflated))
            for table in LARGE:
                copying(driver, f"{table} ({SCRIPT[table]})", made[table])
            driver.commit()


def session_row(pk: int, one: SessionSnapshot, check_pk: int, set_pk: int) -> tuple[Any, ...]:
    """A finished session as a script would write it."""
    retried = any(result.result_type == "ATTEMPT" for result in one.results)
    facts = (one.status, OUTCOMES[one.status], one.time_elapsed_ms, one.run_source, retried, "import", False)
    return (pk, one.check_session_id, check_pk, set_pk, one.started_at, one.stopped_at, NOW, NOW, *facts)


def result_row(pk: int, one: ResultSnapshot, locations: Mapping[str, int]) -> tuple[Any, ...]:
    """A result as a script would write it; it counts no attempts."""
    flags = (one.has_errors, one.has_failures, one.is_degraded, one.aborted, one.is_cancelled)
    outcome = "FAIL" if one.has_errors or one.has_failures else "DEGRADED" if one.is_degraded else "PASS"
    place = (one.check_result_id, pk, locations[one.run_location], one.result_type)
    return (*place, *flags, outcome, one.response_time_ms, one.started_at, one.stopped_at, 0)


SCRIPT: Final = {
    "check_sessions": (
        "pk, check_session_id, check_pk, location_set_pk, started_at, stopped_at, recorded_at, final_at, status, "
        "outcome, time_elapsed_ms, run_source, has_attempts, origin, excluded"
    ),
    "check_results": (
        "check_result_id, session_pk, run_location_pk, result_type, has_errors, has_failures, is_degraded, aborted, "
        "is_cancelled, outcome, response_time_ms, started_at, stopped_at, attempts"
    ),
    "payloads": "kind, session_pk, received_at, body",
}


def types_of(engine: Engine) -> dict[str, dict[str, str]]:
    """The type of each column of each table, as the server names it."""
    query = "SELECT table_name, column_name, udt_name FROM information_schema.columns ORDER BY ordinal_position"
    types: dict[str, dict[str, str]] = {}
    with engine.connect() as connection:
        for table, column, kind in connection.exec_driver_sql(query):
            types.setdefault(table, {})[column] = kind
    return types


@contextmanager
def raw_connection(engine: Engine) -> Iterator[Driver]:
    """The driver alone, outside of any transaction."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.rollback()
        yield driver


if __name__ == "__main__":
    sys.exit(main())
